"""Compare two variants' detections, with or without ground truth."""

from collections import defaultdict
from typing import Any

import numpy as np

from cutpoint.boxes import box_iou
from cutpoint.files import read_json, write_json

AGREEMENT_IOU = 0.9


def compare(
    *,
    reference_name: str,
    reference: str,
    variant: str,
    reference_metrics: str | None,
    variant_metrics: str | None,
    out: str,
) -> None:
    """Write the comparison JSON of a variant with its reference.

    Args:
        reference_name: the reference variant's name.
        reference, variant: COCO results JSON of both.
        reference_metrics, variant_metrics: metrics JSON of both; null without annotations.
        out: JSON file to write. ``delta_AP_ci95``, ``verdict`` and ``autopsy`` are null: not built yet.
    """
    delta = None
    if reference_metrics and variant_metrics:
        before, after = read_json(reference_metrics)["AP"], read_json(variant_metrics)["AP"]
        delta = after - before if before is not None and after is not None else None
    ours, theirs = read_json(variant), read_json(reference)
    matched = count_matches(theirs, ours, AGREEMENT_IOU)
    total = len(ours) + len(theirs)
    write_json(
        out,
        {
            "reference": reference_name,
            "delta_AP": delta,
            "delta_AP_ci95": None,
            "verdict": None,
            # two empty lists agree
            "agreement": 2 * matched / total if total else 1.0,
            "autopsy": None,
        },
    )


def count_matches(reference: list[dict[str, Any]], variant: list[dict[str, Any]], iou: float) -> int:
    """Number of one-to-one pairs of the same image and class with at least this IoU."""
    groups = defaultdict(lambda: ([], []))
    for side, detections in enumerate((reference, variant)):
        for d in detections:
            groups[d["image_id"], d["category_id"]][side].append((*d["bbox"], d["score"]))
    matched = 0
    for ours, theirs in groups.values():
        if ours and theirs:
            a, b = np.array(ours), np.array(theirs)
            for boxes in (a, b):
                boxes[:, 2:4] += boxes[:, :2]
            matched += len(match(a[:, :4], a[:, 4], b[:, :4], iou)[0])
    return matched


def match(
    boxes: np.ndarray, scores: np.ndarray, others: np.ndarray, iou: float
) -> tuple[np.ndarray, np.ndarray]:
    """Match boxes of one image and class one to one: best score first, each takes its best free partner.

    Args:
        boxes: ``(N, 4)`` ``x1, y1, x2, y2``.
        scores: ``(N,)``, the order of choosing.
        others: ``(M, 4)``, same frame.
        iou: the least IoU of a pair.

    Returns:
        indices of the matched boxes and of their partners, ``(K,)`` int64 each.
    """
    overlap = box_iou(boxes, others)
    left, right = [], []
    for index in np.argsort(-scores, kind="stable"):
        best = int(np.argmax(overlap[index])) if overlap.shape[1] else -1
        if best >= 0 and overlap[index, best] >= iou:
            left.append(index)
            right.append(best)
            overlap[:, best] = -1
    return np.array(left, dtype=np.int64), np.array(right, dtype=np.int64)
