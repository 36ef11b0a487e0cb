"""Images drawn from a seed."""

import cv2
import numpy as np


def paint(shape: tuple[int, int], seed: int) -> np.ndarray:
    """BGR (h, w, 3) uint8: coloured boxes on a slow gradient."""
    random = np.random.default_rng(seed)
    canvas = cv2.resize(
        random.integers(0, 256, (3, 4, 3), np.uint8), shape[::-1], interpolation=cv2.INTER_CUBIC
    )
    for _ in range(12):
        first = random.integers(0, [shape[1], shape[0]])
        last = first + random.integers(3, [max(shape[1] // 2, 4), max(shape[0] // 2, 4)])
        colour = [int(value) for value in random.integers(0, 256, 3)]
        cv2.rectangle(canvas, first.tolist(), last.tolist(), colour, -1)
    return canvas
