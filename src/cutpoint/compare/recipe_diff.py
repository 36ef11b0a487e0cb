"""Two recipes on the same candidates: every box that they treat differently, by the separating step."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from cutpoint.compare.follow import SAME_BOX, SAME_SCORE, Fate, Followed, Kept, open_candidates, what_changed
from cutpoint.files import scratch
from cutpoint.recipes.recipe import Recipe, resolve_recipe
from cutpoint.recipes.schema import write_steps
from cutpoint.recipes.steps.step import Rival
from cutpoint.records.candidates import Candidates
from cutpoint.records.image import Geometry
from cutpoint.records.model import ModelSpec
from cutpoint.records.predictions import read_predictions
from cutpoint.records.recipe_diff import (
    Detected,
    DiffRow,
    RecipeDiff,
    StepTotals,
    Winner,
    row_line,
    write_recipe_diff,
)


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
        out: JSON file to write, see ``RecipeDiff`` and for its rows ``diff_image``.

    Raises:
        UserError: there are no candidates, they have another specification, or are not enough for a recipe.
    """
    model, made = open_candidates(predictions, spec)
    recipes = [
        resolve_recipe(definition, model.head, made.scores or "class") for definition in (first, second)
    ]
    totals: dict[str, Counter[str]] = {}
    counts: Counter[str] = Counter()
    seen = 0
    with scratch(out) as lines:
        for image_id, geometry, candidates in read_predictions(predictions, images):
            assert isinstance(candidates, Candidates)  # ``open_candidates`` refuses detections
            differing, kept = diff_image(recipes[0], recipes[1], image_id, candidates, geometry, model)
            lines.writelines(f"{row_line(row)}\n" for row in differing)
            for row in differing:
                totals.setdefault(row.step, Counter())[row.kept_by] += 1
            counts.update(kept)
            seen += 1
        diff = RecipeDiff(
            first=tuple(write_steps(recipes[0].steps)),
            second=tuple(write_steps(recipes[1].steps)),
            images=seen,
            detections=Detected(**{key: counts[key] for key in ("first", "second", "same")}),
            steps={
                step: StepTotals(**{key: counted[key] for key in ("first", "second", "both")})
                for step, counted in totals.items()
            },
            rows=(),
        )
        lines.seek(0)
        write_recipe_diff(out, diff, map(str.rstrip, lines))


def diff_image(
    first: Recipe,
    second: Recipe,
    image_id: int,
    candidates: Candidates,
    geometry: Geometry,
    spec: ModelSpec,
) -> tuple[list[DiffRow], dict[str, int]]:
    """Compare two recipes on one image.

    Returns:
        One row per box that only one recipe keeps, or that both keep with another box or score. And the
        numbers of detections: ``first``, ``second``, ``same``.
    """
    runs = [Followed(recipe, candidates, geometry, spec) for recipe in (first, second)]
    kept = [run.keys(-1) for run in runs]
    rows = []
    for name, ours, theirs in (("first", runs[0], runs[1]), ("second", runs[1], runs[0])):
        for key in [key for key in ours.keys(-1) if key not in theirs.keys(-1)]:
            fate = theirs.fate(key)
            by = _winner(fate.by, ours) if fate.by else None
            rows.append(_row(image_id, name, ours.describe(key), fate, by=by))
    same = 0
    for key in [key for key in kept[0] if key in kept[1]]:
        one, other = (run.describe(key) for run in runs)
        moved = np.abs(np.subtract(one.box, other.box)).max() > SAME_BOX
        if moved or abs(one.score - other.score) > SAME_SCORE:
            rows.append(_row(image_id, "both", one, what_changed(key, *runs), other=other))
        else:
            same += 1
    return rows, {"first": len(kept[0]), "second": len(kept[1]), "same": same}


def _winner(by: Rival, ours: Followed) -> Winner:
    return Winner(**asdict(by), otherwise=ours.fate((by.prior, by.label)).step)


def _row(
    image_id: int,
    kept_by: str,
    kept: Kept,
    fate: Fate,
    *,
    by: Winner | None = None,
    other: Kept | None = None,
) -> DiffRow:
    return DiffRow(
        image_id=image_id,
        kept_by=kept_by,
        label=kept.label,
        class_name=kept.class_name,
        level=kept.level,
        prior=kept.prior,
        score=kept.score,
        box=kept.box,
        other_score=other.score if other else None,
        other_box=other.box if other else None,
        step=fate.step,
        number=fate.number,
        margin=fate.margin,
        by=by,
    )
