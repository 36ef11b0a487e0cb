"""A data set in, a checked list of its images and categories out."""

from pathlib import Path
from typing import Any

from tqdm import tqdm

from cutpoint.data.annotations import clean_annotations, read_annotations
from cutpoint.data.image import decode
from cutpoint.data.selection import IMAGE_SUFFIXES, list_images, select
from cutpoint.errors import UserError
from cutpoint.files import write_json


def build_manifest(
    *,
    dataset: str,
    images: str,
    annotations: str | None,
    limit: int | None,
    out: str,
    content: str | None = None,
    invalid_boxes: str | None = None,
) -> None:
    """Check a data set and list what the workflow runs on.

    Args:
        dataset: its name in the config.
        images: folder of the images.
        annotations: COCO JSON; null for a data set without ground truth, whose image ids number the sorted
            file names from 1.
        limit: keep the first N images in the order of a hash of their names (stable when the set grows).
        out: JSON file to write: ``dataset``, ``annotations``, ``content``, ``images`` (``id, file_name, path,
            height, width``, ascending id), ``left_out`` (ids of the images that ``limit`` leaves out),
            ``categories`` (``id, name``, in the file's order).
        content: digest of the images' names and bytes, written down so that whatever reads the manifest
            depends on them.
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
        clean, _ = clean_annotations(
            dataset, annotations, read_annotations(dataset, annotations), invalid_boxes
        )
        entries, categories = clean["images"], clean["categories"]
    chosen = set(select((entry["file_name"] for entry in entries), limit))
    listed = [
        {
            "id": entry["id"],
            "file_name": entry["file_name"],
            "path": str(folder / entry["file_name"]),
            "height": entry["height"],
            "width": entry["width"],
        }
        for entry in sorted(entries, key=lambda entry: entry["id"])
        if entry["file_name"] in chosen
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
            "content": content,
            "images": listed,
            "left_out": sorted(e["id"] for e in entries if e["file_name"] not in chosen),
            "categories": [{"id": c["id"], "name": c["name"]} for c in categories],
        },
    )


def _list_folder(dataset: str, folder: Path) -> list[dict[str, Any]]:
    names = list_images(str(folder))
    if not names:
        raise UserError(f"datasets.{dataset}.images: {folder} holds no images ({', '.join(IMAGE_SUFFIXES)})")
    entries = []
    for identity, name in enumerate(tqdm(names, desc=f"{dataset}: reading sizes", unit="image"), start=1):
        height, width = decode(folder / name).shape[:2]
        entries.append({"id": identity, "file_name": name, "height": height, "width": width})
    return entries
