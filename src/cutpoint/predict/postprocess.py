"""Turn a run's predictions into detections in COCO results format, with a recipe and a label map."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cutpoint.files import write_text
from cutpoint.predict.store import open_run
from cutpoint.predict.validity import find_invalid
from cutpoint.recipes.apply import detect
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.records.detections import Detections, write_refusal
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
) -> None:
    """Merge the shards of a run and write one variant's detections.

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

    Raises:
        UserError: the candidates were made with another specification, or are not enough for the recipe.
    """
    model_spec, made = open_run(predictions, spec)
    reason = find_refusal([*predictions, *candidates])
    if reason is not None:
        write_refusal(out, reason)
        return
    scores = made.scores or "class"
    finished = not keeps_candidates(cut, model_spec.head)
    resolved = None if finished else resolve_recipe(recipe, model_spec.head, scores)
    categories = read_labels(labels).labels
    lines = []
    for image_id, geometry, rows in read_predictions(predictions, images):
        detections = detect(rows, resolved, geometry, model_spec)
        reason = find_invalid((("a box behind the recipe", detections.boxes),))
        if reason is not None:
            write_refusal(out, f"{reason} on image id {image_id}")
            return
        lines.extend(coco_results(image_id, detections, categories))
    # repr of a float is its shortest exact form, without rounding
    write_text(out, "[" + ",\n".join(lines) + "]\n")


def coco_results(image_id: int, detections: Detections, categories: Sequence[int | None]) -> list[str]:
    """One JSON object per detection, without classes that have no category."""
    boxes = detections.boxes.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    rows = zip(boxes.tolist(), detections.scores.tolist(), detections.labels.tolist(), strict=True)
    return [
        f'{{"image_id": {image_id}, "category_id": {categories[label]}, "bbox": {box!r}, "score": {score!r}}}'
        for box, score, label in rows
        if categories[label] is not None
    ]
