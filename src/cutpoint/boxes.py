"""Priors and box coders in numpy, for chosen priors only. float32 in, float32 out."""

import numpy as np

from cutpoint.headspec import HeadSpec


def level_priors(spec: HeadSpec, level: int, y: np.ndarray, x: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """Priors of chosen cells.

    Args:
        spec: the head specification.
        level: feature level.
        y, x, anchor: ``(N,)`` integers, cell row, cell column, prior within the cell.

    Returns:
        ``(N, 4)`` float32, network pixels: anchors ``x1, y1, x2, y2`` or points ``x, y, stride_x, stride_y``.

    Source:
        ``AnchorGenerator.single_level_grid_priors`` and ``MlvlPointGenerator.single_level_grid_priors``,
        mmdet/models/task_modules/prior_generators/, mmdet 3.3.0.
    """
    stride = np.asarray(spec.strides[level], dtype=np.float32)
    cell = np.stack([x, y], axis=1).astype(np.float32)
    if spec.anchors is None:
        points = (cell + np.float32(spec.point_offset)) * stride
        return np.concatenate([points, np.broadcast_to(stride, points.shape)], axis=1)
    shift = cell * stride
    base = np.asarray(spec.anchors[level], dtype=np.float32)
    return base[anchor] + np.concatenate([shift, shift], axis=1)


def decode_boxes(spec: HeadSpec, priors: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Turn what the box branch emits into boxes, not clipped.

    Args:
        spec: the head specification; its coder says how to read ``values``.
        priors: ``(N, 4)`` float32 from ``level_priors``.
        values: ``(N, 4)`` float32 as the head emits them.

    Returns:
        ``(N, 4)`` float32, ``x1, y1, x2, y2``, network pixels.

    Raises:
        ValueError: an unknown coder.
    """
    return CODERS[spec.coder["type"]](priors, values, spec.coder)


def scale_to_original(boxes: np.ndarray, scale_x: float, scale_y: float, operation: str) -> np.ndarray:
    """Boxes from network to original-image pixels, rounding as mmdet does.

    Args:
        boxes: ``(N, 4)`` float32 network pixels.
        scale_x, scale_y: resized / original.
        operation: ``multiply`` by the reciprocal (``scale_boxes``) or ``divide`` (``YOLOXHead``).

    Returns:
        ``(N, 4)`` float32 original-image pixels.
    """
    scale = np.array([scale_x, scale_y, scale_x, scale_y])
    if operation == "multiply":
        return boxes * (1 / scale).astype(np.float32)
    return boxes / scale.astype(np.float32)


def clip_boxes(boxes: np.ndarray, height: float, width: float) -> np.ndarray:
    """Clip ``(N, 4)`` boxes to ``[0, width] x [0, height]``, same frame."""
    limit = np.array([width, height, width, height], dtype=np.float32)
    return np.clip(boxes, np.float32(0), limit)


def _decode_delta_xywh(priors: np.ndarray, deltas: np.ndarray, coder: dict) -> np.ndarray:
    """``delta2bbox``, mmdet/models/task_modules/coders/delta_xywh_bbox_coder.py, mmdet 3.3.0, no clip."""
    deltas = deltas * np.asarray(coder["stds"], np.float32) + np.asarray(coder["means"], np.float32)
    centre = (priors[:, :2] + priors[:, 2:]) * np.float32(0.5)
    size = priors[:, 2:] - priors[:, :2]
    shift, ratio = size * deltas[:, :2], deltas[:, 2:]
    limit = np.float32(coder["max_ratio"])
    if coder["centre_clamp"] is None:
        ratio = ratio.clip(-limit, limit)
    else:
        clamp = np.float32(coder["centre_clamp"])
        shift, ratio = shift.clip(-clamp, clamp), ratio.clip(max=limit)
    centre = centre + shift
    half = size * np.exp(ratio) * np.float32(0.5)
    return np.concatenate([centre - half, centre + half], axis=1)


def _decode_centre_size(priors: np.ndarray, values: np.ndarray, coder: dict) -> np.ndarray:
    """``YOLOXHead._bbox_decode``, mmdet/models/dense_heads/yolox_head.py, mmdet 3.3.0."""
    centre = values[:, :2] * priors[:, 2:] + priors[:, :2]
    half = np.exp(values[:, 2:]) * priors[:, 2:] / np.float32(2)
    return np.concatenate([centre - half, centre + half], axis=1)


CODERS = {"delta_xywh": _decode_delta_xywh, "centre_size": _decode_centre_size}
