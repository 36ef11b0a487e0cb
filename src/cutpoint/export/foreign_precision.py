"""In how many bits a graph made elsewhere computes."""

from collections.abc import Iterator

import onnx_ir as ir

# Of 8 bits or fewer. What a dynamic quantisation writes has no QuantizeLinear.
QUANTISED = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "ConvInteger")
HALF = (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)


def read_precision(model: ir.Model) -> str:
    """The least precision of a graph's weights or nodes: ``int8``, ``fp16``, else ``fp32``.

    ``int8`` is any quantisation, static, dynamic or of the weights alone; ``fp16`` also a graph whose inputs
    and outputs are float32, or of which a part stays so.
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
    """A constant in 16 bits; a cast to them of a value that is cast back is none of the weights."""
    return attribute.type == ir.AttributeType.TENSOR and attribute.value.dtype in HALF
