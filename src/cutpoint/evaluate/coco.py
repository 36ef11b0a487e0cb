"""COCO AP from pycocotools: the number of record. Very large data sets have our own, equal, evaluation."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from pycocotools.cocoeval import Params

from cutpoint.errors import UserError, located
from cutpoint.evaluate.accumulate import Curves, accumulate
from cutpoint.evaluate.as_coco import evaluate_boxes
from cutpoint.evaluate.matches import match_images
from cutpoint.evaluate.parts import split_images
from cutpoint.records.detections import Refused, Results, make_results, read_results
from cutpoint.records.metrics import OWN, PYCOCOTOOLS, SUMMARY, ClassMetrics, Metrics, write_metrics
from cutpoint.records.truth import GroundTruth, read_truth

# pycocotools scores data sets of up to so many images; more would take the memory of a usual machine
PYCOCOTOOLS_IMAGES = 20_000


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
        truth: the ground truth; all its images are scored. Up to ``PYCOCOTOOLS_IMAGES`` of them pycocotools
            scores, more our own evaluation (``accumulate``), which is compared with it on a part.
        results: detections; those of other images are left out.

    Raises:
        UserError: there are detections, and none is on an image of the ground truth, or none has one of its
            categories: numbers that do not meet are no AP of 0.
        RuntimeError: the two evaluations differ on the part.
    """
    _check_meeting(results, truth)
    results = results.of_images(truth.image_ids)
    few = len(truth.images) <= PYCOCOTOOLS_IMAGES
    curves = evaluate_as_pycocotools(truth, results) if few else evaluate_many(truth, results)
    numbers: dict[str, Any] = {
        name: _fraction(value) for name, value in zip(SUMMARY, curves.summarize(), strict=True)
    }
    return Metrics(
        **numbers,
        images=len(truth.images),
        detections=len(results),
        per_class=tuple(_per_class(curves, truth)),
        evaluator=PYCOCOTOOLS if few else OWN,
    )


def evaluate_as_pycocotools(truth: GroundTruth, results: Results) -> Curves:
    """pycocotools' curves."""
    found = evaluate_boxes(truth, results).eval
    return Curves(found["precision"], found["recall"], found["scores"])


def evaluate_many(truth: GroundTruth, results: Results) -> Curves:
    """The same curves from our own evaluation, which is compared with pycocotools' on the first images.

    Raises:
        RuntimeError: the two differ there.
    """
    part, rows = next(split_images(truth, results))
    own = results.take(rows)
    theirs = evaluate_as_pycocotools(part, own)
    for name, values in vars(accumulate(match_images(part, own))).items():
        if not np.array_equal(values, getattr(theirs, name)):
            raise RuntimeError(
                f"{name} of pycocotools and of Cutpoint's own evaluation differ on {len(part.images)} of "
                f"{len(truth.images)} images; please report it, and score fewer images with `limit`"
            )
    return accumulate(match_images(truth, results))


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


def _per_class(curves: Curves, truth: GroundTruth) -> Iterator[ClassMetrics]:
    # precision: IoU thresholds x recalls x classes x areas (0: all) x maxDets (-1: 100)
    precision = curves.precision[:, :, :, 0, -1]
    half = int(np.flatnonzero(np.isclose(Params("bbox").iouThrs, 0.5))[0])
    for index, category in enumerate(sorted(truth.categories, key=lambda category: category.id)):
        yield ClassMetrics(
            category_id=category.id,
            name=category.name,
            AP=_mean(precision[:, :, index]),
            AP50=_mean(precision[half, :, index]),
            ground_truths=int(np.sum((truth.category_id == category.id) & ~truth.iscrowd)),
        )


def _mean(values: np.ndarray) -> float | None:
    values = values[values > -1]
    return float(values.mean()) if values.size else None


def _fraction(value: float) -> float | None:
    return None if value == -1 else float(value)
