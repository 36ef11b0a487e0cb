"""YOLO's text files, as Ultralytics, Roboflow, CVAT and Darknet write them."""

import os
from pathlib import Path

import pytest
from format_sets import boxes_of, convert, losses_of, problems_of, write_files, write_images

from cutpoint.data.annotations import load_annotations
from cutpoint.data.manifest import list_dataset
from cutpoint.errors import UserError

DATA = "train: images\nval: images\nnc: 2\nnames: [car, person]\n"
CLASS = "class number that the list of classes does not have"
FIELDS = "line with another number of fields than a box has"
A = "1 0.5 0.5 0.25 0.5\n0 0.25 0.25 0.5 0.5\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_images(tmp_path / "images")
    write_files(tmp_path, {"data.yaml": DATA, "labels/a.txt": A, "labels/b.txt": ""})
    return tmp_path


def test_boxes_classes_and_numbers(folder):
    content, record = convert(folder, "yolo", "data.yaml")
    assert record.problems == ()
    assert boxes_of(content) == [
        ("a.jpg", "person", (24, 12, 16, 24), 0),
        ("a.jpg", "car", (0, 0, 32, 24), 0),
    ]
    assert [box["id"] for box in content["annotations"]] == [1, 2]
    assert content["annotations"][0]["area"] == 16 * 24
    assert content["annotations"][1]["place"] == f"{folder}/labels/a.txt, line 2"
    assert content["categories"] == [{"id": 1, "name": "car"}, {"id": 2, "name": "person"}]
    assert [(i["id"], i["file_name"], i["width"], i["height"]) for i in content["images"]] == [
        (1, "a.jpg", 64, 48),
        (2, "b.png", 60, 60),
        (3, "c.jpg", 40, 64),
    ]
    assert losses_of(record) == {
        "image without a label file": 1,
        "box of a format without crowd or ignore flags": 2,
        "area of the box in place of the object's own": 2,
        "image without a box": 2,
    }
    assert (record.images, record.categories, record.boxes, record.crowds) == (3, 2, 2, 0)


def test_two_conversions_are_equal(folder):
    first = convert(folder, "yolo", "data.yaml")
    assert convert(folder, "yolo", "data.yaml") == first


@pytest.mark.parametrize(
    ("files", "annotations", "images"),
    [
        # Ultralytics: labels in place of the last images
        ({"set/data.yaml": DATA, "set/labels/val/a.txt": A}, "set/data.yaml", "set/images/val"),
        # Roboflow
        ({"data.yaml": DATA, "valid/labels/a.txt": A}, "valid", "valid/images"),
        ({"data.yaml": DATA, "valid/labels/a.txt": A}, "valid/labels", "valid/images"),
        # CVAT's YOLO 1.1 and Darknet: beside the images
        ({"obj.names": "car\nperson\n", "obj_train_data/a.txt": A}, "obj.names", "obj_train_data"),
        # LabelImg: the classes beside the labels
        ({"labels/classes.txt": "car\nperson\n", "labels/a.txt": A}, "labels", "pictures"),
        # Label Studio
        ({"classes.txt": "car\nperson", "labels/a.txt": A}, "classes.txt", "images"),
    ],
)
def test_where_tools_put_the_files(tmp_path, files, annotations, images):
    write_images(tmp_path / images, {"a.jpg": (64, 48)})
    write_files(tmp_path, files)
    content, record = convert(tmp_path, "yolo", annotations, images)
    assert record.problems == ()
    assert len(content["annotations"]) == 2


def test_names_by_number(folder):
    write_files(folder, {"data.yaml": "names:\n  0: car\n  1: person\n"})
    content, _ = convert(folder, "yolo", "data.yaml")
    assert [category["name"] for category in content["categories"]] == ["car", "person"]


def test_folders_in_names(tmp_path):
    write_images(tmp_path / "images", {"north/1.jpg": (10, 10), "south/1.jpg": (10, 10)})
    write_files(tmp_path, {"data.yaml": DATA, "labels/south/1.txt": "0 .5 .5 .2 .2"})
    content, _ = convert(tmp_path, "yolo", "data.yaml")
    assert boxes_of(content) == [("south/1.jpg", "car", (4, 4, 2, 2), 0)]


def test_copies_that_systems_and_notebooks_keep_are_no_images(folder):
    write_files(folder, {"images/._a.jpg": b"\0\5\x16\7", "labels/._a.txt": b"\0\5\x16\7"})
    write_images(folder / "images/.ipynb_checkpoints", {"a-checkpoint.jpg": (64, 48)})
    content, record = convert(folder, "yolo", "data.yaml")
    assert record.problems == ()
    assert len(content["images"]) == 3
    assert "label file without an image" not in losses_of(record)


def test_polygons_and_keypoints_become_boxes(folder):
    polygon = "0 0.25 0.5 0.5 0.25 0.75 0.5 0.5 1\n"
    write_files(folder, {"labels/a.txt": polygon})
    content, record = convert(folder, "yolo", "data.yaml")
    assert boxes_of(content) == [("a.jpg", "car", (16, 12, 32, 36), 0)]
    assert losses_of(record)["polygon"] == 1
    # a rhombus of 32 x 36 px: half of its box
    assert content["annotations"][0]["area"] == 32 * 36 / 2
    assert "area of the box in place of the object's own" not in losses_of(record)
    pose = "0 0.5 0.5 0.25 0.5 0.1 0.1 2 0.9 0.9 1\n"
    write_files(folder, {"labels/a.txt": pose, "data.yaml": DATA + "kpt_shape: [2, 3]\n"})
    content, record = convert(folder, "yolo", "data.yaml")
    assert boxes_of(content) == [("a.jpg", "car", (24, 12, 16, 24), 0)]
    assert losses_of(record)["box with keypoints"] == 1


def test_labels_without_an_image_are_told(folder):
    write_files(folder, {"labels/d.txt": A})
    _, record = convert(folder, "yolo", "data.yaml")
    assert losses_of(record)["label file without an image"] == 1


def test_an_unreadable_image_is_left_to_the_manifest(folder):
    write_files(folder, {"images/a.jpg": b"no image"})
    content, record = convert(folder, "yolo", "data.yaml")
    assert content["annotations"] == []
    assert content["images"][0] == {"id": 1, "file_name": "a.jpg", "width": 1, "height": 1}
    assert losses_of(record)["box of an image that cannot be read"] == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 .5 .5 .1 .1", f"{CLASS}: 1, first labels/a.txt, line 1 ('2')"),
        ("car .5 .5 .1 .1", f"{CLASS}: 1, first labels/a.txt, line 1 ('car')"),
        ("0 .5 .5 .1", f"{FIELDS}: 1, first labels/a.txt, line 1 ('4 fields')"),
        ("0 .5 .5 .1 .1 .9", "without a score: these may be detections"),
        ("0 nan .5 .1 .1", "field that is no finite number: 1, first labels/a.txt, line 1 ('nan')"),
        ("0 .5 .5 .1 1e999", "field that is no finite number"),
        ("0 .5 .5 .1 " + "9" * 400, "field that is no finite number"),
        ("0 .5 .5 .1 1_0", "field that is no finite number"),
        ("0 32 24 10 10", "number that is no fraction of the image's size, 0 to 1: 1, first labels/a.txt"),
        ("0,.5,.5,.1,.1", FIELDS),
        (b"\xff\xfe0", "label file that is not UTF-8 text: 1, first labels/a.txt"),
        (b"\x1f\x8b0", "it is a gzip file"),
        ("0 .5 .5 .1 \x00", "field that is no finite number"),
    ],
)  # fmt: skip
def test_a_broken_line_is_named(folder, line, message):
    write_files(folder, {"labels/a.txt": line})
    (problem,) = problems_of(folder, "yolo", "data.yaml")
    assert problem.startswith("datasets.street.annotations data.yaml: ")
    assert message in problem


def test_each_kind_is_told_once_with_its_number(folder):
    write_files(folder, {"labels/a.txt": "9 .5 .5 .1 .1\n" * 3 + "0 .5\n", "labels/b.txt": "9 .5 .5 .1 .1\n"})
    problems = problems_of(folder, "yolo", "data.yaml")
    assert [problem.partition(": ")[2].partition(", first")[0] for problem in problems] == [
        "class number that the list of classes does not have: 4",
        "line with another number of fields than a box has: 1",
    ]


# each line holds the one above nine times: 9^9 entries
MERGED = "\n".join(
    ["a: &a {x: 1}", "names: [car, person]"]
    + [
        f"{b}: &{b} {{<<: [{', '.join([f'*{a}'] * 9)}]}}"
        for a, b in zip("abcdefghi", "bcdefghij", strict=True)
    ]
)
BOMB = "\n".join(
    ["a: &a [x, x, x, x, x, x, x, x, x]"]
    + [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    + ["names: *i"]
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [car, ", "data.yaml, line 1: not YAML that can be read (ParserError)"),
        ("names: {0: car, 2: person}", "the classes are not numbered from 0 without a gap"),
        ("nc: 3\nnames: [car, person]", "nc: 3, and names has 2"),
        ("names: []", "has no class names"),
        ("nothing: 1", "no list of the class names"),
        ("- car\n- person", "no list of the class names"),
        ("names: [car, car]", "class name that is there twice: 1, first data.yaml, class 1 ('car')"),
        ("names: [yes, no]", "class name that is no text: 2, first data.yaml, class 0"),
        ("names: !!python/object/apply:os.system [ls]", "not YAML that can be read (ConstructorError)"),
        ("names: [" + "9" * 5000 + "]", "not YAML that can be read (ValueError)"),
        ("names: " + "[" * 5000 + "]" * 5000, "not YAML that can be read (RecursionError)"),
        (BOMB, "data.yaml: has aliases, line 2; write the names out"),
        (MERGED, "data.yaml: has aliases, line 3; write the names out"),
        (b"\xff\xff", "data.yaml is not UTF-8 text"),
        ("x" * (1 << 21), "data.yaml has 2097152 bytes, more than 1048576"),
    ],
)
def test_a_broken_list_of_classes_is_named(folder, text, message):
    write_files(folder, {"data.yaml": text})
    (problem,) = problems_of(folder, "yolo", "data.yaml")
    assert message in problem
    assert len(problem) < 400


def test_missing_labels_and_lists_say_where_it_was_looked(folder):
    write_files(folder, {"elsewhere/data.yaml": DATA})
    os.rename(folder / "labels", folder / "lost")
    (problem,) = problems_of(folder, "yolo", "elsewhere")
    assert problem.startswith(
        "datasets.street.annotations elsewhere: no label file of the 3 images below images: looked in "
        "elsewhere, elsewhere/labels, labels, images for files"
    )
    (folder / "data.yaml").unlink()
    (problem,) = problems_of(folder, "yolo", "lost")
    assert "no list of the class names" in problem


def test_a_pipe_does_not_stop_the_run(folder):
    (folder / "labels/a.txt").unlink()
    os.mkfifo(folder / "labels/a.txt")
    write_files(folder, {"labels/b.txt": A})
    content, record = convert(folder, "yolo", "data.yaml")
    assert len(content["annotations"]) == 2
    assert losses_of(record)["image without a label file"] == 2


def test_a_name_that_is_no_text_is_told(folder):
    os.rename(os.fsencode(folder / "images/b.png"), os.fsencode(folder / "images") + b"/\xff.png")
    (problem,) = problems_of(folder, "yolo", "data.yaml")
    assert "image name that is not valid Unicode text" in problem


def test_an_unreadable_image_is_skipped_as_with_coco(folder):
    write_files(folder, {"images/a.jpg": b"no image", "labels/b.txt": A})
    convert(folder, "yolo", "data.yaml")
    made = {"dataset": "street", "images": str(folder / "images"), "annotations": str(folder / "out.json")}
    manifest = list_dataset(**made, limit=None, on_bad_image="skip")
    assert [image.file_name for image in manifest.images] == ["b.png", "c.jpg"]
    assert [image.file_name for image in manifest.skipped] == ["a.jpg"]
    with pytest.raises(UserError, match="1 of 3 images cannot be read"):
        list_dataset(**made, limit=None)


def test_a_box_that_can_never_match_is_told_with_its_place(folder):
    write_files(folder, {"labels/a.txt": A + "0 0.5 0.5 0 0.1\n"})
    convert(folder, "yolo", "data.yaml")
    with pytest.raises(UserError) as error:
        load_annotations("street", str(folder / "out.json"), None)
    assert f"first annotation 3 ({folder}/labels/a.txt, line 3); correct them" in str(error.value)
    assert len(load_annotations("street", str(folder / "out.json"), "drop")) == 2
