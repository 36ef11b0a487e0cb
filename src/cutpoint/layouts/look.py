"""What layouts ask about a file's inputs and outputs."""

import ast
import math
from collections.abc import Iterable, Mapping
from typing import Any

from cutpoint.records.graph_facts import GraphFacts, Tensor

CHANNELS = 3
DTYPES = ("float32", "float16", "uint8")
# nodes that choose rows: behind them the outputs are detections
SELECTING = ("NonMaxSuppression", "TopK")
# nodes that turn offsets into boxes
DECODING = {"Add", "Div", "Exp", "Mul", "Pow", "Sub"}
# characters that a message shows of an axis's name
LONGEST_SIDE = 20
# of a tensor's name
LONGEST_NAME = 80
# the steps of the feature levels, in pixels, that heads without anchors use
LEVELS = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (8, 16), (16, 32), (4, 8, 16), (16, 32, 64))


def image_input(facts: GraphFacts) -> Tensor | None:
    """The input that takes the images: four axes, or three without a batch, and three channels."""
    able = [tensor for tensor in facts.inputs if tensor.dtype in DTYPES]
    for rank in (4, 3):
        for tensor in able:
            if tensor.rank == rank and (CHANNELS in _ends(tensor) or not _known(tensor)):
                return tensor
    return next((tensor for tensor in able if tensor.shape is None), None)


def channels_last(facts: GraphFacts, image: Tensor) -> bool:
    """Whether the channels are the image's last axis."""
    first, last = _ends(image)
    if first == CHANNELS or last != CHANNELS:
        return first != CHANNELS and not isinstance(first, int) and facts.transposed_input
    return True


def fixed_size(facts: GraphFacts, image: Tensor) -> tuple[int, int] | None:
    """Height and width if the file fixes them."""
    if image.shape is None:
        return None
    sides = image.shape[-3:-1] if channels_last(facts, image) else image.shape[-2:]
    height, width = sides
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def written_size(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """Height and width in Ultralytics' property ``imgsz``: ``[480, 640]`` or ``640``; null without it."""
    content = parse(metadata.get("imgsz", ""))
    sides = [content, content] if isinstance(content, int) else content
    if not isinstance(sides, list | tuple) or len(sides) not in (1, 2):
        return None
    sides = [*sides, *sides][:2]
    whole = all(isinstance(side, int) and not isinstance(side, bool) and 0 < side < 1e5 for side in sides)
    return (sides[0], sides[1]) if whole else None


def parse(text: str) -> Any:
    """A short property as a Python value, never evaluated; null if it is none."""
    try:
        return ast.literal_eval(text) if len(text) < 1000 else None
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def ending(tensors: Iterable[Tensor], name: str) -> Tensor | None:
    """The tensor of that name, else the one whose name ends with it (``graph2_pred_boxes``, ``boxes:0``)."""
    tensors = list(tensors)
    bare = {tensor.name: tensor.name.partition(":")[0] for tensor in tensors}
    exact = next((tensor for tensor in tensors if bare[tensor.name] == name), None)
    return exact or next((tensor for tensor in tensors if bare[tensor.name].endswith(f"_{name}")), None)


def side(tensor: Tensor | None, axis: int) -> int | None:
    """The length of an axis; null if it is unknown or there is no such axis."""
    if tensor is None or tensor.shape is None or not -len(tensor.shape) <= axis < len(tensor.shape):
        return None
    length = tensor.shape[axis]
    return length if isinstance(length, int) else None


def is_selected(facts: GraphFacts, tensor: Tensor | None) -> bool:
    """Whether an output's rows were chosen by NMS or top-k."""
    tail = facts.tails.get(tensor.name, ()) if tensor else ()
    return any(kind in SELECTING or "NMS" in kind for kind in tail)


def is_decoded(facts: GraphFacts, tensor: Tensor | None) -> bool:
    """Whether an output went through arithmetic behind the last weights."""
    return bool(tensor) and bool(DECODING & set(facts.tails.get(tensor.name if tensor else "", ())))


def levels_of(rows: int | None, size: tuple[int, int] | None) -> tuple[int, ...] | None:
    """The strides whose cells are as many as an output's rows; null if none fits or a number is unknown."""
    if rows is None or size is None:
        return None
    return next((strides for strides in LEVELS if count_cells(size, strides) == rows), None)


def count_cells(size: tuple[int, int], strides: Iterable[int]) -> int:
    """The number of cells of all levels."""
    height, width = size
    return sum(math.ceil(height / step) * math.ceil(width / step) for step in strides)


def show(tensor: Tensor) -> str:
    """Name, type and shape in words."""
    name = tensor.name if len(tensor.name) <= LONGEST_NAME else f"{tensor.name[:LONGEST_NAME]}..."
    if tensor.shape is None:
        return f"{name} {tensor.dtype} (shape unknown)"
    sides = ", ".join(_show_side(length) for length in tensor.shape)
    return f"{name} {tensor.dtype} ({sides})"


def _show_side(length: int | str | None) -> str:
    """A number or a name; an exporter's formula over several lines tells nobody anything."""
    text = "?" if length is None else str(length)
    return text if len(text) <= LONGEST_SIDE else "?"


def _ends(tensor: Tensor) -> tuple[int | str | None, int | str | None]:
    """The lengths of the axes that may be the channels: the third from last, and the last."""
    if tensor.shape is None or len(tensor.shape) < 3:
        return None, None
    return tensor.shape[-3], tensor.shape[-1]


def _known(tensor: Tensor) -> bool:
    return any(isinstance(end, int) for end in _ends(tensor))
