"""A data set in, a checked list of its images and categories out."""

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cutpoint.data.image import decode
from cutpoint.errors import UserError
from cutpoint.files import read_json, write_json

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}


def build_manifest(
    *, dataset: str, images: str, annotations: str | None, limit: int | None, out: str
) -> None:
    """Check a data set and list what the workflow runs on.

    Args:
        dataset: its name in the config.
        images: folder of the images.
        annotations: COCO JSON; null for a data set without ground truth, whose image ids number the sorted
            file names from 1.
        limit: keep the first N images in the order of a hash of their names (stable when the set grows).
        out: JSON file to write: ``dataset``, ``annotations``, ``images`` (``id, file_name, path, height,
            width``, ascending id), ``categories`` (``id, name``).

    Raises:
        UserError: a missing folder or file, ids used twice, an annotation without its image or category.
    """
    folder = Path(images)
    if not folder.is_dir():
        raise UserError(f"datasets.{dataset}.images: {images} is not a folder")
    if annotations is None:
        entries, categories = _list_folder(dataset, folder), []
    else:
        content = _read_annotations(dataset, annotations)
        check_annotations(dataset, annotations, content)
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


def check_annotations(dataset: str, path: str, content: dict[str, Any]) -> None:
    """Refuse COCO annotations that would be scored wrongly or not at all.

    Raises:
        UserError: the first problem found, with the id that has it.
    """
    where = f"datasets.{dataset}.annotations {path}"
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list):
            raise UserError(f"{where}: no list {key!r}; it is not a COCO detection file")
    if not content["images"]:
        raise UserError(f"{where}: lists no images")
    for key in ("images", "annotations", "categories"):
        counts = Counter(entry["id"] for entry in content[key])
        twice = [identity for identity, count in counts.items() if count > 1]
        if twice:
            raise UserError(f"{where}: id {twice[0]} occurs twice among {key}; ids must be unique")
    names = Counter(category["name"] for category in content["categories"])
    for name, count in names.items():
        if count > 1:
            raise UserError(f"{where}: category {name!r} occurs {count} times; names must be unique")
    images = {entry["id"] for entry in content["images"]}
    categories = {entry["id"] for entry in content["categories"]}
    for annotation in content["annotations"]:
        identity = annotation["id"]
        if identity == 0:
            raise UserError(f"{where}: annotation id 0, which pycocotools reads as 'no match'; number from 1")
        if annotation["image_id"] not in images:
            raise UserError(f"{where}: annotation {identity} is of image {annotation['image_id']}, unlisted")
        if annotation["category_id"] not in categories:
            raise UserError(
                f"{where}: annotation {identity} has category {annotation['category_id']}, not listed"
            )
        if len(annotation.get("bbox", ())) != 4:
            raise UserError(f"{where}: annotation {identity} has no bbox of four numbers")


def label_map(
    classes: Iterable[str], mapping: dict[str, str] | None, manifest: dict[str, Any]
) -> list[int | None]:
    """Category id of each model class.

    Args:
        classes: the model's class names in channel order.
        mapping: model class name to category name, many to one allowed, classes left out are dropped; null
            means by name.
        manifest: the data set's manifest.

    Returns:
        per class a category id, null for a class whose detections are dropped; label + 1 without annotations.

    Raises:
        UserError: a name on either side that does not exist.
    """
    classes = list(classes)
    dataset, path = manifest["dataset"], manifest["annotations"]
    if path is None:
        if mapping is not None:
            raise UserError(f"datasets.{dataset}.classes: only for a data set with annotations; use null")
        return [label + 1 for label in range(len(classes))]
    ids = {category["name"]: category["id"] for category in manifest["categories"]}
    if mapping is None:
        unknown = sorted(set(ids) - set(classes))
        if unknown:
            raise UserError(
                f"datasets.{dataset}.classes is null, but the model has no class {unknown[0]!r} "
                f"({len(unknown)} categories of {path} without a class){_near(unknown[0], classes)}; map the "
                "model's class names to category names"
            )
        mapping = {name: name for name in classes if name in ids}
    for name, category in mapping.items():
        if name not in classes:
            raise UserError(
                f"datasets.{dataset}.classes: the model has no class {name!r}{_near(name, classes)}"
            )
        if category not in ids:
            raise UserError(
                f"datasets.{dataset}.classes: {path} has no category {category!r}{_near(category, ids)}"
            )
    return [ids[mapping[name]] if name in mapping else None for name in classes]


def _near(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), 1)
    return f"; did you mean {near[0]!r}" if near else ""


def _read_annotations(dataset: str, path: str) -> dict[str, Any]:
    if not Path(path).is_file():
        raise UserError(f"datasets.{dataset}.annotations: no file {path}")
    try:
        content = read_json(path)
    except ValueError as error:
        raise UserError(f"datasets.{dataset}.annotations {path}: not JSON ({error})") from error
    if not isinstance(content, dict):
        raise UserError(f"datasets.{dataset}.annotations {path}: not a COCO detection file")
    return content


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
