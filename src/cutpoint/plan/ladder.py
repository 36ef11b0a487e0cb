"""The rungs of a ladder: their files, and what differs from one to the next."""

from typing import Any

from cutpoint.plan.evaluations import Evaluation
from cutpoint.plan.paths import detections_file, samples_file
from cutpoint.plan.recipe_choices import known_recipe
from cutpoint.plan.tables import row_files, table_row
from cutpoint.plan.variants import ResultsVariant, RunVariant, differences


def rungs(evaluation: Evaluation) -> list[dict[str, Any]]:
    """What ``build_ladder`` needs for each rung: files, and what differs from the rung before."""
    entries: list[dict[str, Any]] = []
    keys = ("variant", "metrics", "samples", "comparison", "latency", "verify")
    for index, variant in enumerate(evaluation.ladder):
        row = table_row(evaluation, variant)
        lower = evaluation.ladder[index - 1] if index else variant
        entries.append(
            {key: row[key] for key in keys}
            | {
                "detections": detections_file(evaluation, variant),
                "changes": _changes(lower, variant),
                "recipe": known_recipe(variant),
                "alone": _alone(evaluation, lower, variant),
            }
        )
    return entries


def ladder_files(evaluation: Evaluation) -> list[str]:
    """What ``build_ladder`` reads."""
    rows = rungs(evaluation)
    kinds = ("detections", "metrics", "samples", "comparison", "latency", "verify")
    alone = [rung["alone"]["comparison"] for rung in rows if rung["alone"]]
    base = samples_file(evaluation, evaluation.reference)
    return list(dict.fromkeys([*row_files(rows, *kinds), *alone, *([base] if base else [])]))


def _alone(evaluation: Evaluation, lower: RunVariant, upper: RunVariant) -> dict[str, str] | None:
    """The variant that differs from the reference only in what this step changes."""
    reference, step = evaluation.reference, differences(lower, upper)
    if isinstance(reference, ResultsVariant) or not step:
        return None
    for variant in evaluation.run_variants:
        same = variant.aspects[step[0]] == upper.aspects[step[0]]
        if same and differences(reference, variant) == step:
            return {
                "variant": variant.name,
                "comparison": table_row(evaluation, variant)["comparison"],
            }
    return None


def _changes(lower: RunVariant, upper: RunVariant) -> list[str]:
    """``cut raw → decoded``."""
    changes: list[str] = []
    before, after = lower.aspects, upper.aspects
    for key in differences(lower, upper):
        if key.startswith("recipe "):
            changes.append(f"recipe {lower.recipe_text} → {upper.recipe_text}")
        elif key == "calibration":
            names = (f"{side[key].images} of {side[key].dataset.name}" for side in (before, after))
            changes.append("calibration " + " → ".join(names))
        elif key == "onnx":
            names = (side[key].path if side[key] else "Cutpoint's own" for side in (before, after))
            changes.append("file " + " → ".join(names))
        else:
            changes.append(f"{key} {before[key]} → {after[key]}")
    return changes
