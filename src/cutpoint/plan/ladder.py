"""The rungs of a ladder: their files, and what differs from one to the next."""

from typing import Any

from cutpoint.plan.evaluations import Evaluation
from cutpoint.plan.paths import samples_file, variant_file, variant_spec
from cutpoint.plan.recipe_choices import known_recipe
from cutpoint.plan.tables import table_row
from cutpoint.plan.variants import ResultsVariant, RunVariant, differences
from cutpoint.records.json_file import as_content
from cutpoint.records.planned import PlannedAlone, PlannedRung


def rungs(evaluation: Evaluation) -> list[dict[str, Any]]:
    """What ``build_ladder`` needs for each rung, see ``PlannedRung``; plain values, which params can hold."""
    return [as_content(rung) for rung in _rungs(evaluation)]


def ladder_files(evaluation: Evaluation) -> list[str]:
    """What ``build_ladder`` reads."""
    files: list[str | None] = []
    for rung in _rungs(evaluation):
        files += [
            rung.spec,
            rung.detections,
            rung.metrics,
            rung.samples,
            rung.comparison,
            rung.latency,
            rung.verify,
        ]
        files.append(rung.alone.comparison if rung.alone else None)
    files.append(samples_file(evaluation, evaluation.reference))
    return [path for path in dict.fromkeys(files) if path]


def _rungs(evaluation: Evaluation) -> list[PlannedRung]:
    lower = evaluation.ladder[:1] + evaluation.ladder[:-1]
    return [_rung(evaluation, *pair) for pair in zip(lower, evaluation.ladder, strict=True)]


def _rung(evaluation: Evaluation, lower: RunVariant, variant: RunVariant) -> PlannedRung:
    """``lower``: the rung before, or the first one itself."""
    row = table_row(evaluation, variant)
    return PlannedRung(
        variant=variant.name,
        changes=tuple(_changes(lower, variant)),
        spec=variant_spec(evaluation, variant),
        recipe=known_recipe(variant),
        detections=row.detections,
        metrics=row.metrics,
        samples=samples_file(evaluation, variant),
        comparison=row.comparison,
        latency=variant_file("latency", evaluation, variant),
        verify=row.verify,
        alone=_alone(evaluation, lower, variant),
    )


def _alone(evaluation: Evaluation, lower: RunVariant, upper: RunVariant) -> PlannedAlone | None:
    """The variant that differs from the reference only in what this step changes."""
    reference, step = evaluation.reference, differences(lower, upper)
    if isinstance(reference, ResultsVariant) or not step:
        return None
    for variant in evaluation.run_variants:
        same = variant.aspects[step[0]] == upper.aspects[step[0]]
        if same and differences(reference, variant) == step:
            return PlannedAlone(variant.name, variant_file("comparisons", evaluation, variant))
    return None


def _changes(lower: RunVariant, upper: RunVariant) -> list[str]:
    """``cut raw → decoded``."""
    changes: list[str] = []
    before, after = lower.aspects, upper.aspects
    for key in differences(lower, upper):
        if key.startswith("recipe "):
            changes.append(f"recipe {lower.recipe_text} → {upper.recipe_text}")
        elif key.startswith("input "):
            changes.append(f"input {lower.run.input.text} → {upper.run.input.text}")
        elif key == "calibration":
            names = (f"{side[key].images} of {side[key].dataset.name}" for side in (before, after))
            changes.append("calibration " + " → ".join(names))
        elif key == "reading":
            changes.append("how its outputs are read")
        elif key == "onnx":
            names = (side[key] or "Cutpoint's own" for side in (before, after))
            changes.append("file " + " → ".join(names))
        else:
            changes.append(f"{key} {before[key]} → {after[key]}")
    return changes
