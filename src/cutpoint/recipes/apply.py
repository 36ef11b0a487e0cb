"""Run a recipe: candidates in, detections out."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cutpoint.data.image import clip_size
from cutpoint.recipes import nms
from cutpoint.recipes.recipe import Recipe
from cutpoint.recipes.steps.overlaps import Nms
from cutpoint.recipes.steps.step import Frame
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections
from cutpoint.records.image import Geometry
from cutpoint.records.model import ModelSpec


def apply_recipe(recipe: Recipe, candidates: Candidates, geometry: Geometry, spec: ModelSpec) -> Detections:
    """Run a recipe on one image's candidates.

    Returns:
        detections in original-image pixels (network pixels if the recipe has no ``rescale``).

    Source:
        ``BaseDenseHead._predict_by_feat_single`` and ``_bbox_post_process``,
        mmdet/models/dense_heads/base_dense_head.py, and ``YOLOXHead`` beside it, mmdet 3.3.0.
    """
    *_, state = candidates, *run_steps(recipe, candidates, geometry, spec)
    return Detections(state.boxes, state.score, state.label.astype(np.int64))


def detect(
    read: Candidates | Detections, recipe: Recipe | None, geometry: Geometry, spec: ModelSpec
) -> Detections:
    """Finish an image: candidates go through the recipe; detections are final (``recipe`` is null)."""
    if isinstance(read, Detections):
        return read
    assert recipe is not None
    return apply_recipe(recipe, read, geometry, spec)


def run_steps(
    recipe: Recipe, candidates: Candidates, geometry: Geometry, spec: ModelSpec
) -> Iterator[Candidates]:
    """The state after each step of a recipe, in order."""
    state, frame = candidates, Frame(geometry, clip_size(geometry, spec.input), candidates, nms)
    for step in recipe.steps:
        if type(step) is Nms:  # isinstance of an abstract class's kind takes longer
            frame = replace(frame, before_nms=state)
        state = step.apply(state, frame)
        yield state
