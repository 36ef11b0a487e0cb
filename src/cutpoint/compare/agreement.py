"""How alike two variants' detections are, without ground truth."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cutpoint.decode.boxes import box_iou

AGREEMENT_IOU = 0.9
# the least IoU of a pair at all: what has no partner there is extra or missing
PAIR_IOU = 0.5
SHARE_IOUS = (0.5, 0.9, 0.99)
SCORE_THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
QUANTILES = {"p50": 50, "p90": 90, "p99": 99, "max": 100}
# all images are listed up to the first number; of more, the worst
IMAGES_LISTED, WORST_LISTED = 100, 20


@dataclass(frozen=True)
class Overlaps:
    """Two variants' detections, and which of them overlap.

    Args:
        images: ``(n + m,)`` image id of each detection, the reference's first.
        corners: ``(n + m, 4)`` float64 ``x1, y1, x2, y2``, original-image pixels.
        scores: ``(n + m,)`` float64.
        reference: n, how many are the reference's.
        left, right: ``(P,)`` the pairs of the same image and class with an IoU of at least ``PAIR_IOU``:
            indices into the n of the reference and the m of the variant, in the order of choosing.
        iou: ``(P,)`` their IoU.
    """

    images: np.ndarray
    corners: np.ndarray
    scores: np.ndarray
    reference: int
    left: np.ndarray
    right: np.ndarray
    iou: np.ndarray


def measure_agreement(
    reference: list[dict[str, Any]], variant: list[dict[str, Any]], images: Iterable[int]
) -> dict[str, Any]:
    """Compare detections of the same images.

    Pairs are one to one, of the same image and class: the reference's best score chooses first, and takes the
    free partner with the highest IoU.

    Args:
        reference, variant: COCO results, ``bbox`` ``[x, y, w, h]``, original-image pixels.
        images: ids of all images, also those without detections.

    Returns:
        ``agreement``: 2 x pairs / (detections of both) at IoU 0.9; two empty sides agree.
        ``reference``, ``variant``: numbers of detections. ``missing``, ``extra``: the reference's and the
        variant's that have no partner at IoU 0.5.
        ``shares``: ``{iou, pairs, share}``, share as in ``agreement``.
        ``score_drift``, ``box_drift_px``: of the pairs at IoU 0.5 the quantiles ``p50, p90, p99, max`` of the
        absolute difference of the scores, and of the corners' coordinate that moved most (original-image
        pixels); of the scores also the ``mean`` difference, variant - reference. Null without pairs.
        ``f1``: ``{score_thr, reference, variant, f1}``: the same share at IoU 0.9 of the detections with at
        least this score on either side, matched anew; null where there are none.
        ``images``: how many; ``per_image``: ``image_id, reference, variant, agreement, missing, extra,
        score_drift, box_drift_px`` (the largest; null without pairs) and ``f1``, a list in the order of the
        thresholds above; all images up to 100, of more the 20 that agree least.
    """
    found = find_overlaps(reference, variant)
    pairs = {iou: pair(found, iou) for iou in SHARE_IOUS}
    above = {threshold: pair(found, AGREEMENT_IOU, threshold) for threshold in SCORE_THRESHOLDS}
    counts = found.reference, len(found.scores) - found.reference
    left, right = pairs[PAIR_IOU]
    score_drift = found.scores[found.reference + right] - found.scores[left]
    box_drift = np.abs(found.corners[found.reference + right] - found.corners[left]).max(axis=1, initial=0)
    return {
        "agreement": _share(len(pairs[AGREEMENT_IOU][0]), sum(counts)),
        "reference": counts[0],
        "variant": counts[1],
        "missing": counts[0] - len(left),
        "extra": counts[1] - len(left),
        "shares": [
            {"iou": iou, "pairs": len(rows[0]), "share": _share(len(rows[0]), sum(counts))}
            for iou, rows in pairs.items()
        ],
        "score_drift": _quantiles(np.abs(score_drift), mean=score_drift),
        "box_drift_px": _quantiles(box_drift),
        "f1": [_f1(found, threshold, len(rows[0])) for threshold, rows in above.items()],
        **_per_image(found, pairs, above, np.abs(score_drift), box_drift, images),
    }


def find_overlaps(reference: list[dict[str, Any]], variant: list[dict[str, Any]]) -> Overlaps:
    """Overlapping detections of the same image and class; arguments as of ``measure_agreement``."""
    both, n = [*reference, *variant], len(reference)
    images, labels = (np.array([d[key] for d in both], dtype=np.int64) for key in ("image_id", "category_id"))
    scores = np.array([d["score"] for d in both], dtype=np.float64)
    corners = np.array([d["bbox"] for d in both], dtype=np.float64).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    left, right, overlap = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    for rows in _by_value(images):
        ours, theirs = rows[rows < n], rows[rows >= n]
        iou = box_iou(corners[ours], corners[theirs])
        i, j = np.nonzero((iou >= PAIR_IOU) & (labels[ours][:, None] == labels[theirs][None]))
        left.append(ours[i])
        right.append(theirs[j] - n)
        overlap.append(iou[i, j])
    left, right, iou = np.concatenate(left), np.concatenate(right), np.concatenate(overlap)
    order = np.lexsort((right, -iou, left, -scores[left]))
    return Overlaps(images, corners, scores, n, left[order], right[order], iou[order])


def pair(found: Overlaps, iou: float, score_thr: float = 0) -> tuple[np.ndarray, np.ndarray]:
    """One-to-one pairs of the detections with at least this score.

    Args:
        iou: the least IoU of a pair, ``PAIR_IOU`` or more.

    Returns:
        indices into the reference's and into the variant's detections, ``(K,)`` int64 each.
    """
    scores = np.minimum(found.scores[found.left], found.scores[found.reference + found.right])
    usable = (found.iou >= iou) & (scores >= score_thr)
    taken: tuple[set[int], set[int]] = (set(), set())
    chosen = []
    for i, j in zip(found.left[usable].tolist(), found.right[usable].tolist(), strict=True):
        if i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            chosen.append((i, j))
    left, right = np.array(chosen, dtype=np.int64).reshape(-1, 2).T
    return left, right


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


def _by_value(values: np.ndarray) -> list[np.ndarray]:
    """Indices of the equal values, each group ascending."""
    order = np.argsort(values, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(values[order])) + 1) if len(order) else []


def _share(pairs: int, detections: int) -> float:
    return 2 * pairs / detections if detections else 1.0


def _quantiles(values: np.ndarray, mean: np.ndarray | None = None) -> dict[str, float | None]:
    known = np.percentile(values, list(QUANTILES.values())).tolist() if len(values) else [None] * 4
    found = dict(zip(QUANTILES, known, strict=True))
    return found if mean is None else found | {"mean": float(mean.mean()) if len(mean) else None}


def _f1(found: Overlaps, threshold: float, pairs: int) -> dict[str, Any]:
    high = found.scores >= threshold
    reference, variant = int(high[: found.reference].sum()), int(high[found.reference :].sum())
    share = 2 * pairs / (reference + variant) if reference + variant else None
    return {"score_thr": threshold, "reference": reference, "variant": variant, "f1": share}


def _per_image(
    found: Overlaps,
    pairs: dict[float, tuple[np.ndarray, np.ndarray]],
    above: dict[float, tuple[np.ndarray, np.ndarray]],
    score_drift: np.ndarray,
    box_drift: np.ndarray,
    images: Iterable[int],
) -> dict[str, Any]:
    ids = np.unique(list(images))

    def count(of: np.ndarray) -> np.ndarray:
        return np.bincount(np.searchsorted(ids, of), minlength=len(ids))

    left = found.images[pairs[PAIR_IOU][0]]
    numbers = count(found.images[: found.reference]), count(found.images[found.reference :])
    close, near = count(found.images[pairs[AGREEMENT_IOU][0]]), count(left)
    f1 = []
    for threshold, (rows, _) in above.items():
        boxes, matched = count(found.images[found.scores >= threshold]), count(found.images[rows])
        f1.append([2 * int(m) / int(b) if b else None for m, b in zip(matched, boxes, strict=True)])
    drifts = np.full((2, len(ids)), -1.0)
    for row, drift in zip(drifts, (score_drift, box_drift), strict=True):
        np.maximum.at(row, np.searchsorted(ids, left), drift)
    lines = [
        {
            "image_id": int(image),
            "reference": int(numbers[0][i]),
            "variant": int(numbers[1][i]),
            "agreement": _share(int(close[i]), int(numbers[0][i] + numbers[1][i])),
            "missing": int(numbers[0][i] - near[i]),
            "extra": int(numbers[1][i] - near[i]),
            "score_drift": float(drifts[0, i]) if near[i] else None,
            "box_drift_px": float(drifts[1, i]) if near[i] else None,
            "f1": [shares[i] for shares in f1],
        }
        for i, image in enumerate(ids)
    ]
    if len(lines) > IMAGES_LISTED:
        lines = sorted(lines, key=lambda x: (x["agreement"], -x["missing"] - x["extra"], x["image_id"]))
        lines = lines[:WORST_LISTED]
    return {"images": len(ids), "per_image": lines}
