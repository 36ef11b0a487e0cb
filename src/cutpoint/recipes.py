"""Recipes: candidates in, detections out. A recipe is data, a list of steps with parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cutpoint.boxes import clip_boxes, scale_to_original
from cutpoint.candidates import Candidates, passes
from cutpoint.errors import UserError
from cutpoint.headspec import HeadSpec, ModelSpec
from cutpoint.image import Geometry, clip_size
from cutpoint.nms import class_shifted_nms

# What an override in the config changes: the step and its parameter.
OVERRIDES = {
    "score_thr": ("threshold", "value"),
    "nms_pre": ("top_k", "k"),
    "iou_threshold": ("nms", "iou_threshold"),
    "max_per_img": ("cap", "k"),
}


@dataclass
class Detections:
    """Detections of one image, best first.

    Attributes:
        boxes: ``(N, 4)`` float32, ``x1, y1, x2, y2``, original-image pixels.
        scores: ``(N,)`` float32.
        labels: ``(N,)`` int64, model class, 0-based.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class Recipe:
    """An ordered list of steps. Each is ``{"step": name, parameter: value, ...}``; see ``STEPS``."""

    steps: tuple[dict[str, Any], ...]

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


def resolve_recipe(definition: str | Mapping[str, Any], spec: HeadSpec) -> Recipe:
    """Make a recipe from its definition in the config.

    Args:
        definition: ``"mmdet3"``, or ``{"base": "mmdet3", ...}`` with overrides from ``OVERRIDES``.
        spec: the head that the candidates come from; ``mmdet3`` is its own.

    Raises:
        UserError: an unknown base, an override that this head's recipe has no step for, or a threshold
            below the floor of the candidates.
    """
    overrides = dict(definition) if isinstance(definition, Mapping) else {"base": definition}
    base = overrides.pop("base")
    if base != "mmdet3":
        raise UserError(f"recipe {base!r}: unknown; known: mmdet3")
    steps = [dict(step) for step in spec.recipe]
    for key, value in overrides.items():
        name, parameter = OVERRIDES[key]
        matching = [step for step in steps if step["step"] == name]
        if not matching:
            raise UserError(f"recipe override {key}: {spec.head} has no step {name!r} to change")
        matching[0][parameter] = value
    recipe = Recipe(tuple(steps))
    check_served(recipe, spec)
    return recipe


def check_served(recipe: Recipe, spec: HeadSpec) -> None:
    """Refuse a recipe that could keep pairs which are not among the candidates.

    Raises:
        UserError: the recipe's threshold is missing, on another quantity, or below the floor.
    """
    floor, threshold = spec.floor, recipe.get("threshold")
    floor_text = f"candidates end at {floor['on']} score {floor['value']:g}"
    mend = "raise the recipe's score_thr or lower models.<model>.candidate_floor"
    if threshold is None:
        raise UserError(f"recipe without a threshold: {floor_text}; {mend}")
    # product <= class score: a threshold on the product is at least as strict as one on the class score
    if floor["on"] == "product" and threshold["on"] == "class":
        raise UserError(f"recipe thresholds the class score: {floor_text}; {mend}")
    looser = threshold["value"] == floor["value"] and threshold["inclusive"] > floor["inclusive"]
    if threshold["value"] < floor["value"] or looser:
        raise UserError(f"recipe threshold {threshold['value']:g}: {floor_text}; {mend}")


def floor_of(recipe: Recipe) -> dict[str, Any]:
    """The highest floor that loses nothing of this recipe: its own threshold."""
    return {key: recipe.get("threshold")[key] for key in ("on", "value", "inclusive")}


def apply_recipe(recipe: Recipe, candidates: Candidates, geometry: Geometry, spec: ModelSpec) -> Detections:
    """Run a recipe on one image's candidates.

    Returns:
        detections in original-image pixels (network pixels if the recipe has no ``rescale``).

    Source:
        ``BaseDenseHead._predict_by_feat_single`` and ``_bbox_post_process``,
        mmdet/models/dense_heads/base_dense_head.py, and ``YOLOXHead`` beside it, mmdet 3.3.0.
    """
    state = candidates
    frame = _Frame(geometry, clip_size(geometry, spec.input))
    for step in recipe.steps:
        state = STEPS[step["step"]](state, step, frame)
    return Detections(state.boxes, state.score, state.label.astype(np.int64))


@dataclass(frozen=True)
class _Frame:
    geometry: Geometry
    clip: tuple[int, int]


def _best_class(c: Candidates, step: dict, frame: _Frame) -> Candidates:
    """Keep the best class of each location; the lowest label among equals."""
    order = np.lexsort((c.label, -c.score, c.prior))
    first = np.ones(len(order), dtype=bool)
    first[1:] = c.prior[order][1:] != c.prior[order][:-1]
    return c.take(order[first])


def _threshold(c: Candidates, step: dict, frame: _Frame) -> Candidates:
    value = c.score * c.factor if step["on"] == "product" else c.score
    return c.take(passes(value, step["value"], step["inclusive"]))


def _top_k(c: Candidates, step: dict, frame: _Frame) -> Candidates:
    """Keep the ``k`` best pairs of each level by class score. ``k`` is used as a slice end, as mmdet does:
    its ``nms_pre=-1`` drops the worst pair of each level."""
    kept = []
    for level in np.unique(c.level):
        members = np.flatnonzero(c.level == level)
        order = np.argsort(-c.score[members], kind="stable")
        kept.append(members[order[: min(step["k"], len(members))]])
    return c.take(np.concatenate(kept) if kept else np.zeros(0, dtype=np.int64))


def _clip(c: Candidates, step: dict, frame: _Frame) -> Candidates:
    return _replace(c, boxes=clip_boxes(c.boxes, *frame.clip))


def _rescale(c: Candidates, step: dict, frame: _Frame) -> Candidates:
    scale = frame.geometry.scale_x, frame.geometry.scale_y
    return _replace(c, boxes=scale_to_original(c.boxes, *scale, step["operation"]))


def _multiply_factor(c: Candidates, step: dict, frame: _Frame) -> Candidates:
    return _replace(c, score=c.score * c.factor)


def _min_size(c: Candidates, step: dict, frame: _Frame) -> Candidates:
    size = c.boxes[:, 2:] - c.boxes[:, :2]
    return c.take((size > np.float32(step["value"])).all(axis=1))


def _nms(c: Candidates, step: dict, frame: _Frame) -> Candidates:
    return c.take(class_shifted_nms(c.boxes, c.score, c.label, step["iou_threshold"]))


def _cap(c: Candidates, step: dict, frame: _Frame) -> Candidates:
    return c.take(np.argsort(-c.score, kind="stable")[: step["k"]])


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
    "cap": _cap,
}
