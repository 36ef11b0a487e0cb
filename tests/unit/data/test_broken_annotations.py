"""Broken and hostile annotation files: one clear message for all their faults, or a right result."""

import copy
import gzip
import json
import os

import numpy as np
import pytest

from cutpoint.data.annotations import clean_annotations, load_annotations
from cutpoint.errors import UserError, UserErrors

START = "datasets.street.annotations instances.json: "
NESTED = "[" * 300 + "]" * 300


def good():
    return {
        "images": [
            {"id": 1, "file_name": "a.jpg", "width": 100, "height": 80},
            {"id": 2, "file_name": "b.jpg", "width": 100, "height": 80},
        ],
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "bus"}],
        "annotations": [
            {
                "id": n,
                "image_id": 1 + n % 2,
                "category_id": 1,
                "bbox": [n, 1, 20, 30],
                "area": 600,
                "iscrowd": 0,
            }
            for n in range(1, 5)
        ],
    }


def clean(content):
    before = repr(content)
    cleaned = clean_annotations("street", "instances.json", content)
    assert repr(content) == before
    return cleaned


def problems(content):
    with pytest.raises(UserError) as caught:
        clean(content)
    error = caught.value
    messages = error.messages if isinstance(error, UserErrors) else (str(error),)
    assert all(message.startswith(START) for message in messages)
    return [message.removeprefix(START) for message in messages]


def test_all_independent_faults_are_told_at_once():
    content = good()
    content["images"][0]["height"] = 0
    del content["images"][1]["file_name"]
    content["categories"][1]["name"] = ["bus"]
    content["annotations"][0]["category_id"] = 9
    content["annotations"][1]["area"] = "600"
    content["annotations"][2]["iscrowd"] = 2
    content["annotations"][3]["bbox"] = None
    assert [text.partition(";")[0] for text in problems(content)] == [
        "'file_name' is missing or null: 1 of 2 images, first image 2",
        "height 0: 1 of 2 images, first image 1",
        "name ['bus']: 1 of 2 categories, first category 2",
        "area '600': 1 of 4 annotations, first annotation 2",
        "iscrowd 2: 1 of 4 annotations, first annotation 3",
        "category_id that is not listed among categories (9): 1 of 4 annotations, first annotation 1",
        "bbox that is not four finite numbers (null): 1 of 4 annotations, first annotation 4",
    ]


def test_kinds_of_invalid_boxes_are_told_at_once_and_each_box_once():
    content = good()
    for annotation, box in zip(
        content["annotations"], ([1, 1, 0, 5], [200, 1, 5, 5], [-15, 1, 20, 5], None), strict=True
    ):
        annotation["bbox"] = box
    content["annotations"] += [{**content["annotations"][0], "id": 9}]
    assert [text.partition(", first")[0] for text in problems(content)] == [
        "bbox that is not four finite numbers (null): 1 of 5 annotations",
        "width or height of the bbox is 0 or negative: 2 of 5 annotations",
        "bbox outside its image: 1 of 5 annotations",
        "bbox with less than half of itself inside its image: 1 of 5 annotations",
    ]


def test_boxes_are_checked_even_if_their_image_is_not_known():
    content = good()
    del content["images"][0]["width"]
    content["annotations"][1]["bbox"] = [1, 1, 0, 5]  # on that image
    content["annotations"][2]["bbox"] = [500, 1, 9, 5]  # on the other one
    content["annotations"][3]["bbox"] = [500, 1, 9, 5]
    assert [text.partition(", first")[0] for text in problems(content)] == [
        "'width' is missing or null: 1 of 2 images",
        "width or height of the bbox is 0 or negative: 1 of 4 annotations",
        "bbox outside its image: 1 of 4 annotations",
    ]


def test_a_fault_hides_only_what_needs_it():
    content = good()
    content["images"][1]["id"] = 1
    content["annotations"][0]["category_id"] = {}
    # annotations of image 2, and of category {}, are not called unknown too
    assert [text.partition(", first")[0] for text in problems(content)] == [
        "id that occurs more than once: 2 of 2 images",
        "category_id {}: 1 of 4 annotations",
    ]


def test_lists_that_are_missing_are_told_at_once():
    assert [text.partition(";")[0] for text in problems({"annotations": {}, "images": []})] == [
        "lists no images",
        "no list 'annotations'",
        "no list 'categories'",
    ]
    content = good() | {"images": [1, good()["images"][0]], "categories": [None]}
    assert [text.partition(";")[0] for text in problems(content)] == [
        "not an object: 1 of 2 images, first entry 0 (counted from 0)",
        "not an object: 1 of 1 categories, first entry 0 (counted from 0)",
    ]


@pytest.mark.parametrize("write", [str, float], ids=["text", "fractions"])
@pytest.mark.parametrize(
    "keys",
    [
        {"images": ["id"], "annotations": ["image_id"]},
        {"annotations": ["image_id", "category_id"]},
        {"categories": ["id"]},
        {"annotations": ["id"]},
    ],
)
def test_ids_in_another_writing_mean_the_same_and_are_said(write, keys):
    content, expected = good(), clean(good())
    for name, fields in keys.items():
        for entry in content[name]:
            entry.update({field: write(entry[field]) for field in fields})
    found = clean(content)
    how = "in quotes" if write is str else "as fractions"
    assert [note.partition(", first")[0] for note in found.notes] == [
        f"{field} of {name} written {how}" for name in ("images", "categories", "annotations")
        for field in keys.get(name, ())
    ]  # fmt: skip
    assert all(note.endswith(": read as whole numbers") for note in found.notes)
    assert (found.images, found.categories) == (expected.images, expected.categories)
    for column in ("image_id", "category_id", "bbox"):
        assert np.array_equal(getattr(found, column), getattr(expected, column))
        assert getattr(found, column).dtype == getattr(expected, column).dtype


@pytest.mark.parametrize(
    "ids",
    [
        ("a", "b"),
        ("1", 2),
        ("1", "02"),
        (1.5, 2.0),
        (1.0, 2),
        (1e300, 2.0),
        ("1", ""),
        ("1", "²"),
        ("-1", "2"),
    ],
)
def test_ids_without_one_meaning_are_refused(ids):
    content = good()
    for image, identity in zip(content["images"], ids, strict=True):
        image["id"] = identity
    first = problems(content)[0]
    assert first.startswith("id ")
    assert "ids are whole numbers" in first


def test_text_ids_that_become_one_are_there_twice():
    content = good()
    for image in content["images"]:
        image["id"] = "1"
    assert problems(content) == [
        "id that occurs more than once: 2 of 2 images, first image 1; give each its own id"
    ]


@pytest.mark.parametrize(
    ("listed", "used", "said"),
    [
        ("gaps", 12, "they look like 80 classes counted from 1, and the file lists COCO's own ids"),
        ("gaps", 0, "they look like 80 classes counted from 0, and the file lists COCO's own ids"),
        (
            "row",
            90,
            "they look like COCO's own ids (1 to 90 with gaps), and the file lists 80 classes counted from 1",
        ),
        ("gaps", 91, "; add what is missing"),
    ],
)
def test_80_and_91_ids_that_are_mixed_are_named(listed, used, said):
    gaps = [n for n in range(1, 91) if n not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]
    ids = gaps if listed == "gaps" else range(1, 81)
    content = good() | {"categories": [{"id": n, "name": f"class {n}"} for n in ids]}
    content["annotations"][2]["category_id"] = used
    (text,) = problems(content)
    assert text.startswith(f"category_id that is not listed among categories ({used}): 1 of 4 annotations")
    assert said in text


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "/etc/passwd", "in\\a.jpg", "a\0.jpg", "a\n.jpg", "\ud800.jpg"]
)
def test_file_names_that_lead_elsewhere_or_break_lines_are_refused_by_id(name):
    content = good()
    content["images"][1]["file_name"] = name
    (text,) = problems(content)
    assert text.startswith("file_name that ")
    assert "1 of 2 images, first image 2; " in text
    assert text.isprintable()


@pytest.mark.parametrize("name", ["car\n", "\x1b[2Jcar", "\ud800", "  ", "x" * 501, 7])
def test_category_names_are_text_of_one_line(name):
    content = good()
    content["categories"][1]["name"] = name
    (text,) = problems(content)
    assert text.startswith("name ")
    assert text.isprintable()
    assert len(text) < 250


DEEP = json.loads("[" * 800 + "]" * 800)
HUGE = 10**4000


@pytest.mark.parametrize(
    "value", [DEEP, {"a": DEEP}, HUGE, -HUGE, float("inf"), "x" * 10**6, [0] * 10**6, True]
)
@pytest.mark.parametrize(
    ("name", "key"),
    [
        *(("images", key) for key in ("id", "height", "file_name")),
        *(("categories", key) for key in ("id", "name")),
        *(("annotations", key) for key in ("id", "image_id", "category_id", "bbox", "area", "iscrowd")),
    ],
)
def test_odd_values_give_short_messages(value, name, key):
    content = good()
    content[name][1][key] = value
    if key == "iscrowd" and value is True:
        assert clean(content).iscrowd.tolist() == [False, True, False, False]
        return
    if name == "images" and key == "file_name" and isinstance(value, str):
        assert "longer than a file system allows" in problems(content)[0]
    for text in problems(content):
        assert text.isprintable()
        assert len(text) < 400


def test_numbers_beyond_any_image_are_refused_or_left_out():
    """Counted as missed objects, their area would be infinite."""
    content = good()
    content["annotations"][0]["bbox"] = [1e308, 1, 1e308, 5]
    content["annotations"][1]["bbox"] = [1, 1, 1e308, 1e308]
    content["annotations"][2]["area"] = 1e308
    (text,) = problems(content)
    assert text == (
        "bbox with a number beyond 1e+15: 2 of 4 annotations, first annotation 1; correct them, or set "
        "datasets.street.invalid_boxes: drop (left out)"
    )
    with pytest.raises(UserError, match="a number beyond"):
        clean_annotations("street", "instances.json", content, "count")
    assert len(clean_annotations("street", "instances.json", content, "drop")) == 2


# files


def load(tmp_path, content):
    path = tmp_path / "instances.json"
    if content is not None:
        path.write_bytes(content)
    return load_annotations("street", str(path), None)


TEXT = json.dumps(good())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "no such file", id="missing"),
        pytest.param(b"", "it is empty", id="empty"),
        pytest.param(b"\0" * 100, "not JSON", id="zeros"),
        pytest.param(gzip.compress(TEXT.encode()), "a gzip file; unpack it", id="gzip"),
        pytest.param(b"PK\x03\x04" + b"\x80" * 50, "a zip archive; unpack it", id="zip"),
        pytest.param(TEXT.encode("utf-16"), "not UTF-8 text", id="utf-16"),
        pytest.param('{"images": "été"}'.encode("latin-1"), "not UTF-8 text", id="latin-1"),
        pytest.param(TEXT.encode()[:-40], "ends in the middle", id="truncated"),
        pytest.param(TEXT.encode()[:90], "ends in the middle", id="cut-in-text"),
        pytest.param(b"[" * 100_000, "nested too deeply", id="open-brackets"),
        pytest.param(b'{"a":' * 100_000, "nested too deeply", id="open-objects"),
        pytest.param(b'{"images": [1' + b"0" * 5000 + b"]}", "a number of more than", id="digits"),
        pytest.param(b"[]", "a list, as in a results file", id="list"),
        pytest.param(b"7", "not a COCO detection file, which is a JSON object", id="number"),
        pytest.param(b"{}", "3 problems:", id="empty-object"),
        pytest.param(b"images:\n  - id: 1\n", "not JSON", id="yaml"),
    ],
)
def test_a_file_that_is_no_annotations_is_refused(tmp_path, content, said):
    with pytest.raises(UserError) as caught:
        load(tmp_path, content)
    assert said in str(caught.value)
    assert f"datasets.street.annotations {tmp_path}/instances.json: " in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_pipe_in_place_of_the_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "instances.json")
    with pytest.raises(UserError, match="is no regular file"):
        load(tmp_path, None)


def test_numbers_that_json_does_not_know_are_read_and_judged(tmp_path):
    content = copy.deepcopy(good())
    content["annotations"][0]["bbox"] = [1, 2, "@", 4]
    for number, shown in (("1e400", "Infinity"), ("NaN", "NaN"), ("-Infinity", "-Infinity")):
        with pytest.raises(UserError, match=rf"not four finite numbers \(\[1, 2, {shown}, 4\]\)"):
            load(tmp_path, json.dumps(content).replace('"@"', number).encode())
    # keys that are not looked at may hold anything
    with_more = good() | {"info": json.loads(NESTED)}
    assert (
        len(
            load(tmp_path, json.dumps(with_more).replace('"width": 100', '"x": 1e999, "width": 100').encode())
        )
        == 4
    )


def test_a_byte_order_mark_is_nothing(tmp_path):
    assert len(load(tmp_path, b"\xef\xbb\xbf" + TEXT.encode())) == 4
