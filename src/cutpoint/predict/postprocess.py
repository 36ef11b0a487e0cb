"""Turn a run's predictions into detections in COCO results format, with a recipe and a label map."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cutpoint.predict.store import open_run
from cutpoint.predict.validity import find_invalid
from cutpoint.recipes.apply import detect
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.records.detections import Detections, Refused, as_line, write_lines, write_refusal
from cutpoint.records.head import keeps_candidates
from cutpoint.records.labels import read_labels
from cutpoint.records.predictions import find_refusal, read_predictions


def postprocess(
    *,
    predictions: list[str],
    images: list[str],
    spec: str,
    labels: str,
    cut: str,
    recipe: str | dict[str, Any],
    out: str,
    candidates: Sequence[str] = (),
    part: bool = False,
) -> None:
    """Write one variant's detections from all shards of its run, or from some of them.

    Args:
        predictions, images: the shards' Parquet files.
        spec: ``spec.json``.
        labels: JSON of ``truth.map_labels``.
        cut: the run's cut; candidates go through the recipe, ``e2e`` detections are already final.
        recipe: the recipe's definition.
        out: JSON file to write, COCO results format: ``bbox`` ``[x, y, w, h]``, original-image pixels. For a
            refused run, or if the recipe gives NaN (score voting does for a box without area): the reason
            (``records.detections``).
        candidates: for the cut ``e2e``, the shards of the ``raw`` run that is otherwise the same. A graph
            that ends in detections drops NaN, so its own outputs do not show it.
        part: these are some of the shards, and ``merge`` follows: a refusal says where it was found.

    Raises:
        UserError: the candidates were made with another specification, or are not enough for the recipe.
    """
    model_spec, made = open_run(predictions, spec)
    for place, files in (("predictions", predictions), ("candidates", candidates)):
        reason = find_refusal(files)
        if reason is not None:
            write_refusal(out, reason, place if part else None)
            return
    scores = made.scores or "class"
    finished = not keeps_candidates(cut, model_spec.head)
    resolved = None if finished else resolve_recipe(recipe, model_spec.head, scores)
    categories = read_labels(labels).labels

    def lines() -> Iterator[str]:
        for image_id, geometry, rows in read_predictions(predictions, images):
            detections = detect(rows, resolved, geometry, model_spec)
            reason = find_invalid((("a box behind the recipe", detections.boxes),))
            if reason is not None:
                raise Refused(f"{reason} on image id {image_id}")
            yield from coco_results(image_id, detections, categories)

    try:
        write_lines(out, lines())
    except Refused as refused:
        write_refusal(out, refused.reason, "recipe" if part else None)


def coco_results(image_id: int, detections: Detections, categories: Sequence[int | None]) -> list[str]:
    """One JSON object per detection, see ``as_line``, without classes that have no category."""
    boxes = detections.boxes.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    rows = zip(boxes.tolist(), detections.scores.tolist(), detections.labels.tolist(), strict=True)
    return [
        as_line(image_id, category, box, score)
        for box, score, label in rows
        if (category := categories[label]) is not None
    ]
