"""Our readers of YOLO and Pascal VOC beside supervision's, which share no code with them."""

import json
from pathlib import Path

import numpy as np
import pytest
import supervision as sv
from format_writers import write_voc, write_yolo
from test_format_scores import images, made_up

from cutpoint.formats.convert import convert_annotations

__all__ = ["images"]  # the fixture


def our_boxes(folder: Path, kind: str, given: Path, pictures: Path) -> list[tuple[str, str, np.ndarray]]:
    """File name, class and corners of each box."""
    out = folder / "out.json"
    convert_annotations(
        dataset="street",
        annotation_format=kind,
        annotations=str(given),
        images=str(pictures),
        out=str(out),
        record=str(folder / "record.json"),
    )
    content = json.loads(out.read_text())
    files = {image["id"]: image["file_name"] for image in content["images"]}
    names = {category["id"]: category["name"] for category in content["categories"]}
    return [
        (files[box["image_id"]], names[box["category_id"]], np.add(box["bbox"], [0, 0, *box["bbox"][:2]]))
        for box in content["annotations"]
    ]


def their_boxes(data: sv.DetectionDataset) -> list[tuple[str, str, np.ndarray]]:
    return [
        (Path(path).name, data.classes[label], corners)
        for path in sorted(data.annotations)
        for corners, label in zip(data.annotations[path].xyxy, data.annotations[path].class_id, strict=True)
    ]


@pytest.mark.parametrize("kind", ["yolo", "voc"])
def test_supervision_reads_the_same_boxes(kind, images, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    if kind == "yolo":
        write_yolo(theirs, made_up())
        loaded = sv.DetectionDataset.from_yolo(str(images), str(theirs), str(theirs / "data.yaml"))
    else:
        write_voc(theirs, made_up())
        for path in theirs.iterdir():
            # supervision takes every file as one of the VOC sets, which number pixels from 1
            source = "<annotation><source><database>The VOC2007 Database</database></source>"
            path.write_text(path.read_text().replace("<annotation>", source))
        loaded = sv.DetectionDataset.from_pascal_voc(str(images), str(theirs))
    ours, expected = our_boxes(tmp_path, kind, theirs, images), their_boxes(loaded)
    assert len(ours) == len(made_up().boxes)
    assert [box[:2] for box in ours] == [box[:2] for box in expected]
    # supervision keeps float32, and rounds YOLO's boxes to it
    np.testing.assert_allclose(
        np.array([box[2] for box in ours]), np.array([box[2] for box in expected]), atol=1e-3
    )
