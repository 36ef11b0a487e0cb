"""The named recipes as lists of steps, built from a head's own parameters; and what a config may change."""

from collections.abc import Callable, Mapping
from typing import Any

from cutpoint.errors import UserError
from cutpoint.recipes.checks import Step, check_steps, complete_step, known
from cutpoint.recipes.names import OVERRIDES
from cutpoint.records.model import HeadSpec

MAX_PER_CLASS, PRE_TOP_K, KEEP_TOP_K = 200, 5000, 100


def steps_of(definition: str | Mapping[str, Any], spec: HeadSpec) -> list[Step]:
    """The steps that a recipe's definition means for a head.

    Args:
        definition: a name of ``BASES``; ``{"base": NAME, ...}`` with overrides ``score_thr``, ``nms_pre``,
            ``iou_threshold``, ``max_per_img``, ``score_voting: false``; or ``{"steps": [...]}``, a recipe of
            the user's own.
        spec: the head.

    Raises:
        UserError: an unknown name, step, parameter or key, or an override that this recipe has no step for.
    """
    if isinstance(definition, str):
        definition = {"base": definition}
    if "steps" in definition:
        for key in definition.keys() - {"steps"}:
            raise UserError(f"recipe: {key} stands beside `steps`; write it into the steps")
        check_steps(definition["steps"])
        return [complete_step(step) for step in definition["steps"]]
    if "base" not in definition:
        raise UserError("recipe: give a name, `{base: NAME, ...}` or `{steps: [...]}`")
    known("recipe", definition["base"], BASES)
    steps = [complete_step(step) for step in BASES[definition["base"]](spec)]
    for key, value in definition.items():
        if key != "base":
            known("recipe override", key, OVERRIDES)
            steps = _override(steps, key, value, spec)
    check_steps(steps)
    return steps


def _override(steps: list[Step], key: str, value: Any, spec: HeadSpec) -> list[Step]:
    if key == "score_voting":
        if value is not False:
            raise UserError(f"recipe override score_voting: {value!r}; only false can be given")
        name, parameter, fits = "score_voting", None, lambda step: True
    else:
        name, parameter, fits = OVERRIDDEN[key]
    index = next((i for i, step in enumerate(steps) if step["step"] == name and fits(step)), None)
    if index is None:
        raise UserError(f"recipe override {key}: {spec.head} has no step {name!r} to change in this recipe")
    if parameter is None:
        return steps[:index] + steps[index + 1 :]
    return [*steps[:index], steps[index] | {parameter: value}, *steps[index + 1 :]]


def _mmdet3(spec: HeadSpec) -> list[Step]:
    """What the head's own ``predict`` does in mmdet 3.3.0; see ``detector/heads.py``."""
    return [dict(step) for step in spec.recipe]


def _class_agnostic(spec: HeadSpec) -> list[Step]:
    """``mmdet3`` with one NMS over all classes."""
    return [step | {"space": "agnostic"} if step["step"] == "nms" else step for step in _mmdet3(spec)]


def _mmdet2_onnx(spec: HeadSpec) -> list[Step]:
    """``BaseDenseHead.onnx_export`` and ``add_dummy_nms_for_onnx`` of mmdet 2.24.1, ``deploy_nms_pre`` off.

    Top-k of locations of each level by the best class x factor, without a threshold before it; no root, also
    for PAA; boxes clipped to the tensor; threshold inside a NMS per class in network pixels, at most 200 of a
    class; the boxes scaled back afterwards. For heads that mmdet 2 could not export or exported in their own
    way (YOLOX, RTMDet; YOLOv3, which keeps its own thresholds and top-k here) it is this algorithm applied.
    """
    return _deployed(spec, root=False)


def _mmdeploy(spec: HeadSpec) -> list[Step]:
    """``base_dense_head__predict_by_feat`` and ``multiclass_nms`` of mmdeploy 1.x for ONNX Runtime.

    As ``mmdet2-onnx``, but with PAA's root, and the 5000 best locations of all levels before NMS
    (``pre_top_k``). ``yolox_head__predict_by_feat``: several classes a location, and 100 boxes where mmdet
    has no limit (``keep_top_k``). ``rtmdet_head__predict_by_feat``: neither top-k of a level nor clip.
    """
    bare = spec.head.startswith("RTMDet")
    steps = _deployed(spec, root=spec.takes_root, top_k=not bare, clip=not bare)
    nms = next(i for i, step in enumerate(steps) if step["step"] == "nms")
    steps.insert(nms, {"step": "top_k", "k": PRE_TOP_K, "unit": "location", "per": "image"})
    if not any(step["step"] == "max_per_img" for step in steps):
        steps.insert(nms + 2, {"step": "max_per_img", "k": KEEP_TOP_K})
    return steps


def _deployed(spec: HeadSpec, *, root: bool, top_k: bool = True, clip: bool = True) -> list[Step]:
    own = {step["step"]: complete_step(step) for step in spec.recipe}
    thresholds = [step for step in spec.recipe if step["step"] == "threshold"]
    multiply = [{"step": "multiply_factor", "root": root}] if spec.has_factor else []
    threshold = {"step": "threshold", "quantity": "product", "value": thresholds[-1]["value"]}
    if thresholds[0]["quantity"] == "factor":  # YOLOv3
        steps = [*thresholds, own["top_k"], *multiply]
    elif top_k and own.get("top_k", {"k": -1})["k"] > 0:
        steps = [*multiply, {"step": "top_k", "k": own["top_k"]["k"], "unit": "location"}, threshold]
    else:
        steps = [*multiply, threshold]
    if clip and "clip" in own:
        steps.append({"step": "clip", "to": "tensor", "border": own["clip"]["border"]})
    steps.append(
        {
            "step": "nms",
            "iou_threshold": own["nms"]["iou_threshold"],
            "space": "per_class",
            "max_per_class": MAX_PER_CLASS,
        }
    )
    if "max_per_img" in own:
        steps.append(own["max_per_img"])
    return [*steps, {"step": "rescale", "operation": "divide"}]


def _seed_topk_nms(spec: HeadSpec) -> list[Step]:
    """The seed's ``onnx_no_topk_nms.py``, 2022: an IoU that reads corners as centre and size.

    Best class of a location, score above 0.05, the 1000 best, NMS at 0.6 on boxes shifted by class. Its
    intersection is clipped as a product, so that two negative sides count as overlap.
    """
    nms = {"iou_threshold": 0.6, "reading": "cxcywh", "intersection": "product"}
    return _seed(spec, 0.05, 1000, nms)


def _seed_per_class(spec: HeadSpec) -> list[Step]:
    """The seed's ``run_onnx.py``, 2022: best class of a location, above 0.3, the 100 best, the +1 pixel."""
    return _seed(spec, 0.3, 100, {"iou_threshold": 0.6, "space": "per_class", "offset": 1})


def _seed(spec: HeadSpec, threshold: float, best: int, nms: Step) -> list[Step]:
    multiply = [{"step": "multiply_factor", "root": spec.takes_root}] if spec.has_factor else []
    return [
        *multiply,
        {"step": "best_class"},
        {"step": "threshold", "quantity": "product", "value": threshold},
        {"step": "top_k", "k": best, "per": "image"},
        {"step": "nms", **nms},
        {"step": "rescale", "operation": "divide"},
    ]


BASES: dict[str, Callable[[HeadSpec], list[Step]]] = {
    "mmdet3": _mmdet3,
    "mmdet2-onnx": _mmdet2_onnx,
    "mmdeploy": _mmdeploy,
    "seed-topk-nms": _seed_topk_nms,
    "seed-per-class": _seed_per_class,
    "class-agnostic": _class_agnostic,
}

# What an override changes: the step, its parameter, and which of the steps of that name.
OVERRIDDEN: dict[str, tuple[str, str, Callable[[Step], bool]]] = {
    "score_thr": ("threshold", "value", lambda step: step["quantity"] != "factor"),
    # mmdeploy's top-k of locations over all levels is not nms_pre
    "nms_pre": ("top_k", "k", lambda step: (step["unit"], step["per"]) != ("location", "image")),
    "iou_threshold": ("nms", "iou_threshold", lambda step: True),
    "max_per_img": ("max_per_img", "k", lambda step: True),
}
