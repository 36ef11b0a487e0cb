"""Post-processing after the graph, as it is timed: a variant's recipe on candidates.

It is imported only for a variant that needs it. So after a change of the recipes' code, only variants that
use them are timed again.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from cutpoint.predict.pipeline import Pipeline
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import Recipe, least_floor, resolve_recipe
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections
from cutpoint.records.image import Geometry, InputRecipe
from cutpoint.records.model import ModelSpec


def open_recipe(
    pipeline: Pipeline, recipe: str | dict[str, Any], made_by: InputRecipe, scores: str
) -> Callable[[Candidates, Geometry], Detections]:
    """The function that finishes an image; what the recipe needs becomes the floor of the pipeline.

    Args:
        pipeline: it gives candidates; its specification is changed.
        recipe, scores: see ``recipe.resolve_recipe``.
        made_by: the input recipe of the run.
    """
    resolved = resolve_recipe(recipe, pipeline.spec.head, scores)
    spec = pipeline.spec.with_floor(least_floor(resolved, pipeline.spec.head))
    # the input recipe of the run decides what boxes are clipped to
    pipeline.spec = replace(spec, input=made_by)
    return partial(_finish, recipe=resolved, spec=pipeline.spec)


def _finish(candidates: Candidates, geometry: Geometry, *, recipe: Recipe, spec: ModelSpec) -> Detections:
    return apply_recipe(recipe, candidates, geometry, spec)
