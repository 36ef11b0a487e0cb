"""Inspect a data set: its images, annotations and slices."""

import tempfile
from pathlib import Path

from cutpoint.data.manifest import list_dataset
from cutpoint.data.slices import build_slices
from cutpoint.errors import Gathered
from cutpoint.records.manifest import write_manifest
from cutpoint.records.preflight import DatasetFindings, write_findings


def inspect_dataset(
    *,
    dataset: str,
    images: str,
    annotations: str | None,
    limit: int | None,
    invalid_boxes: str | None,
    on_bad_image: str,
    slices: str | None,
    out: str,
) -> None:
    """Do what ``list_dataset`` and ``build_slices`` do, and keep their mistakes. No image is decoded.

    Args:
        dataset, images, annotations, limit, invalid_boxes, on_bad_image: as in ``list_dataset``.
        slices: CSV file, see ``build_slices``; null without slices.
        out: JSON file to write, see ``records.preflight.DatasetFindings``.
    """
    found = Gathered()
    manifest = None
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "manifest.json")
        with found.one():
            manifest = list_dataset(
                dataset=dataset,
                images=images,
                annotations=annotations,
                limit=limit,
                invalid_boxes=invalid_boxes,
                on_bad_image=on_bad_image,
            )
            write_manifest(listed, manifest)
        if manifest and slices:
            with found.one():
                made = str(Path(folder, "slices.json"))
                build_slices(dataset=dataset, slices=slices, manifest=str(listed), out=made)
    write_findings(out, DatasetFindings(tuple(found.messages), (), manifest))
