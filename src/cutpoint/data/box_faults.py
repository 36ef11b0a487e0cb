"""Kinds of boxes of annotations that can never match a detection, or that reach out of their image."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from cutpoint.data.annotation_model import FURTHEST
from cutpoint.errors import SHOWN

# pixels that a box may reach out of its image by rounding
ROUNDING = 1.0
# a box with a smaller fraction inside the image cannot match a detection that is clipped to the image
LEAST_INSIDE = 0.5


class BoxFault(NamedTuple):
    """A kind of invalid box.

    Attributes:
        key: its short name.
        what: what is wrong, for messages.
        mend: how to mend it.
        found: ``(N,)`` bool, the boxes of this kind.
    """

    key: str
    what: str
    mend: str
    found: np.ndarray


def find_faults(
    annotations: list[dict[str, Any]], boxes: np.ndarray, sizes: np.ndarray
) -> Iterator[BoxFault]:
    """The kinds of invalid boxes, from the worst on; a box may be of several.

    Args:
        annotations: N objects.
        boxes: ``(N, 4)``, from ``annotation_boxes.read_boxes``.
        sizes: ``(N, 2)``, width and height (px) of each box's image.
    """
    unread = np.isnan(boxes[:, 0])
    if unread.any():
        shown = _as_json(annotations[int(np.argmax(unread))].get("bbox"))
        what = f"bbox that is not four finite numbers ({shown})"
        yield BoxFault("unreadable", what, "write x, y, width, height in pixels", unread)
    beyond = (np.abs(boxes) > FURTHEST).any(axis=1)
    yield BoxFault("beyond", f"bbox with a number beyond {FURTHEST:g}", "correct them", beyond)
    flat = (boxes[:, 2] <= 0) | (boxes[:, 3] <= 0)
    yield BoxFault("flat", "width or height of the bbox is 0 or negative", "correct them", flat)
    area = boxes[:, 2] * boxes[:, 3]
    inside = area_inside(boxes, sizes)
    yield BoxFault("outside", "bbox outside its image", "correct them", ~flat & (inside == 0))
    far = ~flat & (inside > 0) & (inside < LEAST_INSIDE * area)
    yield BoxFault("far", "bbox with less than half of itself inside its image", "correct them", far)
    what = "annotation that is there twice (image, category, bbox, iscrowd)"
    yield BoxFault("twice", what, "remove the second", _again(annotations, boxes))


def find_reaching(boxes: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes that reach out of their image, and may be right or a mistake; arguments as in ``find_faults``.

    Returns:
        ``(N,)`` bool, those that do with at most half of themselves; ``(N,)``: by how many pixels each does.
    """
    solid = (boxes[:, 2:] > 0).all(axis=1)
    far: np.ndarray = np.max([-boxes[:, :2], boxes[:, :2] + boxes[:, 2:] - sizes], axis=(0, 2))
    partly = solid & (area_inside(boxes, sizes) >= LEAST_INSIDE * boxes[:, 2] * boxes[:, 3])
    return (far > ROUNDING) & partly, far


def odd_areas(area: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """``(N,)`` bool: the area is much larger than the box, or a fraction. A mask may be much smaller.

    Args:
        area: ``(N,)``, as written (px^2); NaN is never odd.
        boxes: ``(N, 4)``, from ``annotation_boxes.read_boxes``.
    """
    of_box = boxes[:, 2] * boxes[:, 3]
    odd: np.ndarray = (area > 1.5 * of_box + 10) | ((area <= 1) & (of_box / 100 > 1))
    return odd


def area_inside(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """``(N,)``: area (px^2) of the part of each box that is in its image."""
    low, high = np.maximum(boxes[:, :2], 0), np.minimum(boxes[:, :2] + boxes[:, 2:], sizes)
    area: np.ndarray = np.clip(high - low, 0, None).prod(axis=1)
    return area


def _as_json(value: Any) -> str:
    """A value as the file has it, cut to what a message shows."""
    try:
        text = json.dumps(value)
    except RecursionError:
        return "nested too deeply to show"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _again(annotations: list[dict[str, Any]], boxes: np.ndarray) -> np.ndarray:
    """``(N,)`` bool: an earlier annotation is the same except for its id."""
    seen: set[tuple[Any, ...]] = set()
    again = np.zeros(len(annotations), dtype=bool)
    for position, (annotation, box) in enumerate(zip(annotations, boxes.tolist(), strict=True)):
        ids = annotation.get("image_id"), annotation.get("category_id")
        if box[0] == box[0] and type(ids[0]) is type(ids[1]) is int:
            entry = (*ids, bool(annotation.get("iscrowd")), *box)
            again[position] = entry in seen
            seen.add(entry)
    return again
