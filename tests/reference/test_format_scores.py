"""The same detections scored before and after a conversion: the difference is explained to the last box."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from format_writers import FORMATS, Box, DataSet, corners
from PIL import Image

from cutpoint.data.annotations import clean_annotations
from cutpoint.evaluate.coco import score
from cutpoint.formats.convert import convert_annotations
from cutpoint.records.conversion import read_conversion
from cutpoint.records.detections import Results
from cutpoint.records.manifest import Category
from cutpoint.records.metrics import Metrics
from cutpoint.records.truth import GroundTruth, LeftOut, TruthImage

ROOT = Path(__file__).resolve().parents[2]
# image, category, box, score
Detection = tuple[str, str, tuple[float, ...], float]
SIZES = ((640, 480), (500, 375), (333, 500), (427, 640))
CATEGORIES = ("person", "car", "bus", "dog")  # nothing is a dog


@cache
def made_up() -> DataSet:
    """Objects of all sizes, to hundredths of a pixel as COCO has them; each tenth is a crowd."""
    rng = np.random.default_rng(16)
    images = {f"{number:03}.png": SIZES[number % 4] for number in range(24)}
    boxes = []
    for image, (width, height) in list(images.items())[:-1]:
        for _ in range(9):
            w, h = np.exp(rng.uniform(np.log(12), np.log(250), 2)).round(2)
            x, y = (rng.uniform(0, (width, height)) - (w / 2, h / 2)).clip(0).round(2)
            bbox = (x, y, min(w, round(width - x, 2)), min(h, round(height - y, 2)))
            area = round(bbox[2] * bbox[3] * rng.uniform(0.4, 0.8), 2)
            category = CATEGORIES[rng.integers(3)]
            boxes.append(Box(image, category, tuple(map(float, bbox)), area, bool(rng.random() < 0.1)))
    return DataSet(images, CATEGORIES, tuple(boxes))


def coco_dev(real: Path) -> DataSet:
    """108 photographs of COCO; names without blanks, which KITTI cannot have."""
    content = json.loads((real / "coco-dev/instances.json").read_text())
    names = {entry["id"]: entry["name"].replace(" ", "_") for entry in content["categories"]}
    files = {image["id"]: image["file_name"] for image in content["images"]}
    sizes = {image["file_name"]: (image["width"], image["height"]) for image in content["images"]}
    boxes = [
        Box(files[a["image_id"]], names[a["category_id"]], tuple(a["bbox"]), a["area"], bool(a["iscrowd"]))
        for a in content["annotations"]
    ]
    return DataSet(dict(sorted(sizes.items())), tuple(names.values()), tuple(boxes))


def detections_on(data: DataSet) -> list[Detection]:
    """Most objects found, not exactly; some twice, some as another class; parts of crowds; mistakes."""
    rng = np.random.default_rng(0)
    found: list[Detection] = []
    for box in data.boxes:
        x, y, w, h = box.bbox
        for _ in range(rng.integers(0, 3) + (4 if box.is_crowd else 0)):
            shift = rng.normal(0, 0.08, 4) * (w, h, w, h)
            part = rng.uniform(0.2, 0.5, 2) if box.is_crowd else (1, 1)
            moved = (
                x + shift[0],
                y + shift[1],
                part[0] * max(w + shift[2], 1),
                part[1] * max(h + shift[3], 1),
            )
            category = box.category if rng.random() < 0.9 else data.categories[rng.integers(3)]
            found.append((box.image, category, tuple(map(float, moved)), float(rng.random())))
    for image, (width, height) in data.images.items():
        for _ in range(3):
            x, y = rng.uniform(0, 0.7, 2) * (width, height)
            box = (float(x), float(y), 0.2 * width, 0.3 * height)
            found.append((image, data.categories[rng.integers(3)], box, float(rng.random() / 2)))
    return found


def score_on(data: DataSet, found: list[Detection]) -> Metrics:
    images = {name: number for number, name in enumerate(sorted(data.images), start=1)}
    categories = {name: number for number, name in enumerate(data.categories, start=1)}
    boxes = sorted(data.boxes, key=lambda box: box.image)
    truth = GroundTruth(
        images=tuple(TruthImage(n, name, *data.images[name][::-1]) for name, n in images.items()),
        categories=tuple(Category(number, name) for name, number in categories.items()),
        id=np.arange(1, len(boxes) + 1),
        image_id=np.array([images[box.image] for box in boxes]),
        category_id=np.array([categories[box.category] for box in boxes]),
        bbox=np.array([box.bbox for box in boxes], dtype=float),
        area=np.array([box.area for box in boxes], dtype=float),
        iscrowd=np.array([box.is_crowd for box in boxes]),
        dataset="street",
        source="",
        notes=(),
        left_out=LeftOut(0, 0, ()),
    )
    kept = [detection for detection in found if detection[1] in categories]
    results = Results(
        np.array([images[image] for image, *_ in kept]),
        np.array([categories[category] for _, category, *_ in kept]),
        np.array([box for *_, box, _ in kept]),
        np.array([score for *_, score in kept]),
    )
    return score(truth, results)


def read_back(content: dict[str, Any]) -> DataSet:
    """What the workflow makes of a converted file."""
    clean = clean_annotations("street", "converted", content)
    files = {image.id: image.file_name for image in clean.images}
    names = {category.id: category.name for category in clean.categories}
    columns = (clean.image_id, clean.category_id, clean.bbox, clean.area, clean.iscrowd)
    boxes = [
        Box(files[image], names[category], tuple(bbox), area, crowd)
        for image, category, bbox, area, crowd in zip(*(c.tolist() for c in columns), strict=True)
    ]
    sizes = {image.file_name: (image.width, image.height) for image in clean.images}
    return DataSet(sizes, tuple(names.values()), tuple(boxes))


def converted(kind: str, data: DataSet, images: Path, folder: Path) -> tuple[DataSet, dict[str, int]]:
    """A data set written and converted, and the losses that were counted."""
    (folder / "theirs").mkdir()
    given = FORMATS[kind][0](folder / "theirs", data)
    out, record = folder / "out.json", folder / "record.json"
    convert_annotations(
        dataset="street",
        annotation_format=kind.split()[0],
        annotations=given,
        images=str(images),
        out=str(out),
        record=str(record),
    )
    conversion = read_conversion(record)
    assert conversion.problems == ()
    return read_back(json.loads(out.read_text())), {loss.what: loss.count for loss in conversion.losses}


def steps_of(kind: str, data: DataSet) -> Iterator[tuple[str, DataSet]]:
    """What a format makes of the boxes, one thing after the other."""
    for name, change in FORMATS[kind][1]:
        data = change(data)
        yield name, data


def assert_same(one: DataSet, other: DataSet) -> None:
    """The same boxes, to a millionth of a pixel."""

    def rows(data: DataSet) -> list[Box]:
        return sorted(
            data.boxes, key=lambda b: (b.image, b.category, b.is_crowd, [round(s, 4) for s in b.bbox])
        )

    assert len(one.boxes) == len(other.boxes)
    for left, right in zip(rows(one), rows(other), strict=True):
        assert (left.image, left.category, left.is_crowd) == (right.image, right.category, right.is_crowd)
        assert corners(left) == pytest.approx(corners(right), abs=1e-6)
        assert left.area == pytest.approx(right.area, abs=1e-3)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for name, size in made_up().images.items():
        Image.new("L", size).save(folder / name)
    return folder


@pytest.mark.parametrize("kind", FORMATS)
def test_what_a_format_changes_is_all_that_changes(kind, images, tmp_path):
    data, losses = converted(kind, made_up(), images, tmp_path)
    *_, (_, expected) = steps_of(kind, made_up())
    assert_same(data, expected)
    assert data.images == made_up().images
    boxes = 0 if kind == "cvat with polygons" else len(data.boxes)
    assert losses.get("area of the box in place of the object's own", 0) == boxes
    assert losses["image without a box"] == 1
    crowds = sum(box.is_crowd for box in made_up().boxes)
    counted = {
        "voc": ("difficult object", crowds),
        "kitti": ("DontCare region", crowds),
        "bdd100k": ("box with crowd or ignored", crowds),
        "yolo": ("box of a format without crowd or ignore flags", len(made_up().boxes)),
        "cvat": ("class without a box", 1),
        "cvat with polygons": ("polygon", len(made_up().boxes)),
    }[kind]
    assert losses[counted[0]] == counted[1]
    found = detections_on(made_up())
    for name in ("AP", "APs", "APm", "APl", "AR100"):
        assert getattr(score_on(data, found), name) == pytest.approx(
            getattr(score_on(expected, found), name), abs=1e-9
        )


@pytest.mark.parametrize(("kept", "ap"), [("crowd", 1.0), ("object", 1.0), ("left out", 0.5)])
def test_a_detection_on_a_difficult_object_is_no_mistake_only_if_it_is_a_crowd(kept, ap):
    """One ordinary object found below a detection on a difficult one."""
    easy = Box("1.png", "car", (10, 10, 50, 50), 2500)
    difficult = Box("1.png", "car", (200, 200, 60, 40), 2400, is_crowd=kept == "crowd")
    boxes = (easy,) if kept == "left out" else (easy, difficult)
    data = DataSet({"1.png": (640, 480)}, ("car",), boxes)
    found = [("1.png", "car", difficult.bbox, 0.9), ("1.png", "car", easy.bbox, 0.8)]
    assert pytest.approx(ap) == score_on(data, found).AP
    # a difficult object that is not found is no miss, and as an object it would be one
    without = score_on(data, found[1:]).AP
    assert without == pytest.approx(0.5 if kept == "object" else 1.0, abs=0.01)


def table() -> str:
    """The table of docs/formats.md."""
    data = made_up()
    found = detections_on(data)

    def row(kind: str, step: str, metrics: Metrics) -> str:
        numbers = " | ".join(f"{getattr(metrics, name):.4f}" for name in ("AP", "APs", "APm", "APl"))
        return f"| {kind} | {step} | {numbers} |"

    lines = ["| format | what it changes | AP | APs | APm | APl |", "|---|---|---|---|---|---|"]
    lines.append(row("`coco`", "nothing", score_on(data, found)))
    for kind in FORMATS:
        for name, stepped in steps_of(kind, data):
            lines.append(row(f"`{kind}`", name, score_on(stepped, found)))
    return "\n".join(lines)


def test_the_table_of_the_docs():
    """If this fails: put the table of the message into docs/formats.md."""
    text, expected = (ROOT / "docs/formats.md").read_text(), table()
    assert expected in text, expected


@pytest.mark.real
@pytest.mark.parametrize("kind", FORMATS)
def test_photographs_of_coco(kind, real, tmp_path):
    data = coco_dev(real)
    found = detections_on(data)
    back, _ = converted(kind, data, real / "coco-dev/images", tmp_path)
    *_, (_, expected) = steps_of(kind, data)
    assert_same(back, expected)
    assert pytest.approx(score_on(expected, found).AP, abs=1e-9) == score_on(back, found).AP
