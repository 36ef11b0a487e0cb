"""The boxes of COCO annotations: entries that are not boxes, and boxes that can never match a detection."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np

from cutpoint.data.annotation_entries import name_entry, refuse
from cutpoint.data.annotation_model import FURTHEST, is_finite
from cutpoint.data.box_faults import ROUNDING, find_faults, find_reaching
from cutpoint.errors import Gathered

# Another reading of the numbers is tried if this fraction of the boxes reaches out of the images by this
# fraction of the image's side; this fraction must then fit the other reading.
BEYOND, MARGIN, FIT = 0.1, 0.05, 0.95
# fewer boxes may be single mistakes
FEW = 3
# up to this fraction of the annotations is accepted: COCO's own training set has such boxes
ORDINARY = 0.001


def read_boxes(annotations: list[dict[str, Any]]) -> np.ndarray:
    """``(N, 4)`` float64: x, y, width, height as written; NaN if it is not four finite numbers."""
    written: list[Any] = [annotation.get("bbox") for annotation in annotations]
    if set(map(type, written)) == {list} and {len(box) for box in written} == {4}:
        numbers = list(chain.from_iterable(written))
        if set(map(type, numbers)) <= {int, float} and all(map(is_finite, numbers)):
            return np.array(numbers, dtype=float).reshape(-1, 4)
    boxes = np.full((len(annotations), 4), np.nan)
    for position, box in enumerate(written):
        if isinstance(box, list) and len(box) == 4 and all(map(is_finite, box)):
            boxes[position] = box
    return boxes


def check_reading(where: str, content: dict[str, Any], boxes: np.ndarray, sizes: np.ndarray) -> None:
    """Refuse a file whose boxes are fractions, corners, centres, or have x and y swapped.

    Args:
        where: start of the messages: config key and file.
        content: the file's content, its entries checked.
        boxes: ``(N, 4)``, from ``read_boxes``.
        sizes: ``(N, 2)``, width and height (px) of each box's image.

    Raises:
        UserError: names the reading that fits, the number of boxes that show it, and the first one.
    """
    known = np.flatnonzero(~np.isnan(boxes[:, 0]))
    boxes, sizes = boxes[known], sizes[known]
    solid = (boxes[:, 2:] > 0).all(axis=1)
    fractions = solid & (boxes >= -0.01).all(axis=1) & (boxes <= 1.01).all(axis=1) & (sizes > 2).all(axis=1)
    count = np.count_nonzero(fractions)
    if count and (count >= FEW or count == np.count_nonzero(solid)):
        wrong = known[fractions].tolist()
        what = "bbox that is fractions of the image's size"
        refuse(where, content, "annotations", wrong, what, "multiply them by the image's width and height")
    beyond = (boxes[:, :2] + boxes[:, 2:] > sizes * (1 + MARGIN)).any(axis=1)
    if np.count_nonzero(beyond) < max(FEW, BEYOND * len(boxes)):
        return
    for reading, corners in _readings(boxes):
        low, high = corners[:, :2], corners[:, 2:]
        fits = (low >= -ROUNDING) & (high <= sizes + ROUNDING) & (high > low)
        if fits.all(axis=1).mean() >= FIT:
            refuse(
                where, content, "annotations", known[beyond].tolist(),
                f"bbox that reaches out of its image, and read as {reading} it would fit",
                "write x and y of the upper left corner, width, height",
            )  # fmt: skip


def _readings(boxes: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Other meanings of the four numbers, with the corners that they give."""
    point, size = boxes[:, :2], boxes[:, 2:]
    yield "two corners", boxes
    yield "y, x, height, width", np.hstack([point, point + size])[:, [1, 0, 3, 2]]
    yield "centre and size", np.hstack([point - size / 2, point + size / 2])


def choose_boxes(
    where: str,
    content: dict[str, Any],
    boxes: np.ndarray,
    sizes: np.ndarray,
    choice: str | None,
    key: str,
) -> tuple[np.ndarray, list[str]]:
    """Choose the annotations that are scored: all, or all that can match a detection, as the config says.

    Args:
        where, content, boxes, sizes: as in ``check_reading``.
        choice: ``drop``: invalid boxes are left out; ``count``: they stay as missed objects, as in
            pycocotools; null: they are refused, unless they are at most ``ORDINARY`` of all.
        key: the config key of the choice, for messages.

    Returns:
        ``(N,)`` bool, the annotations that are scored, and notes for people.

    Raises:
        UserError: names the kind of invalid box, the number of boxes, and the first one; ``UserErrors`` for
            several kinds.
    """
    total, notes = len(boxes), []
    kept, told = np.ones(total, dtype=bool), np.zeros(total, dtype=bool)
    gathered = Gathered()
    for _, what, mend, found in find_faults(content["annotations"], boxes, sizes):
        wrong = np.flatnonzero(found & kept & ~told)
        if not len(wrong):
            continue
        countable = bool((np.abs(boxes[wrong]) <= FURTHEST).all())  # false for NaN
        if choice != "drop" and not (countable and (choice == "count" or len(wrong) <= ORDINARY * total)):
            both = f"{key}: drop (left out) or count (missed objects, as in pycocotools)"
            ways = both if countable else f"{key}: drop (left out)"
            told[wrong] = True
            with gathered.one():
                refuse(where, content, "annotations", wrong.tolist(), what, f"{mend}, or set {ways}")
            continue
        if choice == "drop":
            kept[wrong] = False
        fate = "left out" if choice == "drop" else "kept, as pycocotools does"
        first = name_entry(content, "annotations", int(wrong[0]))
        notes.append(f"{what}: {len(wrong)} of {total} annotations, first {first}: {fate}")
    gathered.stop()
    return kept, notes + _unusual(content, boxes, sizes)


def _unusual(content: dict[str, Any], boxes: np.ndarray, sizes: np.ndarray) -> list[str]:
    """Notes on what may be right or a mistake; AP stays as pycocotools computes it."""
    notes = []
    reaches, far = find_reaching(boxes, sizes)
    beyond = np.flatnonzero(reaches)
    if len(beyond):
        first = name_entry(content, "annotations", int(beyond[0]))
        notes.append(
            f"bbox that reaches out of its image: {len(beyond)} of {len(boxes)} annotations, first {first}, "
            f"by up to {far[beyond].max():.0f} px: scored as written"
        )
    solid = (boxes[:, 2:] > 0).all(axis=1)
    ends = (boxes[:, :2] + boxes[:, 2:])[solid] / sizes[solid]
    if len(ends) >= 20 and ends.max() <= 0.5:
        notes.append(
            "no bbox reaches out of the upper left quarter of its image: the boxes may be percents, or of "
            "smaller copies of the images"
        )
    return notes
