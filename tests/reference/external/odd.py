"""Changes to a built file: what exporters, optimisers and people do to inputs, outputs and metadata."""

from collections.abc import Sequence

import onnx
from onnx import helper


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    return onnx.ModelProto.FromString(model.SerializeToString())


def with_metadata(model: onnx.ModelProto, **entries: str | None) -> onnx.ModelProto:
    """Metadata replaced; null removes an entry."""
    model = copied(model)
    for entry in list(model.metadata_props):
        if entry.key in entries:
            model.metadata_props.remove(entry)
    for key, text in entries.items():
        if text is not None:
            model.metadata_props.add(key=key, value=text)
    return model


def renamed(model: onnx.ModelProto, **names: str) -> onnx.ModelProto:
    """Inputs and outputs under other names, several at once."""
    model = copied(model)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*model.graph.input, *model.graph.output):
        value.name = names.get(value.name, value.name)
    return model


def open_sides(model: onnx.ModelProto, axes: Sequence[int] | None = None) -> onnx.ModelProto:
    """Axes of all inputs and outputs of any length; null means every axis."""
    model = copied(model)
    for value in (*model.graph.input, *model.graph.output):
        for axis, side in enumerate(value.type.tensor_type.shape.dim):
            if axes is None or axis in axes:
                side.Clear()
                side.dim_param = f"{value.name}_{axis}"
    return model


def shaped(model: onnx.ModelProto, output: int, shape: Sequence[int | str] | None) -> onnx.ModelProto:
    """Another declared shape of an output; null means none."""
    model = copied(model)
    value = model.graph.output[output]
    kind = value.type.tensor_type.elem_type
    value.CopyFrom(helper.make_tensor_value_info(value.name, kind, shape))
    return model


def with_output(model: onnx.ModelProto, name: str, shape: Sequence[int]) -> onnx.ModelProto:
    """The first output once more, in another shape, behind the others."""
    model = copied(model)
    first = model.graph.output[0]
    size = helper.make_node("Constant", [], [f"{name}_shape"], value_ints=list(shape))
    model.graph.node.append(size)
    model.graph.node.append(helper.make_node("Reshape", [first.name, f"{name}_shape"], [name]))
    kind = first.type.tensor_type.elem_type
    model.graph.output.append(helper.make_tensor_value_info(name, kind, shape))
    return model


def channels_last(model: onnx.ModelProto) -> onnx.ModelProto:
    """The first input as (B, H, W, 3), transposed in front."""
    model = copied(model)
    first = model.graph.input[0]
    for node in model.graph.node:
        node.input[:] = ["channels_first" if name == first.name else name for name in node.input]
    model.graph.node.insert(
        0, helper.make_node("Transpose", [first.name], ["channels_first"], perm=[0, 3, 1, 2])
    )
    sides = first.type.tensor_type.shape.dim
    batch, channels, height, width = (side.dim_value or side.dim_param for side in sides)
    kind = first.type.tensor_type.elem_type
    first.CopyFrom(helper.make_tensor_value_info(first.name, kind, [batch, height, width, channels]))
    return model
