"""Priors and box coders. float32 in, float32 out.

The coders are written once for numpy and torch: ``xp`` is the module whose functions they call. The source of
each coder is mmdet 3.3.0 (folders under mmdet/models/), with the same order of operations.
"""

from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

from cutpoint.records.candidates import take_boxes
from cutpoint.records.head import DenseHead
from cutpoint.records.image import Geometry


def level_priors(
    spec: DenseHead, level: int | np.ndarray, y: np.ndarray, x: np.ndarray, anchor: np.ndarray
) -> np.ndarray:
    """Priors of chosen cells.

    Args:
        spec: the head specification.
        level: feature level, or ``(N,)`` integers, the level of each cell.
        y, x, anchor: ``(N,)`` integers, cell row, cell column, prior within the cell.

    Returns:
        float32, network pixels: anchors ``(N, 4)`` ``x1, y1, x2, y2``, or points ``(N, 2)`` ``x, y``.

    Source:
        ``AnchorGenerator.single_level_grid_priors`` and ``MlvlPointGenerator.single_level_grid_priors``,
        task_modules/prior_generators/.
    """
    stride = _of_level(spec.strides, level)
    cell = np.stack([x, y]).astype(np.float32).T
    priors: np.ndarray
    if spec.anchors is None:
        priors = (cell + np.float32(spec.point_offset)) * stride
    else:
        shift = cell * stride
        table, starts = _anchor_table(spec.anchors)
        priors = take_boxes(table, starts[level] + anchor) + np.concatenate([shift, shift], axis=1)
    return priors


def decode_boxes(
    spec: DenseHead, level: int | np.ndarray, priors: Any, values: Any, xp: ModuleType = np
) -> tuple[Any, Any | None]:
    """Turn the output of the box branch into boxes, not clipped.

    Args:
        spec: the head specification; its coder says how to read ``values``.
        level: feature level; with numpy also ``(N,)`` integers, the level of each prior.
        priors: ``(..., N, 4)`` anchors or ``(..., N, 2)`` points, float32 network pixels.
        values: ``(..., N, channels)`` float32 as the head emits them.
        xp: ``numpy`` or ``torch``, to match the arrays.

    Returns:
        ``(..., N, 4)`` float32, ``x1, y1, x2, y2``, network pixels; and ``(..., N)`` float32, the factor that
        the coder computes, null for coders without one.
    """
    stride = _of_level(spec.strides, level, xp)
    found = CODERS[spec.coder["type"]](priors, values, stride, level, spec.coder, xp)
    return found if isinstance(found, tuple) else (found, None)


def refine_boxes(coder: dict[str, Any], boxes: Any, deltas: Any, xp: ModuleType = np) -> Any:
    """The boxes that a stage of a two-stage detector makes of its proposals, not clipped.

    Args:
        coder: ``RoiHead.coder``.
        boxes: ``(..., 4)`` float32 network pixels.
        deltas: ``(..., 4)`` float32; both broadcast.
        xp: ``numpy`` or ``torch``, to match the arrays.

    Returns:
        ``(..., 4)`` float32 network pixels.
    """
    return CODERS[coder["type"]](boxes, deltas, None, 0, coder, xp)


def _of_level(table: Any, level: int | np.ndarray, xp: ModuleType = np) -> Any:
    """A level's row of a table, float32; or ``(N, columns)``, the rows of several levels."""
    if isinstance(level, int):
        return xp.asarray(table[level], dtype=xp.float32)
    return take_boxes(np.asarray(table, dtype=np.float32), level)


@lru_cache(maxsize=8)
def _anchor_table(anchors: tuple) -> tuple[np.ndarray, np.ndarray]:
    """All levels' base anchors, ``(M, 4)`` float32, and the first row of each level."""
    starts = np.cumsum([0, *map(len, anchors)])
    return np.array([anchor for level in anchors for anchor in level], dtype=np.float32), starts


def scale_to_original(
    boxes: np.ndarray, geometry: Geometry, operation: str = "divide", gain: str = "per_axis"
) -> np.ndarray:
    """Boxes from network to original-image pixels; with the defaults' rounding as mmdet does.

    Args:
        boxes: ``(N, 4)`` float32 network pixels.
        geometry: of the image; padding before the image is taken back first.
        operation: ``multiply`` by the reciprocal (``scale_boxes``) or ``divide`` (YOLOX, PAA).
        gain: ``per_axis``: resized / original of each axis, after rounding. ``one``: the one factor of the
            resize, before rounding, for both axes; per axis if there is none.

    Returns:
        ``(N, 4)`` float32 original-image pixels.
    """
    if geometry.left or geometry.top:
        start = (geometry.left, geometry.top)
        boxes = boxes - np.array([*start, *start], dtype=np.float32)
    sides = (geometry.scale_x, geometry.scale_y)
    if gain == "one" and geometry.gain is not None:
        sides = (geometry.gain, geometry.gain)
    scale = np.array([*sides, *sides])
    if operation == "multiply":
        return boxes * (1 / scale).astype(np.float32)
    return boxes / scale.astype(np.float32)


def clip_boxes(boxes: np.ndarray, height: float, width: float) -> np.ndarray:
    """Clip ``(N, 4)`` boxes to ``[0, width] x [0, height]``, same frame."""
    limit = np.array([width, height, width, height], dtype=np.float32)
    clipped: np.ndarray = np.clip(boxes, np.float32(0), limit)
    return clipped


def _delta_xywh(priors: Any, deltas: Any, stride: Any, level: Any, coder: dict, xp: ModuleType) -> Any:
    """``delta2bbox``, task_modules/coders/delta_xywh_bbox_coder.py."""
    deltas = deltas * xp.asarray(coder["stds"], dtype=xp.float32)
    deltas = deltas + xp.asarray(coder["means"], dtype=xp.float32)
    centre = (priors[..., :2] + priors[..., 2:]) * 0.5
    size = priors[..., 2:] - priors[..., :2]
    shift, ratio = size * deltas[..., :2], deltas[..., 2:]
    if coder["centre_clamp"] is None:
        ratio = xp.clip(ratio, -coder["max_ratio"], coder["max_ratio"])
    else:
        shift = xp.clip(shift, -coder["centre_clamp"], coder["centre_clamp"])
        ratio = xp.clip(ratio, None, coder["max_ratio"])
    centre = centre + shift
    half = size * xp.exp(ratio) * 0.5
    return xp.concatenate([centre - half, centre + half], axis=-1)


def _guided(priors: Any, values: Any, stride: Any, level: Any, coder: dict, xp: ModuleType) -> Any:
    """Deltas to anchors that the network makes of squares by the last two values.

    ``GuidedAnchorHead._get_guided_anchors_single``, dense_heads/guided_anchor_head.py.
    """
    deltas, sides = values[..., :4], values[..., 4:]
    grown = xp.concatenate([xp.zeros_like(sides), sides], axis=-1)
    anchors = _delta_xywh(priors, grown, stride, level, coder["anchor"], xp)
    return _delta_xywh(anchors, deltas, stride, level, coder, xp)


def _centre_size(priors: Any, values: Any, stride: Any, level: Any, coder: dict, xp: ModuleType) -> Any:
    """``YOLOXHead._bbox_decode``, dense_heads/yolox_head.py."""
    centre = values[..., :2] * stride + priors
    half = xp.exp(values[..., 2:]) * stride / 2
    return xp.concatenate([centre - half, centre + half], axis=-1)


def _distance(priors: Any, values: Any, stride: Any, level: Any, coder: dict, xp: ModuleType) -> Any:
    """``distance2bbox``, mmdet/structures/bbox/transforms.py; ``unit`` is the length of one value.

    With ``bins`` each side is the mean of a distribution over 0 .. bins - 1: ``Integral``,
    dense_heads/gfl_head.py, whose distances start at the anchor's centre. ``exp`` and ``unit``
    ``[per level]``: ``FoveaHead._bbox_decode``, dense_heads/fovea_head.py.
    """
    if coder["bins"]:
        share = _softmax(values.reshape(*values.shape[:-1], 4, coder["bins"]), xp)
        values = xp.sum(share * xp.arange(coder["bins"], dtype=xp.float32), axis=-1)
    if coder["exp"]:
        values = xp.exp(values)
    values = values * _of_level([[unit] for unit in coder["unit"]], level, xp)
    if priors.shape[-1] == 4:
        priors = (priors[..., :2] + priors[..., 2:]) / 2
    return xp.concatenate([priors - values[..., :2], priors + values[..., 2:]], axis=-1)


def _tblr(priors: Any, values: Any, stride: Any, level: Any, coder: dict, xp: ModuleType) -> Any:
    """``tblr2bboxes`` with ``normalize_by_wh``, task_modules/coders/tblr_bbox_coder.py."""
    values = values * xp.asarray(coder["normalizer"], dtype=xp.float32)
    centre = (priors[..., :2] + priors[..., 2:]) / 2
    size = priors[..., 2:] - priors[..., :2]
    vertical, horizontal = values[..., :2] * size[..., 1:], values[..., 2:] * size[..., :1]
    low = xp.concatenate([horizontal[..., :1], vertical[..., :1]], axis=-1)
    high = xp.concatenate([horizontal[..., 1:], vertical[..., 1:]], axis=-1)
    return xp.concatenate([centre - low, centre + high], axis=-1)


def _corners(priors: Any, values: Any, stride: Any, level: Any, coder: dict, xp: ModuleType) -> Any:
    """Corners in strides, from the origin (``TOODHead``) or the point (``RepPointsHead._bbox_decode``)."""
    boxes = values * stride[..., :1]
    return boxes + xp.concatenate([priors, priors], axis=-1) if coder["from_point"] else boxes


def _peaks(priors: Any, values: Any, stride: Any, level: Any, coder: dict, xp: ModuleType) -> Any:
    """``CenterNetHead._decode_heatmap``, dense_heads/centernet_head.py: width, height, offsets in cells."""
    centre = priors / stride + values[..., 2:]
    half = values[..., :2] / 2
    return xp.concatenate([(centre - half) * stride, (centre + half) * stride], axis=-1)


def _yolov3(priors: Any, values: Any, stride: Any, level: Any, coder: dict, xp: ModuleType) -> Any:
    """``YOLOBBoxCoder.decode``, task_modules/coders/yolo_bbox_coder.py."""
    shift = 1 / (1 + xp.exp(-values[..., :2])) - 0.5
    centre = (priors[..., :2] + priors[..., 2:]) * 0.5 + shift * stride
    half = (priors[..., 2:] - priors[..., :2]) * 0.5 * xp.exp(values[..., 2:])
    return xp.concatenate([centre - half, centre + half], axis=-1)


def _buckets(
    priors: Any, values: Any, stride: Any, level: Any, coder: dict, xp: ModuleType
) -> tuple[Any, Any]:
    """``bucket2bbox``, task_modules/coders/bucketing_bbox_coder.py; sides are left, right, top, down."""
    buckets = coder["buckets"]
    side = -(-buckets // 2)
    values = values.reshape(*values.shape[:-1], 2, 4, side)
    scores, offsets = _softmax(values[..., 0, :, :], xp), values[..., 1, :, :]
    numbers = xp.arange(side)
    best = xp.argmax(scores, axis=-1)
    is_best = numbers == best[..., None]
    rest = xp.where(is_best, xp.asarray(-1.0, dtype=xp.float32), scores)
    second = xp.argmax(rest, axis=-1)
    zero = xp.asarray(0.0, dtype=xp.float32)
    middle = xp.arange(side, dtype=xp.float32) + 0.5
    # in bucket widths from the prior's edge to the inside; an offset moves every edge towards the origin
    from_low, from_high = (
        xp.sum(xp.where(is_best, steps, zero), axis=-1) for steps in (middle - offsets, middle + offsets)
    )

    centre = (priors[..., :2] + priors[..., 2:]) * 0.5
    half = (priors[..., 2:] - priors[..., :2]) * coder["scale"] * 0.5
    low, high = centre - half, centre + half
    width = (high - low) / buckets
    left = low[..., 0] + from_low[..., 0] * width[..., 0]
    right = high[..., 0] - from_high[..., 1] * width[..., 0]
    top = low[..., 1] + from_low[..., 2] * width[..., 1]
    down = high[..., 1] - from_high[..., 3] * width[..., 1]

    near = xp.where(xp.abs(best - second) == 1, xp.amax(rest, axis=-1), zero)
    confidence = xp.sum(xp.amax(scores, axis=-1) + near, axis=-1) / 4
    return xp.stack([left, top, right, down], axis=-1), confidence


def _softmax(values: Any, xp: ModuleType) -> Any:
    powers = xp.exp(values - xp.amax(values, axis=-1)[..., None])
    return powers / xp.sum(powers, axis=-1)[..., None]


CODERS = {
    "delta_xywh": _delta_xywh,
    "guided": _guided,
    "centre_size": _centre_size,
    "distance": _distance,
    "tblr": _tblr,
    "corners": _corners,
    "peaks": _peaks,
    "yolov3": _yolov3,
    "buckets": _buckets,
}
