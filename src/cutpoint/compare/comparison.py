"""Compare a variant with the reference: delta AP with its interval, verdict, agreement of detections."""

from dataclasses import replace
from typing import Any

from cutpoint.compare.agreement import measure_agreement
from cutpoint.compare.autopsy import count_steps
from cutpoint.compare.baseline import LEAST_AP, NO_DETECTION
from cutpoint.compare.bootstrap import Delta, Estimate, delta, mean_ap
from cutpoint.compare.slices import compare_slices
from cutpoint.compare.verdict import decide, lossless
from cutpoint.evaluate.average_precision import AREAS
from cutpoint.matching import AGREEMENT_IOU
from cutpoint.recipes.limits import Known, common_limits
from cutpoint.records.comparison import Comparison, SliceDelta, write_comparison
from cutpoint.records.detections import Results, read_results, refusal_of_pair
from cutpoint.records.manifest import read_manifest
from cutpoint.records.model import read_spec
from cutpoint.records.resamples import Resamples, read_resamples
from cutpoint.records.slice_samples import read_slice_samples
from cutpoint.records.slices import list_slices


def compare(
    *,
    reference_name: str,
    manifest: str,
    reference: str,
    variant: str,
    reference_spec: str | None,
    variant_spec: str | None,
    reference_samples: str | None,
    variant_samples: str | None,
    slices: str | None = None,
    reference_slices: str | None = None,
    variant_slices: str | None = None,
    autopsy: str,
    recipes: list[str | dict[str, Any] | None],
    margin: float,
    corner_px: float,
    score: float,
    out: str,
) -> None:
    """Write the comparison JSON of a variant with its reference.

    Args:
        reference_name: the reference variant's name.
        manifest: manifest JSON of the data set.
        reference, variant: detections files of both.
        reference_spec, variant_spec: the specifications that the recipes are for; null for a results file.
        reference_samples, variant_samples: npz of ``bootstrap.sample_ap``; null without annotations.
        slices: JSON of ``slices.build_slices``; null if the data set has none.
        reference_slices, variant_slices: npz of ``slices.sample_slices``; null without slices or annotations.
        autopsy: Parquet of ``autopsy.autopsy``.
        recipes: of reference and variant, as ``bases.steps_of`` takes it; null if unknown.
        margin: the largest difference in AP (fraction) that does not matter.
        corner_px, score: how far the corners (original-image pixels) and scores of partners may be apart in
            two lossless variants.
        out: JSON file to write, see ``records.comparison.Comparison``. If one of the two is refused, the
            verdict is ``inconclusive``, and all measured values are null. With a weak reference, differences
            in AP have no verdict, also those of classes, sizes and slices.
    """
    difference = alike = boxes = weakness = None
    parts: tuple[SliceDelta, ...] = ()
    refused = refusal_of_pair(reference, variant)
    if refused is None:
        theirs, ours = read_results(reference), read_results(variant)
        base = read_resamples(reference_samples) if reference_samples else None
        if base and variant_samples:
            difference = delta(base, read_resamples(variant_samples))
        weakness = find_weakness(theirs, base)
        if difference and weakness:
            difference = _unmarked(difference)
        limits = common_limits(_known(recipes[0], reference_spec), _known(recipes[1], variant_spec))
        alike = lossless(theirs, ours, corner_px=corner_px, score=score, **limits)
        boxes = measure_agreement(theirs, ours, read_manifest(manifest).ids)
        if slices:
            files = [path for path in (reference_slices, variant_slices) if path]
            samples = [read_slice_samples(path) for path in files]
            parts = compare_slices(list_slices(slices), theirs, ours, samples)
        if weakness:
            parts = tuple(replace(part, different=None, suspicious=None) for part in parts)
    total = difference.total if difference else Estimate(None, 0)
    verdict = decide(alike is not None and alike.holds, None if weakness else total, margin)
    comparison = Comparison(
        reference=reference_name,
        delta_AP=total.value,
        delta_AP_ci95=total.ci95,
        delta_AP_ci90=total.ci90,
        delta_AP_se=total.error,
        per_size=difference.per_size if difference else None,
        per_class=difference.per_class if difference else None,
        verdict=verdict.word,
        suspicious=verdict.suspicious,
        images_to_decide=verdict.images_to_decide,
        margin=margin,
        agreement=boxes.share_at(AGREEMENT_IOU) if boxes else None,
        autopsy=count_steps(autopsy),
        lossless=alike,
        boxes=boxes,
        refused=refused,
        weak_reference=weakness,
        per_slice=parts,
    )
    write_comparison(out, comparison)


def _known(recipe: str | dict[str, Any] | None, spec: str | None) -> Known | None:
    """A recipe with the head that it is for; null if unknown."""
    return (recipe, read_spec(spec).head) if recipe and spec else None


def _unmarked(difference: Delta) -> Delta:
    """The difference without saying which classes and sizes are different."""
    return replace(
        difference,
        per_size=tuple(replace(part, different=None, suspicious=None) for part in difference.per_size),
        per_class=tuple(replace(part, different=None, suspicious=None) for part in difference.per_class),
    )


def find_weakness(reference: Results, samples: Resamples | None) -> str | None:
    """Why differences from this reference mean nothing, in words; null if they have a meaning.

    Args:
        reference: its detections.
        samples: from ``bootstrap.sample_ap``; null without annotations.
    """
    if not reference:
        return NO_DETECTION
    if samples is None:
        return None
    ap = float(mean_ap(samples.ap[0, AREAS.index("all")]))
    with_truth = set(samples.categories[samples.images_with[0, :-1] > 0].tolist())
    if not with_truth:
        return "no ground truth to find"
    if with_truth.isdisjoint(reference.category_id.tolist()):
        return f"AP {ap:.4f}, no detection of a class that has ground truth"
    return f"AP {ap:.4f} is under {LEAST_AP}" if ap < LEAST_AP else None
