"""The precision that an external graph computes in."""

from collections.abc import Iterator
from typing import Literal

import onnx_ir as ir

# Operators with 8 bits or fewer. Dynamic quantisation writes no QuantizeLinear.
QUANTISED = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "ConvInteger")
HALF = (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)


def read_precision(model: ir.Model) -> Literal["fp32", "fp16", "int8"]:
    """The lowest precision of a graph's weights or nodes: ``int8``, ``fp16``, or else ``fp32``.

    ``int8`` means any quantisation: static, dynamic or weights only. A graph is ``fp16`` even if its inputs
    and outputs, or a part of it, are float32.
    """
    half = any(value.dtype in HALF for graph in model.graphs() for value in graph.initializers.values())
    for node in _nodes(model):
        if node.op_type in QUANTISED or node.op_type.startswith("QLinear") or node.op_type.endswith("NBits"):
            return "int8"
        half |= any(_is_half(attribute) for attribute in node.attributes.values())
    return "fp16" if half else "fp32"


def _nodes(model: ir.Model) -> Iterator[ir.Node]:
    for graph in model.graphs():
        yield from graph
    for function in model.functions.values():
        yield from function


def _is_half(attribute: ir.Attr) -> bool:
    """Whether it is a constant in 16 bits. A value that is cast to 16 bits and back is not a weight."""
    return attribute.type == ir.AttributeType.TENSOR and attribute.value.dtype in HALF
