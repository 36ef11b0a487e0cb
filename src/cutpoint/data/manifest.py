"""A data set in, a checked list of its images and categories out."""

import hashlib
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cutpoint.data.annotations import clean_annotations, read_annotations
from cutpoint.data.image import decode
from cutpoint.errors import UserError
from cutpoint.files import write_json

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}


def build_manifest(
    *,
    dataset: str,
    images: str,
    annotations: str | None,
    limit: int | None,
    out: str,
    invalid_boxes: str | None = None,
) -> None:
    """Check a data set and list what the workflow runs on.

    Args:
        dataset: its name in the config.
        images: folder of the images.
        annotations: COCO JSON; null for a data set without ground truth, whose image ids number the sorted
            file names from 1.
        limit: keep the first N images in the order of a hash of their names (stable when the set grows).
        out: JSON file to write: ``dataset``, ``annotations``, ``images`` (``id, file_name, path, height,
            width``, ascending id), ``categories`` (``id, name``, in the file's order).
        invalid_boxes: the config's; see ``annotation_boxes.choose_boxes``.

    Raises:
        UserError: a missing folder or file, or annotations that cannot be scored rightly.
    """
    folder = Path(images)
    if not folder.is_dir():
        raise UserError(f"datasets.{dataset}.images: {images} is not a folder")
    if annotations is None:
        entries, categories = _list_folder(dataset, folder), []
    else:
        content, _ = clean_annotations(
            dataset, annotations, read_annotations(dataset, annotations), invalid_boxes
        )
        entries, categories = content["images"], content["categories"]
    if limit is not None:
        entries = sorted(entries, key=lambda entry: name_order(entry["file_name"]))[:limit]
    listed = [
        {
            "id": entry["id"],
            "file_name": entry["file_name"],
            "path": str(folder / entry["file_name"]),
            "height": entry["height"],
            "width": entry["width"],
        }
        for entry in sorted(entries, key=lambda entry: entry["id"])
    ]
    missing = [entry["path"] for entry in listed if not Path(entry["path"]).is_file()]
    if missing:
        raise UserError(
            f"datasets.{dataset}.images: {len(missing)} of {len(listed)} images listed in {annotations} are "
            f"not in {images}; first: {missing[0]}"
        )
    write_json(
        out,
        {
            "dataset": dataset,
            "annotations": annotations,
            "images": listed,
            "categories": [{"id": c["id"], "name": c["name"]} for c in categories],
        },
    )


def _list_folder(dataset: str, folder: Path) -> list[dict[str, Any]]:
    names = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if not names:
        raise UserError(f"datasets.{dataset}.images: {folder} holds no images ({', '.join(IMAGE_SUFFIXES)})")
    entries = []
    for identity, name in enumerate(tqdm(names, desc=f"{dataset}: reading sizes", unit="image"), start=1):
        height, width = decode(folder / name).shape[:2]
        entries.append({"id": identity, "file_name": name, "height": height, "width": width})
    return entries


def name_order(file_name: str) -> str:
    """A sort key: the first images in its order are as good as drawn, and stay so as the set grows."""
    return hashlib.sha256(file_name.encode()).hexdigest()
