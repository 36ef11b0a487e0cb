"""The drawn scenes: the same seed gives the same bytes, and the committed sets are as promised."""

import itertools
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from cutpoint.demo.catalogue import SHOWN
from cutpoint.demo.categories import COCO, TABLES, TRAFFIC, category_id
from cutpoint.demo.dataset import (
    SPLITS,
    STYLE_NUMBERS,
    annotate,
    draw_scene,
    scene_seed,
    write_dataset,
)
from cutpoint.demo.pen import Canvas, Pen
from cutpoint.demo.scenes import MIN_SIDE, make_scene

DEMO = Path(__file__).parents[3] / "data" / "demo"


@pytest.fixture(params=["traffic", "coco"])
def style(request):
    return request.param


@pytest.fixture
def committed(style):
    return json.loads((DEMO / style / "instances.json").read_text())


def read_committed(style, image):
    return cv2.imread(str(DEMO / style / "images" / image["file_name"]))


@pytest.fixture
def canvas():
    return Canvas(np.zeros((60, 80, 3), np.uint8), np.zeros((60, 80), np.int16), (200, 200, 200))


def test_pen_puts_metres_on_pixels(canvas):
    pen = Pen(canvas, foot=(40, 50), scale=10)
    pen.rect(-1, 0, 2, 3, (10, 20, 30))
    rows, columns = np.nonzero(canvas.owner == pen.thing)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (30, 60, 20, 50)
    assert canvas.image[35, 45].tolist() == [10, 20, 30]
    assert pen.extent == [30, 20, 60, 50]


def test_mirrored_pen_exchanges_left_and_right(canvas):
    pen = Pen(canvas, foot=(40, 50), scale=10, mirror=True)
    pen.rect(0, 0, 2, 1, (10, 20, 30))
    assert pen.extent == [20, 40, 40, 50]


def test_the_later_thing_owns_the_pixels(canvas):
    first, second = Pen(canvas, (40, 50), 10), Pen(canvas, (40, 50), 10)
    first.rect(-1, 0, 1, 2, (1, 1, 1))
    second.rect(0, 0, 1, 2, (2, 2, 2))
    assert canvas.owner[40, 35] == first.thing
    assert canvas.owner[40, 45] == second.thing


def test_same_seed_same_scene_other_seed_other_scene(style):
    first, again, other = (make_scene([7, k], SHOWN[style]) for k in (1, 1, 2))
    assert first.image.tobytes() == again.image.tobytes()
    assert first.objects == again.objects
    assert first.image.tobytes() != other.image.tobytes()


def test_data_set_is_the_same_byte_for_byte(tmp_path):
    for name in ("one", "two"):
        write_dataset(
            seed=5,
            style="traffic",
            split="validation",
            count=3,
            images=str(tmp_path / name / "images"),
            annotations=str(tmp_path / name / "instances.json"),
            slices=str(tmp_path / name / "slices.csv"),
        )
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 5
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_committed_pictures_are_what_the_generator_draws(style, committed):
    """Pixels may differ by a JPEG codec's rounding, boxes not at all."""
    image = committed["images"][2]
    scene = draw_scene(2026, style, "validation", 2)
    kept = [one for one in committed["annotations"] if one["image_id"] == image["id"]]
    drawn = annotate(scene, style)
    assert drawn == [{k: v for k, v in one.items() if k not in ("id", "image_id")} for one in kept]
    slices = (DEMO / style / "slices.csv").read_text().splitlines()
    assert slices[0] == "image,name,value"
    assert [f"000003.jpg,light,{scene.light}", f"000003.jpg,place,{scene.place}"] == slices[5:7]
    stored = read_committed(style, image)
    assert np.abs(stored.astype(int) - scene.image).mean() < 12


def test_a_forced_empty_scene_has_no_object(style):
    assert make_scene([3], SHOWN[style], empty=True).objects == []


def test_splits_and_styles_never_share_a_seed():
    seeds = [
        tuple(scene_seed(2026, style, split, index))
        for style, split, index in itertools.product(STYLE_NUMBERS, SPLITS, range(50))
    ]
    assert len(set(seeds)) == len(seeds) == 2 * 3 * 50


def test_category_tables():
    assert TRAFFIC == {1: "pedestrian", 2: "non-motor-vehicle", 3: "motor-vehicle", 4: "other"}
    assert len(COCO) == 80
    assert (min(COCO), max(COCO)) == (1, 90)
    absent = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    assert not absent & set(COCO)
    assert (COCO[1], COCO[13], COCO[90]) == ("person", "stop sign", "toothbrush")


@pytest.mark.parametrize(
    ("name", "traffic", "coco"),
    [
        ("person", 1, 1),
        ("bicycle", 2, 2),
        ("truck", 3, 8),
        ("traffic light", 4, 10),
        ("dog", None, 18),
    ],
)
def test_category_of_a_drawn_object(name, traffic, coco):
    assert category_id("traffic", name) == traffic
    assert category_id("coco", name) == coco


def test_committed_categories_and_images(style, committed):
    assert {one["id"]: one["name"] for one in committed["categories"]} == TABLES[style]
    assert len(committed["images"]) >= 64
    assert [one["id"] for one in committed["images"]] == list(range(1, len(committed["images"]) + 1))
    for image in committed["images"][:8]:
        assert read_committed(style, image).shape == (image["height"], image["width"], 3)


def test_committed_annotations(style, committed):
    annotations = committed["annotations"]
    sizes = {one["id"]: (one["width"], one["height"]) for one in committed["images"]}
    assert [one["id"] for one in annotations] == list(range(1, len(annotations) + 1))
    for one in annotations:
        x, y, width, height = one["bbox"]
        assert min(x, y) >= 0
        assert min(width, height) >= MIN_SIDE
        assert x + width <= sizes[one["image_id"]][0] + 1e-6
        assert y + height <= sizes[one["image_id"]][1] + 1e-6
        assert one["area"] == pytest.approx(width * height, abs=0.01)
        assert one["category_id"] in TABLES[style]


def test_committed_sets_hold_the_hard_cases(style, committed):
    annotations, images = committed["annotations"], committed["images"]
    crowds = sum(one["iscrowd"] for one in annotations)
    empty = {one["id"] for one in images} - {one["image_id"] for one in annotations}
    assert crowds >= 5
    assert len(empty) >= 2
    occurring = {one["category_id"] for one in annotations}
    assert len(occurring) == 4 if style == "traffic" else 10 <= len(occurring) <= 20
    sizes = {one["id"]: (one["width"], one["height"]) for one in images}
    cut = sum(
        one["bbox"][0] <= 0 or one["bbox"][0] + one["bbox"][2] >= sizes[one["image_id"]][0]
        for one in annotations
    )
    assert cut >= 0.03 * len(annotations)


def test_padding_occurs_on_both_axes(committed):
    padded = {"width": 0, "height": 0}
    for image in committed["images"]:
        scale = 320 / max(image["width"], image["height"])
        for axis in padded:
            side = int(image[axis] * scale + 0.5)
            padded[axis] += math.ceil(side / 32) * 32 > side
    assert min(padded.values()) >= 10


def test_unlabelled_set_has_images_only():
    folder = DEMO / "traffic_unlabelled"
    assert sorted(path.name for path in folder.iterdir()) == ["images", "slices.csv"]
    assert 16 <= len(list((folder / "images").glob("*.jpg"))) <= 24
