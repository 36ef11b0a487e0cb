"""Greedy non-maximum suppression in numpy, equal to mmcv's bit by bit, and other ways to compute the IoU."""

import numpy as np

from cutpoint.ordering import best_first
from cutpoint.recipes.overlap import Overlap, Sides, shift_classes
from cutpoint.records.candidates import take_boxes

# From this number of boxes on, mmcv runs one NMS per class, on the same shifted boxes.
SPLIT_THRESHOLD = 10000
# With more pairs of boxes, a list of pairs takes more memory and time than a loop over the kept boxes.
MOST_PAIRS = 4_000_000
# Smaller areas, px², are rounded too coarsely for this test.
TINY = np.float32(1e-30)


def greedy_nms(
    boxes: np.ndarray, scores: np.ndarray, iou_threshold: float, overlap: Overlap | None = None
) -> np.ndarray:
    """Keep the best box, drop what overlaps it, repeat.

    Args:
        boxes: ``(N, 4)`` float32, ``x1, y1, x2, y2``, any one frame.
        scores: ``(N,)`` float32. Equal scores keep their order.
        iou_threshold: a box is dropped if its IoU with a kept one is strictly greater.
        overlap: how the IoU is computed; null is mmcv's way.

    Returns:
        ``(K,)`` int64, indices of the kept boxes, best first.

    Source:
        ``nms_cpu``, mmcv/ops/csrc/pytorch/cpu/nms.cpp, mmcv 2.1.0 (offset 0), float32 in the same order of
        operations.
    """
    overlap = overlap or Overlap()
    order = best_first(scores)
    sides = overlap.sides(take_boxes(boxes, order))
    threshold = np.float32(iou_threshold)
    pairs = None
    if overlap.intersection == "sides" and threshold >= 0:
        pairs = _rival_pairs(sides, threshold, overlap)
    rows = _one_by_one(sides, threshold, overlap) if pairs is None else _settle(len(order), *pairs)
    return order.take(rows)


def _one_by_one(sides: Sides, threshold: np.float32, overlap: Overlap) -> np.ndarray:
    """Kept rows of boxes in order, best first: each kept box is compared with all boxes that are left."""
    rest = np.arange(len(sides.x1))
    kept = []
    while rest.size:
        best, rest = rest[0], rest[1:]
        kept.append(best)
        rest = rest[~(overlap.iou(sides.take(best), sides.take(rest)) > threshold)]
    return np.array(kept, dtype=np.int64)


def _rival_pairs(
    sides: Sides, threshold: np.float32, overlap: Overlap
) -> tuple[np.ndarray, np.ndarray] | None:
    """The better and the worse row of each pair with an IoU above the threshold, for boxes best first.

    Only pairs whose widths overlap enough are computed, as ``Overlap.iou`` does; the IoU of other pairs is
    too small. Null if there are very many pairs.
    """
    by_x1 = np.argsort(sides.x1)
    s = sides.take(by_x1)
    offset = np.float32(overlap.offset)
    # the overlap must have this fraction of the first box's width; 0.99 and TINY leave room for rounding
    share = (s.areas > TINY) * (np.float32(0.99) * threshold)
    # the old convention: boxes 1 px apart touch; twice the offset leaves room for rounding
    reach = s.x2 + np.float32(2) * offset - share * (s.x2 - s.x1)
    after = np.arange(1, len(by_x1) + 1)
    counts = np.maximum(np.searchsorted(s.x1, reach, side="right") - after, 0)
    ends, total = counts.cumsum(), int(counts.sum())
    if total > MOST_PAIRS:
        return None
    # the partners of row i are i + 1, i + 2, ...; x1 is in order, so the partners have the greater x1
    second = np.arange(total)
    second += (after - ends + counts).repeat(counts)
    width = np.minimum(s.x2.repeat(counts), s.x2.take(second)) - s.x1.take(second) + offset
    low = np.maximum(s.y1.repeat(counts), s.y1.take(second))
    height = np.minimum(s.y2.repeat(counts), s.y2.take(second)) - low + offset
    iou = overlap.iou_of(width, height, s.areas.repeat(counts), s.areas.take(second))
    near = np.flatnonzero(iou > threshold)
    first, second = by_x1.repeat(counts).take(near), by_x1.take(second.take(near))
    return np.minimum(first, second), np.maximum(first, second)


def _settle(count: int, better: np.ndarray, worse: np.ndarray) -> np.ndarray:
    """Kept rows of boxes in order, best first, from the pairs in which only one box may stay.

    A box without a better partner stays, and its partners are dropped. This may free other boxes, so it is
    repeated until no pair is left.
    """
    gone = np.zeros(count, dtype=bool)
    while better.size:
        below = np.zeros(count, dtype=bool)
        below[worse] = True
        gone[worse[~below[better]]] = True
        still = np.flatnonzero(~(gone[better] | gone[worse]))
        better, worse = better.take(still), worse.take(still)
    return np.flatnonzero(~gone)


def class_shifted_nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    iou_threshold: float,
    overlap: Overlap | None = None,
) -> np.ndarray:
    """NMS per class by one NMS on boxes shifted by ``label * (largest coordinate + 1)`` in float32.

    The shift costs precision (a spacing of 0.008 px at 1e5), so pairs close to the threshold can be decided
    in another way than in an NMS per class. mmdet's results have this property, and so have these.

    Args:
        boxes: ``(N, 4)`` float32.
        scores: ``(N,)`` float32.
        labels: ``(N,)`` integers.
        iou_threshold, overlap: as in ``greedy_nms``.

    Returns:
        ``(K,)`` int64, indices of the kept boxes, best first.

    Source:
        ``batched_nms``, mmcv/ops/nms.py, mmcv 2.1.0.
    """
    if not len(boxes):
        return np.zeros(0, dtype=np.int64)
    shifted = shift_classes(boxes, labels)
    if len(boxes) < SPLIT_THRESHOLD:
        return greedy_nms(shifted, scores, iou_threshold, overlap)
    kept = np.sort(_by_class(shifted, scores, labels, iou_threshold, overlap, None))
    return kept.take(best_first(scores[kept]))


def per_class_nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    iou_threshold: float,
    overlap: Overlap | None = None,
    max_per_class: int | None = None,
) -> np.ndarray:
    """One NMS per class on the boxes as they are; arguments and result as in ``class_shifted_nms``.

    Args:
        boxes, scores, labels, iou_threshold, overlap: see there.
        max_per_class: the most boxes per class; null keeps all. Equal scores stay in the order of classes.

    Source:
        ``NonMaxSuppression`` of ONNX with ``max_output_boxes_per_class``, then a top-k over the classes.
    """
    if not len(boxes):
        return np.zeros(0, dtype=np.int64)
    kept = _by_class(boxes, scores, labels, iou_threshold, overlap, max_per_class)
    return kept.take(best_first(scores[kept]))


def _by_class(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    iou_threshold: float,
    overlap: Overlap | None,
    max_per_class: int | None,
) -> np.ndarray:
    """Kept indices, class by class."""
    kept = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        kept.append(
            members[greedy_nms(boxes[members], scores[members], iou_threshold, overlap)[:max_per_class]]
        )
    return np.concatenate(kept)
