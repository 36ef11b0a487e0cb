"""A COCO annotation file in, ground truth that pycocotools scores rightly out."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from cutpoint.data.annotation_boxes import check_areas, check_reading, choose_boxes, read_boxes
from cutpoint.data.annotation_entries import check_entries, name_entry, without_empty_twins
from cutpoint.errors import UserError


def read_annotations(dataset: str, path: str) -> dict[str, Any]:
    """Read a COCO annotation file; a byte order mark is accepted.

    Args:
        dataset: its name in the config, for messages.
        path: the file.

    Returns:
        its content, an object, unchecked. NaN and infinities are read as such.

    Raises:
        UserError: no file, or one that does not hold a JSON object.
    """
    key = f"datasets.{dataset}.annotations"
    where = f"{key} {path}"
    if Path(path).is_dir():
        raise UserError(f"{where}: is a folder; name the JSON file in it")
    if not Path(path).is_file():
        raise UserError(f"{key}: no file {path}")
    raw = Path(path).read_bytes()
    if not raw.strip():
        raise UserError(f"{where}: the file is empty")
    if raw.startswith(b"version https://git-lfs"):
        raise UserError(f"{where}: a Git LFS pointer in place of the file; fetch it with 'git lfs pull'")
    try:
        content = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: not UTF-8 text; save the JSON as UTF-8, not compressed") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not JSON ({error})") from error
    if isinstance(content, list):
        raise UserError(
            f"{where}: a list, as of detections (a results file); it is not a COCO detection file, which is "
            "an object of images, annotations and categories. Detections go under variants.<name>.results"
        )
    if not isinstance(content, dict):
        raise UserError(f"{where}: not a COCO detection file, which is a JSON object")
    return content


def clean_annotations(
    dataset: str, path: str, content: dict[str, Any], invalid_boxes: str | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Check annotations and fill in what a box data set may leave out.

    Args:
        dataset: its name in the config, for messages.
        path: the file, for messages.
        content: from ``read_annotations``; not changed.
        invalid_boxes: the config's; see ``annotation_boxes.choose_boxes``.

    Returns:
        COCO annotations with the keys that scoring reads: ``images`` (``id, file_name, height, width``),
        ``categories`` (``id, name``), ``annotations`` (``id, image_id, category_id, bbox, area, iscrowd``),
        each in the file's order. Annotation ids are numbered from 1, since pycocotools 2.0.11
        (``COCOeval.evaluateImg``) reads id 0 as no match; nothing else uses them. Missing or zero ``area`` is
        width x height (px^2), missing ``iscrowd`` 0. And notes for people, on what was filled in or is odd.

    Raises:
        UserError: a fault by which numbers would be wrong, with the number of entries and the first.
    """
    where = f"datasets.{dataset}.annotations {path}"
    check_entries(where, content)
    check_areas(where, content)
    annotations = content["annotations"]
    size_of = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    sizes = np.array([size_of[a["image_id"]] for a in annotations], dtype=float).reshape(-1, 2)
    boxes = read_boxes(annotations)
    check_reading(where, content, boxes, sizes)
    key = f"datasets.{dataset}.invalid_boxes"
    kept, notes = choose_boxes(where, content, boxes, sizes, invalid_boxes, key)
    categories = without_empty_twins(content)
    positions = np.flatnonzero(kept).tolist()
    cleaned = [
        _complete(number, annotations[position], boxes[position].tolist())
        for number, position in enumerate(positions, start=1)
    ]
    return {
        "images": [
            {"id": i["id"], "file_name": i["file_name"], "height": int(i["height"]), "width": int(i["width"])}
            for i in content["images"]
        ],
        "annotations": cleaned,
        "categories": [{"id": c["id"], "name": c["name"]} for c in categories],
    }, _category_notes(content, categories) + notes + _field_notes(content, positions, cleaned)


def _complete(number: int, annotation: dict[str, Any], box: list[float]) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": annotation["image_id"],
        "category_id": annotation["category_id"],
        "bbox": box,
        "area": annotation.get("area") or max(box[2], 0.0) * max(box[3], 0.0),
        "iscrowd": int(annotation.get("iscrowd") or 0),
    }


def _category_notes(content: dict[str, Any], kept: list[dict[str, Any]]) -> list[str]:
    ids = {category["id"] for category in kept}
    notes = [
        f"category {c['id']} ({c['name']!r}) has no boxes, and another category its name: left out"
        for c in content["categories"]
        if c["id"] not in ids
    ]
    alike = defaultdict(list)
    for category in kept:
        alike[category["name"].strip().casefold()].append(category["name"])
    return notes + [
        f"categories {', '.join(map(repr, names))} differ only in case or blanks: scored as {len(names)}"
        for names in alike.values()
        if len(names) > 1
    ]


def _field_notes(content: dict[str, Any], kept: list[int], cleaned: list[dict[str, Any]]) -> list[str]:
    if not kept:
        return ["no annotation is left to find, so that AP is empty"]
    written = [content["annotations"][position] for position in kept]
    notes = []
    for what, fate, found in (
        ("area missing, null or 0", "width x height is used", [not a.get("area") for a in written]),
        ("area that does not fit the bbox", "AP by size goes by it", list(map(_is_area_odd, cleaned))),
        ("iscrowd missing or null", "0 is used", [a.get("iscrowd") is None for a in written]),
        ("ignore set", "scored all the same, as pycocotools does", [bool(a.get("ignore")) for a in written]),
    ):
        if any(found):
            first = name_entry(content, "annotations", kept[found.index(True)])
            notes.append(f"{what}: {sum(found)} of {len(kept)} annotations, first {first}: {fate}")
    if all(annotation["iscrowd"] for annotation in cleaned):
        notes.append("every annotation is a crowd, so that AP is empty")
    return notes


def _is_area_odd(annotation: dict[str, Any]) -> bool:
    """Much larger than its box, or a fraction of the image's; a mask may well be much smaller."""
    area, (_, _, width, height) = annotation["area"], annotation["bbox"]
    return area > 1.5 * width * height + 10 or area <= 1 < width * height / 100
