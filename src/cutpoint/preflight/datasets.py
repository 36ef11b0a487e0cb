"""Inspect a data set: its images, annotations and slices."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cutpoint.data.manifest import list_dataset
from cutpoint.data.slices import build_slices
from cutpoint.preflight.collect import Collected
from cutpoint.records.conversion import read_conversion
from cutpoint.records.manifest import Manifest, write_manifest
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
    public: Sequence[int] | None,
    conversion: str | None = None,
    out: str,
) -> None:
    """Do what ``list_dataset`` and ``build_slices`` do, and keep their mistakes. No image is decoded.

    Args:
        dataset, images, annotations, limit, invalid_boxes, on_bad_image: as in ``list_dataset``.
        slices: CSV file, see ``build_slices``; null without slices.
        public: ids of the licences whose images the page may show; null for all images.
        conversion: path of the record of a conversion that made ``annotations``; its problems stand in place
            of those that the empty file would have.
        out: JSON file to write, see ``records.preflight.DatasetFindings``.
    """
    found, manifest = Collected(), None
    converted = read_conversion(conversion) if conversion else None
    if converted and converted.problems:
        write_findings(out, DatasetFindings(converted.problems, (), None))
        return
    with tempfile.TemporaryDirectory() as folder:
        listed = str(Path(folder, "manifest.json"))
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
                build_slices(dataset=dataset, slices=slices, manifest=listed, out=made)
    if manifest and public is not None:
        found.remark(*_hidden(manifest, public))
    write_findings(out, DatasetFindings(found.problems, found.remarks, manifest))


def _hidden(manifest: Manifest, public: Sequence[int]) -> list[str]:
    """Which images the page does not show."""
    kept_out = [image.licence for image in manifest.images if image.licence not in public]
    if not kept_out:
        return []
    reasons = [
        f"{count} have the licence {licence}" if licence is not None else f"{count} have no known licence"
        for licence, count in sorted(Counter(kept_out).items(), key=lambda pair: str(pair[0]))
    ]
    return [
        f"report.public: the page does not show {len(kept_out)} of {len(manifest.images)} images of "
        f"{manifest.dataset}: {', '.join(reasons)}"
    ]
