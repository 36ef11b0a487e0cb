"""pycocotools' decision about each detection, in arrays.

Memory: 80 bytes for each detection, and 4 for each image and class in each of the four area ranges.
"""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask
from pycocotools.cocoeval import COCOeval

from cutpoint.evaluate.as_coco import results_as_coco, truth_as_coco
from cutpoint.evaluate.parts import PART_IMAGES, split_images
from cutpoint.matching import group_rows, rank_in_group
from cutpoint.records.detections import Results
from cutpoint.records.truth import GroundTruth

# pycocotools' largest maxDets: an image keeps so many detections of one class
MAX_DETECTIONS = 100
# a detection with a smaller overlap is never matched; a little below the lowest IoU threshold
LEAST_IOU = 0.499


@dataclass(frozen=True)
class ClassMatches:
    """pycocotools' decisions about one class, for D detections on N images.

    Args:
        images: ``(D,)`` int, position of each detection's image.
        scores: ``(D,)`` float64, best first, equal scores in image order.
        counted: ``(4, 10, D)`` bool, not ignored in this area range at this IoU threshold.
        correct: ``(4, 10, D)`` bool, counted and matched.
        positives: ``(4, N)`` int32, boxes to find in each image: neither crowd nor out of the area range.
    """

    images: np.ndarray
    scores: np.ndarray
    counted: np.ndarray
    correct: np.ndarray
    positives: np.ndarray


def match_images(truth: GroundTruth, results: Results, size: int = PART_IMAGES) -> list[ClassMatches]:
    """Match detections to ground truth, once for all weightings.

    Args:
        truth: the ground truth of N images. The position of an image is its place in the ascending order of
            the ids.
        results: detections; those of other images are left out.
        size: images that are matched at once.

    Returns:
        one for each category, in ascending order of its id.

    Source:
        ``COCOeval.evaluate``, pycocotools 2.0.11, for the images that have ground truth of a class, with
        the detections that overlap it. Detections that cannot be matched are handled here: they are ignored
        outside the area range.
    """
    parts = [_match_part(part, results.take(rows)) for part, rows in split_images(truth, results, size)]
    return [_join(own, size) for own in zip(*parts, strict=True)]


def _join(parts: Sequence[ClassMatches], size: int) -> ClassMatches:
    """A class in all parts."""
    if len(parts) == 1:
        return parts[0]
    images = np.concatenate([part.images + number * size for number, part in enumerate(parts)])
    scores = np.concatenate([part.scores for part in parts])
    order = np.lexsort((images, -scores))
    counted = np.concatenate([part.counted for part in parts], axis=-1)[..., order]
    correct = np.concatenate([part.correct for part in parts], axis=-1)[..., order]
    positives = np.concatenate([part.positives for part in parts], axis=-1)
    return ClassMatches(images[order], scores[order], counted, correct, positives)


def _match_part(truth: GroundTruth, kept: Results) -> list[ClassMatches]:
    images = np.array(sorted(truth.image_ids), dtype=np.int64)
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
        _match_class(evaluation, truth, images, category_id, image[ids], score[ids], area[ids], ids, near)
        for category_id in sorted(category.id for category in truth.categories)
        for ids in [best[category[best] == category_id]]
    ]


def _best(image: np.ndarray, category: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Positions of the ``MAX_DETECTIONS`` best detections of each image and class, grouped by these."""
    order = np.lexsort((-score, category, image))
    first = np.append(True, (np.diff(image[order]) != 0) | (np.diff(category[order]) != 0))[: len(order)]
    return order[rank_in_group(np.cumsum(first)) < MAX_DETECTIONS]


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
    truth: GroundTruth,
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
        truth: its ground truth.
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
    positives = np.zeros((len(settings.areaRng), len(images)), dtype=np.int32)

    with_truth = np.unique(truth.image_id[truth.category_id == category_id]).tolist()
    if with_truth:
        settings.catIds, settings.imgIds = [category_id], with_truth
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
