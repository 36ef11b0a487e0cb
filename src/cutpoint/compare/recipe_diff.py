"""Two recipes on one store: every box that they treat differently, by the step that separates them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from cutpoint.compare.follow import SAME_BOX, SAME_SCORE, Followed, open_candidates, what_changed
from cutpoint.files import write_json
from cutpoint.recipes.recipe import Recipe, resolve_recipe
from cutpoint.records.candidates import Candidates
from cutpoint.records.image import Geometry
from cutpoint.records.model import ModelSpec
from cutpoint.records.predictions import read_predictions


def diff_recipes(
    *,
    first: str | Mapping[str, Any],
    second: str | Mapping[str, Any],
    predictions: list[str],
    images: list[str],
    spec: str,
    out: str,
) -> None:
    """Compare two recipes on the candidates of one run.

    Args:
        first, second: definitions of the recipes.
        predictions, images: the run's shards, Parquet.
        spec: ``spec.json``.
        out: JSON file to write. ``first``, ``second``: the steps; ``images``: how many; ``detections``: how
            many of the ``first``, of the ``second``, the ``same`` in both; ``steps``: per separating step how
            many boxes only the ``first`` or the ``second`` keeps, or ``both`` with another box or score;
            ``rows``: one a box, see ``diff_image``.

    Raises:
        UserError: a store without candidates or of another specification, or a recipe that it cannot serve.
    """
    model, scores = open_candidates(predictions, spec)
    recipes = [resolve_recipe(definition, model.head, scores) for definition in (first, second)]
    rows: list[dict[str, Any]] = []
    counts = {"first": 0, "second": 0, "same": 0}
    seen = 0
    for image_id, geometry, candidates in read_predictions(predictions, images):
        found, kept = diff_image(recipes[0], recipes[1], candidates, geometry, model)
        rows += [{"image_id": image_id, **row} for row in found]
        counts = {key: counts[key] + kept[key] for key in counts}
        seen += 1
    steps: dict[str, dict[str, int]] = {}
    for row in rows:
        totals = steps.setdefault(row["step"], {"first": 0, "second": 0, "both": 0})
        totals[row["kept_by"]] += 1
    write_json(
        out,
        {
            "first": list(recipes[0].steps),
            "second": list(recipes[1].steps),
            "images": seen,
            "detections": counts,
            "steps": steps,
            "rows": rows,
        },
    )


def diff_image(
    first: Recipe, second: Recipe, candidates: Candidates, geometry: Geometry, spec: ModelSpec
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Compare two recipes on one image.

    Returns:
        One row a box that only one recipe keeps, or that both keep with another box or score. ``kept_by``:
        ``first``, ``second`` or ``both``; ``label``, ``class``, ``level``, ``prior``; ``score``, ``box`` as
        kept (of both the first's; ``other_score``, ``other_box`` the second's); ``step`` that removes or
        changes it and its ``number`` in that recipe; ``margin`` by which it missed the step's border;
        ``by``: the candidate that took its place (``best_class``, ``nms``), its IoU, and ``otherwise``, what
        became of that one in the recipe that keeps the box. And the numbers of detections: ``first``,
        ``second``, ``same``.
    """
    runs = [Followed(recipe, candidates, geometry, spec) for recipe in (first, second)]
    kept = [run.keys(-1) for run in runs]
    rows = []
    for name, ours, theirs in (("first", *runs), ("second", *runs[::-1])):
        for key in [key for key in ours.keys(-1) if key not in theirs.keys(-1)]:
            fate = theirs.fate(key)
            if "by" in fate:
                fate["by"]["otherwise"] = ours.fate((fate["by"]["prior"], fate["by"]["label"]))["step"]
            rows.append({"kept_by": name, **ours.describe(key), **fate})
    same = 0
    for key in [key for key in kept[0] if key in kept[1]]:
        one, other = (run.describe(key) for run in runs)
        moved = np.abs(np.subtract(one["box"], other["box"])).max() > SAME_BOX
        if moved or abs(one["score"] - other["score"]) > SAME_SCORE:
            changed = {"other_score": other["score"], "other_box": other["box"]}
            rows.append({"kept_by": "both", **one, **changed, **what_changed(key, *runs)})
        else:
            same += 1
    return rows, {"first": len(kept[0]), "second": len(kept[1]), "same": same}
