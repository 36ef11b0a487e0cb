"""Turn an entry of the config's ``evaluations`` into an evaluation; refuse combinations without a meaning."""

import json
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, TypeVar

from cutpoint.errors import Gathered, UserError, suggest
from cutpoint.plan.dataset import Dataset
from cutpoint.plan.evaluations import Evaluation, Model
from cutpoint.plan.variants import Export, ResultsVariant, Run, RunVariant, Variant, differences
from cutpoint.recipes.changes import step_changes
from cutpoint.recipes.schema import read_steps

Thing = TypeVar("Thing")


def resolve_evaluation(
    where: str,
    entry: dict[str, Any],
    model: Model,
    dataset: Dataset,
    chosen: dict[str, Variant],
    device: str,
) -> Evaluation:
    """Resolve one entry, whose names are known.

    Args:
        where: its place in the config.
        entry: completed.
        model, dataset: those of the entry.
        chosen: its variants by name.
        device: name of the default provider.

    Raises:
        UserError: combinations that have no meaning.
    """
    found, with_run = Gathered(), [v for v in chosen.values() if isinstance(v, RunVariant)]
    with found.one():
        _check_floor(where, model, with_run)
    with found.one():
        _check_calibration(where, dataset, with_run)
    ladder: tuple[RunVariant, ...] = ()
    with found.one():
        rungs = [_own(f"{where}.ladder", name, chosen) for name in entry["ladder"]]
        ladder = _resolve_ladder(f"{where}.ladder", rungs)
    with found.one():
        reference = _choose_reference(f"{where}.reference", entry["reference"], model, chosen)
        run: Run | None = Run("onnxruntime", "raw", device, Export("raw"))
        if model.is_external:
            files = [v.run for v in (reference, *with_run) if isinstance(v, RunVariant)]
            run = next((run for run in files if run.precision == "fp32"), None)
        excluded = None if model.is_external and isinstance(reference, ResultsVariant) else reference
        diagnosed = _choose_diagnosed(f"{where}.diagnose", entry["diagnose"], excluded, chosen, run)
    found.stop()
    return Evaluation(
        model,
        dataset,
        tuple(chosen.values()),
        reference,
        ladder,
        entry["published_ap"],
        diagnosed,
        run if diagnosed else None,
    )


def _choose_diagnosed(
    where: str,
    names: list[str] | None,
    excluded: Variant | None,
    chosen: Mapping[str, Variant],
    run: Run | None,
) -> tuple[Variant, ...]:
    """The variants of these names; with null the external ones. ``run``: what makes the mistakes, or null.

    ``excluded``: the reference. Null if it is a results file of a model without mmdet, which may be made in
    another way than the file says, and is diagnosed too.
    """
    if names is None:
        elsewhere = (v for v in chosen.values() if isinstance(v, ResultsVariant) or v.export.external)
        return tuple(variant for variant in elsewhere if variant != excluded) if run else ()
    diagnosed = tuple(_own(where, name, chosen) for name in names)
    if excluded in diagnosed:
        raise UserError(f"{where}: {excluded.name} is the reference; leave it out")
    if diagnosed and run is None:
        raise UserError(f"{where}: no variant is an ONNX file in fp32, which mistakes are made with; use []")
    return diagnosed


def find_named(where: str, name: str, known: Mapping[str, Thing], among: str) -> Thing:
    if name not in known:
        raise UserError(f"{where}: {name!r} is not among {among}{suggest(name, known)}")
    return known[name]


def _own(where: str, name: str, chosen: Mapping[str, Variant]) -> Variant:
    return find_named(where, name, chosen, "this evaluation's variants")


def _choose_reference(where: str, name: str | None, model: Model, chosen: Mapping[str, Variant]) -> Variant:
    """The variant of that name; without one mmdet's own, or of a model without mmdet the first."""
    if name is not None:
        return _own(where, name, chosen)
    for variant in chosen.values():
        own = isinstance(variant, RunVariant) and (variant.run.runtime, variant.run.cut) == ("pytorch", "e2e")
        if own or model.is_external:
            return variant
    raise UserError(
        f"{where}: no variant with runtime pytorch and cut e2e is listed; add one, or name "
        "the variant that the others are compared with"
    )


def _resolve_ladder(where: str, variants: Iterable[Variant]) -> tuple[RunVariant, ...]:
    ladder: list[RunVariant] = []
    for variant in variants:
        if isinstance(variant, ResultsVariant):
            raise UserError(
                f"{where}: {variant.name} is a results file, so it is not known how it differs from its "
                "neighbours; leave it out"
            )
        ladder.append(variant)
    for lower, upper in pairwise(ladder):
        changes = differences(lower, upper)
        before, after = lower.recipe.steps, upper.recipe.steps
        if changes == ["recipe base"] and before and after:
            changes = step_changes(*(read_steps(json.loads(steps)) for steps in (before, after)))
        if len(changes) != 1:
            raise UserError(
                f"{where}: {lower.name} and {upper.name} must differ in one thing, but differ in "
                f"{', '.join(changes) or 'nothing'}; put variants between them, or leave one out"
            )
    return tuple(ladder)


def _check_floor(where: str, model: Model, variants: Iterable[RunVariant]) -> None:
    floor = model.candidate_floor
    if floor is None or floor >= 1:  # a number of pairs, of a head that ranks
        return
    for variant in variants:
        threshold = dict(variant.recipe.overrides).get("score_thr")
        if isinstance(threshold, float | int) and threshold < floor:
            raise UserError(
                f"{where}: variant {variant.name} thresholds at {threshold:g}, below the floor of the "
                f"candidates; raise its score_thr, or lower models.{model.name}.candidate_floor ({floor:g})"
            )


def _check_calibration(where: str, dataset: Dataset, variants: Iterable[RunVariant]) -> None:
    """Ranges taken from the scored images would make int8 look better than it is."""
    for variant in variants:
        calibration = variant.export.trace.calibration
        if calibration and calibration.dataset.images == dataset.images:
            raise UserError(
                f"{where}: variant {variant.name} is calibrated on {calibration.dataset.name}, whose images "
                f"{dataset.images} are those that are scored; calibrate it on other images"
            )
