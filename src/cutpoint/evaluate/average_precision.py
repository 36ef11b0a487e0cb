"""COCO AP for many weightings of the images, from pycocotools' matches."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array

from cutpoint.evaluate.matches import ClassMatches

AREAS = ("all", "small", "medium", "large")
# Resamples are computed some at once: so many, or a multiple for a class with few detections, so that arrays
# of its correct detections, and of its weights, have at most so many cells and stay in the cache.
BLOCK = 125
CACHED, WEIGHTS = 2**18, 2**21
# A class with very many gets fewer at once, so that these arrays stay below 32 MB.
CELLS = 2**22


def weighted_ap(matches: list[ClassMatches], multiplicities: np.ndarray) -> np.ndarray:
    """AP of each class in each area range, as if every image was repeated as often as its multiplicity.

    Args:
        matches: K classes, from ``match_images``.
        multiplicities: ``(N, R)`` integers, how often each of the N images is in each of R resamples.

    Returns:
        ``(R, 4, K)`` float64, AP over IoU 0.5 to 0.95 for ``AREAS``, maxDets 100; NaN if a resample has no
        object. The mean over the classes that are not NaN is COCO's AP.

    Source:
        ``COCOeval.accumulate``, pycocotools 2.0.11, on a data set in which the copies of an image have
        adjacent ids. The envelope of precision falls only after correct detections, so only those are
        followed. The last of the m copies of a detection has the highest precision.
    """
    copies = int(multiplicities.max(initial=1))
    return np.stack([_class_ap(m, multiplicities, copies) for m in matches], axis=-1)


def _class_ap(matches: ClassMatches, multiplicities: np.ndarray, copies: int) -> np.ndarray:
    # a rare class is on few of the images
    near = np.union1d(matches.images, np.flatnonzero(matches.positives.any(axis=0)))
    images, found = np.searchsorted(near, matches.images), matches.positives[:, near]
    index, rows, tied_images = _interleave_ties(replace(matches, images=images, positives=found), copies)
    count = len(near) + copies * len(tied_images)
    curves = [
        _Curve(matches.counted[area][:, index], matches.correct[area][:, index], rows, count)
        for area in range(len(found))
    ]
    hits = max(len(curve.hits) for curve in curves)
    step = _step(hits, count)
    levels = np.arange(1, copies + 1)[:, None, None]
    total = []
    for columns in _blocks(multiplicities.shape[1], step):
        block = multiplicities[near, columns].astype(np.float64)
        positives = found @ block
        if len(tied_images):
            block = np.vstack([block, *(block[tied_images] >= levels)])
        sums = np.stack([curve.area(block, own) for curve, own in zip(curves, positives, strict=True)])
        sums[positives == 0] = np.nan
        total.append(sums)
    ap: np.ndarray = np.concatenate(total, axis=1).T / matches.counted.shape[1]
    return ap


def _step(hits: int, weights: int) -> int:
    """How many resamples are computed at once, for so many correct detections and rows of weights."""
    blocks = min(CACHED // max(hits, 1), WEIGHTS // max(weights, 1)) // BLOCK
    return BLOCK * blocks if blocks else max(1, min(BLOCK, CELLS // max(hits, 1)))


def _blocks(resamples: int, step: int) -> Iterator[slice]:
    """The resamples in steps. What is left over of ``BLOCK`` is always alone.

    numpy adds up a single column in another order than several, so the last bits depend on what is alone.
    """
    whole = resamples - resamples % BLOCK
    yield from (slice(start, min(start + step, whole)) for start in range(0, whole, step))
    yield from (slice(start, min(start + step, resamples)) for start in range(whole, resamples, step))


class _Curve:
    """The precision of a class in one area range, at each of its correct detections.

    What is counted hardly depends on the IoU, so it is summed once for all thresholds. All numbers are whole,
    so their sums are exact in any order.
    """

    def __init__(self, counted: np.ndarray, correct: np.ndarray, rows: np.ndarray, count: int) -> None:
        """``counted``, ``correct``: ``(10, D)`` bool; ``rows``: of each detection in ``count`` weights."""
        self.hits = np.flatnonzero(correct.any(axis=0))
        ever = counted.any(axis=0)
        self._rows = rows[self.hits]
        self._segments = _segments(np.flatnonzero(ever), self.hits, rows, count)
        self._chosen = [own[self.hits] for own in correct]
        self._spared = [
            _segments(np.flatnonzero(left), self.hits[keep], rows, count) if left.any() else None
            for left, keep in zip(ever & ~counted, self._chosen, strict=True)
        ]

    def area(self, block: np.ndarray, positives: np.ndarray) -> np.ndarray:
        """``(R,)``: the sum over the IoU thresholds; ``block`` ``(count, R)``, ``positives`` ``(R,)``."""
        total = np.zeros(block.shape[1])
        every, weights = np.cumsum(self._segments @ block, axis=0), block[self._rows]
        for keep, less in zip(self._chosen, self._spared, strict=True):
            if keep.any():
                reached = every[keep]
                if less is not None and less.nnz:
                    reached -= np.cumsum(less @ block, axis=0)
                total += _ap(reached, np.cumsum(weights[keep], axis=0), positives)
        return total


def _segments(chosen: np.ndarray, hits: np.ndarray, rows: np.ndarray, count: int) -> csr_array:
    """``(hits, count)``: sums the weights of the chosen detections from one hit (excluded) to the next.

    Args:
        chosen, hits: positions of detections, ascending.
        rows: the row of each detection in the weights, which have ``count`` rows.
    """
    ends = np.searchsorted(chosen, hits, side="right")
    used = ends[-1] if len(ends) else 0
    return csr_array((np.ones(used), rows[chosen[:used]], np.append(0, ends)), shape=(len(hits), count))


def _ap(counted: np.ndarray, correct: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """Area under the interpolated curve: ``(hits, R)`` weights up to each hit, ``(R,)`` to find."""
    precision = correct / np.maximum(counted, 1)
    envelope = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    # 100 n / positives is exact if it is a whole number, so floor and ceil are right everywhere
    percent = correct * 100
    percent /= np.maximum(positives, 1)
    whole = np.floor(percent)
    whole += np.ceil(percent, out=percent)
    reached = REACHED[whole.astype(np.intp)]
    gained = np.concatenate([reached[:1], reached[1:] - reached[:-1]])
    area: np.ndarray = np.einsum("hr,hr->r", gained, envelope) / len(THRESHOLDS)
    return area


def _interleave_ties(matches: ClassMatches, copies: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The order in which copies of detections appear. It matters for equal scores in one image.

    pycocotools ranks equal scores by image: all detections of the first copy come before those of the second.
    Such a group is repeated for each copy that may exist. The weight of copy c is 1 if the image occurs c
    times or more.

    Returns:
        positions in ``matches``; the row of the weights for each; and the images for which rows must be added
        to the weights, one row per image for every copy.
    """
    images, count = matches.images, len(matches.images)
    first = np.append(True, (np.diff(matches.scores) != 0) | (np.diff(images) != 0))[:count]
    group = np.cumsum(first) - 1
    hit = matches.correct.any(axis=(0, 1))
    tied = (np.bincount(group) > 1)[group] & (np.bincount(group, weights=hit) > 0)[group]
    repeats = np.where(tied, copies, 1)
    index = np.repeat(np.arange(count), repeats)
    copy = np.arange(len(index)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    order = np.lexsort((index, copy, group[index]))
    index, copy = index[order], copy[order]
    tied_images = np.unique(images[tied])
    extra = (
        matches.positives.shape[1]
        + copy * len(tied_images)
        + np.searchsorted(tied_images, images[index]).astype(np.int64)
    )
    return index, np.where(tied[index], extra, images[index]).astype(np.int32), tied_images


def _thresholds_reached(thresholds: np.ndarray) -> np.ndarray:
    """``(202,)``: recall thresholds that are reached: at 2 j by a recall of j / 100, at 2 j + 1 by more.

    A threshold is a multiple of 0.01 in floating point, which may be slightly above j / 100.
    """
    percent = np.arange(101)
    table = np.repeat(percent + 1.0, 2)
    table[::2] = np.searchsorted(thresholds, percent / 100, side="right")
    return table


THRESHOLDS = np.linspace(0.0, 1.0, 101)
REACHED = _thresholds_reached(THRESHOLDS)
