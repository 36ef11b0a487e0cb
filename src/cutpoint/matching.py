"""Pair boxes that belong together: the detections of two sides, or detections and candidates.

Every pairing is made here, except the one of detections and ground truth, which pycocotools makes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from cutpoint.iou import box_iou, paired_iou
from cutpoint.records.detections import Results

# two variants agree on a detection if its pair has at least this IoU
AGREEMENT_IOU = 0.9
# the lowest IoU of a pair of detections: a detection without such a partner is extra or missing
PAIR_IOU = 0.5
# combinations that are computed at once
BLOCK = 2**18
# stands for a distance that is too far: larger than all distances of an image
FAR = 1e6


@dataclass(frozen=True)
class Pairs:
    """K pairs. Each row of a side is in at most one pair.

    Attributes:
        left: ``(K,)`` int64, rows of the first side.
        right: ``(K,)`` int64, rows of the other side.
    """

    left: np.ndarray
    right: np.ndarray

    def __len__(self) -> int:
        return len(self.left)


@dataclass(frozen=True)
class Overlaps:
    """The detections of two variants, and which of them overlap.

    Attributes:
        reference: n detections.
        variant: m detections.
        left: ``(P,)`` int64, rows of the reference.
        right: ``(P,)`` int64, rows of the variant: of the same image and class, with an IoU of at least
            ``PAIR_IOU``; in the order of choosing.
        iou: ``(P,)`` float64, their IoU.
    """

    reference: Results
    variant: Results
    left: np.ndarray
    right: np.ndarray
    iou: np.ndarray


@dataclass(frozen=True)
class Partners:
    """The best column for each of N rows. Several rows may share a column.

    Attributes:
        index: ``(N,)`` int64, the first of the best columns; -1 if no value is above 0.
        value: ``(N,)`` float64, its value; 0 without a column.
    """

    index: np.ndarray
    value: np.ndarray


def find_overlaps(reference: Results, variant: Results) -> Overlaps:
    """Find the detections of the same image and class that overlap."""
    group, n = _groups(reference, variant), len(reference)
    order = np.argsort(group[n:], kind="stable")
    start, stop = (np.searchsorted(group[n:][order], group[:n], side=side) for side in ("left", "right"))
    corners, others = reference.corners, variant.corners
    parts = [(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))]
    for left, right in _combine(start, stop, order):
        iou = paired_iou(corners[left], others[right])
        near = iou >= PAIR_IOU
        parts.append((left[near], right[near], iou[near]))
    left, right, iou = (np.concatenate(column) for column in zip(*parts, strict=True))
    chosen = np.lexsort((right, -iou, left, -reference.score[left]))
    return Overlaps(reference, variant, left[chosen], right[chosen], iou[chosen])


def pair_overlaps(overlaps: Overlaps, iou: float, score_thr: float = 0) -> Pairs:
    """Pair detections one to one: the reference's best score first, each takes its best free partner.

    Args:
        overlaps: the overlaps of the two sides.
        iou: the lowest IoU of a pair, ``PAIR_IOU`` or more.
        score_thr: the lowest score of either side.

    Returns:
        pairs of a row of the reference and a row of the variant, in the order of choosing.
    """
    left, right = overlaps.left, overlaps.right
    scores = np.minimum(overlaps.reference.score[left], overlaps.variant.score[right])
    usable = (overlaps.iou >= iou) & (scores >= score_thr)
    return _choose(left[usable], right[usable])


def match(
    boxes: np.ndarray,
    scores: np.ndarray,
    others: np.ndarray,
    iou: float,
    allowed: np.ndarray | None = None,
) -> Pairs:
    """Match the boxes of an image one to one: best score first, each takes its best free partner.

    Args:
        boxes: ``(N, 4)`` ``x1, y1, x2, y2``.
        scores: ``(N,)``, the order of choosing.
        others: ``(M, 4)``, same frame.
        iou: the lowest IoU of a pair.
        allowed: ``(N, M)`` bool, which pairs are allowed, for example boxes of the same class; null: all.

    Returns:
        pairs of a row of ``boxes`` and a row of ``others``, in the order of choosing.
    """
    overlap = box_iou(boxes, others)
    left, right = np.nonzero((overlap >= iou) if allowed is None else (overlap >= iou) & allowed)
    order = np.lexsort((right, -overlap[left, right], left, -scores[left]))
    return _choose(left[order], right[order])


def pair_alike(reference: Results, variant: Results, corner_px: float, score: float) -> Pairs:
    """Pair detections that are the same within tolerances, with as many pairs as possible.

    Args:
        reference, variant: the two sides; a pair has the same image and class.
        corner_px: how far each coordinate of two corners may be apart, original-image pixels.
        score: how far the scores may be apart.

    Returns:
        pairs of a row of the reference and a row of the variant, by the reference's row.
    """
    shapes = len(reference), len(variant)
    group = _groups(reference, variant)
    scores = np.concatenate([reference.score, variant.score])
    # one key for group and score: two groups are further apart than any two scores
    key = group * (scores.max(initial=0) - scores.min(initial=0) + 1) + scores
    ours, theirs = key[: shapes[0]], key[shapes[0] :]
    order = np.argsort(theirs, kind="stable")
    # wider than the rounding of the keys; the exact test follows
    reach = score + 4 * np.spacing(np.abs(key).max(initial=1))
    start = np.searchsorted(theirs[order], ours - reach, side="left")
    stop = np.searchsorted(theirs[order], ours + reach, side="right")
    corners, others = reference.corners, variant.corners
    parts = [(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))]
    for left, right in _combine(start, stop, order):
        near = (
            (group[left] == group[shapes[0] + right])
            & (np.abs(reference.score[left] - variant.score[right]) <= score)
            & (np.abs(corners[left] - others[right]) <= corner_px).all(axis=1)
        )
        parts.append((left[near], right[near]))
    left, right = (np.concatenate(column) for column in zip(*parts, strict=True))
    graph = csr_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=shapes)
    partner = maximum_bipartite_matching(graph, perm_type="column")
    return Pairs(np.flatnonzero(partner >= 0), partner[partner >= 0].astype(np.int64))


def pair_best(results: Results, others: Results) -> Pairs:
    """Pair the best detection of each image and class with the other side's best there."""
    group, n = _groups(results, others), len(results)
    sides = []
    for own, scores in ((group[:n], results.score), (group[n:], others.score)):
        order = np.lexsort((-scores, own))
        sides.append(order[np.unique(own[order], return_index=True)[1]])
    left, right = sides
    here, there = group[left], group[n + right]
    return Pairs(left[np.isin(here, there)], right[np.isin(there, here)])


def pair_nearest(distance: np.ndarray, near: np.ndarray) -> Pairs:
    """Pair rows and columns one to one: as many near pairs as possible, with the smallest sum of distances.

    Args:
        distance: ``(N, M)`` float64, 0 or more.
        near: ``(N, M)`` bool, which pairs are allowed.
    """
    left, right = linear_sum_assignment(np.where(near, distance, FAR))
    kept = near[left, right]
    return Pairs(left[kept], right[kept])


def find_partners(values: np.ndarray) -> Partners:
    """The best partner of each row.

    Args:
        values: ``(N, M)`` float64, 0 or more: how well a column suits a row.
    """
    if not values.size:
        return Partners(np.full(len(values), -1), np.zeros(len(values)))
    value = values.max(axis=1)
    return Partners(np.where(value > 0, values.argmax(axis=1), -1), value)


def group_rows(values: np.ndarray) -> dict[int, np.ndarray]:
    """The rows of each value, for example of each image, ascending; ``values`` ``(N,)`` int64."""
    order = np.argsort(values, kind="stable")
    known, first = np.unique(values[order], return_index=True)
    return dict(zip(known.tolist(), np.split(order, first)[1:], strict=True))


def rank_in_group(values: np.ndarray) -> np.ndarray:
    """``(N,)``: how many rows of the same value come before each row; ``values`` ``(N,)`` int64."""
    order = np.argsort(values, kind="stable")
    first = np.flatnonzero(np.diff(values[order], prepend=values[order][:1] - 1))
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values)) - np.repeat(first, np.diff(np.append(first, len(values))))
    return rank


def matched_fraction(pairs: int, detections: int) -> float:
    """The fraction of both sides' detections that are in a pair; 1 if both sides are empty."""
    return 2 * pairs / detections if detections else 1.0


def _groups(one: Results, other: Results) -> np.ndarray:
    """``(n + m,)`` int64: a number for the image and class of each detection; the first side comes first."""
    images = np.unique(np.concatenate([one.image_id, other.image_id]), return_inverse=True)[1]
    ids = np.concatenate([one.category_id, other.category_id])
    known, categories = np.unique(ids, return_inverse=True)
    numbers: np.ndarray = np.unique(images * len(known) + categories, return_inverse=True)[1]
    return numbers


def _combine(
    start: np.ndarray, stop: np.ndarray, order: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Combine each row i with each of ``order[start[i]:stop[i]]``, block by block: rows and partners."""
    count = stop - start
    cuts = np.flatnonzero(np.diff(np.cumsum(count) // BLOCK)) + 1
    for rows in np.split(np.arange(len(count)), cuts):
        own = count[rows]
        left = np.repeat(rows, own)
        offset = np.arange(len(left)) - np.repeat(np.cumsum(own) - own, own)
        yield left, order[np.repeat(start[rows], own) + offset]


def _choose(left: np.ndarray, right: np.ndarray) -> Pairs:
    """The pairs that result if each pair, in turn, is made when both rows are still free."""
    contested = (np.bincount(left)[left] > 1) | (np.bincount(right)[right] > 1)
    chosen = ~contested
    taken: tuple[set[int], set[int]] = (set(), set())
    rows = np.flatnonzero(contested)
    for row, i, j in zip(rows.tolist(), left[rows].tolist(), right[rows].tolist(), strict=True):
        if i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            chosen[row] = True
    return Pairs(left[chosen], right[chosen])
