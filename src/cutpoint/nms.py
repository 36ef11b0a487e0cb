"""Greedy non-maximum suppression in numpy, bit-faithful to mmcv's."""

import numpy as np

# From here on mmcv runs one NMS a class, on the same shifted boxes.
SPLIT_THRESHOLD = 10000


def greedy_nms(boxes: np.ndarray, scores: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Keep the best box, drop what overlaps it, repeat.

    Args:
        boxes: ``(N, 4)`` float32, ``x1, y1, x2, y2``, any one frame.
        scores: ``(N,)`` float32. Equal scores keep their order.
        iou_threshold: a box goes when its IoU with a kept one is strictly greater.

    Returns:
        ``(K,)`` int64, indices of the kept boxes, best first.

    Source:
        ``nms_cpu``, mmcv/ops/csrc/pytorch/cpu/nms.cpp, mmcv 2.1.0 (offset 0), float32 in the same order of
        operations.
    """
    order = np.argsort(-scores, kind="stable")
    x1, y1, x2, y2 = np.ascontiguousarray(boxes[order].T)
    areas = (x2 - x1) * (y2 - y1)
    threshold = np.float32(iou_threshold)
    rest = np.arange(len(order))
    kept = []
    while rest.size:
        best, rest = rest[0], rest[1:]
        kept.append(best)
        width = np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest])
        height = np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest])
        overlap = np.maximum(width, np.float32(0)) * np.maximum(height, np.float32(0))
        with np.errstate(divide="ignore", invalid="ignore"):
            iou = overlap / (areas[best] + areas[rest] - overlap)
        # not (iou > thr): a NaN of two empty boxes suppresses nothing, as in C++
        rest = rest[~(iou > threshold)]
    return order[np.array(kept, dtype=np.int64)]


def class_shifted_nms(
    boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, iou_threshold: float
) -> np.ndarray:
    """NMS per class by one NMS on boxes shifted by ``label * (largest coordinate + 1)`` in float32.

    The shift costs precision (a spacing of 0.008 px at 1e5), by which pairs close to the threshold fall
    otherwise than in a NMS per class; mmdet's results have that, so this has it.

    Args:
        boxes: ``(N, 4)`` float32.
        scores: ``(N,)`` float32.
        labels: ``(N,)`` integers.
        iou_threshold: as in ``greedy_nms``.

    Returns:
        ``(K,)`` int64, indices of the kept boxes, best first.

    Source:
        ``batched_nms``, mmcv/ops/nms.py, mmcv 2.1.0.
    """
    if not len(boxes):
        return np.zeros(0, dtype=np.int64)
    shifted = boxes + (labels.astype(np.float32) * (boxes.max() + np.float32(1)))[:, None]
    if len(boxes) < SPLIT_THRESHOLD:
        return greedy_nms(shifted, scores, iou_threshold)
    kept = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        kept.append(members[greedy_nms(shifted[members], scores[members], iou_threshold)])
    kept = np.sort(np.concatenate(kept))
    return kept[np.argsort(-scores[kept], kind="stable")]
