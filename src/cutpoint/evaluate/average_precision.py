"""COCO AP for many weightings of the images: pycocotools matches once, the rest is vectorised."""

import contextlib
import io
from dataclasses import dataclass

import numpy as np
from pycocotools import mask
from pycocotools.cocoeval import COCOeval
from scipy.sparse import csr_array

from cutpoint.evaluate.coco import results_as_coco, truth_as_coco
from cutpoint.matching import group_rows
from cutpoint.records.detections import Results
from cutpoint.records.truth import GroundTruth

AREAS = ("all", "small", "medium", "large")
# pycocotools' largest maxDets: an image keeps so many detections of one class
MAX_DETECTIONS = 100
# a detection with a smaller overlap is never matched; a little below the lowest IoU threshold
LEAST_IOU = 0.499
# resamples that are computed at once, so that a block of weights stays in the cache
BLOCK = 125


@dataclass(frozen=True)
class ClassMatches:
    """pycocotools' decisions about one class, for D detections on N images.

    Args:
        images: ``(D,)`` int, position of each detection's image.
        scores: ``(D,)`` float64, best first, equal scores in image order.
        counted: ``(4, 10, D)`` bool, not ignored in this area range at this IoU threshold.
        correct: ``(4, 10, D)`` bool, counted and matched.
        positives: ``(4, N)`` float64, boxes to find in each image: neither crowd nor out of the area range.
    """

    images: np.ndarray
    scores: np.ndarray
    counted: np.ndarray
    correct: np.ndarray
    positives: np.ndarray


def match_images(truth: GroundTruth, results: Results) -> list[ClassMatches]:
    """Match detections to ground truth, once for all weightings.

    Args:
        truth: the ground truth of N images. The position of an image is its place in the ascending order of
            the ids.
        results: detections; those of other images are left out.

    Returns:
        one for each category, in ascending order of its id.

    Source:
        ``COCOeval.evaluate``, pycocotools 2.0.11, for the images that have ground truth of a class, with
        the detections that overlap it. Detections that cannot be matched are handled here: they are ignored
        outside the area range.
    """
    images = np.array(sorted(truth.image_ids), dtype=np.int64)
    kept = results.of_images(truth.image_ids)
    image = np.searchsorted(images, kept.image_id).astype(np.int32)
    category, score = kept.category_id, kept.score
    best = _best(image, category, score)
    near = best[_near_truth(truth, images, image[best], category[best], kept.bbox[best])]
    # pycocotools prints
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth_as_coco(truth), results_as_coco(truth, kept.take(near)), "bbox")
    area = kept.bbox[:, 2] * kept.bbox[:, 3]
    best.sort()
    return [
        _match_class(evaluation, images, category_id, image[ids], score[ids], area[ids], ids, near)
        for category_id in sorted(category.id for category in truth.categories)
        for ids in [best[category[best] == category_id]]
    ]


def _best(image: np.ndarray, category: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Positions of the ``MAX_DETECTIONS`` best detections of each image and class, grouped by these."""
    order = np.lexsort((-score, category, image))
    first = np.append(True, (np.diff(image[order]) != 0) | (np.diff(category[order]) != 0))[: len(order)]
    starts = np.flatnonzero(first)
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return order[rank < MAX_DETECTIONS]


def _near_truth(
    truth: GroundTruth, images: np.ndarray, image: np.ndarray, category: np.ndarray, bbox: np.ndarray
) -> np.ndarray:
    """Indices of the detections that overlap a box of their class. Others are never matched.

    Args:
        truth: the ground truth.
        images: its image ids, ascending.
        image, category, bbox: the detections, grouped by image and class, in ascending order.
    """
    # category ids may be as large as int64, so keys are made from their ranks
    known = np.unique(np.concatenate([category, truth.category_id]))
    keys = image * np.int64(len(known)) + np.searchsorted(known, category)
    places = np.searchsorted(images, truth.image_id) * len(known) + np.searchsorted(known, truth.category_id)
    boxes_of = group_rows(places)
    ends = [np.searchsorted(keys, list(boxes_of), side=side).tolist() for side in ("left", "right")]
    near = [np.zeros(0, dtype=np.int64)]
    for start, end, rows in zip(*ends, boxes_of.values(), strict=True):
        if start < end:
            iou = mask.iou(bbox[start:end], truth.bbox[rows], truth.iscrowd[rows].astype(np.uint8))
            near.append(start + np.flatnonzero(iou.max(axis=1) >= LEAST_IOU))
    return np.concatenate(near)


def _match_class(
    evaluation: COCOeval,
    images: np.ndarray,
    category_id: int,
    image: np.ndarray,
    score: np.ndarray,
    area: np.ndarray,
    ids: np.ndarray,
    near: np.ndarray,
) -> ClassMatches:
    """The decisions about one class.

    Args:
        evaluation: pycocotools' evaluation of all classes.
        images: the image ids, ascending.
        category_id: the class.
        image, score, area: its detections; ``image`` is a position in ``images``.
        ids: positions of its detections.
        near: positions of all detections that pycocotools knows.
    """
    settings = evaluation.params
    order = np.lexsort((image, -score))
    image, score, area, ids = image[order], score[order], area[order], ids[order]

    low, high = np.array(settings.areaRng).T[:, :, None]
    inside = (area >= low) & (area <= high)
    counted = np.repeat(inside[:, None], len(settings.iouThrs), axis=1)
    correct = np.zeros_like(counted)
    positives = np.zeros((len(settings.areaRng), len(images)))

    truth = evaluation.cocoGt
    with_truth = {a["image_id"] for a in truth.loadAnns(truth.getAnnIds(catIds=[category_id]))}
    if with_truth:
        settings.catIds, settings.imgIds = [category_id], sorted(with_truth)
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.evaluate()
        column = np.argsort(ids)
        ranges = [tuple(limits) for limits in settings.areaRng]
        for entry in evaluation.evalImgs:
            at, position = ranges.index(tuple(entry["aRng"])), np.searchsorted(images, entry["image_id"])
            positives[at, position] = np.count_nonzero(entry["gtIgnore"] == 0)
            # result ids count from 1
            matched = near[np.array(entry["dtIds"], dtype=np.int64) - 1]
            here = column[np.searchsorted(ids, matched, sorter=column)]
            counted[at, :, here] = ~entry["dtIgnore"].T
            correct[at, :, here] = ((entry["dtMatches"] != 0) & ~entry["dtIgnore"]).T
    return ClassMatches(image, score, counted, correct, positives)


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
    resamples = multiplicities.shape[1]
    cuts = range(BLOCK, resamples, BLOCK)
    blocks = [block.astype(np.float64) for block in np.split(multiplicities, cuts, axis=1)]
    copies = int(multiplicities.max(initial=1))
    return np.stack([_class_ap(m, blocks, copies) for m in matches], axis=-1)


def _class_ap(matches: ClassMatches, blocks: list[np.ndarray], copies: int) -> np.ndarray:
    index, rows, tied_images = _interleave_ties(matches, copies)
    positives = [matches.positives @ block for block in blocks]
    if len(tied_images):
        levels = range(1, copies + 1)
        blocks = [np.vstack([b, *(b[tied_images] >= level for level in levels)]) for b in blocks]
    areas, ious, _ = matches.counted.shape
    total = [np.zeros((areas, block.shape[1])) for block in blocks]
    for area in range(areas):
        correct, counted = matches.correct[area][:, index], matches.counted[area][:, index]
        hits = np.flatnonzero(correct.any(axis=0))
        # What is counted hardly depends on the IoU, so it is summed once for all thresholds. All numbers are
        # whole, so their sums are exact in any order.
        ever = counted.any(axis=0)
        segments = _segments(np.flatnonzero(ever), hits, rows, len(blocks[0]))
        chosen = [correct[iou, hits] for iou in range(ious)]
        spared = [
            _segments(np.flatnonzero(ever & ~counted[iou]), hits[chosen[iou]], rows, len(blocks[0]))
            for iou in range(ious)
        ]
        for block, sums, present in zip(blocks, total, positives, strict=True):
            every, weights = np.cumsum(segments @ block, axis=0), block[rows[hits]]
            for keep, less in zip(chosen, spared, strict=True):
                if keep.any():
                    reached = every[keep]
                    if less.nnz:
                        reached -= np.cumsum(less @ block, axis=0)
                    sums[area] += _ap(reached, np.cumsum(weights[keep], axis=0), present[area])
    for sums, present in zip(total, positives, strict=True):
        sums[present == 0] = np.nan
    ap: np.ndarray = np.concatenate(total, axis=1).T / ious
    return ap


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
