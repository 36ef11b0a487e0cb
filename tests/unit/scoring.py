"""What scoring needs besides detections, as the workflow makes it."""

from pathlib import Path
from typing import Any

from cutpoint.data.truth import build_truth, map_labels
from cutpoint.files import read_json
from cutpoint.records.truth import GroundTruth, make_truth

INFO = {"dataset": "d", "source": "instances.json", "notes": []}


def complete_truth(annotations: dict[str, Any]) -> dict[str, Any]:
    """COCO annotations with what a file of ground truth has besides."""
    info = INFO | {"left_out": {"categories": 0, "boxes": 0, "names": []}}
    images = [
        {"file_name": f"{entry['id']}.jpg", "height": 480, "width": 640} | entry
        for entry in annotations["images"]
    ]
    return annotations | {"images": images, "info": info}


def truth_of(annotations: dict[str, Any]) -> GroundTruth:
    """COCO annotations, of which only what matters is given, as ground truth."""
    return make_truth(complete_truth(annotations))


def make_scoring(manifest: str, spec: str) -> tuple[str, str | None]:
    """Labels and ground truth (null without annotations) of a manifest and a specification, beside it."""
    folder = Path(manifest).parent
    labels, truth = str(folder / "labels.json"), str(folder / "truth.json")
    map_labels(manifest=manifest, spec=spec, classes=None, order=None, out=labels)
    if read_json(manifest)["annotations"] is None:
        return labels, None
    choices = {"invalid_boxes": None, "categories_without_class": None}
    build_truth(manifest=manifest, labels=labels, **choices, out=truth)
    return labels, truth
