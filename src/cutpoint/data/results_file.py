"""Detections made elsewhere become a variant: a COCO results file, checked."""

import json
import math
from typing import Any

from cutpoint.errors import UserError
from cutpoint.files import read_json, write_text

KEYS = ("image_id", "category_id", "bbox", "score")


def import_results(*, variant: str, results: str, manifest: str, classes: list[str], out: str) -> None:
    """Check a results file against its data set and copy what belongs to the data set's images.

    Args:
        variant: its name in the config, for messages.
        results: JSON list of ``image_id, category_id, bbox`` (``[x, y, w, h]``, original-image pixels) and
            ``score``.
        manifest: manifest JSON. Detections on images that its ``limit`` leaves out are dropped.
        classes: the model's class names; without annotations category id = label + 1.
        out: JSON file to write, same format.

    Raises:
        UserError: the first entry that is not a detection of this data set.
    """
    where = f"variants.{variant}.results {results}"
    content = read_json(manifest)
    listed = {entry["id"] for entry in content["images"]}
    images = listed.union(content["left_out"])
    categories = {category["id"] for category in content["categories"]} or set(range(1, len(classes) + 1))
    try:
        entries = read_json(results)
    except ValueError as error:
        raise UserError(f"{where}: not JSON ({error})") from error
    if not isinstance(entries, list):
        raise UserError(f"{where}: not a list; the COCO results format is a JSON list of detections")
    lines = []
    for number, entry in enumerate(entries):
        problem = _problem(entry, images, categories, content["dataset"])
        if problem:
            raise UserError(f"{where}: entry {number} (counted from 0) {problem}")
        if entry["image_id"] in listed:
            lines.append(json.dumps({key: entry[key] for key in KEYS}))
    write_text(out, "[" + ",\n".join(lines) + "]\n")


def _problem(entry: Any, images: set[int], categories: set[int], dataset: str) -> str | None:
    if not isinstance(entry, dict) or any(key not in entry for key in KEYS):
        return f"needs the keys {', '.join(KEYS)}"
    if not isinstance(entry["image_id"], int) or entry["image_id"] not in images:
        return f"has image_id {entry['image_id']!r}, which data set {dataset} does not have"
    if not isinstance(entry["category_id"], int) or entry["category_id"] not in categories:
        return f"has category_id {entry['category_id']!r}, which data set {dataset} does not have"
    box = entry["bbox"]
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_finite, box)):
        return f"has bbox {box!r}; four finite numbers x, y, width, height are needed"
    if not _is_finite(entry["score"]):
        return f"has score {entry['score']!r}; a finite number is needed"
    return None


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
