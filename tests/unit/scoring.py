"""What scoring needs besides detections, as the workflow makes it."""

from pathlib import Path

from cutpoint.data.truth import build_truth, map_labels
from cutpoint.files import read_json


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
