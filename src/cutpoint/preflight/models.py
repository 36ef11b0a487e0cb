"""Inspect a model without mmdet: its class names and its ONNX files."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cutpoint.errors import Gathered
from cutpoint.export.import_external import import_external
from cutpoint.layouts.naming import name_classes
from cutpoint.predict.runtime import check_loads
from cutpoint.records.classes import Classes, read_classes
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
        imports: ``onnx, layout, written, candidate_floor`` of each file, as in ``import_external``.
        out: JSON file to write, see ``records.preflight.ModelFindings``.
    """
    found = Gathered()
    with tempfile.TemporaryDirectory() as folder:
        named = _name(found, Path(folder), model, classes, files, datasets)
        for entry in imports if named else ():
            with found.one():
                imported = Path(folder, "model.onnx")
                import_external(
                    model=model,
                    classes=str(Path(folder, "classes.json")),
                    **entry,
                    out=str(imported),
                    out_spec=str(Path(folder, "spec.json")),
                )
                check_loads(imported, entry["onnx"])
    write_findings(out, ModelFindings(tuple(found.messages), (), named))


def _name(
    found: Gathered, folder: Path, model: str, classes: str, files: Sequence[str], datasets: Sequence[str]
) -> Classes | None:
    manifests = []
    for number, path in enumerate(datasets):
        manifest = read_dataset_findings(path).manifest
        if manifest is None:
            return None  # its own inspection says why
        manifests.append(str(folder / f"{number}.json"))
        write_manifest(manifests[-1], manifest)
    out = folder / "classes.json"
    with found.one():
        name_classes(model=model, classes=classes, files=files, manifests=manifests, out=str(out))
        return read_classes(out)
    return None
