"""Large data sets: COCO photographs with their annotations, over and over, under ids of their own."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections
from cutpoint.records.image import Geometry
from cutpoint.records.predictions import PredictionWriter, read_metadata, read_predictions

# of the slices file: each name with so many values
SLICES = {"camera": 10, "weather": 6, "time": 4}


def repeat_photographs(images: Path, annotations: Path, count: int, folder: Path) -> None:
    """Write ``images/``, ``instances.json`` and ``slices.csv`` into the folder, if they are not there.

    Args:
        images, annotations: the photographs and their COCO JSON.
        count: how many images; image n (from 1) is photograph (n - 1) modulo their number.
        folder: all files of a photograph are hard links to one copy, so the disk holds each once.
    """
    if (folder / "slices.csv").exists():
        return
    content = json.loads(annotations.read_text(encoding="utf-8"))
    photographs = sorted(content["images"], key=lambda image: image["id"])
    boxes: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in photographs}
    for box in content["annotations"]:
        boxes[box["image_id"]].append(box)
    copies = folder / "photographs"
    for part in (copies, folder / "images"):
        part.mkdir(parents=True, exist_ok=True)
    for image in photographs:
        shutil.copyfile(images / image["file_name"], copies / image["file_name"])
    listed, annotated = [], []
    for identity in range(1, count + 1):
        image = photographs[(identity - 1) % len(photographs)]
        name = f"{identity:012d}.jpg"
        (folder / "images" / name).unlink(missing_ok=True)
        os.link(copies / image["file_name"], folder / "images" / name)
        listed.append(image | {"id": identity, "file_name": name})
        for box in boxes[image["id"]]:
            annotated.append(box | {"id": len(annotated) + 1, "image_id": identity})
    repeated = content | {"images": listed, "annotations": annotated}
    (folder / "instances.json").write_text(json.dumps(repeated), encoding="utf-8")
    (folder / "slices.csv").write_text(_slices(count), encoding="utf-8")


def _slices(count: int) -> str:
    random = np.random.default_rng(0)
    lines = ["image,name,value"]
    for name, values in SLICES.items():
        drawn = random.integers(0, values, count).tolist()
        lines += [f"{identity:012d}.jpg,{name},{value}" for identity, value in enumerate(drawn, start=1)]
    return "\n".join([*lines, ""])


def write_yolo(annotations: Path, folder: Path) -> None:
    """The same annotations as YOLO has them: a text file for each image, and the list of the classes."""
    if (folder / "data.yaml").exists():
        return
    content = json.loads(annotations.read_text(encoding="utf-8"))
    classes = {c["id"]: index for index, c in enumerate(sorted(content["categories"], key=lambda c: c["id"]))}
    images = {image["id"]: image for image in content["images"]}
    lines: dict[int, list[str]] = {identity: [] for identity in images}
    for box in content["annotations"]:
        image = images[box["image_id"]]
        x, y, width, height = box["bbox"]
        size = image["width"], image["height"]
        centre = (x + width / 2) / size[0], (y + height / 2) / size[1]
        values = (*centre, width / size[0], height / size[1])
        lines[image["id"]].append(" ".join([str(classes[box["category_id"]]), *(f"{v:.6f}" for v in values)]))
    labels = folder / "labels"
    labels.mkdir(parents=True, exist_ok=True)
    for identity, found in lines.items():
        name = Path(images[identity]["file_name"]).stem
        (labels / f"{name}.txt").write_text("".join(f"{line}\n" for line in found), encoding="utf-8")
    names = json.dumps([c["name"] for c in sorted(content["categories"], key=lambda c: c["id"])])
    (folder / "data.yaml").write_text(f"names: {names}\n", encoding="utf-8")


def replay(source: Path, photographs: int, count: int, target: Path) -> None:
    """A simulated detector: what a run found on the photographs, again on each image that repeats them.

    Args:
        source: folder of a run's predictions on at least the photographs, in one shard.
        photographs: how many there are.
        count: the images of the data set.
        target: folder of the new predictions.
    """
    names = "0.parquet", "0.images.parquet"
    files, out = [source / name for name in names], [target / name for name in names]
    if all(path.exists() for path in out):
        return
    found: dict[int, tuple[Geometry, Candidates | Detections]] = {}
    for identity, geometry, rows in read_predictions([str(files[0])], [str(files[1])]):
        found[identity] = geometry, rows
        if len(found) == photographs:
            break
    candidates = isinstance(found[1][1], Candidates)
    target.mkdir(parents=True, exist_ok=True)
    metadata = read_metadata(files[0])
    with PredictionWriter(str(out[0]), str(out[1]), candidates=candidates, metadata=metadata) as writer:
        for identity in range(1, count + 1):
            writer.add(identity, *found[(identity - 1) % photographs + 1])
