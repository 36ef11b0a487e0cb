"""Check an external results file and make it a variant's detections."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from cutpoint.data.annotation_boxes import read_boxes
from cutpoint.data.inspection import inspect
from cutpoint.errors import Gathered, UserError
from cutpoint.predict.results_entries import KEYS, Entries, read_entries
from cutpoint.predict.results_ids import ImageId, find_categories, find_images
from cutpoint.records.annotations import read_given
from cutpoint.records.detections import Results, as_lines, write_lines
from cutpoint.records.labels import read_labels
from cutpoint.records.manifest import read_manifest

USED = {*KEYS, "file_name"}


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
    entries, notes = read_entries(read_given(results, where, _without_more), where)
    gathered = Gathered()
    images = None
    with gathered.one():
        images = find_images(entries, data, image_ids, where)
    with gathered.one():
        plain = images is None or images.plain
        model = read_labels(labels)
        categories = find_categories(entries, data, model, category_ids, plain=plain, where=where)
    gathered.stop()
    found, counted = _translate(entries, images.ids, categories)
    del entries  # the columns take a fifth of it
    inside = np.isin(found.image_id, list(listed))
    kept = found.take(inside & counted)
    if len(found) and not len(kept):
        raise UserError(
            f"{where}: none of its {len(found)} detections counts: {np.count_nonzero(~inside)} are on images "
            f"that datasets.{data.dataset} leaves out (its limit, or images that are skipped), "
            f"{np.count_nonzero(inside)} of categories that no class of the model is mapped to; raise the "
            "limit, or mend the images or the data set's classes"
        )
    for doubt in (*notes, *inspect(kept, listed).doubts):
        print(f"cutpoint: {where}: {doubt}", file=sys.stderr)
    write_lines(out, as_lines(kept))


def _translate(
    entries: Entries, images: Mapping[ImageId, int], categories: Mapping[int, int | None]
) -> tuple[Results, np.ndarray]:
    """The entries with the data set's ids, and ``(N,)`` bool: whether a category counts."""
    chosen = [categories[entry["category_id"]] for entry in entries]
    results = Results(
        np.array([images[entry["image_id"]] for entry in entries], dtype=np.int64),
        np.array([category or 0 for category in chosen], dtype=np.int64),
        read_boxes(entries),
        np.array([entry["score"] for entry in entries], dtype=np.float64),
    )
    return results, np.array([category is not None for category in chosen], dtype=bool)


def _without_more(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry without what is not used: masks take ten times the memory of the boxes."""
    if all(key in USED for key in entry):
        return entry
    return {key: value for key, value in entry.items() if key in USED}
