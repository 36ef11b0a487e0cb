"""What a model is scored on: the category of each label, and the ground truth of these categories."""

import numpy as np

from cutpoint.data.annotations import load_annotations
from cutpoint.data.labels import label_map, scored_categories
from cutpoint.errors import UserError
from cutpoint.records.classes import read_classes
from cutpoint.records.labels import Labels, read_labels, write_labels
from cutpoint.records.manifest import Manifest, read_manifest
from cutpoint.records.truth import GroundTruth, write_truth


def map_labels(
    *, manifest: str, spec: str, classes: dict[str, str] | None, order: str | None, out: str
) -> None:
    """Write the category id of each model class; see ``labels.label_map``.

    Args:
        manifest: manifest JSON.
        spec: ``spec.json``, or ``classes.json`` of a model without mmdet.
        classes: the data set's ``classes``.
        order: the data set's ``label_order``.
        out: labels JSON to write, see ``records.labels.Labels``.

    Raises:
        UserError: names or orders that do not fit together.
    """
    write_labels(out, _map_labels(read_manifest(manifest), spec, classes, order))


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
        labels: labels JSON.
        invalid_boxes, categories_without_class: the data set's.
        out: truth JSON to write, see ``records.truth.GroundTruth``: the manifest's images, the scored
            categories and their boxes.

    Raises:
        UserError: the annotations cannot be scored correctly.
    """
    truth = _build_truth(
        read_manifest(manifest), read_labels(labels), invalid_boxes, categories_without_class
    )
    for note in truth.notes:
        print(f"{truth.source}: {note}")
    write_truth(out, truth)


def _map_labels(manifest: Manifest, spec: str, classes: dict[str, str] | None, order: str | None) -> Labels:
    model = read_classes(spec)
    trained = None if model.trained_order is None else list(model.trained_order)
    labels = label_map(
        list(model.classes), classes, manifest, order=order, trained_order=trained, fixed=model.fixed
    )
    return Labels(model.classes, tuple(labels))


def _build_truth(
    manifest: Manifest, labels: Labels, invalid_boxes: str | None, categories_without_class: str | None
) -> GroundTruth:
    dataset, source = manifest.dataset, manifest.annotations
    if source is None:
        raise ValueError(f"data set {dataset} has no annotations")
    clean = load_annotations(dataset, source, invalid_boxes, manifest.folder)
    clean = clean.take(np.isin(clean.image_id, np.array(manifest.ids, dtype=np.int64)))
    scored, left_out = scored_categories(
        clean,
        labels.labels,
        categories_without_class,
        f"datasets.{dataset}.categories_without_class",
        labels.classes,
    )
    ids = np.array([category.id for category in scored], dtype=np.int64)
    boxes = clean.take(np.isin(clean.category_id, ids))
    if len(clean) and not len(boxes):
        raise UserError(
            f"datasets.{dataset}: {source} has {len(clean)} boxes on the {len(manifest.ids)} images that are "
            f"scored, and none is of a category that a class of the model is mapped to; mend datasets."
            f"{dataset}.classes, or set annotations to null"
        )
    listed = set(manifest.ids)
    return GroundTruth(
        images=tuple(image for image in clean.images if image.id in listed),
        categories=scored,
        id=np.arange(1, len(boxes) + 1),
        image_id=boxes.image_id,
        category_id=boxes.category_id,
        bbox=boxes.bbox,
        area=boxes.area,
        iscrowd=boxes.iscrowd,
        dataset=dataset,
        source=source,
        notes=clean.notes,
        left_out=left_out,
    )
