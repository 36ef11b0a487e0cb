"""Inspect a model on a data set: the label map, the ground truth, and results files."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cutpoint.data.truth import build_truth, map_labels
from cutpoint.errors import Gathered
from cutpoint.predict.results_file import import_results
from cutpoint.records.classes import write_classes
from cutpoint.records.manifest import write_manifest
from cutpoint.records.preflight import (
    Findings,
    read_dataset_findings,
    read_model_findings,
    write_findings,
)
from cutpoint.records.truth import read_truth


def inspect_evaluation(
    *,
    dataset: str,
    model: str,
    classes: dict[str, str] | None,
    order: str | None,
    invalid_boxes: str | None,
    categories_without_class: str | None,
    results: Sequence[dict[str, Any]],
    out: str,
) -> None:
    """Do what ``map_labels``, ``build_truth`` and ``import_results`` do, and keep their mistakes.

    Args:
        dataset, model: findings on the data set and on the model.
        classes, order, invalid_boxes, categories_without_class: the data set's, see ``data.truth``.
        results: ``variant, results, category_ids, image_ids`` of each results file.
        out: JSON file to write, see ``records.preflight.Findings``.
    """
    found, remarks = Gathered(), list[str]()
    manifest, names = read_dataset_findings(dataset).manifest, read_model_findings(model).classes
    if manifest is None or names is None:  # their own inspection says why
        write_findings(out, Findings((), ()))
        return
    with tempfile.TemporaryDirectory() as folder:
        files = {name: str(Path(folder, f"{name}.json")) for name in ("manifest", "spec", "labels")}
        write_manifest(files["manifest"], manifest)
        write_classes(files["spec"], names)
        made, labelled = str(Path(folder, "made.json")), False
        with found.one():
            map_labels(
                manifest=files["manifest"],
                spec=files["spec"],
                classes=classes,
                order=order,
                out=files["labels"],
            )
            labelled = True
        if labelled and manifest.annotations:
            with found.one():
                build_truth(
                    manifest=files["manifest"],
                    labels=files["labels"],
                    invalid_boxes=invalid_boxes,
                    categories_without_class=categories_without_class,
                    out=made,
                )
                remarks += [f"{manifest.annotations}: {note}" for note in read_truth(made).notes]
        for entry in results if labelled else ():
            with found.one():
                import_results(manifest=files["manifest"], labels=files["labels"], out=made, **entry)
    write_findings(out, Findings(tuple(found.messages), tuple(remarks)))
