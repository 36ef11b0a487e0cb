"""What is wrong with each detection, and which boxes are missed, against ground truth."""

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools.cocoeval import COCOeval

from cutpoint.decode.boxes import box_iou
from cutpoint.evaluate.coco import as_annotations, as_coco

# IoU from which a box is found, and below which there is nothing in its place
FOUND_IOU, BACKGROUND_IOU = 0.5, 0.1
CORRECT, IGNORED = "correct", "ignored"
ERRORS = ("class", "place", "both", "duplicate", "background")


@dataclass(frozen=True)
class Judged:
    """A variant's detections beside the ground truth of its images.

    Args:
        images: number of images.
        scores: ``(D,)`` float64.
        kinds: ``(D,)`` str: ``correct``, ``ignored`` or one of ``ERRORS``.
        truth: ``(D,)`` which of the boxes to find a detection has found (``correct``), or covers although its
            ``class`` or ``place`` is wrong; -1 for the rest.
        boxes: number of boxes to find; crowds are none.
    """

    images: int
    scores: np.ndarray
    kinds: np.ndarray
    truth: np.ndarray
    boxes: int


def judge(annotations: dict[str, Any], results: list[dict[str, Any]], images: list[int]) -> Judged:
    """Name what is wrong with each detection. No name depends on a score threshold.

    ``correct`` is what pycocotools matches at IoU 0.5, best score first, each box to find once; ``ignored``
    what it matches to a crowd. Of the rest, by their IoU with the boxes to find, the first that holds:
    ``place``: 0.1 to 0.5 with the nearest box of its class; ``class``: 0.5 or more with a box of another
    class; ``duplicate``: 0.5 or more with a box of its class that another detection has found;
    ``background``: 0.1 at most with any box; ``both``: all else, which is class and place wrong.

    Args:
        annotations: COCO annotations.
        results: detections, ``bbox`` ``[x, y, w, h]``, original-image pixels. Of one image and class the 100
            best count, as in COCO AP.
        images: ids of the images to judge.

    Source:
        ``TIDERun._eval_image``, tidecv/quantify.py, tidecv 1.0.1, after Bolya et al., "TIDE: A General
        Toolbox for Identifying Object Detection Errors" (2020). Crowds are pycocotools'.
    """
    wanted = set(images)
    truth = [dict(a) for a in annotations["annotations"] if a["image_id"] in wanted]
    found = as_annotations(r for r in results if r["image_id"] in wanted)
    matches, ignored = _match(annotations, truth, found, sorted(wanted))
    counted = [a for a in truth if not a["iscrowd"]]
    place = {a["id"]: index for index, a in enumerate(counted)}
    kinds = np.full(len(found), IGNORED, dtype="<U10")
    covered = np.full(len(found), -1, dtype=np.int64)
    seen = np.zeros(len(found), dtype=bool)
    for number, box in matches.items():
        seen[number] = True
        if not ignored[number]:
            kinds[number], covered[number] = (CORRECT, place[box]) if box else ("", -1)
    taken = np.zeros(len(counted), dtype=bool)
    taken[covered[covered >= 0]] = True
    by_image: dict[int, tuple[list[int], list[int]]] = {image: ([], []) for image in wanted}
    for index, a in enumerate(counted):
        by_image[a["image_id"]][0].append(index)
    for number, d in enumerate(found):
        if kinds[number] == "":
            by_image[d["image_id"]][1].append(number)
    for boxes, wrong in by_image.values():
        if wrong:
            _judge_image(boxes, wrong, counted, found, taken, kinds, covered)
    return Judged(
        len(wanted), np.array([d["score"] for d in found])[seen], kinds[seen], covered[seen], len(counted)
    )


def count_errors(judged: Judged, score_thr: float) -> dict[str, int]:
    """How many of each kind among the detections with at least this score.

    Returns:
        ``correct``, the ``ERRORS``, and ``missed``: boxes to find that no correct detection has found and no
        one covers whose class or place alone is wrong.
    """
    kept = judged.scores >= score_thr
    counts = {kind: int(np.count_nonzero(judged.kinds[kept] == kind)) for kind in (CORRECT, *ERRORS)}
    return counts | {"missed": judged.boxes - len(np.unique(judged.truth[kept & (judged.truth >= 0)]))}


def _match(
    annotations: dict[str, Any],
    truth: list[dict[str, Any]],
    found: list[dict[str, Any]],
    images: list[int],
) -> tuple[dict[int, int], dict[int, bool]]:
    """By number of the detection: id of its box (0: none), and whether pycocotools ignores it."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(as_coco(annotations, truth), as_coco(annotations, found), "bbox")
        settings = evaluation.params
        settings.imgIds, settings.iouThrs = images, np.array([FOUND_IOU])
        settings.areaRng, settings.areaRngLbl = settings.areaRng[:1], settings.areaRngLbl[:1]
        evaluation.evaluate()
    matches, ignored = {}, {}
    for entry in filter(None, evaluation.evalImgs):
        rows = zip(entry["dtIds"], entry["dtMatches"][0], entry["dtIgnore"][0], strict=True)
        for identity, box, ignore in rows:
            matches[identity - 1], ignored[identity - 1] = int(box), bool(ignore)
    return matches, ignored


def _judge_image(
    boxes: list[int],
    wrong: list[int],
    counted: list[dict[str, Any]],
    found: list[dict[str, Any]],
    taken: np.ndarray,
    kinds: np.ndarray,
    covered: np.ndarray,
) -> None:
    """Fill in ``kinds`` and ``covered`` of an image's detections that found nothing."""
    iou = box_iou(_corners([found[n] for n in wrong]), _corners([counted[n] for n in boxes]))
    labels = np.array([counted[n]["category_id"] for n in boxes])
    for number, overlaps in zip(wrong, iou, strict=True):
        own = labels == found[number]["category_id"]
        same, other = np.where(own, overlaps, 0), np.where(own, 0, overlaps)
        best = overlaps.max(initial=0)
        if BACKGROUND_IOU <= same.max(initial=0) < FOUND_IOU:
            kinds[number], covered[number] = "place", boxes[int(same.argmax())]
        elif other.max(initial=0) >= FOUND_IOU:
            kinds[number], covered[number] = "class", boxes[int(other.argmax())]
        elif (same * taken[boxes]).max(initial=0) >= FOUND_IOU:
            kinds[number] = "duplicate"
        else:
            kinds[number] = "background" if best <= BACKGROUND_IOU else "both"


def _corners(entries: list[dict[str, Any]]) -> np.ndarray:
    boxes = np.array([entry["bbox"] for entry in entries], dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes
