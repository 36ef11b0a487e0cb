"""Split a graph in two: the network up to its last convolutions, and the rest."""

import math
from collections.abc import Collection, Iterator

import onnx
import onnx_ir as ir
from onnx import helper

from cutpoint.records.onnx_model import WEIGHTED

# Constants of fewer values are arithmetic: the bins of a distribution, the matrix from centres to corners.
SMALLEST_WEIGHT = 64
# A constant behind them has the same number of values.
RESHAPING = ("Cast", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")


def split(
    model: onnx.ModelProto, ends: Collection[str]
) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto], list[onnx.NodeProto]]:
    """The last nodes with weights on the way to some tensors, the nodes before them, and the rest.

    Args:
        model: its nodes have different names and are sorted.
        ends: names of tensors: the head's own, or the outputs of the graph.
    """
    sizes = constant_sizes(model)
    needed, wanted = set(ends), set[str]()
    last, network, rest = [], [], []
    for node in reversed(model.graph.node):
        in_head = bool(needed.intersection(node.output))
        if in_head:
            needed.update(list_reads(node))
        if wanted.intersection(node.output):
            network.append(node)
        elif in_head and node.op_type in WEIGHTED and has_weight(node, sizes):
            last.append(node)
        else:
            rest.append(node)
            continue
        wanted.update(list_reads(node))
    return last[::-1], network[::-1], rest[::-1]


def extract(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> onnx.ModelProto:
    """A model that has only these nodes. Its outputs are the tensors that other nodes or the graph use."""
    graph = model.graph
    made, inside = {t for n in nodes for t in n.output}, {n.name for n in nodes}
    ordered = [node for node in graph.node if node.name in inside]
    used = {t for node in graph.node if node.name not in inside for t in list_reads(node)}
    used |= {value.name for value in graph.output}
    known = {value.name: value for value in [*graph.value_info, *graph.output]}
    read = {t for node in nodes for t in list_reads(node)}
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
    read = {t for node in nodes for t in list_reads(node)}
    constants = {i.name: i for i in model.graph.initializer if i.name in read}
    taken = {i.name for i in inner.graph.initializer}
    renamed = {name: f"{name}_fp32" for name in constants if name in taken}
    for node in nodes:
        joined.graph.node.add().CopyFrom(node)
        _rename(joined.graph.node[-1], renamed)
    for name, constant in constants.items():
        added = joined.graph.initializer.add()
        added.CopyFrom(constant)
        added.name = renamed.get(name, name)
    del joined.graph.output[:]
    joined.graph.output.extend(model.graph.output)
    made, outputs = {t for node in nodes for t in node.output}, {v.name for v in model.graph.output}
    joined.graph.value_info.extend(
        v for v in model.graph.value_info if v.name in made and v.name not in outputs
    )
    domains = {row.domain for row in joined.opset_import}
    joined.opset_import.extend(row for row in model.opset_import if row.domain not in domains)
    result = ir.from_proto(joined)
    result.graph.sort()
    return result


def list_reads(node: onnx.NodeProto) -> Iterator[str]:
    """The tensors that a node reads, those that its loops and branches read from outside included."""
    yield from node.input
    for graph in _graphs(node):
        own = {value.name for value in [*graph.input, *graph.initializer]}
        own.update(name for inner in graph.node for name in inner.output)
        yield from (value.name for value in graph.output if value.name not in own)
        for inner in graph.node:
            yield from (name for name in list_reads(inner) if name not in own)


def _rename(node: onnx.NodeProto, names: dict[str, str]) -> None:
    """Give the tensors that a node reads other names, in its loops and branches too."""
    for index, name in enumerate(node.input):
        if name in names:
            node.input[index] = names[name]
    for graph in _graphs(node):
        for inner in graph.node:
            _rename(inner, names)


def _graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        yield from ([attribute.g] if attribute.HasField("g") else attribute.graphs)


def constant_sizes(model: onnx.ModelProto) -> dict[str, int]:
    """The number of values of each constant, by name."""
    sizes = {tensor.name: math.prod(tensor.dims) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            sizes[node.output[0]] = sum(math.prod(a.t.dims) for a in node.attribute if a.name == "value")
        elif node.op_type in RESHAPING and node.input[0] in sizes:
            sizes[node.output[0]] = sizes[node.input[0]]
    return sizes


def has_weight(node: onnx.NodeProto, sizes: dict[str, int]) -> bool:
    return any(sizes.get(name, 0) >= SMALLEST_WEIGHT for name in node.input[:2])
