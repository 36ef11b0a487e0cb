"""One word for two variants: lossless, equivalent, different or inconclusive."""

import math
from dataclasses import dataclass

import numpy as np

from cutpoint.compare.bootstrap import Estimate
from cutpoint.matching import pair_alike
from cutpoint.records.comparison import Lossless, Tolerances
from cutpoint.records.detections import Results

MARGIN = 0.001
CORNER_PX = 0.05
SCORE = 1e-4
# standard normal quantiles: for both intervals; what 80 % power adds, for one side and for two sides
Z95, Z90, POWER, POWER_BOTH = 1.960, 1.645, 0.842, 1.282


@dataclass(frozen=True)
class Verdict:
    """The result of ``decide``.

    Attributes:
        word: ``lossless``, ``equivalent``, ``different`` or ``inconclusive``.
        suspicious: different and better than the reference: a conversion does not improve a model.
        images_to_decide: for ``inconclusive``, about how many images would decide with a probability of 80 %
            or more if the difference is as it seems, to two digits; null otherwise and without an interval.
    """

    word: str
    suspicious: bool = False
    images_to_decide: int | None = None


def lossless(
    reference: Results,
    variant: Results,
    *,
    corner_px: float = CORNER_PX,
    score: float = SCORE,
    score_thr: float | None = None,
    max_per_img: int | None = None,
) -> Lossless:
    """Whether every detection of both sides has a partner that is the same except for rounding.

    Args:
        reference, variant: the two sides.
        corner_px: how far each coordinate of two corners may be apart, original-image pixels.
        score: how far the scores of partners may be apart.
        score_thr, max_per_img: the limits that both recipes share; null if they have none, or different ones.
            A detection that the other side lacks is a tie if its score is at most ``score`` above the other
            side's limit: the threshold, or the last place of an image that is full.
    """
    pairs = pair_alike(reference, variant, corner_px, score)
    free = [
        side.take(np.setdiff1d(np.arange(len(side)), used))
        for side, used in ((reference, pairs.left), (variant, pairs.right))
    ]
    cuts = score, score_thr, max_per_img
    tied = [_tied(free[0], variant, *cuts), _tied(free[1], reference, *cuts)]
    unmatched = [len(rows) - ties for rows, ties in zip(free, tied, strict=True)]
    return Lossless(len(pairs), sum(tied), unmatched[0], unmatched[1], Tolerances(corner_px, score))


def decide(is_lossless: bool, delta: Estimate | None, margin: float = MARGIN) -> Verdict:
    """The verdict.

    ``lossless``; else ``equivalent`` if the 90 % interval lies within -margin .. margin, which is two
    one-sided tests at 5 % each, even if the difference is not 0; else ``different`` if 0 is outside the 95 %
    interval; else ``inconclusive``.

    Args:
        is_lossless: from ``lossless``.
        delta: the difference in AP over all classes; null without annotations.
        margin: the largest difference in AP (fraction) that does not matter.
    """
    if is_lossless:
        return Verdict("lossless")
    if delta is None or delta.value is None or delta.ci95 is None or delta.ci90 is None:
        return Verdict("inconclusive")
    low, high = delta.ci90
    if -margin < low and high < margin:
        return Verdict("equivalent")
    low, high = delta.ci95
    if low > 0 or high < 0:
        return Verdict("different", suspicious=low > 0)
    images = images_to_decide(delta.value, delta.error or 0.0, delta.images, margin)
    return Verdict("inconclusive", images_to_decide=images)


def images_to_decide(difference: float, error: float, images: int, margin: float) -> int:
    """The number of images at which 4 of 5 data sets decide: the difference is real, or it is in the margin.

    The smaller of the two counts. The standard error falls with the root of the number of images.

    Args:
        difference: in AP, a fraction.
        error: its standard error.
        images: the number of images that it was measured on.
        margin: the largest difference that does not matter.
    """
    size = abs(difference)
    ratios = [(Z95 + POWER) * error / size] if size else []
    if size < margin:
        ratios.append((Z90 + POWER_BOTH) * error / (margin - size))
    needed = images * min(ratios) ** 2
    step: int = 10 ** max(0, math.floor(math.log10(needed)) - 1)
    return max(math.ceil(needed / step) * step, images + 1)


def _tied(
    free: Results, other: Results, score: float, score_thr: float | None, max_per_img: int | None
) -> int:
    """How many of the detections without a partner may be just beyond the other side's limit."""
    asked = np.full(len(free), -math.inf if score_thr is None else score_thr)
    if max_per_img is not None and len(other):
        images, position, count = np.unique(other.image_id, return_inverse=True, return_counts=True)
        lowest = np.full(len(images), math.inf)
        np.minimum.at(lowest, position, other.score)
        bar = np.where(count >= max_per_img, lowest, -math.inf)
        here = np.searchsorted(images, free.image_id).clip(max=len(images) - 1)
        asked = np.where(images[here] == free.image_id, np.maximum(asked, bar[here]), asked)
    return int((free.score <= asked + score).sum())
