"""Read an external ONNX file with its tensors, and the shapes of its outputs as far as they are known."""

from pathlib import Path

import onnx
import onnx_ir as ir
from onnx.external_data_helper import load_external_data_for_model
from onnx.shape_inference import InferenceError, infer_shapes

from cutpoint.errors import UserError
from cutpoint.layouts.sound import check_memory, check_sound
from cutpoint.layouts.texts import check_texts
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
        proto = onnx.load(path, load_external_data=False)
        check_sound(path, proto)
        check_texts(path, proto)
        _open_sides(proto)
        model = _with_shapes(path, proto)
        if weights:
            load_external_data_for_model(model, str(Path(path).parent))
        return ir.from_proto(model)
    except UserError:
        raise
    except Exception as error:  # protobuf has its own exceptions
        raise UserError(
            f"{path}: not an ONNX file that can be read ({_reason(error)}); export it again"
        ) from error


def _reason(error: BaseException) -> str:
    """The first line of the error at the bottom; onnx_ir says above it where it was."""
    while error.__cause__ is not None:
        error = error.__cause__
    return next(iter(str(error).splitlines()), type(error).__name__)


def _open_sides(model: onnx.ModelProto) -> None:
    """A side of -1, as some exporters write it, is one that the file leaves open."""
    for value in (*model.graph.input, *model.graph.output):
        for side in value.type.tensor_type.shape.dim:
            if side.dim_value < 0:
                side.Clear()


def _with_shapes(path: str, model: onnx.ModelProto) -> onnx.ModelProto:
    """Add the sides of the outputs that the file leaves out and its nodes determine."""
    try:
        found = infer_shapes(model, data_prop=True)
    except InferenceError:  # the run will show it
        return model
    check_memory(path, found)
    if all(_is_known(output) for output in model.graph.output):
        return model
    inferred = {output.name: output for output in found.graph.output}
    for output in model.graph.output:
        if inferred[output.name].type.tensor_type.HasField("shape"):
            _fill_in(output.type.tensor_type.shape, inferred[output.name].type.tensor_type.shape)
    return model


def _is_known(value: onnx.ValueInfoProto) -> bool:
    """Whether the file states the rank, and the length of every axis but the first."""
    shape = value.type.tensor_type.shape
    stated = [bool(side.dim_value) for side in shape.dim]
    named = [bool(side.dim_value or side.dim_param) for side in shape.dim]
    return value.type.tensor_type.HasField("shape") and all(named[:1] + stated[1:])


def _fill_in(shape: onnx.TensorShapeProto, inferred: onnx.TensorShapeProto) -> None:
    """Add what the nodes determine; a side's own name stays."""
    if len(shape.dim) != len(inferred.dim):
        shape.CopyFrom(inferred)
    for side, found in zip(shape.dim, inferred.dim, strict=True):
        if found.dim_value or not side.dim_param:
            side.CopyFrom(found)
