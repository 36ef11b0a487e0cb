"""How similar the detections of two variants are, without ground truth."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from cutpoint.matching import AGREEMENT_IOU, PAIR_IOU, Pairs, find_overlaps, matched_fraction, pair_overlaps
from cutpoint.records.detections import Results

SHARE_IOUS = (PAIR_IOU, AGREEMENT_IOU, 0.99)
SCORE_THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
QUANTILES = {"p50": 50, "p90": 90, "p99": 99, "max": 100}
# up to the first number all images are listed; with more images, only so many of the worst
IMAGES_LISTED, WORST_LISTED = 100, 20


def measure_agreement(reference: Results, variant: Results, images: Iterable[int]) -> dict[str, Any]:
    """Compare detections of the same images.

    Pairs are those of ``matching.pair_overlaps``: one to one, of the same image and class.

    Args:
        reference, variant: the two sides.
        images: ids of all images, also those without detections.

    Returns:
        ``agreement``: 2 x pairs / (detections of both) at IoU 0.9; two empty sides agree.
        ``reference``, ``variant``: numbers of detections. ``missing``, ``extra``: detections of the reference
        and of the variant without a partner at IoU 0.5.
        ``shares``: ``{iou, pairs, share}``, a fraction as in ``agreement``.
        ``score_drift``, ``box_drift_px``: for the pairs at IoU 0.5, the quantiles ``p50, p90, p99, max`` of
        the absolute score difference, and of the coordinate that moved most (original-image pixels). The
        scores also have the ``mean`` difference, variant - reference. Null without pairs.
        ``f1``: ``{score_thr, reference, variant, f1}``: the same fraction at IoU 0.9 for the detections with
        at least this score on either side, matched again; null without such detections.
        ``images``: how many; ``per_image``: ``image_id, reference, variant, agreement, missing, extra,
        score_drift, box_drift_px`` (the largest; null without pairs) and ``f1``, a list in the order of the
        thresholds above. All images up to 100; with more images, the 20 that agree least.
    """
    overlaps = find_overlaps(reference, variant)
    pairs = {iou: pair_overlaps(overlaps, iou) for iou in SHARE_IOUS}
    above = {threshold: pair_overlaps(overlaps, AGREEMENT_IOU, threshold) for threshold in SCORE_THRESHOLDS}
    total, near = len(reference) + len(variant), pairs[PAIR_IOU]
    score_drift = variant.score[near.right] - reference.score[near.left]
    moved = np.abs(variant.corners[near.right] - reference.corners[near.left])
    box_drift = moved.max(axis=1, initial=0)
    return {
        "agreement": matched_fraction(len(pairs[AGREEMENT_IOU]), total),
        "reference": len(reference),
        "variant": len(variant),
        "missing": len(reference) - len(near),
        "extra": len(variant) - len(near),
        "shares": [
            {"iou": iou, "pairs": len(found), "share": matched_fraction(len(found), total)}
            for iou, found in pairs.items()
        ],
        "score_drift": _quantiles(np.abs(score_drift), mean=score_drift),
        "box_drift_px": _quantiles(box_drift),
        "f1": [_f1(reference, variant, threshold, len(found)) for threshold, found in above.items()],
        **_per_image(reference, variant, pairs, above, np.abs(score_drift), box_drift, images),
    }


def _quantiles(values: np.ndarray, mean: np.ndarray | None = None) -> dict[str, float | None]:
    known = np.percentile(values, list(QUANTILES.values())).tolist() if len(values) else [None] * 4
    found = dict(zip(QUANTILES, known, strict=True))
    return found if mean is None else found | {"mean": float(mean.mean()) if len(mean) else None}


def _f1(reference: Results, variant: Results, threshold: float, pairs: int) -> dict[str, Any]:
    counts = [int((side.score >= threshold).sum()) for side in (reference, variant)]
    share = 2 * pairs / sum(counts) if sum(counts) else None
    return {"score_thr": threshold, "reference": counts[0], "variant": counts[1], "f1": share}


def _per_image(
    reference: Results,
    variant: Results,
    pairs: dict[float, Pairs],
    above: dict[float, Pairs],
    score_drift: np.ndarray,
    box_drift: np.ndarray,
    images: Iterable[int],
) -> dict[str, Any]:
    ids = np.unique(list(images))

    def count(of: np.ndarray) -> np.ndarray:
        return np.bincount(np.searchsorted(ids, of), minlength=len(ids))

    left = reference.image_id[pairs[PAIR_IOU].left]
    numbers = count(reference.image_id), count(variant.image_id)
    close, near = count(reference.image_id[pairs[AGREEMENT_IOU].left]), count(left)
    f1 = []
    for threshold, found in above.items():
        boxes = sum(count(side.image_id[side.score >= threshold]) for side in (reference, variant))
        matched = count(reference.image_id[found.left])
        f1.append([2 * int(m) / int(b) if b else None for m, b in zip(matched, boxes, strict=True)])
    drifts = np.full((2, len(ids)), -1.0)
    for row, drift in zip(drifts, (score_drift, box_drift), strict=True):
        np.maximum.at(row, np.searchsorted(ids, left), drift)
    lines = [
        {
            "image_id": int(image),
            "reference": int(numbers[0][i]),
            "variant": int(numbers[1][i]),
            "agreement": matched_fraction(int(close[i]), int(numbers[0][i] + numbers[1][i])),
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
