"""Mend what ONNX Runtime's float16 converter makes: casts between float32 nodes, and silent overflows."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto

# the smallest value that float16 rounds to infinity
FP16_INFINITE = 65520.0
# The ends of the converter's names.
TO_HALF, INPUT_TO_HALF = "_cast_to_fp16_node", "graph_input_cast"


def mend_casts(converted: onnx.ModelProto, before: onnx.ModelProto) -> None:
    """Let values between float32 nodes stay float32.

    The converter rounds every value to float16 and back, also a constant and a value between two nodes that
    it leaves alone, and writes the way back once for each reader, with one name.

    Args:
        converted: what the converter made; it is changed.
        before: what it was made from.

    Source:
        ``convert_float_to_float16``, onnxruntime/transformers/float16.py, ONNX Runtime 1.31.
    """
    graph = converted.graph
    constants = {i.name: i for i in before.graph.initializer if i.data_type == TensorProto.FLOAT}
    halves = {i.name for i in graph.initializer if i.data_type == TensorProto.FLOAT16}
    outputs = {value.name for value in graph.output}
    to_half = {node.output[0]: node for node in graph.node if _is_added(node)}
    nodes, renamed, back = [], dict[str, str](), set[str]()
    for node in graph.node:
        if _target(node) != TensorProto.FLOAT:
            nodes.append(node)
            continue
        source, target = node.input[0], node.output[0]
        if target in back:
            continue
        back.add(target)
        if source in constants and source in halves and target not in outputs:
            graph.initializer.add().CopyFrom(constants[source])
            graph.initializer[-1].name = target
        elif source in to_half and target not in outputs:
            renamed[target] = to_half[source].input[0]
        else:
            if source in to_half:
                node.input[0] = to_half[source].input[0]
            nodes.append(node)
    for node in nodes:
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)
    read = Counter(name for node in nodes for name in node.input)
    kept = [node for node in nodes if read[node.output[0]] or not _is_added(node)]
    used = {name for node in kept for name in node.input}
    weights = [i for i in graph.initializer if i.name in used or i.name in outputs]
    values = {value.name: value for value in graph.value_info}
    for field, entries in (("node", kept), ("initializer", weights), ("value_info", values.values())):
        copies = [type(entry).FromString(entry.SerializeToString()) for entry in entries]
        del getattr(graph, field)[:]
        getattr(graph, field).extend(copies)


def list_halves(converted: onnx.ModelProto) -> set[str]:
    """The tensors that are float16 in a converted graph, also those that are cast to float32 at its end."""
    graph = converted.graph
    halves = {v.name for v in graph.value_info if v.type.tensor_type.elem_type == TensorProto.FLOAT16}
    outputs = {value.name for value in graph.output}
    return halves | {n.output[0] for n in graph.node if n.op_type == "Cast" and n.output[0] in outputs}


def mark_overflows(model: ir.Model, names: Iterable[str]) -> None:
    """Make NaN of every value of some tensors that float16 cannot hold; all others stay as they are.

    Where ONNX Runtime has no float16 kernel, as on most CPUs, it computes in float32 and leaves out the casts
    between, so that a value which is infinite in float16 stays a number. A sigmoid makes a sound score even
    of infinity. NaN goes through to the outputs.

    Args:
        model: it is changed.
        names: of float32 tensors that were cast from float16.
    """
    tape = ir.tape.Tape(model.graph)
    # a float32 that is infinite after this is infinite in float16
    factor = np.float32(np.finfo(np.float32).max / FP16_INFINITE)
    scale = tape.initializer(ir.tensor(np.array(factor), name="float16_overflow_scale"))
    values = {value.name: value for node in model.graph for value in node.outputs}
    for name in names:
        value = values[name]
        uses = list(value.uses())
        value.name = f"{name}_float16"
        large = tape.op("Mul", [value, scale], output=_like(value, f"{name}_scaled"))
        # x - x is 0, and NaN if x is infinite
        zero = tape.op("Sub", [large, large], output=_like(value, f"{name}_zero"))
        checked = tape.op("Add", [value, zero], output=_like(value, name))
        for user, index in uses:
            user.replace_input_with(index, checked)
        for index, output in enumerate(model.graph.outputs):
            if output is value:
                model.graph.outputs[index] = checked
    model.graph.sort()


def _like(value: ir.Value, name: str) -> ir.Value:
    return ir.Value(name=name, type=value.type, shape=value.shape)


def _target(node: onnx.NodeProto) -> int | None:
    """The type that a cast makes; null for other nodes."""
    return next((a.i for a in node.attribute if a.name == "to"), None) if node.op_type == "Cast" else None


def _is_added(node: onnx.NodeProto) -> bool:
    """Whether the converter added this cast to float16."""
    name = node.name
    own = name.endswith(TO_HALF) or name.removeprefix(INPUT_TO_HALF).isdigit()
    return own and _target(node) == TensorProto.FLOAT16
