"""The input of an external ONNX graph that takes the images, and constants in place of its other inputs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from cutpoint.export.external_graph import ExternalGraph
from cutpoint.records.image import TensorForm

CHANNELS = 3
# a file with channels last begins with this permutation if PyTorch's operators follow
TO_NCHW = (0, 3, 1, 2)
# values of an input that are computed from the size of the images: which of width and height comes first
SIZES = {"network_wh": (1, 0), "network_hw": (0, 1)}
NUMBERS = {
    "float32": ir.DataType.FLOAT,
    "float16": ir.DataType.FLOAT16,
    "uint8": ir.DataType.UINT8,
}


def open_float_input(graph: ExternalGraph) -> None:
    """Take the single input of a file that belongs to an mmdet model: ``(B, 3, H, W)`` float32.

    Raises:
        UserError: it has other inputs.
    """
    inputs = graph.inputs
    if len(inputs) != 1 or inputs[0].dtype != ir.DataType.FLOAT:
        raise graph.error(
            f"one float32 input is needed, it has: {_name(inputs)}; export it with the images as its only "
            "input, float32"
        )
    [graph.images] = inputs
    shape = graph.images.shape
    if shape is None or (len(shape) == 4 and shape[1] == CHANNELS):
        return
    name = graph.images.name
    turned = any(
        node.op_type == "Transpose" and tuple(node.attributes["perm"].as_ints()) == TO_NCHW
        for node, _ in graph.images.uses()
        if "perm" in node.attributes
    )
    if len(shape) == 4 and (shape[3] == CHANNELS or (turned and not isinstance(shape[1], int))):
        raise graph.error(
            f"input {name} has shape {shape}: its channels come last (NHWC), (B, 3, H, W) is "
            "needed; export it with channels first (NCHW)"
        )
    if len(shape) != 4 or isinstance(shape[1], int):
        raise graph.error(f"input {name} has shape {shape}; (B, 3, H, W) is needed")


def open_input(graph: ExternalGraph, form: TensorForm, constants: dict[str, Any]) -> None:
    """Take the input for the images as it is, and give every other input a constant value.

    An input for one image without an axis for images gets this axis.

    Args:
        graph: the file.
        form: the type and the axes of the images.
        constants: the value of each other input: a number, a list, or a key of ``SIZES``, which is the size
            of the network's input in pixels, for each image.

    Raises:
        UserError: the inputs are not these, or a value has not the input's shape.
    """
    unknown = sorted(constants.keys() - {value.name for value in graph.inputs})
    if unknown:
        raise graph.error(
            f"constants.{unknown[0]}: it has no such input; it has: {_name(graph.inputs)}; remove it"
        )
    images = [value for value in graph.inputs if value.name not in constants]
    if len(images) != 1:
        raise graph.error(
            f"one input is for the images, the others need a value; it has: {_name(graph.inputs)}; write "
            "`constants: {NAME: value}` for the others, a number, a list, network_wh or network_hw"
        )
    [graph.images] = images
    graph.axes = (1, 2) if form.channels_last else (2, 3)
    _check_form(graph, form)
    if graph.images.shape is not None and len(graph.images.shape) == 3:
        _add_batch(graph)
    elif graph.images.shape is None:
        sides = [None, None, None, CHANNELS] if form.channels_last else [None, CHANNELS, None, None]
        graph.images.shape = ir.Shape(sides)
    for value in graph.inputs:
        if value is not graph.images:
            _fill(graph, value, constants[str(value.name)])


def _name(inputs: Sequence[ir.Value]) -> str:
    return ", ".join(f"{value.name} ({value.dtype})" for value in inputs)


def _check_form(graph: ExternalGraph, form: TensorForm) -> None:
    images = graph.images
    if images.dtype != NUMBERS[form.dtype]:
        raise graph.error(f"input {images.name} is {images.dtype}; images are {', '.join(NUMBERS)}")
    if images.shape is None:
        return
    shape = tuple(images.shape)
    channels = shape[-1 if form.channels_last else -3] if len(shape) in (3, 4) else 0
    if channels != CHANNELS and isinstance(channels, int):
        wanted = "(B, H, W, 3)" if form.channels_last else "(B, 3, H, W)"
        raise graph.error(
            f"input {images.name} has shape {images.shape}; {wanted}, or the same without B, is needed"
        )


def _add_batch(graph: ExternalGraph) -> None:
    """Give the input for one image an axis for images."""
    one = graph.images
    graph.images = ir.Value(name=f"{one.name}_batch", type=one.type, shape=ir.Shape([1, *(one.shape or ())]))
    with graph.in_front():
        squeezed = (
            graph.op("Squeeze", graph.images, axes=[0])
            if graph.opset < 13
            else graph.op("Squeeze", graph.images, graph.const([0]))
        )
    squeezed.shape, squeezed.type = one.shape, one.type
    graph.graph.inputs.insert(0, graph.images)
    graph.replace_input(one, squeezed)


def _fill(graph: ExternalGraph, value: ir.Value, given: Any) -> None:
    """Replace an input by its value, repeated to its shape."""
    where, by_size = f"constants.{value.name}", isinstance(given, str)
    if by_size and given not in SIZES:
        raise graph.error(f"{where}: {given!r} is unknown; known: a number, a list, {', '.join(SIZES)}")
    if value.dtype is None or (value.shape is None and not by_size):
        raise graph.error(f"{where}: the file does not say the input's type and shape; export it with them")
    shape = (None, 2) if value.shape is None else tuple(value.shape)
    if by_size and shape and not isinstance(shape[-1], int):
        shape = (*shape[:-1], 2)  # the file leaves open what can only be width and height
    height, width = (graph.images.shape[axis] for axis in graph.axes) if graph.images.shape else (None, None)
    if by_size and isinstance(height, int) and isinstance(width, int):
        given, by_size = [(height, width)[index] for index in SIZES[given]], False
    with graph.in_front():
        content = _size_of(graph, value, given) if by_size else _constant(graph, value, given, shape)
        if content is None or (by_size and shape[-1:] != (2,)):
            raise graph.error(f"{where}: {given} does not fit the input's shape {list(shape)}")
        if by_size or not all(isinstance(side, int) for side in shape):
            content = graph.op("Expand", content, _lengths(graph, where, shape))
    content.shape, content.type = value.shape, value.type
    graph.replace_input(value, content)


def _size_of(graph: ExternalGraph, value: ir.Value, name: str) -> ir.Value:
    """The size of the images, ``(2,)`` of the input's type, computed when the graph runs."""
    axes = graph.const([graph.axes[index] for index in SIZES[name]])
    size = graph.op("Gather", graph.op("Shape", graph.images), axes, axis=0)
    return graph.op("Cast", size, to=value.dtype)


def _constant(graph: ExternalGraph, value: ir.Value, given: Any, shape: tuple[Any, ...]) -> ir.Value | None:
    """A constant of the input's type, axes of unknown length once; null if it does not fit the shape."""
    kind = value.dtype.numpy() if value.dtype else None
    fixed = [side if isinstance(side, int) else 1 for side in shape]
    try:
        return graph.const(np.broadcast_to(np.asarray(given, dtype=kind), fixed), kind)
    except ValueError:
        return None


def _lengths(graph: ExternalGraph, where: str, shape: tuple[Any, ...]) -> ir.Value:
    """The lengths of an input's axes: the first is that of the images, the last two their size."""
    found = []
    for axis, side in enumerate(shape):
        if isinstance(side, int):
            found.append(graph.const([side]))
        elif axis == 0:
            found.append(graph.size(graph.images, 0))
        elif len(shape) > 2 and axis >= len(shape) - 2:
            found.append(graph.size(graph.images, graph.axes[axis - len(shape)]))
        else:
            raise graph.error(f"{where}: the length of axis {axis} of its shape {list(shape)} is not known")
    return graph.op("Concat", *found, axis=0)
