"""The ladder: the cost of each single difference, step by step. The steps add up to the total."""

from dataclasses import dataclass
from typing import Any

from cutpoint.compare.bootstrap import Estimate, delta
from cutpoint.matching import AGREEMENT_IOU, find_overlaps, matched_fraction, pair_overlaps
from cutpoint.recipes.bases import steps_of
from cutpoint.recipes.changes import step_changes
from cutpoint.recipes.steps.step import Step
from cutpoint.records.comparison import read_comparison
from cutpoint.records.detections import Results, read_results, refusal
from cutpoint.records.json_file import as_record
from cutpoint.records.ladder import Alone, Ladder, Rung, TensorDifference, write_ladder
from cutpoint.records.latency import Latency, read_latency
from cutpoint.records.metrics import read_metrics
from cutpoint.records.model import read_spec
from cutpoint.records.planned import PlannedAlone, PlannedRung
from cutpoint.records.resamples import Resamples, read_resamples
from cutpoint.records.verification import read_verification


@dataclass(frozen=True)
class _Content:
    """The values of a rung that the next rung is compared with."""

    detections: Results | None
    steps: tuple[Step, ...]
    samples: Resamples | None
    latency: Latency


def build_ladder(
    *,
    rungs: list[dict[str, Any]],
    reference: dict[str, Any],
    published_ap: float | None,
    out: str,
) -> None:
    """Write the ladder JSON of one data set and model.

    Args:
        rungs: in order, the fields of ``PlannedRung``.
        reference: the reference variant, ``{variant, samples}``.
        published_ap: the AP published for the model, a fraction; shown as rung 0 by itself.
        out: JSON file to write, see ``records.ladder.Ladder``.
    """
    base = read_resamples(reference["samples"]) if reference["samples"] else None
    made: list[Rung] = []
    lower: _Content | None = None
    for files in (as_record(rung, PlannedRung, "the plan's rungs") for rung in rungs):
        upper = _read(files)
        to_previous = _delta(lower.samples if lower else None, upper.samples)
        to_reference = _delta(None if files.variant == reference["variant"] else base, upper.samples)
        rung = Rung(
            variant=files.variant,
            changes=tuple(files.changes),
            recipe_steps=_step_changes(lower.steps if lower else (), upper.steps),
            AP=read_metrics(files.metrics).AP if files.metrics else None,
            refused=refusal(files.detections),
            delta_to_previous=to_previous.value,
            delta_to_previous_ci95=to_previous.ci95,
            delta_to_reference=to_reference.value,
            delta_to_reference_ci95=to_reference.ci95,
            agreement=read_comparison(files.comparison).agreement if files.comparison else None,
            agreement_to_previous=_agreement(lower.detections if lower else None, upper.detections),
            latency_p50_ms=upper.latency.stages.total.p50,
            latency_difference_ms=_slower(lower.latency, upper.latency) if lower else None,
            tensor_difference=_worst_tensor(files.verify) if files.verify else None,
            alone=_alone(files.alone) if files.alone else None,
        )
        made.append(rung)
        lower = upper
    write_ladder(out, Ladder(reference["variant"], published_ap, tuple(made)))


def _read(files: PlannedRung) -> _Content:
    recipe, spec = files.recipe, files.spec
    return _Content(
        detections=None if refusal(files.detections) else read_results(files.detections),
        steps=steps_of(recipe, read_spec(spec).head) if recipe and spec else (),
        samples=read_resamples(files.samples) if files.samples else None,
        latency=read_latency(files.latency),
    )


def _step_changes(lower: tuple[Step, ...], upper: tuple[Step, ...]) -> tuple[str, ...]:
    return tuple(step_changes(lower, upper)) if lower and upper else ()


def _delta(base: Resamples | None, samples: Resamples | None) -> Estimate:
    return delta(base, samples).total if base and samples else Estimate(None, 0)


def _agreement(lower: Results | None, upper: Results | None) -> float | None:
    if lower is None or upper is None:
        return None
    pairs = pair_overlaps(find_overlaps(lower, upper), AGREEMENT_IOU)
    return matched_fraction(len(pairs), len(lower) + len(upper))


def _slower(lower: Latency, upper: Latency) -> float | None:
    if lower.without_compiled_nms != upper.without_compiled_nms:
        return None
    return upper.stages.total.p50 - lower.stages.total.p50


def _worst_tensor(verification: str) -> TensorDifference | None:
    tensors = read_verification(verification).tensors
    known = [TensorDifference(t.name, t.max_abs) for t in tensors if t.max_abs is not None]
    return max(known, key=lambda tensor: tensor.max_abs, default=None)


def _alone(planned: PlannedAlone) -> Alone:
    compared = read_comparison(planned.comparison)
    return Alone(planned.variant, compared.delta_AP, compared.delta_AP_ci95)
