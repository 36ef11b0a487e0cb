"""A variant compared with its reference: difference in AP, verdict, agreement of the detections."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutpoint.records.autopsy import OLD_CAUSES
from cutpoint.records.json_file import read_record, write_record
from cutpoint.records.slices import slice_title

Interval = tuple[float, float]


@dataclass(frozen=True)
class SizeDelta:
    """The difference in AP for objects of a ``size``, from ``bootstrap.delta``."""

    size: str
    delta_AP: float | None
    delta_AP_ci95: Interval | None
    p: float | None
    different: bool | None
    suspicious: bool | None
    images: int


@dataclass(frozen=True)
class ClassDelta:
    """The difference in AP for a category, from ``bootstrap.delta``."""

    category_id: int
    delta_AP: float | None
    delta_AP_ci95: Interval | None
    p: float | None
    different: bool | None
    suspicious: bool | None
    images: int


@dataclass(frozen=True)
class SliceDelta:
    """A variant and its reference on the images of a slice, from ``slices.compare_slices``.

    ``images``: how many. ``AP``: the variant's. ``agreement``: as of the comparison. All else is null without
    ground truth. Interval, ``p``, ``different`` and ``suspicious`` are null with fewer than
    ``bootstrap.MIN_IMAGES`` images that have objects.
    """

    name: str
    value: str
    images: int
    images_with_objects: int | None = None
    objects: int | None = None
    AP: float | None = None
    delta_AP: float | None = None
    delta_AP_ci95: Interval | None = None
    p: float | None = None
    different: bool | None = None
    suspicious: bool | None = None
    agreement: float | None = None

    @property
    def title(self) -> str:
        """``time=night``, as of ``slices.Slice``."""
        return slice_title(self.name, self.value)


@dataclass(frozen=True)
class Tolerances:
    """How far partners may be apart: each coordinate of two corners (original-image pixels), the scores."""

    corner_px: float
    score: float


@dataclass(frozen=True)
class Lossless:
    """The number of detections whose partner is the same except for rounding, from ``verdict.lossless``.

    ``pairs``: one to one, same image and class, as many as possible. ``ties``: detections without a partner
    that may be just beyond the other side's limit; the unmatched numbers do not count them.
    """

    pairs: int
    ties: int
    unmatched_reference: int
    unmatched_variant: int
    tolerances: Tolerances

    @property
    def holds(self) -> bool:
        """Whether every detection of both sides has such a partner, or is a tie."""
        return not (self.unmatched_reference or self.unmatched_variant)


@dataclass(frozen=True)
class Share:
    """Pairs with at least this ``iou``; ``share``: 2 x pairs / (detections of both), a fraction."""

    iou: float
    pairs: int
    share: float


@dataclass(frozen=True)
class BoxDrift:
    """Quantiles over pairs of the largest move of a coordinate, original-image pixels."""

    p50: float | None
    p90: float | None
    p99: float | None
    max: float | None


@dataclass(frozen=True)
class ScoreDrift:
    """Quantiles over pairs of the absolute score difference; ``mean``: mean of variant - reference."""

    p50: float | None
    p90: float | None
    p99: float | None
    max: float | None
    mean: float | None


@dataclass(frozen=True)
class ThresholdAgreement:
    """Detections with at least ``score_thr`` on either side; ``f1``: the fraction of them in a pair."""

    score_thr: float
    reference: int
    variant: int
    f1: float | None


@dataclass(frozen=True)
class ImageAgreement:
    """The agreement on one image; ``f1`` in the order of the thresholds."""

    image_id: int
    reference: int
    variant: int
    agreement: float
    missing: int
    extra: int
    score_drift: float | None
    box_drift_px: float | None
    f1: tuple[float | None, ...]


@dataclass(frozen=True)
class Agreement:
    """How similar the detections of two variants are, one to one, in the same image and class.

    Attributes:
        reference, variant: numbers of detections.
        missing, extra: detections of the reference and of the variant without a partner at IoU 0.5.
        shares: at several IoUs.
        score_drift, box_drift_px: for the pairs at IoU 0.5; null without pairs.
        f1: at IoU 0.9 over score thresholds, matched again at each.
        images: how many.
        per_image: all images up to 100; with more images, the 20 that agree least.
    """

    reference: int
    variant: int
    missing: int
    extra: int
    shares: tuple[Share, ...]
    score_drift: ScoreDrift
    box_drift_px: BoxDrift
    f1: tuple[ThresholdAgreement, ...]
    images: int
    per_image: tuple[ImageAgreement, ...]

    def share_at(self, iou: float) -> float:
        """The fraction of both sides' detections in a pair of at least this IoU, one of ``shares``."""
        return next(share.share for share in self.shares if share.iou == iou)


@dataclass(frozen=True)
class StepCounts:
    """The boxes of reference and variant that the other side lacks, by the step that removed them there."""

    reference: dict[str, int]
    variant: dict[str, int]


@dataclass(frozen=True)
class Comparison:
    """``results/comparisons/{dataset}/{model}/{variant}.json``.

    Attributes:
        reference: its name.
        delta_AP: variant - reference, a fraction. It and all below up to ``per_class`` are null without
            ground truth.
        delta_AP_ci95, delta_AP_ci90: percentile intervals of the paired bootstrap.
        delta_AP_se: its standard error.
        verdict: ``lossless``, ``equivalent``, ``different`` or ``inconclusive``.
        suspicious: different, and better than the reference.
        images_to_decide: for ``inconclusive``, about how many images would decide; otherwise null.
        margin: the largest difference in AP (fraction) that does not matter.
        agreement: 2 x pairs / (detections of both) at IoU 0.9, a fraction.
        autopsy: what happened to the boxes without a partner.
        lossless, boxes: the agreement of the detections.
        per_slice: in the order of the data set's file; empty without slices, and if one of the two is
            refused.
        refused: why one of the two cannot be compared; then all measured values are null. Otherwise null.
        weak_reference: why differences in AP have no verdict, in words; otherwise null.
    """

    reference: str
    delta_AP: float | None
    delta_AP_ci95: Interval | None
    delta_AP_ci90: Interval | None
    delta_AP_se: float | None
    per_size: tuple[SizeDelta, ...] | None
    per_class: tuple[ClassDelta, ...] | None
    verdict: str
    suspicious: bool
    images_to_decide: int | None
    margin: float
    agreement: float | None
    autopsy: StepCounts
    lossless: Lossless | None
    boxes: Agreement | None
    refused: str | None
    weak_reference: str | None
    per_slice: tuple[SliceDelta, ...] = ()


def read_comparison(path: str | Path) -> Comparison:
    """Read a comparison.

    Raises:
        UserError: the file is not one.
    """
    return read_record(path, Comparison, _upgrade)


def write_comparison(path: str | Path, comparison: Comparison) -> None:
    """Write a comparison, completely or not at all."""
    write_record(path, comparison)


def _upgrade(content: dict[str, Any], number: int) -> dict[str, Any]:
    sides = content.get("autopsy")
    if not isinstance(sides, dict):
        return content
    return content | {"autopsy": {side: _rename(counts) for side, counts in sides.items()}}


def _rename(counts: Any) -> Any:
    if not isinstance(counts, dict):
        return counts
    return {OLD_CAUSES.get(cause, cause): count for cause, count in counts.items()}
