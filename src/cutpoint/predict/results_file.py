"""Check an external results file and make it a variant's detections."""

import json
import sys

from cutpoint.data.inspection import inspect
from cutpoint.errors import Gathered, UserError
from cutpoint.files import write_text
from cutpoint.predict.results_entries import KEYS, read_entries
from cutpoint.predict.results_ids import find_categories, find_images
from cutpoint.records.annotations import read_given
from cutpoint.records.detections import make_results
from cutpoint.records.labels import read_labels
from cutpoint.records.manifest import read_manifest


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
    entries, notes = read_entries(read_given(results, where), where)
    gathered = Gathered()
    images = None
    with gathered.one():
        images = find_images(entries, data, image_ids, where)
    with gathered.one():
        plain = images is None or images.plain
        model = read_labels(labels)
        categories = find_categories(entries, data, model, category_ids, plain=plain, where=where)
    gathered.stop()
    kept = []
    for entry in entries:
        image, category = images.ids[entry["image_id"]], categories[entry["category_id"]]
        if image in listed and category is not None:
            values = (image, category, entry["bbox"], entry["score"])
            kept.append(dict(zip(KEYS, values, strict=True)))
    if entries and not kept:
        beyond = sum(images.ids[entry["image_id"]] not in listed for entry in entries)
        raise UserError(
            f"{where}: none of its {len(entries)} detections counts: {beyond} are on images that "
            f"datasets.{data.dataset} leaves out (its limit, or images that are skipped), "
            f"{len(entries) - beyond} of categories that no class of the model is mapped to; raise the "
            "limit, or mend the images or the data set's classes"
        )
    for doubt in (*notes, *inspect(make_results(kept), listed).doubts):
        print(f"cutpoint: {where}: {doubt}", file=sys.stderr)
    write_text(out, "[" + ",\n".join(map(json.dumps, kept)) + "]\n")
