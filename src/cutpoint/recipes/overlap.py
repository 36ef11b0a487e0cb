"""How NMS reads boxes and computes the overlap of two; apart from NMS, so that graphs do not reach that."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Sides(NamedTuple):
    """Boxes as NMS reads them: ``(N,)`` float32 each."""

    x1: np.ndarray
    y1: np.ndarray
    x2: np.ndarray
    y2: np.ndarray
    areas: np.ndarray

    def take(self, index: np.ndarray | int) -> "Sides":
        """The chosen boxes, or one."""
        return Sides(*(side[index] for side in self))


@dataclass(frozen=True)
class Overlap:
    """How the IoU of two boxes is computed; the defaults are correct, everything else is for recipes.

    ``offset``: 1 is the old convention that a box from 0 to 9 is ten pixels wide. ``reading``: ``cxcywh``
    reads the four numbers as a centre and a size. ``intersection``: ``product`` clips the
    product of the overlap's sides at 0, so that two negative sides count as overlap; ``sides`` clips each.
    """

    offset: int = 0
    reading: str = "xyxy"
    intersection: str = "sides"

    def sides(self, boxes: np.ndarray) -> Sides:
        """Read ``(N, 4)`` float32 boxes."""
        first, second, third, fourth = np.ascontiguousarray(boxes.T)
        if self.reading == "cxcywh":
            half_x, half_y = third / np.float32(2), fourth / np.float32(2)
            first, second, third, fourth = first - half_x, second - half_y, first + half_x, second + half_y
        offset = np.float32(self.offset)
        return Sides(first, second, third, fourth, (third - first + offset) * (fourth - second + offset))

    def iou(self, one: Sides, others: Sides) -> np.ndarray:
        """IoU of one box with others, ``(N,)`` float32; NaN for two empty boxes."""
        offset = np.float32(self.offset)
        width = np.minimum(one.x2, others.x2) - np.maximum(one.x1, others.x1) + offset
        height = np.minimum(one.y2, others.y2) - np.maximum(one.y1, others.y1) + offset
        return self.iou_of(width, height, one.areas, others.areas)

    def iou_of(
        self, width: np.ndarray, height: np.ndarray, area: np.ndarray, others: np.ndarray
    ) -> np.ndarray:
        """IoU from the sides of the overlap (negative for boxes that are apart) and the boxes' areas."""
        zero = np.float32(0)
        if self.intersection == "product":
            shared = np.maximum(width * height, zero)
        else:
            shared = np.maximum(width, zero) * np.maximum(height, zero)
        with np.errstate(divide="ignore", invalid="ignore"):
            iou: np.ndarray = shared / (area + others - shared)
        return iou


def shift_classes(boxes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Boxes shifted by ``label * (largest coordinate + 1)`` in float32, so that classes do not overlap."""
    shifted: np.ndarray = boxes + (labels.astype(np.float32) * (boxes.max() + np.float32(1)))[:, None]
    return shifted
