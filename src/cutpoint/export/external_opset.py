"""Old operators of an external ONNX graph, converted to ones that nodes can be added to."""

import onnx_ir as ir
from onnx import version_converter

from cutpoint.errors import UserError

OLDEST, TARGET = 11, 13


def convert_old(path: str, model: ir.Model) -> ir.Model:
    """A graph with opset ``TARGET`` if its own is older than ``OLDEST``; any other is returned as it is.

    Args:
        path: names the file in the message.
        model: with its tensors.

    Raises:
        UserError: ONNX's converter does not know an operator of it.
    """
    opset = model.opset_imports.get("", model.opset_imports.get("ai.onnx", 0))
    if opset >= OLDEST:
        return model
    try:
        converted = version_converter.convert_version(ir.to_proto(model), TARGET)
    except Exception as error:  # the converter's own exceptions share no base but this
        raise UserError(
            f"{path}: opset {opset}; {OLDEST} or later is needed, and ONNX's converter fails "
            f"({str(error).splitlines()[0]}); export it again with torch.onnx.export(..., opset_version=17), "
            "or with another exporter's key for the opset"
        ) from error
    made = ir.from_proto(converted)
    made.metadata_props.update(model.metadata_props)
    return made
