"""Steps that look at each box on its own."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from cutpoint.decode.boxes import clip_boxes, scale_to_original
from cutpoint.recipes.steps.step import Changing, Frame, Reason, Removing, Step, replace_columns
from cutpoint.records.candidates import Candidates


@dataclass(frozen=True)
class Clip(Changing):
    """Clip boxes to the image (mmdet's ``img_shape``) or the padded tensor, less ``border`` pixels.

    ``original`` is the image before its resize, for boxes behind ``rescale``. The step is the cause if a box
    is too small for ``min_size`` only because it was clipped.
    """

    name: ClassVar[str] = "clip"
    to: Literal["image", "tensor", "original"] = "image"
    border: float = 0

    @classmethod
    def causes(cls) -> tuple[str, ...]:
        return (cls.name,)

    def apply(self, candidates: Candidates, frame: Frame) -> Candidates:
        geometry = frame.geometry
        height, width = {
            "image": frame.clip,
            "tensor": (geometry.padded_height, geometry.padded_width),
            "original": (geometry.height, geometry.width),
        }[self.to]
        boxes = clip_boxes(candidates.boxes, height - self.border, width - self.border)
        return replace_columns(candidates, boxes=boxes)


@dataclass(frozen=True)
class Rescale(Changing):
    """Turn boxes from network into original-image pixels; ``operation`` decides the rounding.

    ``gain``: the factor of each axis after rounding, or the one factor of the resize for both. ``padding``:
    whether the padding before the image is taken back; a copied script forgets it.
    """

    name: ClassVar[str] = "rescale"
    operation: Literal["multiply", "divide"] = "multiply"
    gain: Literal["per_axis", "one"] = "per_axis"
    padding: Literal["taken_back", "left"] = "taken_back"

    def apply(self, candidates: Candidates, frame: Frame) -> Candidates:
        geometry = frame.geometry
        if self.padding == "left":
            geometry = replace(geometry, left=0, top=0)
        boxes = scale_to_original(candidates.boxes, geometry, self.operation, self.gain)
        return replace_columns(candidates, boxes=boxes)


@dataclass(frozen=True)
class MinSize(Removing):
    """Keep boxes whose width and height are above ``value`` pixels, in their current frame."""

    name: ClassVar[str] = "min_size"
    value: float

    def apply(self, candidates: Candidates, frame: Frame) -> Candidates:
        size = candidates.boxes[:, 2:] - candidates.boxes[:, :2]
        return candidates.take((size > np.float32(self.value)).all(axis=1))

    def why(self, before: Candidates, row: int, after: Candidates) -> Reason:
        size = before.boxes[row, 2:] - before.boxes[row, :2]
        return Reason(self.name, self.value - float(size.min()))


STEPS: tuple[type[Step], ...] = (Clip, Rescale, MinSize)
