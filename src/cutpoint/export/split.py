"""Split a traced graph in two: the network up to the head's last convolutions, and the rest."""

import onnx
import onnx_ir as ir
from onnx import helper

from cutpoint.records.onnx_model import WEIGHTED


def split(
    model: onnx.ModelProto, raw_names: tuple[str, ...]
) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto], list[onnx.NodeProto]]:
    """The head's last nodes with weights, the nodes before them, and the nodes after them."""
    needed, wanted = set(raw_names), set[str]()
    last, network, rest = [], [], []
    for node in reversed(model.graph.node):
        in_head = bool(needed.intersection(node.output))
        if in_head:
            needed.update(node.input)
        if wanted.intersection(node.output):
            network.append(node)
        elif in_head and node.op_type in WEIGHTED:
            last.append(node)
        else:
            rest.append(node)
            continue
        wanted.update(node.input)
    return last[::-1], network[::-1], rest[::-1]


def extract(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> onnx.ModelProto:
    """A model that has only these nodes. Its outputs are the tensors that other nodes or the graph use."""
    graph = model.graph
    made, inside = {t for n in nodes for t in n.output}, {n.name for n in nodes}
    ordered = [node for node in graph.node if node.name in inside]
    used = {t for node in graph.node if node.name not in inside for t in node.input}
    used |= {value.name for value in graph.output}
    known = {value.name: value for value in [*graph.value_info, *graph.output]}
    read = {t for node in nodes for t in node.input}
    extracted = helper.make_graph(
        ordered,
        graph.name,
        graph.input,
        [known[t] for node in ordered for t in node.output if t in used],
        [i for i in graph.initializer if i.name in read],
        value_info=[v for name, v in known.items() if name in made and name not in used],
    )
    return helper.make_model(extracted, opset_imports=model.opset_import, ir_version=model.ir_version)


def join(inner: onnx.ModelProto, model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> ir.Model:
    """The converted model, followed by the nodes that were left out, with the outputs of the whole model."""
    joined = onnx.ModelProto()
    joined.CopyFrom(inner)
    read = {t for node in nodes for t in node.input}
    constants = {i.name: i for i in model.graph.initializer if i.name in read}
    taken = {i.name for i in inner.graph.initializer}
    for node in nodes:
        joined.graph.node.add().CopyFrom(node)
        for index, name in enumerate(node.input):
            if name in constants and name in taken:
                joined.graph.node[-1].input[index] = f"{name}_fp32"
    for name, constant in constants.items():
        added = joined.graph.initializer.add()
        added.CopyFrom(constant)
        added.name = f"{name}_fp32" if name in taken else name
    del joined.graph.output[:]
    joined.graph.output.extend(model.graph.output)
    made, outputs = {t for node in nodes for t in node.output}, {v.name for v in model.graph.output}
    joined.graph.value_info.extend(
        v for v in model.graph.value_info if v.name in made and v.name not in outputs
    )
    result = ir.from_proto(joined)
    result.graph.sort()
    return result
