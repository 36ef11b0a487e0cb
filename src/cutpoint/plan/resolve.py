"""Turn the config into the plan: resolve names, refuse combinations without a meaning."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from cutpoint.data.labels import check_order_key
from cutpoint.errors import Gathered, UserError
from cutpoint.plan.dataset import COCO, Dataset
from cutpoint.plan.evaluations import Evaluation, Model, Plan
from cutpoint.plan.paths import converted_file
from cutpoint.plan.resolve_evaluation import find_named, resolve_evaluation
from cutpoint.plan.resolve_external import Recognise, recognise_none, resolve_external
from cutpoint.plan.resolve_variant import resolve_variant
from cutpoint.plan.variants import SHAPE, Export, Run, RunVariant, Variant

Thing = TypeVar("Thing")

# keys of a data set that say how its annotations are read
CHOICES = ("label_order", "categories_without_class", "invalid_boxes")


@dataclass(frozen=True)
class Draft:
    """What could be resolved of a config, also of evaluations that could not.

    ``models``, ``datasets`` and ``variants`` are those that an evaluation names. ``numbered``: the
    evaluations, each with its position in the config.
    """

    device: str
    models: tuple[Model, ...]
    datasets: tuple[Dataset, ...]
    variants: tuple[Variant, ...]
    numbered: tuple[tuple[int, Evaluation], ...]

    @property
    def plan(self) -> Plan:
        """The plan of the evaluations that could be resolved."""
        return Plan(self.device, tuple(evaluation for _, evaluation in self.numbered))


def build_plan(config: dict[str, Any], device: str, recognise: Recognise = recognise_none) -> Plan:
    """Resolve a completed config; arguments as in ``draft_plan``.

    Raises:
        UserError: names that nothing defines, or combinations that have no meaning.
    """
    found = Gathered()
    draft = draft_plan(config, device, recognise, found)
    found.stop()
    return draft.plan


def draft_plan(config: dict[str, Any], device: str, recognise: Recognise, found: Gathered) -> Draft:
    """Resolve as much of a completed config as can be resolved.

    Args:
        config: as ``cutpoint.plan.config.complete_config`` returns it.
        device: name of the default provider: the config's ``device``, ``auto`` resolved.
        recognise: finds the layouts of the files of models without mmdet.
        found: gathers the mistakes.
    """
    models = _resolve_all(config["models"], _resolve_model, found)
    datasets = _resolve_all(config["datasets"], _resolve_dataset, found)
    settings = config["recipes"], datasets, device
    for_mmdet = {
        name: entry
        for name, entry in config["variants"].items()
        if _is_for_mmdet(name, entry, config, models) and _can_calibrate(entry, config, datasets)
    }
    variants = _resolve_all(for_mmdet, lambda name, entry: resolve_variant(name, entry, *settings), found)
    with_run = [variant for variant in variants.values() if isinstance(variant, RunVariant)]
    with found.one():
        check_names(with_run)
    with found.one():
        _check_latency_batch(config["latency"]["batch"], with_run)

    def resolve_chosen(name: str, model: Model) -> Variant | None:
        entry = config["variants"].get(name)
        if not model.is_external or entry is None or not _can_calibrate(entry, config, datasets):
            return variants.get(name)
        with found.one():
            return resolve_external(name, entry, model, *settings, recognise)
        return None

    numbered, used = [], list[Variant]()
    pairs: set[tuple[str, str]] = set()
    for index, entry in enumerate(config["evaluations"]):
        where, names = f"evaluations[{index}]", len(found.messages)
        _check_entry(where, entry, config, found)
        with found.one():
            if (entry["model"], entry["dataset"]) in pairs:
                raise UserError(
                    f"{where}: model {entry['model']!r} on dataset {entry['dataset']!r} appears twice; list "
                    "all its variants in one evaluation"
                )
        pairs.add((entry["model"], entry["dataset"]))
        model, dataset = models.get(entry["model"]), datasets.get(entry["dataset"])
        resolved = {name: resolve_chosen(name, model) for name in entry["variants"]} if model else {}
        chosen = {name: variant for name, variant in resolved.items() if variant is not None}
        used += chosen.values()
        whole = model and dataset and len(chosen) == len(entry["variants"])
        if model and dataset and whole and len(found.messages) == names:
            with found.one():
                evaluation = resolve_evaluation(where, entry, model, dataset, chosen, device)
                numbered.append((index, evaluation))
    draft = Draft(
        device,
        tuple(m for name, m in models.items() if any(e["model"] == name for e in config["evaluations"])),
        tuple(_used_datasets(config, datasets, used)),
        tuple(dict.fromkeys(used)),
        tuple(numbered),
    )
    evaluations = draft.plan.evaluations
    for model in models.values():
        with found.one():
            if model.is_external:
                check_names(v for e in evaluations if e.model == model for v in e.run_variants)
    for evaluation in evaluations:
        with found.one():
            _check_numbering(evaluation, draft.plan)
    return draft


def _resolve_all(
    entries: Mapping[str, Any], resolve: Callable[[str, Any], Thing], found: Gathered
) -> dict[str, Thing]:
    """The entries that can be resolved, by name."""
    resolved = {}
    for name, entry in entries.items():
        with found.one():
            resolved[name] = resolve(name, entry)
    return resolved


def _check_entry(where: str, entry: dict[str, Any], config: dict[str, Any], found: Gathered) -> None:
    """Refuse names that nothing defines."""
    for key in ("model", "dataset"):
        with found.one():
            find_named(f"{where}.{key}", entry[key], config[f"{key}s"], f"{key}s")
    for name in entry["variants"]:
        with found.one():
            find_named(f"{where}.variants", name, config["variants"], "variants")


def _can_calibrate(entry: dict[str, Any], config: dict[str, Any], datasets: Mapping[str, Dataset]) -> bool:
    """Whether the data set of a variant's calibration is resolved; unknown is another mistake."""
    chosen = (entry.get("calibration") or {}).get("dataset")
    return chosen in datasets or chosen not in config["datasets"]


def _used_datasets(
    config: dict[str, Any], datasets: Mapping[str, Dataset], variants: Iterable[Variant]
) -> Iterator[Dataset]:
    """The data sets that are evaluated, and those that are only used for calibration."""
    named = {entry["dataset"] for entry in config["evaluations"]}
    yield from (dataset for name, dataset in datasets.items() if name in named)
    runs = [variant for variant in variants if isinstance(variant, RunVariant)]
    calibrations = [variant.export.trace.calibration for variant in runs]
    yield from dict.fromkeys(c.dataset for c in calibrations if c and c.dataset.name not in named)


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
    name: str, entry: dict[str, Any], config: dict[str, Any], models: Mapping[str, Model]
) -> bool:
    """Whether a variant is resolved for mmdet models: one of them has it, or none has it and it fits them."""
    naming = [e["model"] for e in config["evaluations"] if name in e["variants"]]
    if any(model in config["models"] and model not in models for model in naming):
        return False  # nothing is known of a model that cannot be resolved
    users = [models[model] for model in naming if model in models]
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
    kind, given = entry["format"], annotations and os.path.normpath(annotations)
    if given is None and kind != COCO:
        raise UserError(
            f"datasets.{name}.format: {kind}, and there are no annotations; use {COCO}, or name them"
        )
    converted = kind != COCO
    return Dataset(
        name,
        os.path.normpath(entry["images"]),
        converted_file(name) if converted else given,
        tuple(classes.items()) if classes else None,
        entry["limit"],
        entry["shards"],
        **{key: entry[key] for key in CHOICES},
        slices=entry["slices"] and os.path.normpath(entry["slices"]),
        on_bad_image=entry["on_bad_image"],
        annotation_format=kind,
        converted_from=given if converted else None,
    )
