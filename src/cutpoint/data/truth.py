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
    model = read_json(spec)
    labels = label_map(
        model["classes"],
        classes,
        read_json(manifest),
        order=order,
        trained_order=model.get("trained_order"),
    )
    write_json(out, {"classes": model["classes"], "labels": labels})


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
    content = read_json(manifest)
    dataset, source = content["dataset"], content["annotations"]
    listed = {entry["id"] for entry in content["images"]}
    clean, notes = clean_annotations(dataset, source, read_annotations(dataset, source), invalid_boxes)
    clean["images"] = [entry for entry in clean["images"] if entry["id"] in listed]
    clean["annotations"] = [a for a in clean["annotations"] if a["image_id"] in listed]
    mapped = read_json(labels)
    kept, left_out = scored_categories(
        clean,
        mapped["labels"],
        categories_without_class,
        f"datasets.{dataset}.categories_without_class",
        mapped["classes"],
    )
    for note in notes:
        print(f"datasets.{dataset}.annotations {source}: {note}")
    write_json(out, {**_restrict(clean, set(kept)), "info": _info(dataset, source, notes, left_out)})


def _restrict(content: dict[str, Any], kept: set[int]) -> dict[str, Any]:
    annotations = [a for a in content["annotations"] if a["category_id"] in kept]
    return {
        "images": content["images"],
        "annotations": [
            {**annotation, "id": number} for number, annotation in enumerate(annotations, start=1)
        ],
        "categories": [category for category in content["categories"] if category["id"] in kept],
    }


def _info(dataset: str, source: str, notes: list[str], left_out: dict[str, Any]) -> dict[str, Any]:
    return {"dataset": dataset, "source": source, "notes": notes, "left_out": left_out}
