"""Intersection over union of boxes."""

import numpy as np


def box_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU of every pair.

    Args:
        boxes: ``(N, 4)`` ``x1, y1, x2, y2``.
        others: ``(M, 4)``, same frame.

    Returns:
        ``(N, M)`` float64; 0 if both boxes are empty.
    """
    return paired_iou(boxes[:, None], others[None])


def paired_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU of each box with the other box in its place.

    Args:
        boxes: ``(..., 4)`` ``x1, y1, x2, y2``.
        others: ``(..., 4)``, same frame; the two shapes broadcast.

    Returns:
        ``(...)`` float64; 0 if both boxes are empty.
    """
    x1, y1, x2, y2 = np.moveaxis(boxes.astype(np.float64), -1, 0)
    other_x1, other_y1, other_x2, other_y2 = np.moveaxis(others.astype(np.float64), -1, 0)
    width = (np.minimum(x2, other_x2) - np.maximum(x1, other_x1)).clip(min=0)
    height = (np.minimum(y2, other_y2) - np.maximum(y1, other_y1)).clip(min=0)
    overlap = width * height
    union = (x2 - x1) * (y2 - y1) + (other_x2 - other_x1) * (other_y2 - other_y1) - overlap
    iou: np.ndarray = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    return iou
