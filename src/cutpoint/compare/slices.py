"""A variant on the slices of its data set: AP, its difference from the reference, agreement."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cutpoint.compare.bootstrap import (
    RESAMPLES,
    SEED,
    draw_multiplicities,
    estimate,
    find_different,
    mean_ap,
)
from cutpoint.evaluate.average_precision import AREAS, weighted_ap
from cutpoint.evaluate.matches import ClassMatches, match_images
from cutpoint.matching import AGREEMENT_IOU, find_overlaps, matched_fraction, pair_overlaps
from cutpoint.records.comparison import SliceDelta
from cutpoint.records.detections import Refused, Results, make_results, read_results
from cutpoint.records.slice_samples import SliceSamples, write_slice_samples
from cutpoint.records.slices import Slice, list_slices
from cutpoint.records.truth import GroundTruth, read_truth

ALL = AREAS.index("all")


def sample_slices(
    *, truth: str, detections: str, slices: str, out: str, resamples: int = RESAMPLES, seed: int = SEED
) -> None:
    """Compute one variant's ``SliceSamples`` and write them; differences of two such files are paired.

    Args:
        truth: JSON of ``truth.build_truth``.
        detections: detections file; AP and recall of a refused variant are NaN.
        slices: JSON of ``slices.build_slices``.
        out: npz file to write.
        resamples, seed: as of ``bootstrap.sample_ap``: a slice has its images of the same resamples.
    """
    annotated, parts = read_truth(truth), list_slices(slices)
    try:
        samples = resample_slices(annotated, read_results(detections), parts, resamples=resamples, seed=seed)
    except Refused:
        samples = resample_slices(annotated, make_results([]), parts, resamples=resamples, seed=seed)
        for values in (samples.ap, samples.ap50, samples.recall):
            values[:] = np.nan
    write_slice_samples(out, samples)


def resample_slices(
    truth: GroundTruth,
    results: Results,
    slices: Sequence[Slice],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> SliceSamples:
    """AP and recall on the images of each slice, and AP on those of them that are in each resample."""
    matches = match_images(truth, results)
    weights = draw_multiplicities(len(truth.images), resamples, seed)
    weights = np.column_stack([np.ones(len(weights), dtype=weights.dtype), weights])
    ids = np.unique(truth.image_ids)
    positions = [np.searchsorted(ids, part.images) for part in slices]
    chosen = [choose_images(matches, images) for images in positions]
    ap = [
        mean_ap(weighted_ap(own, weights[images])[:, ALL])
        for own, images in zip(chosen, positions, strict=True)
    ]
    with_objects = [np.array([m.positives[ALL] for m in own]) for own in chosen]
    return SliceSamples(
        names=np.array([part.name for part in slices], dtype=str),
        values=np.array([part.value for part in slices], dtype=str),
        images=np.array([len(images) for images in positions]),
        images_with=np.array([int((boxes > 0).any(axis=0).sum()) for boxes in with_objects]),
        objects=np.array([int(boxes.sum()) for boxes in with_objects]),
        ap=np.array(ap).reshape(len(slices), resamples + 1),
        ap50=np.array([_ap50(own) for own in chosen]),
        recall=np.array([_recall(own) for own in chosen]),
    )


def choose_images(matches: Sequence[ClassMatches], images: np.ndarray) -> list[ClassMatches]:
    """The matches on some of the images, in the area range of all sizes.

    Args:
        matches: on N images.
        images: positions of the images to keep, ascending.
    """
    place = np.full(matches[0].positives.shape[1], -1)
    place[images] = np.arange(len(images))
    area = slice(ALL, ALL + 1)
    return [
        replace(
            m,
            images=place[m.images[kept]],
            scores=m.scores[kept],
            counted=m.counted[area, :, kept],
            correct=m.correct[area, :, kept],
            positives=m.positives[area][:, images],
        )
        for m in matches
        for kept in [np.flatnonzero(place[m.images] >= 0)]
    ]


def _ap50(matches: Sequence[ClassMatches]) -> float:
    lowest = [replace(m, counted=m.counted[:, :1], correct=m.correct[:, :1]) for m in matches]
    once = np.ones((matches[0].positives.shape[1], 1), dtype=np.int64)
    return float(mean_ap(weighted_ap(lowest, once)[:, ALL])[0])


def _recall(matches: Sequence[ClassMatches]) -> float:
    """The fraction of the objects that are found, the mean over IoU 0.5 to 0.95 and classes with objects.

    Source:
        ``stats[8]`` of ``COCOeval.summarize``, pycocotools 2.0.11.
    """
    found = [
        m.correct[ALL].sum(axis=1).mean() / m.positives[ALL].sum() for m in matches if m.positives[ALL].any()
    ]
    return float(np.mean(found)) if found else float("nan")


def compare_slices(
    slices: Sequence[Slice],
    reference: Results,
    variant: Results,
    samples: Sequence[SliceSamples],
) -> tuple[SliceDelta, ...]:
    """The two sides on each slice.

    ``different`` controls the false discovery rate at 5 % (Benjamini and Hochberg) over the variant's slices
    alone: what is said about classes and sizes does not depend on which slices a user names.

    Args:
        slices: S slices.
        reference, variant: detections of both sides.
        samples: of both sides on these slices; empty without ground truth.

    Raises:
        ValueError: the samples are of other slices.
    """
    shares = _agreement(slices, reference, variant)
    if not samples:
        return tuple(
            SliceDelta(part.name, part.value, len(part.images), agreement=share)
            for part, share in zip(slices, shares, strict=True)
        )
    base, own = samples
    for name, known in (("names", [s.name for s in slices]), ("values", [s.value for s in slices])):
        if getattr(base, name).tolist() != known or getattr(own, name).tolist() != known:
            raise ValueError(f"the samples differ in {name}: they are of other slices")
    estimates = [
        estimate(after - before, int(images))
        for after, before, images in zip(own.ap, base.ap, own.images_with, strict=True)
    ]
    different = find_different([part.p for part in estimates])
    return tuple(
        SliceDelta(
            name=part.name,
            value=part.value,
            images=len(part.images),
            images_with_objects=int(own.images_with[k]),
            objects=int(own.objects[k]),
            AP=None if np.isnan(own.ap[k, 0]) else float(own.ap[k, 0]),
            delta_AP=estimates[k].value,
            delta_AP_ci95=estimates[k].ci95,
            p=estimates[k].p,
            different=different[k],
            suspicious=None if different[k] is None else different[k] and (estimates[k].value or 0.0) > 0,
            agreement=shares[k],
        )
        for k, part in enumerate(slices)
    )


def _agreement(slices: Sequence[Slice], reference: Results, variant: Results) -> list[float]:
    """For each slice: 2 x pairs / detections of both sides at ``AGREEMENT_IOU``. Pairs are within images."""
    pairs = pair_overlaps(find_overlaps(reference, variant), AGREEMENT_IOU)
    images = np.unique(np.concatenate([reference.image_id, variant.image_id]))
    paired, left, right = (
        np.bincount(np.searchsorted(images, ids), minlength=len(images))
        for ids in (reference.image_id[pairs.left], reference.image_id, variant.image_id)
    )
    inside = [np.isin(images, part.images) for part in slices]
    return [matched_fraction(int(paired[here].sum()), int((left + right)[here].sum())) for here in inside]
