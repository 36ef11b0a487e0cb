"""Recipes: candidates in, detections out. A recipe is data, a list of steps with parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cutpoint.boxes import box_iou, clip_boxes, scale_to_original
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
    """An ordered list of steps, each ``{"step": name, parameter: value, ...}``, completed from ``DEFAULTS``."""

    steps: tuple[dict[str, Any], ...]

    def __post_init__(self) -> None:
        complete = tuple({**DEFAULTS.get(step["step"], {}), **step} for step in self.steps)
        object.__setattr__(self, "steps", complete)

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
    floor = spec.floor
    floor_text = f"candidates end at {floor['on']} score {floor['value']:g}"
    mend = "raise the recipe's score_thr or lower models.<model>.candidate_floor"
    thresholds = _pair_thresholds(recipe)
    if not thresholds:
        raise UserError(f"recipe without a threshold: {floor_text}; {mend}")
    # product <= class score: a threshold on the product is at least as strict as one on the class score
    usable = [t for t in thresholds if floor["on"] == "class" or t["on"] == "product"]
    if not usable:
        raise UserError(f"recipe thresholds the class score: {floor_text}; {mend}")
    best = max(usable, key=lambda t: t["value"])
    looser = best["value"] == floor["value"] and best["inclusive"] > floor["inclusive"]
    if best["value"] < floor["value"] or looser:
        raise UserError(f"recipe threshold {best['value']:g}: {floor_text}; {mend}")


def floor_of(recipe: Recipe) -> dict[str, Any]:
    """The highest floor that loses nothing of this recipe: its own first threshold."""
    return _pair_thresholds(recipe)[0]


def _pair_thresholds(recipe: Recipe) -> list[dict[str, Any]]:
    """What the recipe demands of a pair's class score or product, in order."""
    found, root, multiplied = [], False, False
    for step in recipe.steps:
        if step["step"] == "multiply_factor":
            root, multiplied = step["root"], True
        elif step["step"] == "threshold" and step["on"] != "factor":
            on = "product" if multiplied else step["on"]
            if root:
                # on the root of the product, whose rounding must not lose a pair
                found.append({"on": on, "value": step["value"] ** 2 * (1 - 1e-6), "inclusive": True})
            else:
                found.append({"on": on, "value": step["value"], "inclusive": step["inclusive"]})
    return found


def apply_recipe(recipe: Recipe, candidates: Candidates, geometry: Geometry, spec: ModelSpec) -> Detections:
    """Run a recipe on one image's candidates.

    Returns:
        detections in original-image pixels (network pixels if the recipe has no ``rescale``).

    Source:
        ``BaseDenseHead._predict_by_feat_single`` and ``_bbox_post_process``,
        mmdet/models/dense_heads/base_dense_head.py, and ``YOLOXHead`` beside it, mmdet 3.3.0.
    """
    state = candidates
    frame = Frame(geometry, clip_size(geometry, spec.input), candidates)
    for step in recipe.steps:
        if step["step"] == "nms":
            frame = replace(frame, before_nms=state)
        state = STEPS[step["step"]](state, step, frame)
    return Detections(state.boxes, state.score, state.label.astype(np.int64))


@dataclass(frozen=True)
class Frame:
    """What the steps know of an image: sizes, the clip's height and width, the rows that NMS chose from."""

    geometry: Geometry
    clip: tuple[int, int]
    before_nms: Candidates


def _best_class(c: Candidates, step: dict, frame: Frame) -> Candidates:
    """Keep the best class of each location; the lowest label among equals."""
    order = np.lexsort((c.label, -c.score, c.prior))
    first = np.ones(len(order), dtype=bool)
    first[1:] = c.prior[order][1:] != c.prior[order][:-1]
    return c.take(order[first])


def _threshold(c: Candidates, step: dict, frame: Frame) -> Candidates:
    value = {"class": c.score, "factor": c.factor}.get(step["on"])
    value = c.score * c.factor if value is None else value
    return c.take(passes(value, step["value"], step["inclusive"]))


def _top_k(c: Candidates, step: dict, frame: Frame) -> Candidates:
    """Keep the ``k`` best pairs, or all pairs of the ``k`` best locations, of each level or of the image.

    A location ranks by its best pair. ``k`` is used as a slice end, as mmdet does: its ``nms_pre=-1`` drops
    the worst pair of each level.
    """
    group = c.level if step["per"] == "level" else np.zeros_like(c.level)
    kept = []
    for number in np.unique(group):
        members = np.flatnonzero(group == number)
        order = members[np.argsort(-c.score[members], kind="stable")]
        if step["unit"] == "pair":
            kept.append(order[: min(step["k"], len(order))])
        else:
            locations, first = np.unique(c.prior[order], return_index=True)
            best = locations[np.argsort(first)][: step["k"]]
            kept.append(order[np.isin(c.prior[order], best)])
    return c.take(np.concatenate(kept) if kept else np.zeros(0, dtype=np.int64))


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
    return c.take(class_shifted_nms(c.boxes, c.score, c.label, step["iou_threshold"]))


def _cap(c: Candidates, step: dict, frame: Frame) -> Candidates:
    return c.take(np.argsort(-c.score, kind="stable")[: step["k"]])


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
    "cap": _cap,
    "score_voting": _score_voting,
}

# What a step is taken to mean where its definition is silent.
DEFAULTS: dict[str, dict[str, Any]] = {
    "threshold": {"inclusive": False},
    "top_k": {"unit": "pair", "per": "level"},
    "clip": {"to": "image", "border": 0},
    "multiply_factor": {"root": False},
}
