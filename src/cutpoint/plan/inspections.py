"""What the inspections of the preflight get from a plan: the settings of each, as plain values."""

import json
from typing import Any

from cutpoint.plan.evaluations import Evaluation, Model, Plan
from cutpoint.plan.variants import Dataset


def dataset_settings(dataset: Dataset) -> dict[str, Any]:
    """Those of ``preflight.datasets.inspect_dataset``."""
    keys = ("images", "annotations", "limit", "invalid_boxes", "on_bad_image", "slices")
    return {key: getattr(dataset, key) for key in keys}


def mmdet_settings(model: Model) -> dict[str, Any]:
    """Those of ``detector.inspection.inspect_model``."""
    return {key: getattr(model, key) for key in ("config", "checkpoint", "candidate_floor", "class_names")}


def external_settings(plan: Plan, model: Model) -> dict[str, Any]:
    """Those of ``preflight.models.inspect_external``."""
    files = plan.files(model.name)
    paths = list(dict.fromkeys(export.external.path for export in files if export.external))
    imports = {
        export.imported.name: {
            "onnx": export.external.path,
            "layout": export.external.layout,
            "written": json.loads(export.external.written),
            "candidate_floor": model.candidate_floor,
        }
        for export in files
        if export.external
    }
    given = json.loads(model.classes) is not None
    return {"classes": model.classes, "files": [] if given else paths, "imports": list(imports.values())}


def naming_datasets(plan: Plan, model: Model) -> list[Dataset]:
    """The data sets that name the classes of a model without mmdet; none if the config or its files do."""
    named = json.loads(model.classes) is not None or plan.files(model.name)
    return [] if named or not model.is_external else plan.datasets_of(model.name)


def evaluation_settings(evaluation: Evaluation) -> dict[str, Any]:
    """Those of ``preflight.evaluations.inspect_evaluation``."""
    dataset = evaluation.dataset
    results = [
        {
            "variant": variant.name,
            "results": variant.results,
            "category_ids": variant.category_ids,
            "image_ids": variant.image_ids,
        }
        for variant in evaluation.results_variants
    ]
    return {
        "classes": dataset.class_map,
        "order": dataset.label_order,
        "invalid_boxes": dataset.invalid_boxes,
        "categories_without_class": dataset.categories_without_class,
        "results": results,
    }
