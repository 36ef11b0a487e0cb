"""The candidates of one image."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Candidates:
    """Candidates of one image, ordered by prior, then label.

    Attributes:
        level: ``(N,)`` int8, feature level.
        prior: ``(N,)`` int32, where it comes from: flat index over the levels, row-major y, x, anchor; or the
            number of a learned proposal or query.
        label: ``(N,)`` int16, model class, 0-based.
        score: ``(N,)`` float32, activated class score.
        factor: ``(N,)`` float32, activated factor; 1 for heads without one.
        boxes: ``(N, 4)`` float32, ``x1, y1, x2, y2``, network pixels, not clipped.
    """

    level: np.ndarray
    prior: np.ndarray
    label: np.ndarray
    score: np.ndarray
    factor: np.ndarray
    boxes: np.ndarray

    def __len__(self) -> int:
        return len(self.score)

    def take(self, index: np.ndarray) -> "Candidates":
        """The chosen rows: a boolean mask or integer indices."""
        if index.dtype == bool:
            if index.all():
                return self
            index = np.flatnonzero(index)
        rows = {name: value.take(index) for name, value in vars(self).items() if name != "boxes"}
        return Candidates(**rows, boxes=take_boxes(self.boxes, index))


def take_boxes(boxes: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Rows of ``(N, 4)`` boxes, column by column in memory: numpy's loops then run over the boxes."""
    return boxes.T.take(index, axis=1).T
