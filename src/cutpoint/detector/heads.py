"""From mmdet's head to a head specification: one function a head, listed in ``HEADS``."""

import math
from collections.abc import Callable
from typing import Any

from torch import nn

from cutpoint.errors import UserError
from cutpoint.headspec import HeadSpec


def describe_head(head: nn.Module, candidate_floor: float | None) -> HeadSpec:
    """Describe a built mmdet dense head.

    Args:
        head: ``detector.bbox_head``, with its ``test_cfg``.
        candidate_floor: the floor of the candidates; null means the model's own ``score_thr``.

    Raises:
        UserError: a head that Cutpoint does not read yet, or a setting of it that it cannot reproduce.
    """
    name = type(head).__name__
    if name not in HEADS:
        known = ", ".join(sorted(HEADS))
        raise UserError(f"head {name}: not supported; supported mmdet heads: {known}")
    return HEADS[name](head, candidate_floor)


def _describe_atss(head: nn.Module, candidate_floor: float | None) -> HeadSpec:
    config = head.test_cfg
    threshold = float(config.get("score_thr", 0))
    steps = [
        {"step": "threshold", "on": "class", "value": threshold, "inclusive": False},
        {"step": "top_k", "k": int(config.get("nms_pre", -1))},
        {"step": "clip"},
        {"step": "rescale", "operation": "multiply"},
        {"step": "multiply_factor"},
        {"step": "min_size", "value": float(config.get("min_bbox_size", -1))},
        {"step": "nms", "iou_threshold": _iou_threshold(config.nms)},
        {"step": "cap", "k": int(config.max_per_img)},
    ]
    if config.get("min_bbox_size", -1) < 0:
        steps = [step for step in steps if step["step"] != "min_size"]
    coder = head.bbox_coder
    if type(coder).__name__ != "DeltaXYWHBBoxCoder":
        raise UserError(f"{type(head).__name__} with {type(coder).__name__}: this box coder is not supported")
    if not coder.clip_border:
        steps = [step for step in steps if step["step"] != "clip"]
    if not head.use_sigmoid_cls:
        raise UserError(f"{type(head).__name__} with a softmax class loss: not supported")
    generator = head.prior_generator
    return HeadSpec(
        head=type(head).__name__,
        num_classes=head.num_classes,
        strides=tuple((int(x), int(y)) for x, y in generator.strides),
        anchors=tuple(
            tuple(tuple(float(v) for v in anchor) for anchor in level) for level in generator.base_anchors
        ),
        point_offset=0.0,
        coder={
            "type": "delta_xywh",
            "means": [float(v) for v in coder.means],
            "stds": [float(v) for v in coder.stds],
            # the default of DeltaXYWHBBoxCoder.decode, which the base algorithm does not override
            "max_ratio": abs(math.log(16 / 1000)),
            "centre_clamp": float(coder.ctr_clamp) if coder.add_ctr_clamp else None,
        },
        factor="centerness",
        floor=_floor("class", threshold, candidate_floor, inclusive=False),
        recipe=tuple(steps),
    )


def _describe_yolox(head: nn.Module, candidate_floor: float | None) -> HeadSpec:
    config = head.test_cfg
    threshold = float(config.score_thr)
    generator = head.prior_generator
    return HeadSpec(
        head=type(head).__name__,
        num_classes=head.num_classes,
        strides=tuple((int(x), int(y)) for x, y in generator.strides),
        anchors=None,
        point_offset=float(generator.offset),
        coder={"type": "centre_size"},
        factor="objectness",
        floor=_floor("product", threshold, candidate_floor, inclusive=True),
        recipe=(
            {"step": "best_class"},
            {"step": "threshold", "on": "product", "value": threshold, "inclusive": True},
            {"step": "rescale", "operation": "divide"},
            {"step": "multiply_factor"},
            {"step": "nms", "iou_threshold": _iou_threshold(config.nms)},
        ),
    )


def _floor(on: str, threshold: float, candidate_floor: float | None, *, inclusive: bool) -> dict[str, Any]:
    if candidate_floor is not None and candidate_floor > threshold:
        raise UserError(
            f"candidate_floor {candidate_floor:g} lies above the model's own score_thr {threshold:g}: "
            "mmdet3 could not be served; lower it or leave it null"
        )
    value = threshold if candidate_floor is None else float(candidate_floor)
    return {"on": on, "value": value, "inclusive": inclusive}


def _iou_threshold(config: dict[str, Any]) -> float:
    extra = set(config) - {"type", "iou_threshold"}
    if config.get("type", "nms") != "nms" or extra:
        raise UserError(f"test_cfg.nms {dict(config)}: only type 'nms' with iou_threshold alone is supported")
    return float(config["iou_threshold"])


HEADS: dict[str, Callable[[nn.Module, float | None], HeadSpec]] = {
    "ATSSHead": _describe_atss,
    "YOLOXHead": _describe_yolox,
}
