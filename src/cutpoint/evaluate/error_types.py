"""The error of each detection, and the boxes that are missed, against ground truth."""

import contextlib
import io
from dataclasses import dataclass

import numpy as np
from pycocotools.cocoeval import COCOeval

from cutpoint.evaluate.as_coco import results_as_coco, truth_as_coco
from cutpoint.evaluate.parts import PART_IMAGES, split_images
from cutpoint.iou import box_iou
from cutpoint.matching import find_partners, group_rows
from cutpoint.records.detections import Results
from cutpoint.records.truth import GroundTruth

# a box is found from the first IoU on; below the second there is no box at this place
FOUND_IOU, BACKGROUND_IOU = 0.5, 0.1
CORRECT, IGNORED = "correct", "ignored"
ERRORS = ("class", "localization", "both", "duplicate", "background")
NOTHING = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Judged:
    """A variant's detections, judged by the ground truth of its images.

    Args:
        images: number of images.
        rows: ``(D,)`` int64, the rows of the results that were judged.
        scores: ``(D,)`` float64.
        kinds: ``(D,)`` str: ``correct``, ``ignored`` or one of ``ERRORS``.
        truth: ``(D,)`` which of the boxes to find a detection has found (``correct``), or covers although its
            ``class`` or ``localization`` is wrong; -1 for the rest.
        boxes: number of boxes to find, without crowds.
    """

    images: int
    rows: np.ndarray
    scores: np.ndarray
    kinds: np.ndarray
    truth: np.ndarray
    boxes: int


def judge(truth: GroundTruth, results: Results) -> Judged:
    """Name the error of each detection. The names do not depend on a score threshold.

    ``correct`` is what pycocotools matches at IoU 0.5, best score first, each box to find once; ``ignored``
    what it matches to a crowd. Of the rest, by their IoU with the boxes to find, the first that holds:
    ``localization``: 0.1 to 0.5 with the nearest box of its class; ``class``: 0.5 or more with a box of
    another class; ``duplicate``: 0.5 or more with a box of its class that another detection has found;
    ``background``: 0.1 at most with any box; ``both``: everything else, where class and location are wrong.

    Args:
        truth: the ground truth; all its images are judged.
        results: detections; those of other images are left out. The 100 best per image and class count, as in
            COCO AP.

    Source:
        ``TIDERun._eval_image``, tidecv/quantify.py, tidecv 1.0.1, after Bolya et al., "TIDE: A General
        Toolbox for Identifying Object Detection Errors" (2020). Crowds are pycocotools'.
    """
    rows = np.flatnonzero(np.isin(results.image_id, truth.image_ids))
    results = results.take(rows)
    box, ignored = _match(truth, results)
    seen = box >= 0
    kinds = np.full(len(results), IGNORED, dtype=f"<U{max(map(len, (CORRECT, IGNORED, *ERRORS)))}")
    covered = np.full(len(results), -1, dtype=np.int64)
    wanted = np.flatnonzero(~truth.iscrowd)
    correct = np.flatnonzero((box > 0) & ~ignored)
    kinds[correct] = CORRECT
    covered[correct] = _find(truth.id[wanted], box[correct])
    taken = np.zeros(len(wanted), dtype=bool)
    taken[covered[correct]] = True
    wrong = np.flatnonzero((box == 0) & ~ignored)
    boxes_of = group_rows(truth.image_id[wanted])
    corners, others = results.corners, truth.corners[wanted]
    labels, other_labels = results.category_id, truth.category_id[wanted]
    for image, positions in group_rows(results.image_id[wrong]).items():
        chosen, boxes = wrong[positions], boxes_of.get(image, NOTHING)
        own = labels[chosen][:, None] == other_labels[boxes][None]
        overlap = box_iou(corners[chosen], others[boxes])
        kinds[chosen], covered[chosen] = _name(overlap, own, taken[boxes], boxes)
    return Judged(len(truth.images), rows[seen], results.score[seen], kinds[seen], covered[seen], len(wanted))


def count_errors(judged: Judged, score_thr: float) -> dict[str, int]:
    """The number of each kind among the detections with at least this score.

    Returns:
        ``correct``, the ``ERRORS``, and ``missed``: boxes to find that no correct detection has found, and
        that no detection covers that is wrong only in class or only in location.
    """
    kept = judged.scores >= score_thr
    counts = {kind: int(np.count_nonzero(judged.kinds[kept] == kind)) for kind in (CORRECT, *ERRORS)}
    return counts | {"missed": judged.boxes - len(np.unique(judged.truth[kept & (judged.truth >= 0)]))}


def _match(truth: GroundTruth, results: Results, size: int = PART_IMAGES) -> tuple[np.ndarray, np.ndarray]:
    """pycocotools' decision about each detection; ``size``: images that are matched at once.

    Returns:
        ``(D,)`` int64, the id of its box, 0 without one, -1 if pycocotools leaves the detection out; and
        ``(D,)`` bool, whether pycocotools ignores it.
    """
    box, ignored = np.full(len(results), -1, dtype=np.int64), np.zeros(len(results), dtype=bool)
    for part, own in split_images(truth, results, size):
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = COCOeval(truth_as_coco(part), results_as_coco(part, results.take(own)), "bbox")
            settings = evaluation.params
            settings.imgIds, settings.iouThrs = sorted(part.image_ids), np.array([FOUND_IOU])
            settings.areaRng, settings.areaRngLbl = settings.areaRng[:1], settings.areaRngLbl[:1]
            evaluation.evaluate()
        for entry in filter(None, evaluation.evalImgs):
            # result ids count from 1
            rows = own[np.array(entry["dtIds"], dtype=np.int64) - 1]
            box[rows], ignored[rows] = entry["dtMatches"][0], entry["dtIgnore"][0]
    return box, ignored


def _name(
    overlap: np.ndarray, own: np.ndarray, taken: np.ndarray, boxes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The errors of an image's detections that found no box.

    Args:
        overlap: ``(N, M)`` IoU with the boxes to find.
        own: ``(N, M)`` bool, whether the box has the detection's class.
        taken: ``(M,)`` bool, found by another detection.
        boxes: ``(M,)`` numbers of the boxes to find.

    Returns:
        ``(N,)`` one of ``ERRORS``, and ``(N,)`` the number of the box that a detection covers, or -1.
    """
    same, other = find_partners(np.where(own, overlap, 0)), find_partners(np.where(own, 0, overlap))
    twice, any_box = find_partners(np.where(own & taken, overlap, 0)), find_partners(overlap)
    misplaced = (same.value >= BACKGROUND_IOU) & (same.value < FOUND_IOU)
    cases = [misplaced, other.value >= FOUND_IOU, twice.value >= FOUND_IOU, any_box.value <= BACKGROUND_IOU]
    kinds = np.select(cases, ["localization", "class", "duplicate", "background"], "both")
    chosen = np.select(cases[:2], [same.index, other.index], -1)
    return kinds, np.append(boxes, -1)[chosen]


def _find(ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Positions of ``wanted`` in ``ids``."""
    order = np.argsort(ids)
    positions: np.ndarray = order[np.searchsorted(ids, wanted, sorter=order)]
    return positions
