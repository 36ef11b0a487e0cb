"""What the inspections of the preflight get from a plan: the settings of each, as plain values."""

import json
from typing import Any

from cutpoint.plan.dataset import Dataset
from cutpoint.plan.evaluations import Evaluation, Model, Plan
from cutpoint.plan.paths import conversion_file, dataset_findings, model_findings, odd_folder, spec_file
from cutpoint.plan.variants import SHAPE, Export, RunVariant, shape_value


def dataset_settings(dataset: Dataset, config: dict[str, Any]) -> dict[str, Any]:
    """Those of ``preflight.datasets.inspect_dataset``; ``config``: completed."""
    keys = ("images", "annotations", "limit", "invalid_boxes", "on_bad_image", "slices")
    return {
        **{key: getattr(dataset, key) for key in keys},
        "conversion": conversion_file(dataset),
        "public": config["report"]["public"],
    }


def odd_settings(dataset: Dataset, config: dict[str, Any]) -> dict[str, Any]:
    """Those of ``report.oddities.show_oddities`` of a data set with annotations; ``config``: completed."""
    keys = ("images", "annotations", "limit")
    return {
        **{key: getattr(dataset, key) for key in keys},
        "public": config["report"]["public"],
        "findings": dataset_findings(dataset),
    }


def conversion_settings(dataset: Dataset) -> dict[str, Any]:
    """Those of ``formats.convert.convert_annotations`` of a data set that is converted."""
    return {
        "annotation_format": dataset.annotation_format,
        "annotations": dataset.converted_from,
        "images": dataset.images,
    }


def mmdet_settings(model: Model) -> dict[str, Any]:
    """Those of ``detector.inspection.inspect_model``."""
    keys = ("config", "checkpoint", "candidate_floor", "class_names")
    return {**{key: getattr(model, key) for key in keys}, "spec": spec_file(model.name)}


def external_settings(plan: Plan, model: Model) -> dict[str, Any]:
    """Those of ``preflight.models.inspect_external``."""
    imports = {
        spec_file(model.name, export): {
            "onnx": export.external.path,
            "layout": export.external.layout,
            "written": json.loads(export.external.written),
            "candidate_floor": model.candidate_floor,
        }
        for export in plan.files(model.name)
        if export.external
    }
    given = json.loads(model.classes) is not None
    files = [] if given else list(dict.fromkeys(entry["onnx"] for entry in imports.values()))
    return {
        "classes": model.classes,
        "files": files,
        "imports": [{"spec": spec, **entry} for spec, entry in imports.items()],
    }


def naming_findings(plan: Plan, model: Model) -> list[str]:
    """Findings on the data sets that name a model's classes; none if the config or its files do."""
    named = json.loads(model.classes) is not None or plan.files(model.name)
    datasets = [] if named else plan.datasets_of(model.name)
    return [dataset_findings(dataset) for dataset in datasets]


def gather_settings(plan: Plan, config: dict[str, Any], *, remote: bool) -> dict[str, Any]:
    """Those of ``preflight.gather.gather_findings``.

    Args:
        plan: the plan.
        config: completed.
        remote: jobs run on other machines.
    """
    return {
        "datasets": {dataset.name: dataset_findings(dataset) for dataset in plan.datasets},
        "odd": {dataset.name: path for dataset in plan.datasets if (path := odd_folder(dataset))},
        "models": {model.name: model_findings(model) for model in plan.models},
        "evaluations": [
            {"dataset": e.dataset.name, "model": e.model.name, "settings": _evaluation(e)}
            for e in plan.evaluations
        ],
        "machine": {**_room(plan, config), "remote": remote},
    }


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    dataset = evaluation.dataset
    ids = ("results", "category_ids", "image_ids")
    return {
        "classes": dataset.class_map,
        "order": dataset.label_order,
        "invalid_boxes": dataset.invalid_boxes,
        "categories_without_class": dataset.categories_without_class,
        "results": [
            {"variant": variant.name, **{key: getattr(variant, key) for key in ids}}
            for variant in evaluation.results_variants
        ],
        "variants": [_variant(evaluation, variant) for variant in evaluation.run_variants],
    }


def _variant(evaluation: Evaluation, variant: RunVariant) -> dict[str, Any]:
    export, shape = variant.run.export, variant.export.trace.shape
    return {
        "variant": variant.name,
        "spec": spec_file(evaluation.model.name, export),
        "cut": variant.run.cut,
        # an external file may have a shape of its own, which its run knows
        "input": None if export and export.external else variant.run.input.definition,
        "shape": None if shape == SHAPE else shape_value(shape),
        "provider": variant.run.provider,
        "recipe": variant.known_recipe and variant.known_recipe.definition,
        "scores": variant.export.scores,
        "export": _made(export) if export and not export.external else None,
    }


def _made(export: Export) -> dict[str, Any]:
    """What decides whether Cutpoint can make a file."""
    trace = export.trace
    return {
        "opset": trace.opset,
        "exporter": trace.exporter,
        "clip": export.clip,
        "topk_limit": export.topk_limit,
    }


def _room(plan: Plan, config: dict[str, Any]) -> dict[str, Any]:
    """What takes disk and memory; see ``preflight.machine.inspect_machine``."""
    exports: dict[str, int] = {}
    for model in plan.models:
        for export in plan.files(model.name):
            source = export.external.path if export.external else model.checkpoint
            if source:
                exports[source] = exports.get(source, 0) + 1
    stores: dict[str, int] = {}
    for evaluation in plan.evaluations:
        kept = sum(run.keeps_candidates for run in evaluation.runs)
        stores[evaluation.dataset.name] = stores.get(evaluation.dataset.name, 0) + kept
    pictures = config["samples"]["megabytes"] * 1e6 * len(plan.evaluations)
    weights = [model.checkpoint for model in plan.models if model.checkpoint]
    return {
        "weights": list(dict.fromkeys([*weights, *exports])),
        "exports": exports,
        "stores": stores,
        "pictures": round(pictures),
        "providers": plan.wanted_providers,
    }
