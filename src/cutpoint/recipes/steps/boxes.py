"""Steps that look at each box on its own."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from cutpoint.decode.boxes import clip_boxes, scale_to_original
from cutpoint.recipes.steps.step import Changing, Frame, Reason, Removing, Step, replace_columns
from cutpoint.records.candidates import Candidates


@dataclass(frozen=True)
class Clip(Changing):
    """Clip boxes to the image (mmdet's ``img_shape``) or the padded tensor, less ``border`` pixels.

    It is the cause if a box is too small for ``min_size`` only because it was clipped.
    """

    name: ClassVar[str] = "clip"
    to: Literal["image", "tensor"] = "image"
    border: float = 0

    @classmethod
    def causes(cls) -> tuple[str, ...]:
        return (cls.name,)

    def apply(self, candidates: Candidates, frame: Frame) -> Candidates:
        padded = frame.geometry.padded_height, frame.geometry.padded_width
        height, width = frame.clip if self.to == "image" else padded
        boxes = clip_boxes(candidates.boxes, height - self.border, width - self.border)
        return replace_columns(candidates, boxes=boxes)


@dataclass(frozen=True)
class Rescale(Changing):
    """Turn boxes from network into original-image pixels; ``operation`` decides the rounding."""

    name: ClassVar[str] = "rescale"
    operation: Literal["multiply", "divide"] = "multiply"

    def apply(self, candidates: Candidates, frame: Frame) -> Candidates:
        scale = frame.geometry.scale_x, frame.geometry.scale_y
        boxes = scale_to_original(candidates.boxes, *scale, self.operation)
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
