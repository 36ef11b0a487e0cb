"""Detections of one image."""

from dataclasses import dataclass

import numpy as np


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
