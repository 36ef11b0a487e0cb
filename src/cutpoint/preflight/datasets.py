"""Inspect a data set: its images, annotations and slices."""

import tempfile
from pathlib import Path

from cutpoint.data.manifest import build_manifest
from cutpoint.data.slices import build_slices
from cutpoint.errors import Gathered
from cutpoint.records.manifest import read_manifest
from cutpoint.records.preflight import DatasetFindings, write_findings


def inspect_dataset(
    *,
    dataset: str,
    images: str,
    annotations: str | None,
    limit: int | None,
    invalid_boxes: str | None,
    slices: str | None,
    out: str,
) -> None:
    """Do what ``build_manifest`` and ``build_slices`` do, and keep their mistakes.

    Args:
        dataset, images, annotations, limit, invalid_boxes: as in ``build_manifest``.
        slices: CSV file, see ``build_slices``; null without slices.
        out: JSON file to write, see ``records.preflight.DatasetFindings``.
    """
    found = Gathered()
    manifest = None
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "manifest.json")
        with found.one():
            build_manifest(
                dataset=dataset,
                images=images,
                annotations=annotations,
                limit=limit,
                invalid_boxes=invalid_boxes,
                out=str(listed),
            )
            manifest = read_manifest(listed)
        if manifest and slices:
            with found.one():
                made = str(Path(folder, "slices.json"))
                build_slices(dataset=dataset, slices=slices, manifest=str(listed), out=made)
    write_findings(out, DatasetFindings(tuple(found.messages), (), manifest))
