"""Counts of odd boxes and images, by kinds, and the images where each is worst."""

import copy
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cutpoint.data.annotations import clean_annotations
from cutpoint.data.oddities import BOXES, WORST, find_oddities, read_odd
from cutpoint.errors import UserError
from cutpoint.records.oddities import Oddity

NOWHERE = Path("nowhere")


def annotations(*boxes: tuple[int, list[Any]], images: int = 3, **keys: Any) -> dict[str, Any]:
    """Boxes of images of 200 x 100 pixels, with the area of the box."""
    return {
        "images": [
            {"id": n, "file_name": f"{n}.jpg", "width": 200, "height": 100} for n in range(1, images + 1)
        ],
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "bus"}],
        "annotations": [
            {"id": n, "image_id": image, "category_id": 1 + n % 2, "bbox": box, "iscrowd": 0, **keys}
            for n, (image, box) in enumerate(boxes)
        ],
    }


SOUND = [(image, [10 + step, 20, 30, 40]) for image in (1, 2, 3) for step in (0, 50)]


def kinds(content: dict[str, Any], limit: int | None = None, shown: set[int] | None = None):
    """The kinds by their short names."""
    odd = read_odd(content, NOWHERE, limit)
    assert odd is not None
    return {found.kind: found for found in find_oddities(odd, shown, {})}


def test_nothing_odd_is_nothing():
    assert kinds(annotations(*SOUND)) == {}


@pytest.mark.parametrize(
    ("kind", "box"),
    [
        ("unreadable", [1, 2, 3]),
        ("unreadable", [1, 2, None, 4]),
        ("beyond", [1e300, 2, 1e308, 4]),
        ("flat", [10, 20, 0, 30]),
        ("flat", [50, 50, -20, -10]),
        ("outside", [250, 20, 30, 30]),
        ("far", [180, 20, 100, 30]),
        ("reaches", [170, 20, 40, 30]),
        ("thin", [10, 20, 0.5, 30]),
        ("whole", [1, 1, 198, 98]),
        ("long", [5, 5, 90, 4]),
    ],
)
def test_kinds_of_a_single_box(kind, box):
    content = annotations(*SOUND, (3, box))
    before = copy.deepcopy(content)
    found = kinds(content)
    assert content == before
    assert set(found) == {kind}
    assert (found[kind].count, found[kind].of, found[kind].images) == (1, 7, 1)
    assert [image.image_id for image in found[kind].worst] == [3]
    json.dumps([image.boxes for image in found[kind].worst], allow_nan=False)


def test_boxes_that_are_there_twice_nearly_twice_and_in_two_categories():
    first = [10, 20, 30, 40]
    content = annotations((1, first), (2, first), (1, first), (2, [10, 20.5, 30, 40]), (3, first), (3, first))
    found = kinds(content)
    assert {kind: (odd.count, [image.image_id for image in odd.worst]) for kind, odd in found.items()} == {
        "twice": (1, [1]),
        "nearly": (2, [2]),
        "categories": (2, [3]),
    }
    crowds = annotations((3, first), (3, first), iscrowd=1)
    assert set(kinds(crowds)) == {"crowd", "empty"}


def test_areas_crowds_unknown_and_unused_categories_and_images_without_boxes():
    content = annotations((1, [10, 20, 30, 40]), (1, [60, 20, 30, 40]))
    content["annotations"][0]["area"] = 9999
    content["annotations"][1] |= {"iscrowd": 1, "category_id": 77}
    found = kinds(content)
    assert {kind: odd.counted for kind, odd in found.items()} == {
        "unknown": "category_id that is not listed: 1 of 2 annotations",
        "area": "area that does not fit the bbox: 1 of 2 annotations",
        "crowd": "crowd: 1 of 2 annotations",
        "empty": "image without a box: 2 of 3 images",
        "unused": "category without a box: 1 of 2 categories",
    }
    assert found["unknown"].worst[0].said == "category 77, 30 x 40 px at 60, 20"
    assert found["unused"].fate == "AP is without it (bus)"
    assert [image.image_id for image in found["empty"].worst] == [2, 3]


def test_an_image_with_many_boxes():
    many = [(2, [x, y, 9, 9]) for x in range(0, 200, 10) for y in range(0, 60, 10)]
    found = kinds(annotations(*SOUND, *many))
    assert set(found) == {"many"}
    assert found["many"].count == 1
    assert found["many"].worst[0].said == "122 boxes, 61 of them car"
    assert len(found["many"].worst[0].boxes) == 122


def test_the_worst_come_first_and_only_images_that_may_be_shown():
    boxes = [(image, [200 + 10 * image, 20, 30, 30]) for image in range(1, 11)]
    content = annotations(*boxes, images=10)
    assert [image.image_id for image in kinds(content)["outside"].worst] == [10, 9, 8, 7, 6, 5][:WORST]
    found = kinds(content, shown={2, 5})["outside"]
    assert found.count == 10
    assert [image.image_id for image in found.worst] == [5, 2]


def test_of_many_boxes_on_an_image_only_some_are_kept():
    content = annotations(*[(1, [300, 20, 30 + n / 1000, 30]) for n in range(BOXES + 100)], images=1)
    (image,) = kinds(content)["outside"].worst
    assert len(image.boxes) == BOXES
    assert image.said.endswith(f"and {BOXES + 99} more")


def test_only_images_of_the_data_set_count():
    content = annotations(*[(image, [300, 20, 30, 30]) for image in (1, 2, 3)])
    assert kinds(content, limit=1)["outside"].counted == "bbox outside its image: 1 of 1 annotations"


def test_kinds_that_the_checks_know_have_their_words():
    """The pictures show what the preflight's problems and remarks say, not a second list of it."""
    for box in ([250, 20, 30, 30], [10, 20, 0, 30], [180, 20, 100, 30], [1, 2, 3]):
        content = annotations(*SOUND, (3, box))
        (found,) = kinds(content).values()
        with pytest.raises(UserError) as error:
            clean_annotations("street", "labels.json", content)
        assert found.counted in str(error.value)
    content = annotations(*SOUND, (3, [170, 20, 40, 30]))
    (found,) = kinds(content).values()
    notes = clean_annotations("street", "labels.json", content).notes
    assert any(note.startswith(found.counted) for note in notes)


JUNK = ({}, [], None, 5, "x", {"id": None}, {"id": 1, "image_id": [], "category_id": {}, "bbox": {}})


@pytest.mark.parametrize("value", JUNK)
@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
def test_junk_is_left_out(key, value):
    """The checks refuse it; what is left is still looked at."""
    content = annotations(*SOUND, (3, [250, 20, 30, 30]))
    content[key].append(value)
    odd = read_odd(content, NOWHERE, None)
    assert odd is None or "outside" in {found.kind for found in find_oddities(odd, None, {})}
    if (key, value) != ("annotations", []):  # a sound file without boxes
        assert read_odd({**content, key: value}, NOWHERE, None) is None


def test_the_work_grows_with_the_boxes_and_not_with_their_square():
    """10,000 boxes on one image that begin at one place, and 1,000 images."""
    boxes = [(1, [10, 20, 30 + n / 1e6, 40]) for n in range(10_000)]
    boxes += [(2 + n % 1000, [n % 150, 20, 30, 40]) for n in range(10_000)]
    content = annotations(*boxes, images=1001)
    started = time.process_time()
    found: dict[str, Oddity] = kinds(content)
    assert time.process_time() - started < 5
    assert found["many"].count == 1
    assert found["nearly"].count >= 10_000 - 50


def test_numbers_are_plain_values_of_python():
    """They are written as JSON."""
    found = kinds(annotations(*SOUND, (3, [250, 20, 30, 30])))["outside"]
    assert not isinstance(found.count, np.generic)
    assert all(type(side) is float for image in found.worst for box in image.boxes for side in box)
