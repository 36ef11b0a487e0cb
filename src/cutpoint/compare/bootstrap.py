"""Whether a difference in AP is real: a paired bootstrap over images."""

from typing import Any

import numpy as np
from scipy import stats

from cutpoint.evaluate.average_precision import AREAS, match_images, weighted_ap
from cutpoint.records.detections import Refused, Results, make_results, read_results
from cutpoint.records.resamples import Resamples, write_resamples
from cutpoint.records.truth import GroundTruth, read_truth

RESAMPLES = 1000
# the same for all variants of a data set, so that any two are paired
SEED = 0
# a class or size in fewer images has no interval: so few images do not represent others
MIN_IMAGES = 10


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
    present = np.array([m.positives for m in matches]) > 0
    present = np.concatenate([present, present.any(axis=0, keepdims=True)])
    categories = sorted(category.id for category in truth.categories)
    return Resamples(np.unique(truth.image_ids), np.array(categories), ap, present.sum(axis=2).T)


def draw_multiplicities(images: int, resamples: int, seed: int) -> np.ndarray:
    """How often each image is in each resample with replacement: ``(images, resamples)`` int64."""
    drawn = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=resamples)
    return np.ascontiguousarray(drawn.T)


def delta(reference: Resamples, variant: Resamples) -> dict[str, Any]:
    """Difference in AP, variant - reference, with percentile intervals.

    Args:
        reference, variant: samples of the same images, resampled alike.

    Returns:
        ``delta_AP``, ``delta_AP_ci95`` and ``delta_AP_ci90`` ``[lo, hi]``, ``delta_AP_se``, ``images``, and
        ``per_size`` and ``per_class``: ``size`` or ``category_id``, ``delta_AP``, ``delta_AP_ci95``, ``p``,
        ``different``, ``suspicious``, ``images`` (those with objects). Fractions. They are null without
        objects; with fewer than ``MIN_IMAGES`` images with objects, all but ``delta_AP`` are null.

        ``p`` comes from Student's t: delta over its bootstrap standard error, images - 1 degrees of freedom.
        Counting resamples beyond 0 cannot give less than 2 / (R + 1), which is too coarse for one class of
        80. ``different`` controls the false discovery rate at 5 % (Benjamini and Hochberg), over all classes
        and sizes together. ``suspicious``: different and better than the reference.

    Raises:
        ValueError: the two have different images, classes or numbers of resamples.
    """
    for name in ("images", "categories", "images_with"):
        if not np.array_equal(getattr(reference, name), getattr(variant, name)):
            raise ValueError(f"the samples differ in {name}: they are not of the same data set")
    if reference.ap.shape != variant.ap.shape:
        raise ValueError(f"the samples have shapes {reference.ap.shape} and {variant.ap.shape}")
    overall = mean_ap(variant.ap) - mean_ap(reference.ap)
    images = variant.images_with
    total = estimate(overall[:, 0], len(variant.images))
    sizes = [
        {"size": name} | estimate(overall[:, area], int(images[area, -1]))
        for area, name in enumerate(AREAS)
        if name != "all"
    ]
    each = (variant.ap - reference.ap)[:, 0]
    classes = [
        {"category_id": int(category)} | estimate(each[:, k], int(images[0, k]))
        for k, category in enumerate(variant.categories)
    ]
    mark_different([*sizes, *classes])
    keys = ("delta_AP", "delta_AP_ci95", "p", "different", "suspicious", "images")
    intervals = ("delta_AP_ci95", "delta_AP_ci90", "delta_AP_se")
    return {
        **{key: total[key] for key in ("delta_AP", *intervals, "images")},
        "per_size": [{key: row[key] for key in ("size", *keys)} for row in sizes],
        "per_class": [{key: row[key] for key in ("category_id", *keys)} for row in classes],
    }


def mean_ap(ap: np.ndarray) -> np.ndarray:
    """COCO's AP, ``(..., K)`` to ``(...)``: the mean over the classes with objects; NaN without any."""
    present = ~np.isnan(ap)
    count = present.sum(axis=-1)
    return np.where(count > 0, np.where(present, ap, 0).sum(axis=-1) / np.maximum(count, 1), np.nan)


def estimate(deltas: np.ndarray, images: int) -> dict[str, Any]:
    """Interval, standard error and p of one difference.

    Args:
        deltas: ``(1 + R,)`` float64: on the data set, then on R resamples; NaN without objects.
        images: how many images have objects.

    Returns:
        ``delta_AP, delta_AP_ci95, delta_AP_ci90, delta_AP_se, p, images``, see ``delta``.
    """
    observed, resampled = deltas[0], deltas[1:]
    found: dict[str, Any] = {"delta_AP": None if np.isnan(observed) else float(observed)}
    names = ("delta_AP_ci95", "delta_AP_ci90", "delta_AP_se", "p")
    if np.isnan(observed) or images < MIN_IMAGES:
        return found | dict.fromkeys(names) | {"images": images}
    resampled = resampled[~np.isnan(resampled)]
    error = float(np.std(resampled, ddof=1))
    return found | {
        "delta_AP_ci95": np.percentile(resampled, [2.5, 97.5]).tolist(),
        "delta_AP_ci90": np.percentile(resampled, [5, 95]).tolist(),
        "delta_AP_se": error,
        "p": float(2 * stats.t.sf(abs(observed) / error, images - 1)) if error else float(observed == 0),
        "images": images,
    }


def mark_different(rows: list[dict[str, Any]]) -> None:
    """Add ``different`` and ``suspicious`` to rows of ``delta_AP`` and ``p``; null if p is null."""
    tested = [row for row in rows if row["p"] is not None]
    adjusted = stats.false_discovery_control([row["p"] for row in tested], method="bh") if tested else []
    for row in rows:
        row |= {"different": None, "suspicious": None}
    for row, p in zip(tested, adjusted, strict=True):
        row["different"] = bool(p <= 0.05)
        row["suspicious"] = bool(p <= 0.05 and row["delta_AP"] > 0)
