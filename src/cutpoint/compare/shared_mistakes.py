"""Mistakes that heads of several kinds leave room for."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from cutpoint.compare.mistake import Mistake, Outputs
from cutpoint.records.head import DenseHead, HeadSpec, QueryHead, RoiHead
from cutpoint.records.image import Geometry

MMDET_STDS = (0.1, 0.1, 0.2, 0.2)
SIGMOID_TWICE = "sigmoid of the class scores twice"
# probabilities whose logits are finite in float32
INSIDE = (np.float32(1e-7), np.float32(1 - 1e-7))
# so far below any other logit that its share of a softmax is 0
NEVER = np.float32(-1e4)


def sigmoid(values: np.ndarray) -> np.ndarray:
    """The sigmoid of logits; overflow of an exponential gives 0."""
    shares: np.ndarray = 1 / (1 + np.exp(-values))
    return shares


def logits_of(scores: np.ndarray) -> np.ndarray:
    """The logits that the sigmoid turns into these probabilities."""
    inside = np.clip(scores, *INSIDE)
    logits: np.ndarray = np.log(inside / (1 - inside))
    return logits


def stds_mistakes(own: Mistake, head: DenseHead | RoiHead) -> Iterator[Mistake]:
    """Box deltas with other stds than the head's own."""
    if head.coder["type"] != "delta_xywh":
        return
    for name, text, other in (
        ("stds_forgotten", "box deltas not multiplied by their stds", (1.0, 1.0, 1.0, 1.0)),
        ("stds_of_mmdet", "box deltas multiplied by stds that this model does not have", MMDET_STDS),
    ):
        if tuple(head.coder["stds"]) != other:
            coder: dict[str, Any] = head.coder | {"stds": list(other)}
            yield own.named(name, text, head=replace(head, coder=coder))


def without_factor(own: Mistake, without: HeadSpec) -> Iterator[Mistake]:
    """The factor left out, for a head that has one; ``without``: the same head, read without it."""
    if own.head.has_factor:
        text = "factor (centerness, IoU or objectness) left out of the score"
        yield own.named("factor_forgotten", text, head=without)


def size_mistakes(own: Mistake) -> Iterator[Mistake]:
    """Another image size given to a file that takes it, if its tensor is padded at all."""
    if own.input.divisor == 1:
        return
    text = "size of the padded tensor given as the image's (image_sizes)"
    yield own.named("sizes_of_tensor", text, sizes=_whole)


def _whole(geometry: Geometry) -> Geometry:
    """The whole tensor as the image."""
    return replace(geometry, resized_height=geometry.padded_height, resized_width=geometry.padded_width)


def logit_mistakes(own: Mistake, head: RoiHead | QueryHead) -> Iterator[Mistake]:
    """Logits ``(B, N, C)`` or ``(B, N, C + 1)`` of one tensor, activated in another way."""
    if head.score_activation == "sigmoid":
        yield own.named("double_sigmoid", SIGMOID_TWICE, outputs=_sigmoid_first)
        if head.num_classes > 1:
            text = "softmax over the classes in place of a sigmoid"
            yield own.named("softmax_for_sigmoid", text, outputs=_softmax_first)
        return
    text = "background taken as the first class, not as the last"
    yield own.named("background_first", text, outputs=_background_first)
    text = "background left out of the softmax"
    yield own.named("background_dropped", text, outputs=_without_background)
    text = "sigmoid in place of a softmax"
    other = replace(head, score_activation="sigmoid")
    yield own.named("sigmoid_for_softmax", text, head=other, outputs=_classes_only)


def _sigmoid_first(outputs: Outputs, head: HeadSpec) -> Outputs:
    return outputs | {"logits": sigmoid(outputs["logits"])}


def _softmax_first(outputs: Outputs, head: HeadSpec) -> Outputs:
    logits = outputs["logits"]
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return outputs | {"logits": logits_of(powers / powers.sum(axis=-1, keepdims=True))}


def _background_first(outputs: Outputs, head: HeadSpec) -> Outputs:
    """Column 1 is read as the first class, and so on: the last class has the background's score."""
    return outputs | {"logits": np.roll(outputs["logits"], -1, axis=-1)}


def _without_background(outputs: Outputs, head: HeadSpec) -> Outputs:
    logits = outputs["logits"].copy()
    logits[..., -1] = NEVER
    return outputs | {"logits": logits}


def _classes_only(outputs: Outputs, head: HeadSpec) -> Outputs:
    return outputs | {"logits": outputs["logits"][..., : head.num_classes]}
