"""The named recipes as lists of steps, built from a head's own parameters, and what a config may change."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cutpoint.errors import UserError, suggest
from cutpoint.recipes.deployed import mmdeploy, mmdet2_onnx, own_steps
from cutpoint.recipes.external import EXTERNAL
from cutpoint.recipes.names import OVERRIDES
from cutpoint.recipes.schema import read_step, read_steps, write_steps
from cutpoint.recipes.steps.boxes import Clip, Rescale
from cutpoint.recipes.steps.overlaps import Nms, ScoreVoting
from cutpoint.recipes.steps.ranks import MaxPerImg, TopK
from cutpoint.recipes.steps.scores import BestClass, MultiplyFactor, Threshold
from cutpoint.recipes.steps.step import Step
from cutpoint.records.head import ExternalHead, HeadSpec


def steps_of(definition: str | Mapping[str, Any], spec: HeadSpec) -> tuple[Step, ...]:
    """The steps that a recipe's definition means for a head.

    Args:
        definition: a name of ``BASES``; ``{"base": NAME, ...}`` with overrides ``score_thr``, ``nms_pre``,
            ``iou_threshold``, ``max_per_img``, ``gain``, ``score_voting: false``, ``clip: false``; or
            ``{"steps": [...]}``, the user's own recipe.
        spec: the head.

    Raises:
        UserError: an unknown name, step, parameter or key, an override without a step in this recipe, or a
            base made from parameters that this head does not have.
    """
    if isinstance(definition, str):
        definition = {"base": definition}
    if "steps" in definition:
        for key in definition.keys() - {"steps"}:
            raise UserError(f"recipe: {key} is given in addition to `steps`; write it into the steps")
        return read_steps(definition["steps"])
    if "base" not in definition:
        raise UserError("recipe: give a name, `{base: NAME, ...}` or `{steps: [...]}`")
    base = definition["base"]
    if base not in BASES:
        raise UserError(f"recipe {base!r}: unknown{suggest(base, BASES)}")
    if base in OF_MMDET and isinstance(spec, ExternalHead):
        raise UserError(
            f"recipe {base!r}: made from the parameters of mmdet's heads, and this is {spec.head}; use "
            f"mmdet3 (the layout's own recipe), one of {', '.join(EXTERNAL)}, or `steps`"
        )
    steps = BASES[base](spec)
    for key, value in definition.items():
        if key != "base":
            steps = _override(steps, key, value, spec)
    return tuple(steps)


def _override(steps: list[Step], key: str, value: Any, spec: HeadSpec) -> list[Step]:
    where = f"recipe override {key}"
    if key not in OVERRIDES:
        raise UserError(f"recipe override {key!r}: unknown{suggest(key, OVERRIDES)}")
    kind, parameter, fits = OVERRIDDEN[key]
    if parameter is None and value is not False:
        raise UserError(f"{where}: {value!r}; only false can be given")
    number = next((i for i, step in enumerate(steps) if isinstance(step, kind) and fits(step)), None)
    if number is None:
        raise UserError(f"{where}: {spec.head} has no step {kind.name!r} to change in this recipe")
    (written,) = write_steps([steps[number]])
    changed = [] if parameter is None else [read_step({**written, parameter: value}, where)]
    return [*steps[:number], *changed, *steps[number + 1 :]]


def _mmdet3(spec: HeadSpec) -> list[Step]:
    """The head's own ``predict`` in mmdet 3.3.0, see ``detector/heads.py``; or a layout's own recipe."""
    return own_steps(spec)


def _class_agnostic(spec: HeadSpec) -> list[Step]:
    """``mmdet3`` with one NMS over all classes.

    Raises:
        UserError: the head's recipe has no NMS.
    """
    if not any(isinstance(step, Nms) for step in _mmdet3(spec)):
        raise UserError(f"recipe 'class-agnostic': the recipe of {spec.head} has no step 'nms' to change")
    return [replace(step, space="agnostic") if isinstance(step, Nms) else step for step in _mmdet3(spec)]


def _seed_topk_nms(spec: HeadSpec) -> list[Step]:
    """The seed's ``onnx_no_topk_nms.py``, 2022: an IoU that reads corners as centre and size.

    Best class of each location, score above 0.05, the 1000 best, NMS at 0.6 on boxes shifted by class. The
    product of the intersection's sides is clipped, so that two negative sides count as overlap.
    """
    return _seed(spec, 0.05, 1000, Nms(0.6, reading="cxcywh", intersection="product"))


def _seed_per_class(spec: HeadSpec) -> list[Step]:
    """The seed's ``run_onnx.py``, 2022: best class per location, above 0.3, the 100 best, the +1 pixel."""
    return _seed(spec, 0.3, 100, Nms(0.6, "per_class", offset=1))


def _seed(spec: HeadSpec, threshold: float, best: int, nms: Nms) -> list[Step]:
    return [
        *([MultiplyFactor(spec.takes_root)] if spec.multiplies_factor else []),
        BestClass(),
        Threshold("product", threshold),
        TopK(best, per="image"),
        nms,
        Rescale("divide"),
    ]


BASES: dict[str, Callable[[HeadSpec], list[Step]]] = {
    "mmdet3": _mmdet3,
    "mmdet2-onnx": mmdet2_onnx,
    "mmdeploy": mmdeploy,
    "seed-topk-nms": _seed_topk_nms,
    "seed-per-class": _seed_per_class,
    "class-agnostic": _class_agnostic,
    **EXTERNAL,
}
OF_MMDET = ("mmdet2-onnx", "mmdeploy")


# What an override changes: the kind of step, its parameter (null: the step is left out), and a test for the
# right step of this kind. The first such step is changed.
OVERRIDDEN: dict[str, tuple[type[Step], str | None, Callable[[Any], bool]]] = {
    "score_thr": (Threshold, "value", lambda step: step.quantity != "factor"),
    # mmdeploy's top-k of locations over all levels is not nms_pre
    "nms_pre": (TopK, "k", lambda step: (step.unit, step.per) != ("location", "image")),
    "iou_threshold": (Nms, "iou_threshold", lambda step: True),
    "max_per_img": (MaxPerImg, "k", lambda step: True),
    "score_voting": (ScoreVoting, None, lambda step: True),
    "gain": (Rescale, "gain", lambda step: True),
    "clip": (Clip, None, lambda step: True),
}
