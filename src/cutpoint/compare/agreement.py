"""How similar the detections of two variants are, without ground truth."""

from collections.abc import Iterable, Mapping

import numpy as np

from cutpoint.matching import AGREEMENT_IOU, PAIR_IOU, Pairs, find_overlaps, matched_fraction, pair_overlaps
from cutpoint.records.comparison import (
    Agreement,
    BoxDrift,
    ImageAgreement,
    ScoreDrift,
    Share,
    ThresholdAgreement,
)
from cutpoint.records.detections import Results

SHARE_IOUS = (PAIR_IOU, AGREEMENT_IOU, 0.99)
SCORE_THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
QUANTILES = (50, 90, 99, 100)
Quantiles = tuple[float | None, float | None, float | None, float | None]
# up to the first number all images are listed; with more images, only so many of the worst
IMAGES_LISTED, WORST_LISTED = 100, 20


def measure_agreement(reference: Results, variant: Results, images: Iterable[int]) -> Agreement:
    """Compare detections of the same images.

    Pairs are those of ``matching.pair_overlaps``: one to one, of the same image and class.

    Args:
        reference, variant: the two sides.
        images: ids of all images, also those without detections.
    """
    overlaps = find_overlaps(reference, variant)
    pairs = {iou: pair_overlaps(overlaps, iou) for iou in SHARE_IOUS}
    above = {threshold: pair_overlaps(overlaps, AGREEMENT_IOU, threshold) for threshold in SCORE_THRESHOLDS}
    total, near = len(reference) + len(variant), pairs[PAIR_IOU]
    score_drift = variant.score[near.right] - reference.score[near.left]
    moved = np.abs(variant.corners[near.right] - reference.corners[near.left])
    box_drift = moved.max(axis=1, initial=0)
    ids = np.unique(list(images))
    lines = _per_image(reference, variant, pairs, above, np.abs(score_drift), box_drift, ids)
    if len(lines) > IMAGES_LISTED:
        lines.sort(key=lambda line: (line.agreement, -line.missing - line.extra, line.image_id))
        lines = lines[:WORST_LISTED]
    return Agreement(
        reference=len(reference),
        variant=len(variant),
        missing=len(reference) - len(near),
        extra=len(variant) - len(near),
        shares=tuple(Share(iou, len(at), matched_fraction(len(at), total)) for iou, at in pairs.items()),
        score_drift=ScoreDrift(*_quantiles(np.abs(score_drift)), _mean(score_drift)),
        box_drift_px=BoxDrift(*_quantiles(box_drift)),
        f1=tuple(_f1(reference, variant, threshold, len(at)) for threshold, at in above.items()),
        images=len(ids),
        per_image=tuple(lines),
    )


def _quantiles(values: np.ndarray) -> Quantiles:
    if not len(values):
        return None, None, None, None
    p50, p90, p99, most = np.percentile(values, QUANTILES).tolist()
    return p50, p90, p99, most


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _f1(reference: Results, variant: Results, threshold: float, pairs: int) -> ThresholdAgreement:
    counts = [int((side.score >= threshold).sum()) for side in (reference, variant)]
    f1 = 2 * pairs / sum(counts) if sum(counts) else None
    return ThresholdAgreement(threshold, counts[0], counts[1], f1)


def _per_image(
    reference: Results,
    variant: Results,
    pairs: Mapping[float, Pairs],
    above: Mapping[float, Pairs],
    score_drift: np.ndarray,
    box_drift: np.ndarray,
    ids: np.ndarray,
) -> list[ImageAgreement]:
    """One line per image; ``ids`` ``(N,)`` int64, ascending."""

    def count(images: np.ndarray) -> np.ndarray:
        return np.bincount(np.searchsorted(ids, images), minlength=len(ids))

    left = reference.image_id[pairs[PAIR_IOU].left]
    numbers = count(reference.image_id), count(variant.image_id)
    close, near = count(reference.image_id[pairs[AGREEMENT_IOU].left]), count(left)
    f1 = []
    for threshold, at in above.items():
        sides = [count(side.image_id[side.score >= threshold]) for side in (reference, variant)]
        matched = count(reference.image_id[at.left])
        f1.append(
            [2 * int(m) / int(b) if b else None for m, b in zip(matched, sides[0] + sides[1], strict=True)]
        )
    drifts = np.full((2, len(ids)), -1.0)
    for row, drift in zip(drifts, (score_drift, box_drift), strict=True):
        np.maximum.at(row, np.searchsorted(ids, left), drift)
    return [
        ImageAgreement(
            image_id=int(image),
            reference=int(numbers[0][i]),
            variant=int(numbers[1][i]),
            agreement=matched_fraction(int(close[i]), int(numbers[0][i] + numbers[1][i])),
            missing=int(numbers[0][i] - near[i]),
            extra=int(numbers[1][i] - near[i]),
            score_drift=float(drifts[0, i]) if near[i] else None,
            box_drift_px=float(drifts[1, i]) if near[i] else None,
            f1=tuple(values[i] for values in f1),
        )
        for i, image in enumerate(ids)
    ]
