"""Kinds of odd boxes and images, as arrays: which ones, and how bad each is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from cutpoint.data.annotation_model import is_finite
from cutpoint.data.box_faults import area_inside, find_faults, find_reaching, odd_areas
from cutpoint.iou import paired_iou

# the fraction of its image that a box covers, and long side / short side, from which on a box is odd
WHOLE, LONG = 0.95, 20.0
# boxes of one category with at least this IoU may be one object, labelled twice
NEARLY = 0.95
# so many neighbours of a box are compared with it
NEIGHBOURS = 50
# pycocotools scores so many detections of a category on an image (the last of maxDets)
SCORED = 100

NEVER = "no detection can match it: a miss in every number, if it is counted"
FATES = {
    "unreadable": "it cannot be scored",
    "beyond": "it cannot be scored",
    "flat": NEVER,
    "outside": NEVER,
    "far": NEVER,
    "twice": "one object counts as two, and one of them is missed",
}


@dataclass(frozen=True)
class Labelled:
    """Images and their boxes: M images, N annotations of them.

    Attributes:
        annotations: N objects.
        boxes: ``(N, 4)``, x, y, width, height as written; NaN if it is not four finite numbers.
        image: ``(N,)`` int, position of each box's image.
        category: ``(N,)`` int, id of its category; -1 if none of this id is listed.
        is_crowd: ``(N,)`` bool.
        sizes: ``(M, 2)``, width and height (px) of the images.
    """

    annotations: list[dict[str, Any]]
    boxes: np.ndarray
    image: np.ndarray
    category: np.ndarray
    is_crowd: np.ndarray
    sizes: np.ndarray


class Found(NamedTuple):
    """A kind: ``rows``, the annotations or images that it has, and ``badness`` of each of them."""

    kind: str
    what: str
    fate: str
    rows: np.ndarray
    badness: np.ndarray


def odd_boxes(data: Labelled) -> Iterator[Found]:
    """The kinds of odd boxes, from the worst on. Kinds that the data lack have no rows."""
    boxes, sizes = data.boxes, data.sizes[data.image]
    inside = area_inside(boxes, sizes)
    width, height = boxes[:, 2], boxes[:, 3]
    area = np.maximum(width, 0) * np.maximum(height, 0)
    outer = np.max([-boxes[:, :2], boxes[:, :2] + boxes[:, 2:] - sizes], axis=(0, 2))
    # as the checks tell them: a box that is told once is not told again
    told = np.zeros(len(boxes), dtype=bool)
    for fault in find_faults(data.annotations, boxes, sizes):
        badness = outer if fault.key in ("outside", "far") else area
        yield _found(fault.key, fault.what, FATES[fault.key], fault.found & ~told, badness)
        told |= fault.found
    reaches, far = find_reaching(boxes, sizes)
    yield _found("reaches", "bbox that reaches out of its image", "scored as written", reaches, far)
    yield _found("unknown", "category_id that is not listed", "it cannot be scored", data.category < 0, area)
    short, long = np.minimum(width, height), np.maximum(width, height)
    solid = (short > 0) & ~told
    thin = solid & (short < 1)
    yield _found("thin", "bbox thinner than one pixel", "hardly any detection matches it", thin, -short)
    whole = np.where(told, 0, inside / np.maximum(sizes.prod(axis=1), 1))
    what = f"bbox that covers {WHOLE:.0%} of its image or more"
    yield _found("whole", what, "it may label the image, not an object", whole >= WHOLE, whole)
    ratio = long / np.where(solid, short, np.inf)
    what = f"bbox more than {LONG:g} times as long as wide"
    yield _found("long", what, "it may be a slip", (ratio > LONG) & solid & ~thin, ratio)
    found = _nearly_the_same(data)
    what = f"bbox nearly the same as another of its category (IoU {NEARLY:g})"
    yield _found("nearly", what, "it may be one object, labelled twice", found, area)
    what = "bbox that is there in several categories"
    yield _found("categories", what, "it may be one object with two labels", _of_several(data), area)
    given = np.array([_area(annotation) for annotation in data.annotations], dtype=float)
    odd = odd_areas(given, boxes) & ~told
    off = np.abs(np.log(np.maximum(given, 1e-9) / np.maximum(area, 1e-9)))
    yield _found("area", "area that does not fit the bbox", "AP by size goes by it", odd, off)
    yield _found("crowd", "crowd", "detections on it do not count", data.is_crowd, area)


def odd_images(data: Labelled) -> Iterator[Found]:
    """The kinds of odd images; ``rows`` are positions of images."""
    count = np.bincount(data.image, minlength=len(data.sizes))
    what = f"image with more than {SCORED} boxes"
    fate = f"AP counts the {SCORED} best detections of a category on an image"
    yield _found("many", what, fate, count > SCORED, count)
    fate = "every detection on it is a mistake"
    yield _found("empty", "image without a box", fate, count == 0, np.zeros(len(count)))


def _found(kind: str, what: str, fate: str, mask: np.ndarray, badness: np.ndarray) -> Found:
    rows = np.flatnonzero(mask)
    return Found(kind, what, fate, rows, np.nan_to_num(badness[rows], posinf=1e300, neginf=-1e300))


def _area(annotation: dict[str, Any]) -> float:
    """NaN if it is not given."""
    area = annotation.get("area")
    return area if area and is_finite(area) else np.nan


def _nearly_the_same(data: Labelled) -> np.ndarray:
    """``(N,)`` bool: boxes with a nearly equal one of their image and category, which is no copy of it.

    Boxes are sorted by their left side; each is compared with its next ``NEIGHBOURS``, so the work does not
    grow with the square of the boxes on an image.
    """
    boxes, found = data.boxes, np.zeros(len(data.boxes), dtype=bool)
    rows = np.flatnonzero((boxes[:, 2:] > 0).all(axis=1) & ~data.is_crowd & (data.category >= 0))
    rows = rows[np.lexsort((boxes[rows, 0], data.category[rows], data.image[rows]))]
    for step in range(1, NEIGHBOURS + 1):
        left, right = rows[:-step], rows[step:]
        near = (data.image[left] == data.image[right]) & (data.category[left] == data.category[right])
        # boxes that are shifted by more cannot have this IoU
        near &= boxes[right, 0] - boxes[left, 0] <= (1 - NEARLY) * boxes[left, 2]
        if not near.any():
            break
        left, right = left[near], right[near]
        iou = paired_iou(_corners(boxes[left]), _corners(boxes[right]))
        same = (iou >= NEARLY) & (boxes[left] != boxes[right]).any(axis=1)
        found[left[same]] = found[right[same]] = True
    return found


def _corners(boxes: np.ndarray) -> np.ndarray:
    return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


def _of_several(data: Labelled) -> np.ndarray:
    """``(N,)`` bool: boxes that their image has once more in another category; crowds are not looked at."""
    boxes, found = data.boxes, np.zeros(len(data.boxes), dtype=bool)
    rows = np.flatnonzero(~np.isnan(boxes[:, 0]) & ~data.is_crowd & (data.category >= 0))
    keys = (data.category[rows], *boxes[rows].T, data.image[rows])
    rows = rows[np.lexsort(keys)]
    left, right = rows[:-1], rows[1:]
    same = (boxes[left] == boxes[right]).all(axis=1) & (data.image[left] == data.image[right])
    same &= data.category[left] != data.category[right]
    found[left[same]] = found[right[same]] = True
    return found
