"""A variant beside the reference: delta AP with its interval, the verdict, agreement of the detections."""

import math
from typing import Any

from cutpoint.compare.agreement import measure_agreement
from cutpoint.compare.autopsy import count_steps
from cutpoint.compare.baseline import LEAST_AP, NO_DETECTION
from cutpoint.compare.bootstrap import delta, mean_ap
from cutpoint.compare.verdict import decide, lossless
from cutpoint.evaluate.average_precision import AREAS
from cutpoint.files import read_json, write_json
from cutpoint.recipes.bases import steps_of
from cutpoint.records.detections import Results, read_results, refusal_of_pair
from cutpoint.records.json_file import as_content
from cutpoint.records.manifest import read_manifest
from cutpoint.records.model import HeadSpec, ModelSpec
from cutpoint.records.resamples import Resamples, read_resamples

DELTA_KEYS = ("delta_AP", "delta_AP_ci95", "delta_AP_ci90", "delta_AP_se", "per_size", "per_class")


def compare(
    *,
    reference_name: str,
    manifest: str,
    spec: str,
    reference: str,
    variant: str,
    reference_samples: str | None,
    variant_samples: str | None,
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
        spec: the model's ``spec.json``.
        reference, variant: detections files of both.
        reference_samples, variant_samples: npz of ``bootstrap.sample_ap``; null without annotations.
        autopsy: Parquet of ``autopsy.autopsy``.
        recipes: of reference and variant, as ``recipe_bases.steps_of`` takes it; null where it is not known.
        margin: largest difference in AP that does not matter, a fraction.
        corner_px, score: how far the corners (original-image pixels) and scores of partners may be apart in
            two variants that are lossless.
        out: JSON file to write: ``reference``; what ``bootstrap.delta`` returns, null without annotations;
            what ``verdict.decide`` returns; ``lossless``, what ``verdict.lossless`` returns but the word;
            ``agreement`` and ``boxes``, of ``agreement.measure_agreement``; ``autopsy``, what
            ``autopsy.count_steps`` returns; ``refused``: null, or why one of the two cannot be compared: then
            the verdict is ``inconclusive``, and all that is measured null; ``weak_reference``: what
            ``find_weakness`` returns: if not null, no difference in AP has a verdict, that of a class or size
            neither.
    """
    refused = refusal_of_pair(reference, variant)
    if refused is not None:
        content = dict.fromkeys((*DELTA_KEYS, "agreement", "lossless", "boxes"))
        content |= {"reference": reference_name, **decide(False, None, margin)}
        content |= {"autopsy": as_content(count_steps(autopsy)), "refused": refused, "weak_reference": None}
        write_json(out, content)
        return
    theirs, ours = read_results(reference), read_results(variant)
    head = ModelSpec.from_dict(read_json(spec)).head
    base = read_resamples(reference_samples) if reference_samples else None
    difference = delta(base, read_resamples(variant_samples)) if base and variant_samples else None
    weakness = find_weakness(theirs, base)
    if difference and weakness:
        unmarked = {"different": None, "suspicious": None}
        difference |= {key: [row | unmarked for row in difference[key]] for key in ("per_size", "per_class")}
    cuts = common_cuts(*recipes, head)
    same = lossless(theirs, ours, corner_px=corner_px, score=score, **cuts)
    boxes = measure_agreement(theirs, ours, read_manifest(manifest).ids)
    write_json(
        out,
        {
            "reference": reference_name,
            **{key: difference and difference[key] for key in DELTA_KEYS},
            **decide(same.pop("lossless"), None if weakness else difference, margin),
            "agreement": boxes.pop("agreement"),
            "autopsy": as_content(count_steps(autopsy)),
            "lossless": same,
            "boxes": boxes,
            "refused": None,
            "weak_reference": weakness,
        },
    )


def find_weakness(reference: Results, samples: Resamples | None) -> str | None:
    """Why differences from a reference say nothing of a variant, in words; null where they may.

    Args:
        reference: its detections.
        samples: of ``bootstrap.sample_ap``; null without annotations.
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


def common_cuts(
    first: str | dict[str, Any] | None, second: str | dict[str, Any] | None, head: HeadSpec
) -> dict[str, Any]:
    """Where two recipes cut a head's detections alike: ``score_thr`` and ``max_per_img``, else null.

    Args:
        first, second: as ``recipe_bases.steps_of`` takes it; null where it is not known.
    """
    sides = [
        (least_score(steps, head), next((step["k"] for step in steps if step["step"] == "max_per_img"), None))
        for steps in (steps_of(recipe, head) if recipe else [] for recipe in (first, second))
    ]
    keys = ("score_thr", "max_per_img")
    return {key: a if a == b else None for key, a, b in zip(keys, *sides, strict=True)}


def least_score(steps: list[dict[str, Any]], head: HeadSpec) -> float | None:
    """The score above which a recipe keeps detections; null where it thresholds another quantity.

    A threshold on the class score says nothing about class score x factor, which the score becomes later.
    """
    score, product, multiplied = None, None, not head.has_factor
    for step in steps:
        if step["step"] == "multiply_factor":
            score, multiplied = math.sqrt(product) if step["root"] and product else product, True
        elif step["step"] == "threshold" and step["quantity"] == "product" and not multiplied:
            product = step["value"]
        elif step["step"] == "threshold" and step["quantity"] != "factor":
            score = max(step["value"], score or 0)
    return score
