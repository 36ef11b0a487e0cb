"""Heads whose class scores are heat maps, CenterNet: only their local maxima are scores."""

import numpy as np


def local_maxima(scores: np.ndarray, width: int, kernel: int) -> np.ndarray:
    """Scores that are the largest within ``kernel x kernel`` cells; 0 in all other cells.

    Args:
        scores: ``(C, H * W)`` float32, row-major y, x.
        width: W, cells.
        kernel: cells, odd.

    Returns:
        ``(C, H * W)`` float32.

    Source:
        ``get_local_maximum``, mmdet/models/utils/gaussian_target.py, mmdet 3.3.0.
    """
    best = scores.reshape(len(scores), -1, width)
    for axis in (1, 2):
        maps = np.moveaxis(best, axis, 0)
        wider = maps.copy()
        for shift in range(1, kernel // 2 + 1):
            np.maximum(wider[shift:], maps[:-shift], out=wider[shift:])
            np.maximum(wider[:-shift], maps[shift:], out=wider[:-shift])
        best = np.moveaxis(wider, 0, axis)
    found: np.ndarray = np.where(best.reshape(scores.shape) == scores, scores, np.float32(0))
    return found


def least_of_best(scores: np.ndarray, pairs: int) -> np.ndarray:
    """A score that the ``pairs`` best pairs reach, and the best pair of each of the ``pairs`` best cells.

    Args:
        scores: ``(C, cells)`` float32.
        pairs: as in ``Floor``.

    Returns:
        one number, float32: the score of the last of those cells.
    """
    tops = scores.max(axis=0)
    last = min(pairs, len(tops))
    return np.asarray(np.partition(tops, len(tops) - last)[len(tops) - last])
