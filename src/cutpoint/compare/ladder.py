"""The ladder: what each single difference costs, step by step; the steps telescope to the total."""

from typing import Any

from cutpoint.compare.bootstrap import delta
from cutpoint.files import read_json, write_json
from cutpoint.latency.notes import UNCOMPILED
from cutpoint.matching import AGREEMENT_IOU, find_overlaps, matched_fraction, pair_overlaps
from cutpoint.recipes.bases import steps_of
from cutpoint.recipes.changes import step_changes
from cutpoint.recipes.checks import Step
from cutpoint.records.detections import Results, read_results, refusal
from cutpoint.records.model import ModelSpec
from cutpoint.records.resamples import Resamples, read_resamples


def build_ladder(
    *,
    rungs: list[dict[str, Any]],
    reference: dict[str, Any],
    published_ap: float | None,
    spec: str,
    out: str,
) -> None:
    """Write the ladder JSON of one data set and model.

    Args:
        rungs: in order, ``{variant, changes, recipe, detections, metrics, samples, comparison, latency,
            verify, alone}``: the name; what differs from the rung before, in words; the recipe as
            ``recipe_bases.steps_of`` takes it, null where it is not known; the paths of the files
            (``metrics`` and ``samples``, npz of ``bootstrap.sample_ap``, null without annotations,
            ``comparison`` null for the reference, ``verify`` null for PyTorch); and the variant that differs
            from the reference in this step's change alone, ``{variant, comparison}`` or null.
        reference: the reference variant, ``{variant, samples}``.
        published_ap: the AP published for the model, a fraction; shown as rung 0 by itself.
        spec: the model's ``spec.json``.
        out: JSON file to write: ``reference``, ``published_ap`` and ``rungs``, of each ``variant, changes,
            AP``, ``refused`` (why it has no numbers, else null); ``recipe_steps``, the steps in which the
            recipe differs from that of the rung before;
            ``delta_to_previous`` and ``delta_to_reference`` with ``_ci95`` (null without annotations, for
            the first or the reference itself); ``agreement`` (with the reference) and
            ``agreement_to_previous``; ``latency_p50_ms`` and ``latency_difference_ms`` to the rung before
            (null where only one of the two ran without compiled NMS); ``tensor_difference``, the tensor of
            its export that is furthest from PyTorch's, ``{name, max_abs}``; ``alone``, ``{variant, delta_AP,
            delta_AP_ci95}`` of the variant with this change alone.
    """
    head = ModelSpec.from_dict(read_json(spec)).head
    base = read_resamples(reference["samples"]) if reference["samples"] else None
    rows: list[dict[str, Any]] = []
    lower: dict[str, Any] | None = None
    for rung in rungs:
        is_reference = rung["variant"] == reference["variant"]
        content = {kind: _read(rung[kind]) for kind in ("metrics", "comparison", "latency")}
        refused = refusal(rung["detections"])
        content["detections"] = None if refused else read_results(rung["detections"])
        content["steps"] = steps_of(rung["recipe"], head) if rung["recipe"] else None
        content["samples"] = read_resamples(rung["samples"]) if rung["samples"] else None
        before = lower or dict.fromkeys(content)
        rows.append(
            {
                "variant": rung["variant"],
                "changes": rung["changes"],
                "recipe_steps": _step_changes(before["steps"], content["steps"]),
                "AP": content["metrics"] and content["metrics"]["AP"],
                "refused": refused,
                **_delta("delta_to_previous", before["samples"], content["samples"]),
                **_delta("delta_to_reference", None if is_reference else base, content["samples"]),
                "agreement": content["comparison"] and content["comparison"]["agreement"],
                "agreement_to_previous": lower and _agreement(lower["detections"], content["detections"]),
                "latency_p50_ms": content["latency"]["stages"]["total"]["p50"],
                "latency_difference_ms": lower and _slower(lower["latency"], content["latency"]),
                "tensor_difference": _worst_tensor(_read(rung["verify"])),
                "alone": rung["alone"] and _alone(rung["alone"]),
            }
        )
        lower = content
    write_json(out, {"reference": reference["variant"], "published_ap": published_ap, "rungs": rows})


def _read(path: str | None) -> Any:
    return read_json(path) if path else None


def _step_changes(lower: list[Step] | None, upper: list[Step] | None) -> list[str]:
    return step_changes(lower, upper) if lower and upper else []


def _delta(name: str, base: Resamples | None, samples: Resamples | None) -> dict[str, Any]:
    found = delta(base, samples) if base and samples else {"delta_AP": None, "delta_AP_ci95": None}
    return {name: found["delta_AP"], f"{name}_ci95": found["delta_AP_ci95"]}


def _agreement(lower: Results | None, upper: Results | None) -> float | None:
    if lower is None or upper is None:
        return None
    pairs = pair_overlaps(find_overlaps(lower, upper), AGREEMENT_IOU)
    return matched_fraction(len(pairs), len(lower) + len(upper))


def _slower(lower: dict[str, Any], upper: dict[str, Any]) -> float | None:
    if (UNCOMPILED in lower["notes"]) != (UNCOMPILED in upper["notes"]):
        return None
    return upper["stages"]["total"]["p50"] - lower["stages"]["total"]["p50"]


def _worst_tensor(verified: dict[str, Any] | None) -> dict[str, Any] | None:
    known = [t for t in verified["tensors"] if t["max_abs"] is not None] if verified else []
    worst = max(known, key=lambda tensor: tensor["max_abs"], default=None)
    return worst and {key: worst[key] for key in ("name", "max_abs")}


def _alone(entry: dict[str, Any]) -> dict[str, Any]:
    compared = read_json(entry["comparison"])
    return {"variant": entry["variant"]} | {key: compared[key] for key in ("delta_AP", "delta_AP_ci95")}
