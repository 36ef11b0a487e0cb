"""What a model is scored on: the category of each of its labels, and the ground truth of these categories."""

from typing import Any

from cutpoint.data.annotations import clean_annotations, read_annotations
from cutpoint.data.labels import label_map, scored_categories
from cutpoint.files import read_json, write_json


def map_labels(
    *, manifest: str, spec: str, classes: dict[str, str] | None, order: str | None, out: str
) -> None:
    """Write the category id of each model class; see ``labels.label_map``.

    Args:
        manifest: manifest JSON.
        spec: ``spec.json``.
        classes: the data set's ``classes``.
        order: the data set's ``label_order``.
        out: JSON file to write: ``classes``, the model's; ``labels``, of each its category id, null where it
            is dropped.

    Raises:
        UserError: names or orders that do not fit together.
    """
    write_json(out, _map_labels(read_json(manifest), spec, classes, order))


def read_labels(path: str) -> list[int | None]:
    """Category id of each model class, null where it is dropped."""
    return read_json(path)["labels"]


def build_truth(
    *,
    manifest: str,
    labels: str,
    invalid_boxes: str | None,
    categories_without_class: str | None,
    out: str,
) -> None:
    """Write the ground truth that a model's detections are scored on.

    Args:
        manifest: manifest JSON of a data set with annotations.
        labels: JSON of ``map_labels``.
        invalid_boxes, categories_without_class: the data set's.
        out: COCO JSON to write: the manifest's images, the scored categories and their annotations, numbered
            from 1, with ``area`` and ``iscrowd``; and ``info``: ``dataset``, ``source`` (the annotations'
            path), ``notes`` (what was filled in or dropped, for people), ``left_out`` (see
            ``labels.scored_categories``).

    Raises:
        UserError: annotations that cannot be scored rightly.
    """
    content = _build_truth(read_json(manifest), read_json(labels), invalid_boxes, categories_without_class)
    for note in content["info"]["notes"]:
        print(f"{content['info']['source']}: {note}")
    write_json(out, content)


def check_scoring(
    *,
    manifest: str,
    spec: str,
    classes: dict[str, str] | None,
    order: str | None,
    invalid_boxes: str | None,
    categories_without_class: str | None,
) -> None:
    """Refuse data that could not be scored, before a network runs on it; arguments as above.

    Raises:
        UserError: as ``map_labels`` and ``build_truth`` do.
    """
    content = read_json(manifest)
    mapped = _map_labels(content, spec, classes, order)
    if content["annotations"]:
        _build_truth(content, mapped, invalid_boxes, categories_without_class)


def _map_labels(
    manifest: dict[str, Any], spec: str, classes: dict[str, str] | None, order: str | None
) -> dict[str, Any]:
    model = read_json(spec)
    names, trained = model["classes"], model.get("trained_order")
    labels = label_map(names, classes, manifest, order=order, trained_order=trained)
    return {"classes": names, "labels": labels}


def _build_truth(
    manifest: dict[str, Any],
    mapped: dict[str, Any],
    invalid_boxes: str | None,
    categories_without_class: str | None,
) -> dict[str, Any]:
    dataset, source = manifest["dataset"], manifest["annotations"]
    listed = {entry["id"] for entry in manifest["images"]}
    clean, notes = clean_annotations(dataset, source, read_annotations(dataset, source), invalid_boxes)
    clean["images"] = [entry for entry in clean["images"] if entry["id"] in listed]
    clean["annotations"] = [a for a in clean["annotations"] if a["image_id"] in listed]
    kept, left_out = scored_categories(
        clean,
        mapped["labels"],
        categories_without_class,
        f"datasets.{dataset}.categories_without_class",
        mapped["classes"],
    )
    info = {"dataset": dataset, "source": source, "notes": notes, "left_out": left_out}
    return {**_restrict(clean, set(kept)), "info": info}


def _restrict(content: dict[str, Any], kept: set[int]) -> dict[str, Any]:
    annotations = [a for a in content["annotations"] if a["category_id"] in kept]
    return {
        "images": content["images"],
        "annotations": [
            {**annotation, "id": number} for number, annotation in enumerate(annotations, start=1)
        ],
        "categories": [category for category in content["categories"] if category["id"] in kept],
    }
