"""Recipes: candidates in, detections out. A recipe is data, a list of steps with parameters."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cutpoint.data.image import clip_size
from cutpoint.decode.boxes import clip_boxes, scale_to_original
from cutpoint.decode.candidates import passes
from cutpoint.iou import box_iou
from cutpoint.ordering import ascending, best_first
from cutpoint.recipes.bases import steps_of
from cutpoint.recipes.checks import check_served, complete_step, pair_demands
from cutpoint.recipes.nms import Overlap, class_shifted_nms, greedy_nms, per_class_nms
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections
from cutpoint.records.image import Geometry
from cutpoint.records.model import Floor, HeadSpec, ModelSpec


@dataclass(frozen=True)
class Recipe:
    """An ordered list of steps, each ``{"step": name, parameter: value, ...}``.

    The vocabulary is ``recipe_checks.PARAMETERS``; parameters with a default are completed.
    """

    steps: tuple[dict[str, Any], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(complete_step(step) for step in self.steps))

    def without(self, step: str) -> "Recipe":
        """This recipe with one kind of step left out.

        Raises:
            ValueError: the recipe has no such step.
        """
        kept = tuple(s for s in self.steps if s["step"] != step)
        if len(kept) == len(self.steps):
            raise ValueError(f"no step {step!r} among {[s['step'] for s in self.steps]}")
        return Recipe(kept)

    def get(self, step: str) -> dict[str, Any] | None:
        """The first step of a kind, null without one."""
        return next((s for s in self.steps if s["step"] == step), None)


def resolve_recipe(definition: str | Mapping[str, Any], spec: HeadSpec, scores: str = "class") -> Recipe:
    """Make a recipe from its definition in the config.

    Args:
        definition: see ``recipe_bases.steps_of``.
        spec: the head that the candidates come from; ``mmdet3`` is its own.
        scores: ``fused`` for candidates of a ``decoded`` cut that gives class score x factor alone.

    Raises:
        UserError: an unknown name, step or parameter, an override that this head's recipe has no step for, or
            a recipe that the candidates cannot serve.
    """
    recipe = Recipe(tuple(steps_of(definition, spec)))
    check_served(recipe.steps, spec.floor, scores if spec.has_factor else "class")
    return recipe


def limit_top_k(recipe: Recipe, limit: int) -> Recipe:
    """A recipe that ranks no more than ``limit`` of anything, for TensorRT's limit of a TopK.

    Every count is at most ``limit``; the ``limit`` best pairs of the image (locations, where NMS is per
    class) go into NMS, and as many come out. Detections differ only where more would pass.
    """
    steps = [step | {"k": min(step["k"], limit)} if "k" in step else step for step in recipe.steps]
    nms = next(i for i, step in enumerate(steps) if step["step"] == "nms")
    unit = "location" if steps[nms]["space"] == "per_class" else "pair"
    if recipe.get("max_per_img") is None:
        steps.insert(nms + 1, {"step": "max_per_img", "k": limit})
    steps.insert(nms, {"step": "top_k", "k": limit, "unit": unit, "per": "image"})
    return Recipe(tuple(steps))


def floor_of(recipe: Recipe) -> Floor:
    """The floor that loses nothing of this recipe: its own first threshold."""
    return pair_demands(recipe.steps)[0]


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
    """Finish an image: candidates go through the recipe, detections are done already."""
    if isinstance(read, Detections):
        return read
    return apply_recipe(recipe, read, geometry, spec)


def run_steps(
    recipe: Recipe, candidates: Candidates, geometry: Geometry, spec: ModelSpec
) -> Iterator[Candidates]:
    """The state behind each step of a recipe, in order."""
    state, frame = candidates, Frame(geometry, clip_size(geometry, spec.input), candidates)
    for step in recipe.steps:
        if step["step"] == "nms":
            frame = replace(frame, before_nms=state)
        state = STEPS[step["step"]](state, step, frame)
        yield state


@dataclass(frozen=True)
class Frame:
    """What the steps know of an image: sizes, the clip's height and width, the rows that NMS chose from."""

    geometry: Geometry
    clip: tuple[int, int]
    before_nms: Candidates


def _best_class(c: Candidates, step: dict, frame: Frame) -> Candidates:
    """Keep the best class of each location; the lowest label among equals."""
    order = np.argsort(c.label, kind="stable")
    order = order[best_first(c.score[order])]
    order = order[ascending(c.prior[order])]
    prior = c.prior[order]
    first = np.ones(len(c), dtype=bool)
    first[1:] = prior[1:] != prior[:-1]
    return c.take(order[first])


def _threshold(c: Candidates, step: dict, frame: Frame) -> Candidates:
    value = {"class": c.score, "factor": c.factor}.get(step["quantity"])
    value = c.score * c.factor if value is None else value
    return c.take(passes(value, step["value"], step["inclusive"]))


def _top_k(c: Candidates, step: dict, frame: Frame) -> Candidates:
    """Keep the ``k`` best pairs, or all pairs of the ``k`` best locations, of each level or of the image.

    A location ranks by its best pair. ``k`` is used as a slice end, as mmdet does: its ``nms_pre=-1`` drops
    the worst pair of each level.
    """
    group = c.level if step["per"] == "level" else np.zeros_like(c.level)
    order = best_first(c.score)
    order = order[np.argsort(group[order], kind="stable")]
    if step["k"] >= len(c):
        return c.take(order)
    if step["unit"] == "pair":
        return c.take(order[_first_of_each(group[order], step["k"])])
    locations, first = np.unique(c.prior[order], return_index=True)
    by_rank = np.argsort(first)
    best = locations[by_rank][_first_of_each(group[order[first[by_rank]]], step["k"])]
    return c.take(order[np.isin(c.prior[order], best)])


def _first_of_each(groups: np.ndarray, k: int) -> np.ndarray:
    """Mask of the first ``k`` rows of each run of equal values; of ``-k`` all but the last ``k``."""
    starts = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]])) if len(groups) else groups
    counts = np.diff(starts, append=len(groups))
    ranks = np.arange(len(groups)) - np.repeat(starts, counts)
    return ranks < np.repeat(np.minimum(counts, k) if k >= 0 else counts + k, counts)


def _clip(c: Candidates, step: dict, frame: Frame) -> Candidates:
    padded = frame.geometry.padded_height, frame.geometry.padded_width
    height, width = frame.clip if step["to"] == "image" else padded
    return _replace(c, boxes=clip_boxes(c.boxes, height - step["border"], width - step["border"]))


def _rescale(c: Candidates, step: dict, frame: Frame) -> Candidates:
    scale = frame.geometry.scale_x, frame.geometry.scale_y
    return _replace(c, boxes=scale_to_original(c.boxes, *scale, step["operation"]))


def _multiply_factor(c: Candidates, step: dict, frame: Frame) -> Candidates:
    """The score becomes class score x factor, or its root; the factor is used up."""
    score = c.score * c.factor
    return _replace(c, score=np.sqrt(score) if step["root"] else score, factor=np.ones_like(c.factor))


def _min_size(c: Candidates, step: dict, frame: Frame) -> Candidates:
    size = c.boxes[:, 2:] - c.boxes[:, :2]
    return c.take((size > np.float32(step["value"])).all(axis=1))


def _nms(c: Candidates, step: dict, frame: Frame) -> Candidates:
    overlap = Overlap(step["offset"], step["reading"], step["intersection"])
    rows = c.boxes, c.score
    if step["space"] == "agnostic":
        return c.take(greedy_nms(*rows, step["iou_threshold"], overlap))
    if step["space"] == "per_class":
        return c.take(per_class_nms(*rows, c.label, step["iou_threshold"], overlap, step["max_per_class"]))
    return c.take(class_shifted_nms(*rows, c.label, step["iou_threshold"], overlap))


def _max_per_img(c: Candidates, step: dict, frame: Frame) -> Candidates:
    return c.take(best_first(c.score)[: step["k"]])


def _score_voting(c: Candidates, step: dict, frame: Frame) -> Candidates:
    """Every box becomes the weighted mean of the boxes of its class that overlap it before NMS.

    Source:
        ``PAAHead.score_voting``, mmdet/models/dense_heads/paa_head.py, mmdet 3.3.0; the order stays.
    """
    pool = frame.before_nms
    boxes = c.boxes.copy()
    for label in np.unique(c.label):
        ours, theirs = np.flatnonzero(c.label == label), np.flatnonzero(pool.label == label)
        overlaps = box_iou(c.boxes[ours], pool.boxes[theirs])
        for row, iou in zip(ours, overlaps, strict=True):
            near = iou > step["iou_threshold"]
            weight = np.exp(-((1 - iou[near]) ** 2) / np.float32(step["variance"]))
            weight = (weight * pool.score[theirs][near])[:, None]
            boxes[row] = (weight * pool.boxes[theirs][near]).sum(0) / weight.sum(0)
    return _replace(c, boxes=boxes)


def _replace(c: Candidates, **changes: np.ndarray) -> Candidates:
    return Candidates(**{**vars(c), **changes})


STEPS = {
    "best_class": _best_class,
    "threshold": _threshold,
    "top_k": _top_k,
    "clip": _clip,
    "rescale": _rescale,
    "multiply_factor": _multiply_factor,
    "min_size": _min_size,
    "nms": _nms,
    "max_per_img": _max_per_img,
    "score_voting": _score_voting,
}
