"""Check an external COCO results file and make it a variant's detections."""

import json
import sys
from typing import Any

from cutpoint.data.annotation_boxes import is_finite
from cutpoint.data.inspection import inspect
from cutpoint.errors import UserError
from cutpoint.files import write_text
from cutpoint.records.annotations import read_given
from cutpoint.records.detections import make_results
from cutpoint.records.manifest import read_manifest

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

    Entries that look like a mistake (``inspection.Inspection.doubts``) are printed, and scored as they are.

    Raises:
        UserError: names the first entry that is not a detection of this data set.
    """
    where = f"variants.{variant}.results {results}"
    data = read_manifest(manifest)
    listed = set(data.ids)
    images = listed.union(data.left_out)
    categories = {category.id for category in data.categories} or set(range(1, len(classes) + 1))
    entries = read_given(results, where)
    if not isinstance(entries, list):
        raise UserError(f"{where}: not a list; the COCO results format is a JSON list of detections")
    kept = []
    for number, entry in enumerate(entries):
        problem = _problem(entry, images, categories, data.dataset)
        if problem:
            hint = _shift_hint(entries, {"image_id": images, "category_id": categories})
            raise UserError(f"{where}: entry {number} (counted from 0) {problem}{hint}")
        if entry["image_id"] in listed:
            kept.append({key: entry[key] for key in KEYS})
    for doubt in inspect(make_results(kept), listed).doubts:
        print(f"cutpoint: {where}: {doubt}", file=sys.stderr)
    write_text(out, "[" + ",\n".join(map(json.dumps, kept)) + "]\n")


def _problem(entry: Any, images: set[int], categories: set[int], dataset: str) -> str | None:
    if not isinstance(entry, dict) or any(key not in entry for key in KEYS):
        return f"needs the keys {', '.join(KEYS)}"
    if type(entry["image_id"]) is not int or entry["image_id"] not in images:
        return f"has image_id {entry['image_id']!r}, which data set {dataset} does not have"
    if type(entry["category_id"]) is not int or entry["category_id"] not in categories:
        return f"has category_id {entry['category_id']!r}, which data set {dataset} does not have"
    box = entry["bbox"]
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_finite, box)):
        return f"has bbox {box!r}; four finite numbers x, y, width, height are needed"
    if not is_finite(entry["score"]):
        return f"has score {entry['score']!r}; a finite number is needed"
    return None


def _shift_hint(entries: list[Any], known: dict[str, set[int]]) -> str:
    """A hint if all ids would be known with each one more or one less; empty otherwise."""
    for key, ids in known.items():
        try:
            used = {entry[key] for entry in entries}
            steps = [step for step in (1, -1) if not used <= ids and {i + step for i in used} <= ids]
        except (TypeError, KeyError):  # the hint is not about this fault
            continue
        if steps:
            return f"; every {key} of the file is known with {steps[0]:+d}: number them as the data set does"
    return ""
