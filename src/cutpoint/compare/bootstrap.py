"""Whether a difference in AP is real: a paired bootstrap over images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from cutpoint.compare.baseline import MIN_IMAGES
from cutpoint.evaluate.average_precision import AREAS, weighted_ap
from cutpoint.evaluate.matches import match_images
from cutpoint.records.comparison import ClassDelta, Interval, SizeDelta
from cutpoint.records.detections import Refused, Results, make_results, read_results
from cutpoint.records.resamples import Resamples, write_resamples
from cutpoint.records.truth import GroundTruth, read_truth

RESAMPLES = 1000
# the same for all variants of a data set, so that any two are paired
SEED = 0
Columns = tuple[float | None, Interval | None, float | None, bool | None, bool | None, int]


@dataclass(frozen=True)
class Estimate:
    """A difference in AP, variant - reference, a fraction.

    Attributes:
        value: null without objects.
        images: those with objects; with fewer than ``MIN_IMAGES``, everything below is null.
        ci95, ci90: percentile intervals.
        error: the bootstrap standard error.
        p: from Student's t: value over error, images - 1 degrees of freedom. Counting resamples beyond 0
            cannot give less than 2 / (R + 1), which is too coarse for one class of 80.
    """

    value: float | None
    images: int
    ci95: Interval | None = None
    ci90: Interval | None = None
    error: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class Delta:
    """The difference in AP of two variants: over all, by the objects' size, by class."""

    total: Estimate
    per_size: tuple[SizeDelta, ...]
    per_class: tuple[ClassDelta, ...]


def sample_ap(*, truth: str, detections: str, out: str, resamples: int = RESAMPLES, seed: int = SEED) -> None:
    """Compute one variant's ``Resamples`` and write them as npz; differences of two such files are paired.

    Args:
        truth: JSON of ``truth.build_truth``.
        detections: detections file; the AP of a refused variant is NaN everywhere.
        out: npz file to write.
        resamples: how many.
        seed: the same for all variants of a data set.
    """
    annotated = read_truth(truth)
    try:
        samples = resample(annotated, read_results(detections), resamples=resamples, seed=seed)
    except Refused:
        samples = resample(annotated, make_results([]), resamples=resamples, seed=seed)
        samples.ap[:] = np.nan
    write_resamples(out, samples)


def resample(
    truth: GroundTruth, results: Results, *, resamples: int = RESAMPLES, seed: int = SEED
) -> Resamples:
    """AP on the images of the ground truth, and on resamples of them."""
    matches = match_images(truth, results)
    weights = draw_multiplicities(len(truth.images), resamples, seed)
    ap = weighted_ap(matches, np.column_stack([np.ones(len(weights), dtype=weights.dtype), weights]))
    present = np.array([m.positives > 0 for m in matches])
    present = np.concatenate([present, present.any(axis=0, keepdims=True)])
    categories = sorted(category.id for category in truth.categories)
    return Resamples(np.unique(truth.image_ids), np.array(categories), ap, present.sum(axis=2).T)


def draw_multiplicities(images: int, resamples: int, seed: int) -> np.ndarray:
    """How often each image is in each resample with replacement: ``(images, resamples)`` int32."""
    random, chance = np.random.default_rng(seed), np.full(images, 1 / images)
    drawn = np.empty((images, resamples), dtype=np.int32)
    # one by one: all at once are int64 and in the other order, so they would need five times this memory
    for resample in range(resamples):
        drawn[:, resample] = random.multinomial(images, chance)
    return drawn


def delta(reference: Resamples, variant: Resamples) -> Delta:
    """Difference in AP, variant - reference, with percentile intervals.

    ``different`` of a class or size controls the false discovery rate at 5 % (Benjamini and Hochberg), over
    all classes and sizes together. ``suspicious``: different and better than the reference.

    Args:
        reference, variant: samples of the same images, resampled alike.

    Raises:
        ValueError: the two have different images, classes or numbers of resamples.
    """
    for name in ("images", "categories", "images_with"):
        if not np.array_equal(getattr(reference, name), getattr(variant, name)):
            raise ValueError(f"the samples differ in {name}: they belong to different data sets")
    if reference.ap.shape != variant.ap.shape:
        raise ValueError(f"the samples have shapes {reference.ap.shape} and {variant.ap.shape}")
    overall = mean_ap(variant.ap) - mean_ap(reference.ap)
    images, each = variant.images_with, (variant.ap - reference.ap)[:, 0]
    sizes = {
        name: estimate(overall[:, area], int(images[area, -1]))
        for area, name in enumerate(AREAS)
        if name != "all"
    }
    classes = {
        category: estimate(each[:, k], int(images[0, k]))
        for k, category in enumerate(variant.categories.tolist())
    }
    parts = [*sizes.values(), *classes.values()]
    different = iter(find_different([part.p for part in parts]))
    return Delta(
        estimate(overall[:, 0], len(variant.images)),
        tuple(SizeDelta(name, *_columns(part, next(different))) for name, part in sizes.items()),
        tuple(ClassDelta(category, *_columns(part, next(different))) for category, part in classes.items()),
    )


def mean_ap(ap: np.ndarray) -> np.ndarray:
    """COCO's AP, ``(..., K)`` to ``(...)``: the mean over the classes with objects; NaN without any."""
    present = ~np.isnan(ap)
    count = present.sum(axis=-1)
    return np.where(count > 0, np.where(present, ap, 0).sum(axis=-1) / np.maximum(count, 1), np.nan)


def estimate(deltas: np.ndarray, images: int) -> Estimate:
    """A difference with its interval.

    Args:
        deltas: ``(1 + R,)`` float64: on the data set, then on R resamples; NaN without objects.
        images: how many images have objects.
    """
    observed, resampled = deltas[0], deltas[1:]
    if np.isnan(observed):
        return Estimate(None, images)
    if images < MIN_IMAGES:
        return Estimate(float(observed), images)
    resampled = resampled[~np.isnan(resampled)]
    error = float(np.std(resampled, ddof=1))
    low95, low90, high90, high95 = np.percentile(resampled, [2.5, 5, 95, 97.5]).tolist()
    p = float(2 * stats.t.sf(abs(observed) / error, images - 1)) if error else float(observed == 0)
    return Estimate(float(observed), images, (low95, high95), (low90, high90), error, p)


def find_different(values: Sequence[float | None]) -> list[bool | None]:
    """The p-values that show a difference, with a false discovery rate of 5 %; null if p is null."""
    tested = [p for p in values if p is not None]
    adjusted = iter(stats.false_discovery_control(tested, method="bh") if tested else [])
    return [None if p is None else bool(next(adjusted) <= 0.05) for p in values]


def _columns(part: Estimate, different: bool | None) -> Columns:
    """The columns that a class and a size share, in their order."""
    suspicious = None if different is None else different and part.value is not None and part.value > 0
    return part.value, part.ci95, part.p, different, suspicious, part.images
