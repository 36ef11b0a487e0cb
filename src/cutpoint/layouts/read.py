"""Read an external ONNX file with its tensors, and the shapes of its outputs as far as they are known."""

from pathlib import Path

import onnx
import onnx_ir as ir
from onnx.external_data_helper import load_external_data_for_model
from onnx.shape_inference import InferenceError, infer_shapes

from cutpoint.errors import UserError
from cutpoint.onnx_file import check_onnx_file


def read_onnx(path: str, *, weights: bool = True) -> ir.Model:
    """Read a file.

    Args:
        path: the file.
        weights: whether to load the tensors that lie in files next to it; their types are known without.

    Raises:
        UserError: see ``onnx_file.check_onnx_file``; or the file is damaged.
    """
    check_onnx_file(path)
    try:
        model = _with_shapes(onnx.load(path, load_external_data=False))
        if weights:
            load_external_data_for_model(model, str(Path(path).parent))
        return ir.from_proto(model)
    except Exception as error:  # protobuf has its own exceptions
        raise UserError(
            f"{path}: not an ONNX file that can be read ({str(error).splitlines()[0]})"
        ) from error


def _with_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Add the shapes of the outputs if the file leaves them out and its nodes determine them."""
    if all(_is_known(output) for output in model.graph.output):
        return model
    try:
        inferred = {output.name: output for output in infer_shapes(model, data_prop=True).graph.output}
    except InferenceError:  # the run will show it
        return model
    for output in model.graph.output:
        if inferred[output.name].type.tensor_type.HasField("shape"):
            output.type.tensor_type.shape.CopyFrom(inferred[output.name].type.tensor_type.shape)
    return model


def _is_known(value: onnx.ValueInfoProto) -> bool:
    """Whether the file states rank and channels, on any axis."""
    shape = value.type.tensor_type.shape
    return value.type.tensor_type.HasField("shape") and all(d.dim_value or d.dim_param for d in shape.dim)
