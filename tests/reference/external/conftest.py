"""Images and detectors that are dressed in other stacks' conventions, once for all tests of this folder."""

import json

import cv2
import numpy as np
import pytest
from cases import CASES
from dressing import Net, nano, small
from painting import paint
from product import draw_data
from verdicts import judge_all

# height, width: wide, tall, square, smaller than the tensor, odd sides that pad unevenly
SHAPES = ((120, 160), (160, 120), (97, 97), (41, 63), (75, 211), (128, 192))


@pytest.fixture(scope="session")
def drawn() -> dict[int, np.ndarray]:
    """Six drawn images by id."""
    return {index + 1: paint(shape, index) for index, shape in enumerate(SHAPES)}


@pytest.fixture(scope="session")
def tiny() -> Net:
    return small()


def inside(start, length, limit):
    """Start and length of what lies between 0 and ``limit``."""
    first, last = max(start, 0), min(start + length, limit)
    return first, last - first


@pytest.fixture(scope="session")
def drawn_data(drawn, tiny, tmp_path_factory):
    """The drawn images, and as ground truth some boxes of the small detector, moved a little."""
    case = CASES["ultralytics"]
    model, numbers = case.build(tiny), range(1, tiny.classes + 1)
    found = judge_all(model, case, tiny, drawn, numbers)
    boxes = []
    for key, image in drawn.items():
        best = sorted(
            (entry for entry in found if entry["image_id"] == key), key=lambda entry: -entry["score"]
        )
        for number, entry in enumerate(best[:8]):
            x, y, width, height = entry["bbox"]
            x, y, height = x + number % 3, y - number % 2, height * (1 + 0.05 * number)
            (x, width), (y, height) = inside(x, width, image.shape[1]), inside(y, height, image.shape[0])
            if min(width, height) >= 2:
                boxes.append(entry | {"bbox": [x, y, width, height]})
    folder = tmp_path_factory.mktemp("drawn")
    manifest = draw_data(folder, drawn, tiny.names, boxes)
    return manifest, json.loads((folder / "instances.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def truth(real) -> dict:
    """coco-dev as COCO's JSON."""
    return json.loads((real / "coco-dev" / "instances.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def categories(truth) -> list[int]:
    return sorted(entry["id"] for entry in truth["categories"])


@pytest.fixture(scope="session")
def official(real, truth) -> Net:
    """YOLOX-nano as published, with COCO's 80 names."""
    return nano(real, [entry["name"] for entry in sorted(truth["categories"], key=lambda entry: entry["id"])])


@pytest.fixture(scope="session")
def photographs(real, truth) -> dict[int, np.ndarray]:
    """coco-dev's images by id, BGR."""
    folder = real / "coco-dev" / "images"
    return {entry["id"]: cv2.imread(str(folder / entry["file_name"])) for entry in truth["images"]}
