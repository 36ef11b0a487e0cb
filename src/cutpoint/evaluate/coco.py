"""COCO AP, by pycocotools: the number of record."""

import contextlib
import io
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cutpoint.files import read_json, write_json
from cutpoint.records.detections import Refused, read_detections

SUMMARY = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


def evaluate(*, truth: str, detections: str, out: str) -> None:
    """Score one variant's detections on its data set and write the metrics JSON.

    Args:
        truth: JSON of ``truth.build_truth``; all its images are scored, also those without detections.
        detections: detections file.
        out: JSON file to write: what ``score`` returns; of a refused variant what ``refuse`` returns.
    """
    annotations = read_json(truth)
    images = [entry["id"] for entry in annotations["images"]]
    try:
        write_json(out, score(annotations, read_detections(detections), images))
    except Refused as refused:
        write_json(out, refuse(annotations, images, refused.reason))


def score(annotations: dict[str, Any], results: list[dict[str, Any]], images: list[int]) -> dict[str, Any]:
    """COCO box metrics with pycocotools' own settings (maxDets 1, 10, 100).

    Args:
        annotations: COCO annotations.
        results: detections, ``bbox`` ``[x, y, w, h]``, original-image pixels.
        images: ids of the images to score.

    Returns:
        the twelve numbers as fractions (null where COCO gives -1), ``images``, ``detections``, ``per_class``:
        ``category_id, name, AP, AP50, ground_truths`` (crowds not counted).
    """
    wanted = set(images)
    with contextlib.redirect_stdout(io.StringIO()):
        # COCOeval writes into the annotations: copies
        truth = as_coco(annotations, [dict(a) for a in annotations["annotations"] if a["image_id"] in wanted])
        found = as_coco(annotations, as_annotations(r for r in results if r["image_id"] in wanted))
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.params.imgIds = sorted(wanted)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    metrics: dict[str, Any] = {
        name: _fraction(value) for name, value in zip(SUMMARY, evaluation.stats, strict=True)
    }
    metrics["images"] = len(wanted)
    metrics["detections"] = len(found.dataset["annotations"])
    metrics["per_class"] = _per_class(evaluation, truth)
    return metrics


def refuse(annotations: dict[str, Any], images: list[int], reason: str) -> dict[str, Any]:
    """The metrics of a refused variant: those of ``score`` with null in place of all that detections decide.

    Args:
        annotations, images: as of ``score``.
        reason: kept as ``refused``.
    """
    metrics = score(annotations, [], images) | dict.fromkeys((*SUMMARY, "detections"))
    metrics["per_class"] = [row | {"AP": None, "AP50": None} for row in metrics["per_class"]]
    return metrics | {"refused": reason}


def _per_class(evaluation: COCOeval, truth: COCO) -> list[dict[str, Any]]:
    # precision: IoU thresholds x recalls x classes x areas (0: all) x maxDets (-1: 100)
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    half = int(np.flatnonzero(np.isclose(evaluation.params.iouThrs, 0.5))[0])
    rows = []
    for index, category_id in enumerate(evaluation.params.catIds):
        annotations = truth.loadAnns(truth.getAnnIds(catIds=[category_id], iscrowd=0))
        rows.append(
            {
                "category_id": int(category_id),
                "name": truth.cats[category_id]["name"],
                "AP": _mean(precision[:, :, index]),
                "AP50": _mean(precision[half, :, index]),
                "ground_truths": len(annotations),
            }
        )
    return rows


def _mean(values: np.ndarray) -> float | None:
    values = values[values > -1]
    return float(values.mean()) if values.size else None


def _fraction(value: float) -> float | None:
    return None if value == -1 else float(value)


def as_coco(annotations: dict[str, Any], boxes: list[dict[str, Any]]) -> COCO:
    """A ``COCO`` of these annotations' images and categories with other boxes, silently indexed."""
    coco = COCO()
    coco.dataset = {**annotations, "annotations": boxes}
    coco.createIndex()
    return coco


def as_annotations(results: Any) -> list[dict[str, Any]]:
    """What ``COCO.loadRes`` makes of a result list; it fails on an empty one."""
    return [
        {**r, "id": number, "area": r["bbox"][2] * r["bbox"][3], "iscrowd": 0}
        for number, r in enumerate(results, start=1)
    ]
