"""KITTI's object labels, as its training set and CVAT's export have them."""

import pytest
from format_sets import boxes_of, convert, losses_of, problems_of, write_files, write_images

REST = "1.65 1.67 3.64 -0.65 1.71 46.70 -1.59"
A = (
    f"Car 0.00 0 -1.58 4.01 5.05 24.12 27.90 {REST}\n"
    f"Pedestrian 0.50 2 0.20 30 10 40 40 {REST}\n"
    "DontCare -1 -1 -10 50.5 1.0 63.0 20.0 -1 -1 -1 -1000 -1000 -1000 -10\n"
)


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path / "images")
    write_files(tmp_path, {"label_2/a.txt": A, "label_2/b.txt": ""})
    return tmp_path


def test_boxes_regions_and_what_is_lost(folder):
    content, record = convert(folder, "kitti", "label_2")
    assert record.problems == ()
    assert boxes_of(content) == [
        ("a.jpg", "Car", (4.01, 5.05, 20.11, 22.85), 0),
        ("a.jpg", "Pedestrian", (30, 10, 10, 30), 0),
        ("a.jpg", "Car", (50.5, 1, 12.5, 19), 1),
        ("a.jpg", "Pedestrian", (50.5, 1, 12.5, 19), 1),
    ]
    assert [category["name"] for category in content["categories"]] == ["Car", "Pedestrian"]
    assert [image["file_name"] for image in content["images"]] == ["a.jpg", "b.png"]
    assert losses_of(record) == {
        "truncated or occluded object": 1,
        "image without a label file": 1,
        "class of a format that does not list them": 2,
        "DontCare region": 1,
        "area of the box in place of the object's own": 4,
        "image without a box": 1,
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "Car 0 0 0 1 2 3",
            "line with another number of fields than a label has: 1, first label_2/b.txt, line 1",
        ),
        (f"Car 0 0 0 1 2 3 4 {REST} 0.9", "('16 fields'); a line has 15 fields, without a score"),
        (
            f"Car 0 0 0 1 nan 3 4 {REST}",
            "box that is not four finite numbers: 1, first label_2/b.txt, line 1",
        ),
        (f"Car 0 0 0 1 {'9' * 400} 3 4 {REST}", "box that is not four finite numbers"),
        (f"{'C' * 600} 0 0 0 1 2 3 4 {REST}", "class name that is no short text"),
        (b"\xff\xff", "label file that is not UTF-8 text"),
    ],
)
def test_a_broken_line_is_named(folder, line, message):
    write_files(folder, {"label_2/b.txt": line})
    (problem,) = problems_of(folder, "kitti", "label_2")
    assert message in problem


def test_the_score_that_cvat_writes_behind_a_label_is_left_out(folder):
    """datumaro, and with it CVAT, writes 16 fields with a score of 1.0; scores of detections differ."""
    write_files(folder, {"label_2/b.txt": "Car 0.0 0 -1 4.0 5.0 24.0 27.0 -1 -1 -1 -1 -1 -1 -1 1.0\n"})
    content, record = convert(folder, "kitti", "label_2")
    assert record.problems == ()
    assert ("b.png", "Car", (4, 5, 20, 22), 0) in boxes_of(content)
    assert losses_of(record)["label with a score of 1, as CVAT writes it"] == 1


def test_unknown_occlusion_is_said_too(folder):
    """KITTI's own evaluation leaves out objects with an occlusion of 3, unknown."""
    write_files(folder, {"label_2/b.txt": f"Car 0.00 3 -1.58 4 5 24 27 {REST}"})
    _, record = convert(folder, "kitti", "label_2")
    assert losses_of(record)["truncated or occluded object"] == 2


def test_labels_without_an_image_and_without_labels(folder):
    write_files(folder, {"label_2/x.txt": A, "none/readme.md": ""})
    assert (
        "label file whose image is not there: 1, first label_2/x.txt"
        in problems_of(folder, "kitti", "label_2")[0]
    )
    assert "not a folder of .txt files" in problems_of(folder, "kitti", "none")[0]
