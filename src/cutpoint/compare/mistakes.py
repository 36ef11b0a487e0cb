"""Typical porting mistakes. Each is one small change at one place between image and detections.

The specification of a model decides which mistakes are possible. They are used only for fingerprints. No row
of a user's table depends on them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cutpoint.decode.candidates import from_raw
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import Recipe
from cutpoint.records.detections import Detections
from cutpoint.records.image import Geometry, InputRecipe, Pad
from cutpoint.records.model import DenseHead, ModelSpec, Part, dense_head

NONE = "none"
MMDET_STDS = (0.1, 0.1, 0.2, 0.2)


@dataclass(frozen=True)
class Mistake:
    """One mistake, or none.

    Attributes:
        name, text: for files, for people.
        input: how images are prepared.
        head: how the raw tensors are read.
        scores_twice: whether the class scores go through the sigmoid twice.
        label_shift: added to the labels, modulo the number of classes.
        geometry: from the true geometry to the one that boxes are scaled back with.
    """

    name: str
    text: str
    input: InputRecipe
    head: DenseHead
    scores_twice: bool = False
    label_shift: int = 0
    geometry: Callable[[Geometry], Geometry] | None = None

    def finish(
        self, outputs: dict[str, np.ndarray], geometry: Geometry, recipe: Recipe, spec: ModelSpec
    ) -> Detections:
        """Turn the raw tensors of one image, prepared by ``input``, into detections with the mistake."""
        if self.scores_twice:
            outputs = _activate(outputs, self.head)
        seen = self.geometry(geometry) if self.geometry else geometry
        found = apply_recipe(recipe, from_raw(outputs, self.head), seen, spec)
        # a network that sees the wrong numbers may overflow; such values are not detections
        kept = np.isfinite(found.boxes).all(axis=1) & np.isfinite(found.scores)
        labels = (found.labels[kept] + self.label_shift) % self.head.num_classes
        return Detections(found.boxes[kept], found.scores[kept], labels)


def mistakes_of(spec: ModelSpec) -> list[Mistake]:
    """First no mistake, then the mistakes that are possible for the model's specification."""
    head = dense_head(spec, "a fingerprint of mistakes")
    own = Mistake(NONE, "no mistake", spec.input, head)
    inputs = [
        replace(own, name=name, text=text, input=made) for name, text, made in _input_mistakes(spec.input)
    ]
    heads = [replace(own, name=name, text=text, head=made) for name, text, made in _head_mistakes(head)]
    return [own, *inputs, *heads, *_later_mistakes(own)]


def _input_mistakes(own: InputRecipe) -> list[tuple[str, str, InputRecipe]]:
    found = [("channel_order", "red and blue channel swapped", replace(own, bgr_to_rgb=not own.bgr_to_rgb))]
    if own.mean is None:
        unit = replace(own, divide_by=255.0)
        found.append(("unit_range", "pixels divided by 255, which this model does not want", unit))
    else:
        bare = replace(own, mean=None, std=None)
        unit = replace(bare, divide_by=255.0)
        found.append(("no_mean_std", "mean and std left out: pixels of 0 to 255", bare))
        if set(own.mean) != {0.0} or set(own.std or ()) != {255.0}:
            found.append(("unit_range", "pixels divided by 255, mean and std left out", unit))
        # mean and std are for 0..255: dividing by 225 instead of 255 makes the pixels larger by 255 / 225
        found.append(("divided_by_225", "divided by 225, not 255", replace(own, divide_by=225 / 255)))
        if own.pad is None and own.divisor > 1:
            pad = Pad(divisor=own.divisor)
            found.append(("pad_before_normalising", "padded before the normalisation", replace(own, pad=pad)))
    if own.pad is not None and any(own.pad.value):
        black = replace(own, pad=replace(own.pad, value=(0.0, 0.0, 0.0)))
        found.append(("black_padding", "padded with 0, not with the model's own value", black))
    if own.scale is None:
        return found
    if own.keep_ratio:
        found.append(
            (
                "stretch",
                "stretched to the network's size, aspect ratio ignored",
                replace(own, keep_ratio=False, pad=None),
            )
        )
    for other, words in (("nearest", "nearest neighbour"), ("bilinear", "bilinear"), ("area", "area mean")):
        if other != own.interpolation:
            text = f"resized with another interpolation: {words}"
            found.append((f"interpolation_{other}", text, replace(own, interpolation=other)))
    return found


def _head_mistakes(own: DenseHead) -> list[tuple[str, str, DenseHead]]:
    found = []
    coder = own.coder
    if coder.get("from_point", True):  # the only boxes without a prior are corners from the origin
        found.append(("half_pixel", "priors half a stride off", _shift_priors(own)))
    if coder["type"] == "delta_xywh":
        stds = tuple(coder["stds"])
        for name, text, other in (
            ("stds_forgotten", "box deltas not multiplied by their stds", (1.0, 1.0, 1.0, 1.0)),
            ("stds_of_mmdet", "box deltas multiplied by stds that this model does not have", MMDET_STDS),
        ):
            if stds != other:
                found.append((name, text, replace(own, coder=coder | {"stds": list(other)})))
    if own.factor is not None:
        found.append(
            (
                "factor_forgotten",
                "factor (centerness, IoU or objectness) left out of the score",
                replace(own, factor=None),
            )
        )
    return found


def _later_mistakes(own: Mistake) -> list[Mistake]:
    found = []
    if own.head.score_activation == "sigmoid":
        found.append(
            replace(own, name="double_sigmoid", text="sigmoid of the class scores twice", scores_twice=True)
        )
    if own.head.num_classes > 1:
        for shift, name in ((1, "class_plus_one"), (-1, "class_minus_one")):
            found.append(replace(own, name=name, text=f"labels off by {shift:+d}", label_shift=shift))
    if own.input.scale is not None:
        unscaled = "boxes left in pixels of the network input"
        found.append(replace(own, name="no_scale_back", text=unscaled, geometry=_unscaled))
        if own.input.keep_ratio:
            height, width = own.input.scale
            found.append(
                replace(
                    own,
                    name="scaled_as_stretched",
                    text="boxes scaled back per axis, as of a stretched image",
                    geometry=lambda g: replace(g, scale_y=height / g.height, scale_x=width / g.width),
                )
            )
        else:
            found.append(
                replace(
                    own,
                    name="one_scale",
                    text="one scale for both axes, that of the width",
                    geometry=lambda g: replace(g, scale_y=g.scale_x),
                )
            )
    return found


def _unscaled(geometry: Geometry) -> Geometry:
    return replace(geometry, scale_x=1.0, scale_y=1.0)


def _shift_priors(own: DenseHead) -> DenseHead:
    """Priors shifted by half a stride, to the other usual place: the cell's corner or its centre."""
    if own.anchors is None:
        return replace(own, point_offset=0.0 if own.point_offset else 0.5)
    levels = []
    for stride, level in zip(own.strides, own.anchors, strict=True):
        x1, y1, x2, y2 = level[0]
        sign = -1 if max(abs(x1 + x2) / stride[0], abs(y1 + y2) / stride[1]) > 0.5 else 1
        shift = np.array([*stride, *stride]) * 0.5 * sign
        levels.append(tuple(tuple((np.array(anchor) + shift).tolist()) for anchor in level))
    return replace(own, anchors=tuple(levels))


def _activate(outputs: dict[str, np.ndarray], head: DenseHead) -> dict[str, np.ndarray]:
    """The raw tensors with the sigmoid of the class scores instead of their logits."""
    changed = dict(outputs)
    for level in range(head.levels):
        name = f"{head.score.tensor}_{level}"
        changed[name] = _sigmoid_of_part(outputs[name], head.score, head.anchors_per_cell(level))
    return changed


def _sigmoid_of_part(tensor: np.ndarray, part: Part, anchors: int) -> np.ndarray:
    batch, channels, height, width = tensor.shape
    copy: np.ndarray = tensor.reshape(batch, anchors, channels // anchors, height, width).copy()
    chosen = copy[:, :, part.start : part.stop]
    copy[:, :, part.start : part.stop] = 1 / (1 + np.exp(-chosen))
    return copy.reshape(tensor.shape)
