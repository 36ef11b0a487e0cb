"""Check an external results file and make it a variant's detections."""

import json
import sys
from typing import Any

from cutpoint.data.annotation_model import is_finite
from cutpoint.data.inspection import inspect
from cutpoint.errors import UserError
from cutpoint.files import write_text
from cutpoint.predict.results_ids import find_categories, find_images
from cutpoint.records.annotations import read_given
from cutpoint.records.detections import make_results
from cutpoint.records.labels import read_labels
from cutpoint.records.manifest import read_manifest

KEYS = ("image_id", "category_id", "bbox", "score")


def import_results(
    *,
    variant: str,
    results: str,
    manifest: str,
    labels: str,
    out: str,
    category_ids: str | None = None,
    image_ids: str | None = None,
) -> None:
    """Check a results file against its data set and copy what belongs to the data set's images.

    Args:
        variant: its name in the config, for messages.
        results: JSON list of ``image_id, category_id, bbox`` (``[x, y, w, h]``, original-image pixels) and
            ``score``: COCO results, or Ultralytics' ``predictions.json``.
        manifest: manifest JSON. Detections on images that are left out or skipped are dropped.
        labels: JSON with the category of each class of the model. Detections of classes that are dropped on
            the data set are dropped.
        out: JSON file to write, in COCO results format with the ids of the data set.
        category_ids: the config's; see ``results_ids.find_categories``.
        image_ids: the config's; see ``results_ids.find_images``.

    Entries that look like a mistake (``inspection.Inspection.doubts``) are printed, and scored as they are.

    Raises:
        UserError: names the first entry that is not a detection of this data set; or there are entries, and
            none counts.
    """
    where = f"variants.{variant}.results {results}"
    data = read_manifest(manifest)
    listed = set(data.ids)
    entries = read_given(results, where)
    if not isinstance(entries, list):
        raise UserError(f"{where}: not a list; the COCO results format is a JSON list of detections")
    for number, entry in enumerate(entries):
        problem = _problem(entry)
        if problem:
            raise UserError(f"{where}: entry {number} (counted from 0) {problem}")
    images = find_images(entries, data, image_ids, where)
    categories = find_categories(
        entries, data, read_labels(labels), category_ids, plain=images.plain, where=where
    )
    kept = []
    for entry in entries:
        image, category = images.ids[entry["image_id"]], categories[entry["category_id"]]
        if image in listed and category is not None:
            values = (image, category, entry["bbox"], entry["score"])
            kept.append(dict(zip(KEYS, values, strict=True)))
    if entries and not kept:
        beyond = sum(images.ids[entry["image_id"]] not in listed for entry in entries)
        raise UserError(
            f"{where}: none of its {len(entries)} detections counts: {beyond} are on images that the limit "
            f"of datasets.{data.dataset} leaves out, {len(entries) - beyond} of categories that no class of "
            "the model is mapped to; raise the limit, or mend the data set's classes"
        )
    for doubt in inspect(make_results(kept), listed).doubts:
        print(f"cutpoint: {where}: {doubt}", file=sys.stderr)
    write_text(out, "[" + ",\n".join(map(json.dumps, kept)) + "]\n")


def _problem(entry: Any) -> str | None:
    if not isinstance(entry, dict) or any(key not in entry for key in KEYS):
        return f"needs the keys {', '.join(KEYS)}"
    if type(entry["image_id"]) not in (int, str):
        return f"has image_id {entry['image_id']!r}; a whole number, or the stem of a file name, is needed"
    if type(entry["category_id"]) is not int:
        return f"has category_id {entry['category_id']!r}; a whole number is needed"
    box = entry["bbox"]
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_finite, box)):
        return f"has bbox {box!r}; four finite numbers x, y, width, height are needed"
    if not is_finite(entry["score"]):
        return f"has score {entry['score']!r}; a finite number is needed"
    return None
