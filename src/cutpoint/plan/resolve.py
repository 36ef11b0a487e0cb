"""Turn the config into the plan: resolve names, refuse combinations without a meaning."""

import json
import os
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, TypeVar

from cutpoint.data.labels import check_order_key
from cutpoint.errors import UserError, suggest
from cutpoint.plan.evaluations import Evaluation, Model, Plan
from cutpoint.plan.resolve_external import Recognise, recognise_none, resolve_external
from cutpoint.plan.resolve_variant import resolve_variant
from cutpoint.plan.variants import (
    SHAPE,
    Dataset,
    Export,
    ResultsVariant,
    Run,
    RunVariant,
    Variant,
    differences,
)
from cutpoint.recipes.changes import step_changes
from cutpoint.recipes.schema import read_steps

Thing = TypeVar("Thing")

# keys of a data set that say how its annotations are read
CHOICES = ("label_order", "categories_without_class", "invalid_boxes")


def build_plan(config: dict[str, Any], device: str, recognise: Recognise = recognise_none) -> Plan:
    """Resolve a completed config.

    Args:
        config: as ``cutpoint.plan.config.complete_config`` returns it.
        device: name of the default provider: the config's ``device``, ``auto`` resolved.
        recognise: finds the layouts of the files of models without mmdet; by default it refuses all.

    Raises:
        UserError: a name that nothing defines, or a combination that has no meaning.
    """
    models = {name: _resolve_model(name, entry) for name, entry in config["models"].items()}
    datasets = {name: _resolve_dataset(name, entry) for name, entry in config["datasets"].items()}
    settings = config["recipes"], datasets, device
    variants = {
        name: resolve_variant(name, entry, *settings)
        for name, entry in config["variants"].items()
        if _is_for_mmdet(name, entry, config["evaluations"], models)
    }
    with_run = [variant for variant in variants.values() if isinstance(variant, RunVariant)]
    check_names(with_run)
    _check_latency_batch(config["latency"]["batch"], with_run)
    evaluations: list[Evaluation] = []
    for index, entry in enumerate(config["evaluations"]):
        where = f"evaluations[{index}]"
        model = _find(f"{where}.model", entry["model"], models, "models")
        dataset = _find(f"{where}.dataset", entry["dataset"], datasets, "datasets")
        written = {
            n: _find(f"{where}.variants", n, config["variants"], "variants") for n in entry["variants"]
        }
        chosen = {
            name: resolve_external(name, variant, model, *settings, recognise)
            if model.is_external
            else variants[name]
            for name, variant in written.items()
        }
        evaluation = _resolve_evaluation(where, entry, model, dataset, chosen, device)
        pair = (evaluation.model, evaluation.dataset)
        if pair in [(e.model, e.dataset) for e in evaluations]:
            raise UserError(
                f"{where}: model {entry['model']!r} on dataset {entry['dataset']!r} appears twice; list all "
                "its variants in one evaluation"
            )
        evaluations.append(evaluation)
    for model in models.values():
        if model.is_external:
            check_names(v for e in evaluations if e.model == model for v in e.run_variants)
    plan = Plan(device, tuple(evaluations))
    for evaluation in evaluations:
        _check_numbering(evaluation, plan)
    return plan


def _check_numbering(evaluation: Evaluation, plan: Plan) -> None:
    """Refuse numbers of classes where nothing says which class is which."""
    model = evaluation.model
    if not model.is_external or json.loads(model.classes) is not None or plan.exports(model.name):
        return
    for variant in evaluation.results_variants:
        if variant.category_ids in ("label", "label_plus_one"):
            raise UserError(
                f"variants.{variant.name}.category_ids: {variant.category_ids} numbers the classes of "
                f"{model.name}, and no ONNX file names them; write models.{model.name}.classes, in the order "
                "that the model was trained with"
            )


def _is_for_mmdet(
    name: str, entry: dict[str, Any], evaluations: list[dict[str, Any]], models: Mapping[str, Model]
) -> bool:
    """Whether a variant is resolved for mmdet models: one of them has it, or none has it and it fits them."""
    users = [models[e["model"]] for e in evaluations if name in e["variants"] and e["model"] in models]
    unused = not users and (entry.get("results") or entry.get("runtime") is not None)
    return bool(unused) or any(not model.is_external for model in users)


def check_names(variants: Iterable[RunVariant]) -> None:
    """Refuse two different exports, or two different runs, with the same name: they would share a file.

    Raises:
        UserError: names the variants that they belong to.
    """
    seen: dict[str, tuple[Export | Run, RunVariant]] = {}
    for variant in variants:
        run = variant.run
        things: list[Export | Run] = [run.export, run] if run.export else [run]
        for thing in things:
            first, owner = seen.setdefault(f"{type(thing).__name__.lower()} {thing.name}", (thing, variant))
            if first != thing:
                raise UserError(
                    f"variants.{owner.name} and variants.{variant.name} differ, but each would make the "
                    f"{type(thing).__name__.lower()} {thing.name}; change one of them"
                )


def _check_latency_batch(batch: int, variants: Iterable[RunVariant]) -> None:
    fixed = [variant.name for variant in variants if variant.export.trace.shape != SHAPE]
    if batch > 1 and fixed:
        raise UserError(
            f"latency.batch: {batch} images, and variants.{fixed[0]} is a file of fixed shape, which takes "
            "one; set it to 1, or that variant's shape to dynamic"
        )


def _resolve_model(name: str, entry: dict[str, Any]) -> Model:
    config, checkpoint, classes = (entry.get(key) for key in ("config", "checkpoint", "classes"))
    if config is None or checkpoint is None:
        return Model(name, None, None, entry["candidate_floor"], classes=json.dumps(classes, sort_keys=True))
    if classes is not None:
        raise UserError(
            f"models.{name}.classes: only for a model without mmdet; this one takes its names from the "
            "checkpoint or the config, see class_names; remove it"
        )
    path = config if "::" in config else os.path.normpath(config)
    return Model(name, path, os.path.normpath(checkpoint), entry["candidate_floor"], entry["class_names"])


def _resolve_dataset(name: str, entry: dict[str, Any]) -> Dataset:
    annotations, classes = entry["annotations"], entry["classes"]
    check_order_key(f"datasets.{name}", entry["label_order"], classes)
    for key in CHOICES:
        if annotations is None and entry[key] is not None:
            raise UserError(f"datasets.{name}.{key}: only for a data set with annotations; use null")
    return Dataset(
        name,
        os.path.normpath(entry["images"]),
        annotations and os.path.normpath(annotations),
        tuple(classes.items()) if classes else None,
        entry["limit"],
        entry["shards"],
        **{key: entry[key] for key in CHOICES},
        slices=entry["slices"] and os.path.normpath(entry["slices"]),
        on_bad_image=entry["on_bad_image"],
    )


def _resolve_evaluation(
    where: str,
    entry: dict[str, Any],
    model: Model,
    dataset: Dataset,
    chosen: dict[str, Variant],
    device: str,
) -> Evaluation:
    with_run = [variant for variant in chosen.values() if isinstance(variant, RunVariant)]
    _check_floor(where, model, with_run)
    _check_calibration(where, dataset, with_run)
    reference = _choose_reference(f"{where}.reference", entry["reference"], model, chosen)
    ladder = _resolve_ladder(f"{where}.ladder", [_own(f"{where}.ladder", n, chosen) for n in entry["ladder"]])
    run: Run | None = Run("onnxruntime", "raw", device, Export("raw"))
    if model.is_external:
        files = [v.run for v in (reference, *with_run) if isinstance(v, RunVariant)]
        run = next((run for run in files if run.precision == "fp32"), None)
    excluded = None if model.is_external and isinstance(reference, ResultsVariant) else reference
    diagnosed = _choose_diagnosed(f"{where}.diagnose", entry["diagnose"], excluded, chosen, run)
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


def _find(where: str, name: str, known: Mapping[str, Thing], among: str) -> Thing:
    if name not in known:
        raise UserError(f"{where}: {name!r} is not among {among}{suggest(name, known)}")
    return known[name]


def _own(where: str, name: str, chosen: Mapping[str, Variant]) -> Variant:
    return _find(where, name, chosen, "this evaluation's variants")


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
