"""COCO AP of many weightings of the images: pycocotools matches once, the rest is vectorised."""

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools.cocoeval import COCOeval
from scipy.sparse import csr_array

from cutpoint.coco import as_annotations, as_coco

AREAS = ("all", "small", "medium", "large")
# pycocotools' largest maxDets: detections of one class that an image may keep
MAX_DETECTIONS = 100
# resamples worked on at once: a block of weights stays in the cache
BLOCK = 125


@dataclass(frozen=True)
class ClassMatches:
    """What pycocotools decides about one class, on D detections of N images.

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


def match_images(
    annotations: dict[str, Any], results: list[dict[str, Any]], images: list[int]
) -> list[ClassMatches]:
    """Match detections to ground truth, once for all weightings.

    Args:
        annotations: COCO annotations.
        results: detections, ``bbox`` ``[x, y, w, h]``, original-image pixels.
        images: ids of the N images to score; a detection's position is that of its image in ascending order.

    Returns:
        one for each category, in ascending order of its id.

    Source:
        ``COCOeval.evaluate``, pycocotools 2.0.11, called for the images that have ground truth of a class.
        Without any, ``evaluateImg`` matches nothing and ignores what is outside the area range: done here.
    """
    position = {image: index for index, image in enumerate(sorted(set(images)))}
    boxes = [dict(a) for a in annotations["annotations"] if a["image_id"] in position]
    # pycocotools prints
    with contextlib.redirect_stdout(io.StringIO()):
        truth = as_coco(annotations, boxes)
        found = as_coco(annotations, as_annotations(r for r in results if r["image_id"] in position))
        evaluation = COCOeval(truth, found, "bbox")
    entries = found.dataset["annotations"]
    # columns are result ids, which count from 1
    image = np.array([position[e["image_id"]] for e in entries], dtype=np.int32)
    category = np.array([e["category_id"] for e in entries], dtype=np.int64)
    score = np.array([e["score"] for e in entries], dtype=np.float64)
    area = np.array([e["area"] for e in entries], dtype=np.float64)
    return [
        _match_class(evaluation, position, category_id, image[ids], score[ids], area[ids], ids)
        for category_id in sorted(truth.getCatIds())
        for ids in [np.flatnonzero(category == category_id)]
    ]


def _match_class(
    evaluation: COCOeval,
    position: dict[int, int],
    category_id: int,
    image: np.ndarray,
    score: np.ndarray,
    area: np.ndarray,
    ids: np.ndarray,
) -> ClassMatches:
    settings = evaluation.params
    order = np.lexsort((-score, image))
    rank = np.arange(len(order)) - np.searchsorted(image[order], image[order])
    order = order[rank < MAX_DETECTIONS]
    order = order[np.argsort(-score[order], kind="stable")]
    image, score, area, ids = image[order], score[order], area[order], ids[order]

    low, high = np.array(settings.areaRng).T[:, :, None]
    inside = (area >= low) & (area <= high)
    counted = np.repeat(inside[:, None], len(settings.iouThrs), axis=1)
    correct = np.zeros_like(counted)
    positives = np.zeros((len(settings.areaRng), len(position)))

    truth = evaluation.cocoGt
    with_truth = {a["image_id"] for a in truth.loadAnns(truth.getAnnIds(catIds=[category_id]))}
    if with_truth:
        settings.catIds, settings.imgIds = [category_id], sorted(with_truth)
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.evaluate()
        column = np.argsort(ids)
        ranges = [tuple(limits) for limits in settings.areaRng]
        for entry in evaluation.evalImgs:
            at = ranges.index(tuple(entry["aRng"]))
            positives[at, position[entry["image_id"]]] = np.count_nonzero(entry["gtIgnore"] == 0)
            here = column[np.searchsorted(ids, np.array(entry["dtIds"], dtype=np.int64) - 1, sorter=column)]
            counted[at, :, here] = ~entry["dtIgnore"].T
            correct[at, :, here] = ((entry["dtMatches"] != 0) & ~entry["dtIgnore"]).T
    return ClassMatches(image, score, counted, correct, positives)


def weighted_ap(matches: list[ClassMatches], multiplicities: np.ndarray) -> np.ndarray:
    """AP of each class in each area range, as if every image were there as often as its multiplicity says.

    Args:
        matches: K classes, from ``match_images``.
        multiplicities: ``(N, R)`` integers, how often each of the N images is in each of R resamples.

    Returns:
        ``(R, 4, K)`` float64, AP over IoU 0.5 to 0.95 for ``AREAS``, maxDets 100; NaN where a resample has
        nothing to find. The mean over the classes that are not NaN is COCO's AP.

    Source:
        ``COCOeval.accumulate``, pycocotools 2.0.11, on a data set in which the copies of an image have
        adjacent ids. The envelope of precision falls only after correct detections, so that only those are
        followed; of the m copies of one, the last has the highest precision.
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
        for iou in range(ious):
            correct = matches.correct[area, iou, index]
            counted = matches.counted[area, iou, index]
            hits = np.flatnonzero(correct)
            if len(hits):
                ends = np.cumsum(counted)[hits]
                segments = csr_array(
                    (np.ones(ends[-1]), rows[counted][: ends[-1]], np.append(0, ends)),
                    shape=(len(hits), len(blocks[0])),
                )
                for block, sums, present in zip(blocks, total, positives, strict=True):
                    sums[area] += _ap(segments @ block, block[rows[hits]], present[area])
    for sums, present in zip(total, positives, strict=True):
        sums[present == 0] = np.nan
    return np.concatenate(total, axis=1).T / ious


def _ap(counted: np.ndarray, correct: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """Area under the interpolated curve: ``(hits, R)`` weights added since the last hit, ``(R,)`` to find."""
    correct = np.cumsum(correct, axis=0)
    counted = np.cumsum(counted, axis=0)
    precision = correct / np.maximum(counted, 1)
    envelope = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    # 100 n / positives is exact where it is a whole number, so that floor and ceil are right everywhere
    percent = correct * 100 / np.maximum(positives, 1)
    reached = REACHED[(np.floor(percent) + np.ceil(percent)).astype(np.intp)]
    reached[1:] -= reached[:-1].copy()
    return np.einsum("hr,hr->r", reached, envelope) / len(THRESHOLDS)


def _interleave_ties(matches: ClassMatches, copies: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Order in which copies of detections appear, where equal scores in one image make it matter.

    pycocotools ranks equal scores by image: all detections of the first copy come before those of the second.
    Such a group is repeated for each copy that may exist; the weight of copy c is 1 where the image occurs c
    times or more.

    Returns:
        positions in ``matches``; for each the row of its weights; and the images for which rows must be added
        to the weights, for every copy one row an image.
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
    """``(202,)``: how many recall thresholds a recall of j / 100 reaches, at 2 j; one above it, at 2 j + 1.

    A threshold is a multiple of 0.01 in floating point, which may lie just above j / 100.
    """
    percent = np.arange(101)
    table = np.repeat(percent + 1.0, 2)
    table[::2] = np.searchsorted(thresholds, percent / 100, side="right")
    return table


THRESHOLDS = np.linspace(0.0, 1.0, 101)
REACHED = _thresholds_reached(THRESHOLDS)
