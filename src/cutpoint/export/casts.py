"""Undo what ONNX Runtime's float16 converter does to the nodes that are to stay float32."""

from collections import Counter

import onnx
from onnx import TensorProto

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


def _target(node: onnx.NodeProto) -> int | None:
    """The type that a cast makes; null for other nodes."""
    return next((a.i for a in node.attribute if a.name == "to"), None) if node.op_type == "Cast" else None


def _is_added(node: onnx.NodeProto) -> bool:
    """Whether the converter added this cast to float16."""
    name = node.name
    own = name.endswith(TO_HALF) or name.removeprefix(INPUT_TO_HALF).isdigit()
    return own and _target(node) == TensorProto.FLOAT16
