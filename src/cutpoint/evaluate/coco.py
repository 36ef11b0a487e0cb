"""COCO AP from pycocotools: the number of record."""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cutpoint.errors import UserError, located
from cutpoint.records.detections import Refused, Results, make_results, read_results
from cutpoint.records.metrics import SUMMARY, ClassMetrics, Metrics, write_metrics
from cutpoint.records.truth import GroundTruth, read_truth


def evaluate(*, truth: str, detections: str, out: str) -> None:
    """Score one variant's detections on its data set and write the metrics JSON.

    Args:
        truth: JSON of ``truth.build_truth``; all its images are scored, also those without detections.
        detections: detections file.
        out: JSON file to write: what ``score`` returns, or for a refused variant what ``refuse`` returns.

    Raises:
        UserError: see ``score``.
    """
    annotated = read_truth(truth)
    try:
        results = read_results(detections)
        with located(f"{detections} on {truth}"):
            write_metrics(out, score(annotated, results))
    except Refused as refused:
        write_metrics(out, refuse(annotated, refused.reason))


def score(truth: GroundTruth, results: Results) -> Metrics:
    """COCO box metrics with pycocotools' own settings (maxDets 1, 10, 100).

    Args:
        truth: the ground truth; all its images are scored.
        results: detections; those of other images are left out.

    Raises:
        UserError: there are detections, and none is on an image of the ground truth, or none has one of its
            categories: numbers that do not meet are no AP of 0.
    """
    _check_meeting(results, truth)
    results = results.of_images(truth.image_ids)
    with contextlib.redirect_stdout(io.StringIO()):
        # pycocotools prints
        evaluation = COCOeval(truth_as_coco(truth), results_as_coco(truth, results), "bbox")
        evaluation.params.imgIds = sorted(truth.image_ids)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    numbers: dict[str, Any] = {
        name: _fraction(value) for name, value in zip(SUMMARY, evaluation.stats, strict=True)
    }
    return Metrics(
        **numbers,
        images=len(truth.images),
        detections=len(results),
        per_class=tuple(_per_class(evaluation, truth)),
    )


def _check_meeting(results: Results, truth: GroundTruth) -> None:
    categories = [category.id for category in truth.categories]
    for what, found, known in (
        ("image_id", results.image_id, truth.image_ids),
        ("category_id", results.category_id, categories),
    ):
        if len(results) and not np.isin(found, np.array(known, dtype=np.int64)).any():
            raise UserError(
                f"none of {len(results)} detections has the {what} of one of the {len(known)} "
                f"{'images' if what == 'image_id' else 'categories'} of the ground truth (the first has "
                f"{found[0]}), so there is nothing to score; number both alike"
            )


def refuse(truth: GroundTruth, reason: str) -> Metrics:
    """The metrics of a refused variant: as in ``score``, with null for everything that needs detections.

    Args:
        truth: see ``score``.
        reason: kept as ``refused``.
    """
    metrics = score(truth, make_results([]))
    per_class = tuple(replace(line, AP=None, AP50=None) for line in metrics.per_class)
    numbers: dict[str, Any] = dict.fromkeys((*SUMMARY, "detections"))
    return replace(metrics, **numbers, per_class=per_class, refused=reason)


def _per_class(evaluation: COCOeval, truth: GroundTruth) -> Iterator[ClassMetrics]:
    # precision: IoU thresholds x recalls x classes x areas (0: all) x maxDets (-1: 100)
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    half = int(np.flatnonzero(np.isclose(evaluation.params.iouThrs, 0.5))[0])
    names = {category.id: category.name for category in truth.categories}
    for index, category_id in enumerate(evaluation.params.catIds):
        yield ClassMetrics(
            category_id=int(category_id),
            name=names[category_id],
            AP=_mean(precision[:, :, index]),
            AP50=_mean(precision[half, :, index]),
            ground_truths=int(np.sum((truth.category_id == category_id) & ~truth.iscrowd)),
        )


def _mean(values: np.ndarray) -> float | None:
    values = values[values > -1]
    return float(values.mean()) if values.size else None


def _fraction(value: float) -> float | None:
    return None if value == -1 else float(value)


def truth_as_coco(truth: GroundTruth) -> COCO:
    """Ground truth for pycocotools, indexed without output. It is a copy, because pycocotools changes it."""
    return _index(truth.to_coco())


def results_as_coco(truth: GroundTruth, results: Results) -> COCO:
    """Detections as ``COCO.loadRes`` makes them, which fails without detections; their ids are 1, 2, ..."""
    boxes = results.to_coco()
    area = (results.bbox[:, 2] * results.bbox[:, 3]).tolist()
    for number, (box, size) in enumerate(zip(boxes, area, strict=True), start=1):
        box |= {"id": number, "area": size, "iscrowd": 0}
    return _index({**truth.to_coco(rows=np.zeros(0, dtype=np.int64)), "annotations": boxes})


def _index(dataset: dict[str, Any]) -> COCO:
    coco = COCO()
    coco.dataset = dataset
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco
