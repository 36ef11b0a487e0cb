"""BDD100K's labels of 2020, a list of frames, and of 2018, a file for each image."""

import copy
import json

import pytest
from format_sets import boxes_of, convert, losses_of, problems_of, write_files, write_images


def label(category, box, **attributes):
    sides = dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))
    return {"id": "1", "category": category, "attributes": attributes, "box2d": sides}


FRAMES = [
    {
        "name": "c.jpg",
        "attributes": {"weather": "clear", "timeofday": "daytime", "scene": "city street"},
        "timestamp": 10000,
        "labels": [
            label("traffic sign", (1, 2, 10.5, 20), occluded=False, truncated=False),
            label("lane tram", (3, 3, 9, 9), occluded=True),
        ],
    },
    {
        "name": "a.jpg",
        "labels": [
            label("car", (4, 5, 23, 26), crowd=True),
            label("pedestrian", (30, 10, 39, 39)),
            {"id": "7", "category": "lane", "poly2d": [{"vertices": [[0, 0], [9, 9]], "types": "LL"}]},
        ],
    },
    {"name": "b.png", "labels": None},
]


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path / "images")
    write_files(tmp_path, {"det_val.json": json.dumps(FRAMES)})
    return tmp_path


BOXES = [
    ("a.jpg", "car", (4, 5, 20, 22), 1),
    ("a.jpg", "pedestrian", (30, 10, 10, 30), 0),
    ("c.jpg", "traffic sign", (1, 2, 10.5, 19), 0),
    ("c.jpg", "lane tram", (3, 3, 7, 7), 0),
]


def test_boxes_crowds_and_what_is_lost(folder):
    content, record = convert(folder, "bdd100k", "det_val.json")
    assert record.problems == ()
    assert boxes_of(content) == BOXES
    # the detection task's own order, then by name
    names = ["pedestrian", "car", "traffic sign", "lane tram"]
    assert [category["name"] for category in content["categories"]] == names
    assert losses_of(record) == {
        "truncated or occluded object": 1,
        "box with crowd or ignored": 1,
        "label without a box2d, as lanes and areas are": 1,
        "class of a format that does not list them": 4,
        "area of the box in place of the object's own": 4,
        "image without a box": 1,
    }


def test_scalabels_frames_and_the_labels_of_2018(folder):
    whole = convert(folder, "bdd100k", "det_val.json")[0]["annotations"]
    write_files(folder, {"scalabel.json": json.dumps({"frames": FRAMES, "config": {}})})
    assert boxes_of(convert(folder, "bdd100k", "scalabel.json")[0]) == BOXES
    for frame in FRAMES:
        name = frame["name"].partition(".")[0]
        old = {"name": name, "frames": [{"timestamp": 10000, "objects": frame["labels"]}]}
        write_files(folder, {f"2018/{name}.json": json.dumps(old)})
    content, record = convert(folder, "bdd100k", "2018")
    assert record.problems == ()
    assert boxes_of(content) == BOXES
    assert len(whole) == 4


def changed(change):
    frames = copy.deepcopy(FRAMES)
    change(frames)
    return json.dumps(frames)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "det_val.json: ends in the middle"),
        ("{}", "det_val.json: no list of frames, as BDD100K's det_val.json is"),
        ("[5]", "frame 0 (counted from 0) is no object"),
        ("[" * 100_000, "nested too deeply"),
        (changed(lambda f: f[0].pop("name")), "frame without a name: 1, first det_val.json, frame 0"),
        (changed(lambda f: f[0].update(name="../a.jpg")), "name that leads out of the images folder"),
        (changed(lambda f: f[0].update(name="/a.jpg")), "name that is an absolute path"),
        (changed(lambda f: f[0].update(name="a\0.jpg")), "name that has a control character"),
        (changed(lambda f: f[0].update(labels={})), ""),
        (changed(lambda f: f[0].update(labels=5)), "labels that are no list"),
        (changed(lambda f: f[0].update(name="a.jpg")), "image that is there more than once"),
        (changed(lambda f: f[0]["labels"].append(5)), "label that is no object: 1"),
        (changed(lambda f: f[0]["labels"][0].update(category=None)), "category that is no short text"),
        (changed(lambda f: f[0]["labels"][0]["box2d"].update(x1=None)), "box2d that is not four"),
        (changed(lambda f: f[0]["labels"][0]["box2d"].update(x1=float("nan"))), "box2d that is not four"),
        (changed(lambda f: f[0]["labels"][0]["box2d"].update(x1="5")), "box2d that is not four"),
        (changed(lambda f: f[0]["labels"][0].update(box2d=[1, 2, 3, 4])), "box2d that is not four"),
        (changed(lambda f: f[0]["labels"][0]["box2d"].update(x1=10**400)), "box2d that is not four"),
    ],
)  # fmt: skip
def test_a_broken_file_is_named(folder, text, message):
    write_files(folder, {"det_val.json": text})
    if not message:  # an empty list in another form
        assert convert(folder, "bdd100k", "det_val.json")[1].problems == ()
        return
    (problem,) = problems_of(folder, "bdd100k", "det_val.json")
    assert message in problem
    assert len(problem) < 500


def test_a_folder_without_labels(folder):
    (folder / "none").mkdir()
    assert "no .json file below this folder" in problems_of(folder, "bdd100k", "none")[0]


def test_boxes_that_the_own_evaluation_ignores_are_crowds(folder):
    """``configs/det.toml`` of bdd100k: other person, other vehicle and trailer are ignored regions."""
    frames = copy.deepcopy(FRAMES)
    frames[2]["labels"] = [label("trailer", (0, 0, 9, 9)), label("other vehicle", (10, 10, 19, 19))]
    write_files(folder, {"det_val.json": json.dumps(frames)})
    content, record = convert(folder, "bdd100k", "det_val.json")
    assert [box for box in boxes_of(content) if box[0] == "b.png"] == [
        ("b.png", "truck", (0, 0, 10, 10), 1),
        ("b.png", "car", (10, 10, 10, 10), 1),
    ]
    assert losses_of(record)["box of other person, other vehicle or trailer"] == 2
