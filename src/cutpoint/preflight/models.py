"""Inspect a model without mmdet: its class names and its ONNX files."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cutpoint.export.import_external import import_external
from cutpoint.layouts.naming import name_classes
from cutpoint.predict.runtime import check_loads
from cutpoint.preflight.collect import Collected
from cutpoint.records.json_file import read_content
from cutpoint.records.manifest import write_manifest
from cutpoint.records.preflight import ModelFindings, read_dataset_findings, write_findings


def inspect_external(
    *,
    model: str,
    classes: str,
    files: Sequence[str],
    datasets: Sequence[str],
    imports: Sequence[dict[str, Any]],
    out: str,
) -> None:
    """Do what ``name_classes`` and ``import_external`` do, load the files, and keep the mistakes.

    Args:
        model, classes, files: as in ``name_classes``.
        datasets: findings on the data sets that name the classes of a model without ONNX files.
        imports: ``spec``, the path of its specification, and ``onnx, layout, written, candidate_floor`` of
            each file, as in ``import_external``.
        out: JSON file to write, see ``records.preflight.ModelFindings``.
    """
    found, specs = Collected(), {}
    with tempfile.TemporaryDirectory() as folder:
        named = Path(folder, "classes.json")
        with found.one():
            manifests = _write_manifests(datasets, folder)
            if manifests is not None:
                name_classes(model=model, classes=classes, files=files, manifests=manifests, out=str(named))
        content = read_content(named) if named.exists() else None
        for entry in imports if content else ():
            made = str(Path(folder, "spec.json"))
            settings = {key: value for key, value in entry.items() if key != "spec"}
            with found.one():
                imported = Path(folder, "model.onnx")
                import_external(
                    model=model,
                    classes=str(named),
                    **settings,
                    out=str(imported),
                    out_spec=made,
                )
                check_loads(imported, entry["onnx"])
                specs[entry["spec"]] = read_content(made)
    write_findings(out, ModelFindings(found.problems, found.remarks, content, specs))


def _write_manifests(datasets: Sequence[str], folder: str) -> list[str] | None:
    """The manifests of data sets; null if one cannot be made, which its own inspection says."""
    manifests = []
    for number, path in enumerate(datasets):
        manifest = read_dataset_findings(path).manifest
        if manifest is None:
            return None
        manifests.append(str(Path(folder, f"{number}.json")))
        write_manifest(manifests[-1], manifest)
    return manifests
