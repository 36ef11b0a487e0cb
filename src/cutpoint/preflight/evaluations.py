"""Inspect a model on a data set: the label map, the ground truth, results files, and the recipes."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cutpoint.data.fit import check_fit
from cutpoint.data.inputs import resolve_input
from cutpoint.data.truth import build_truth, map_labels
from cutpoint.errors import located
from cutpoint.files import write_json
from cutpoint.predict.results_file import import_results
from cutpoint.preflight.collect import Collected
from cutpoint.preflight.variants import check_variant, remark_on
from cutpoint.records.manifest import Manifest, write_manifest
from cutpoint.records.model import ModelSpec, as_spec
from cutpoint.records.preflight import DatasetFindings, Findings, ModelFindings


def inspect_evaluation(
    dataset: DatasetFindings,
    model: ModelFindings,
    *,
    classes: dict[str, str] | None,
    order: str | None,
    invalid_boxes: str | None,
    categories_without_class: str | None,
    results: Sequence[dict[str, Any]],
    variants: Sequence[dict[str, Any]],
) -> Findings:
    """Do what ``map_labels``, ``build_truth`` and ``import_results`` do, and keep their mistakes.

    What cannot be looked at, because of a problem with the data set or the model, is left out.

    Args:
        dataset, model: findings on the data set and on the model.
        classes, order, invalid_boxes, categories_without_class: the data set's, see ``data.truth``.
        results: ``variant, results, category_ids, image_ids`` of each results file.
        variants: those with a run, see ``variants.check_variant``; with ``input``, its definition (null: the
            file decides), and ``shape``, height and width that the export must have, or null.
    """
    found = Collected()
    if dataset.manifest is not None and model.classes is not None:
        scoring = (invalid_boxes, categories_without_class)
        _inspect_labels(found, dataset.manifest, model.classes, classes, order, scoring, results)
    for variant in variants:
        if variant["spec"] in model.specs:
            spec = as_spec(model.specs[variant["spec"]], variant["spec"])
            with found.one(), located(f"variants.{variant['variant']}"):
                check_variant(spec, variant)
                found.remark(*remark_on(spec, variant))
            if dataset.manifest is not None and variant["input"]:
                _inspect_sizes(found, dataset.manifest, spec, variant)
    return Findings(found.problems, found.remarks)


def _inspect_sizes(found: Collected, manifest: Manifest, spec: ModelSpec, variant: Mapping[str, Any]) -> None:
    """Whether all images fit the input; what several variants share is told once."""
    shape = tuple(variant["shape"]) if variant["shape"] else None
    with found.one():
        check_fit(manifest, resolve_input(variant["input"], spec.input, shape), shape)


def _inspect_labels(
    found: Collected,
    manifest: Manifest,
    names: dict[str, Any],
    classes: dict[str, str] | None,
    order: str | None,
    scoring: tuple[str | None, str | None],
    results: Sequence[dict[str, Any]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        listed, spec, labels, made = (
            str(Path(folder, f"{name}.json")) for name in ("manifest", "spec", "labels", "made")
        )
        write_manifest(listed, manifest)
        write_json(spec, names)
        with found.one():
            map_labels(manifest=listed, spec=spec, classes=classes, order=order, out=labels)
        if not Path(labels).exists():
            return
        if manifest.annotations:
            with found.one():
                build_truth(
                    manifest=listed,
                    labels=labels,
                    invalid_boxes=scoring[0],
                    categories_without_class=scoring[1],
                    out=made,
                )
        for entry in results:
            with found.one():
                import_results(manifest=listed, labels=labels, out=made, **entry)
