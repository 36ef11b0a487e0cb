import errno
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from gallery_files import draw_gallery
from report_fixtures import write_data

from cutpoint.errors import UserError
from cutpoint.files import read_json
from cutpoint.records.detections import write_refusal
from cutpoint.records.manifest import Category, Licence
from cutpoint.records.samples import Hidden, OtherSide
from cutpoint.records.slices import Slice, write_slices
from cutpoint.report.sample_files import LEVELS, encode_pictures


def ids(gallery):
    return [picture.image_id for picture in gallery.pictures]


def test_images_that_differ_most_come_first_then_by_id(tmp_path):
    gallery = draw_gallery(tmp_path, lost={"raw": ((3, 0), (3, 1), (2, 1))})
    assert ids(gallery) == [3, 2, 1, 4]
    counts = [
        (picture.variants["raw"].disagreement, picture.variants["raw"].lost) for picture in gallery.pictures
    ]
    assert counts == [(2, 2), (1, 1), (0, 0), (0, 0)]


def test_each_variant_has_a_picture_although_another_differs_more(tmp_path):
    many = tuple((image, box) for image in (1, 2, 3) for box in (0, 1, 2))
    gallery = draw_gallery(tmp_path, lost={"bad": many, "good": ((4, 1),)}, images=2)
    assert ids(gallery) == [1, 4]
    assert gallery.pictures[1].variants["good"].disagreement == 1


def test_an_image_without_detections_comes_after_those_with_some(tmp_path):
    nothing = ((1, 0), (1, 1), (1, 2))
    assert ids(draw_gallery(tmp_path, lost={"pytorch": nothing, "raw": nothing}, images=3)) == [2, 3, 4]


def test_a_detection_below_the_threshold_is_neither_drawn_nor_a_difference(tmp_path):
    gallery = draw_gallery(tmp_path, lost={"raw": ((4, 2),)}, score_thr=0.75)
    assert ids(gallery) == [1, 2, 3, 4]
    assert [len(picture.reference) for picture in gallery.pictures] == [2] * 4
    assert {picture.variants["raw"].disagreement for picture in gallery.pictures} == {0}


def edited(tmp_path, change):
    """The gallery of a variant whose detections of image 1 are changed, each with the same box but that."""
    draw_gallery(tmp_path)
    path = tmp_path / "edited.json"
    entries = read_json(tmp_path / "raw.json")
    for entry in entries:
        if entry["image_id"] == 1:
            change(entry)
    path.write_text(json.dumps(entries))
    found = {"pytorch": str(tmp_path / "pytorch.json"), "raw": str(path)}
    gallery = draw_gallery(tmp_path, detections=found)
    return next(picture.variants["raw"] for picture in gallery.pictures if picture.image_id == 1)


def test_a_score_that_rounding_moves_below_the_threshold_is_no_difference(tmp_path):
    # scores are 0.9, 0.8 and 0.7; the threshold is 0.3
    variant = edited(tmp_path, lambda entry: entry.update(score=entry["score"] - 0.401))
    assert variant.of_reference[2] == OtherSide(0.299, 1.0, None)
    assert (variant.disagreement, variant.lost, len(variant.detections)) == (0, 0, 2)


def test_a_score_that_falls_far_below_the_threshold_is_a_difference(tmp_path):
    variant = edited(tmp_path, lambda entry: entry.update(score=entry["score"] - 0.6))
    assert [other.cause for other in variant.of_reference] == [None, "low_score", "low_score"]
    assert variant.of_reference[1] == OtherSide(0.2, 1.0, "low_score")
    assert (variant.disagreement, len(variant.detections)) == (2, 1)
    # the third box is a crowd: only the second is an object that is lost
    assert variant.lost == 1


def test_a_box_of_another_class_is_a_false_positive_an_object_lost_and_a_class_error(tmp_path):
    def change(entry):
        if entry["category_id"] == 20:
            entry["category_id"] = 10

    variant = edited(tmp_path, change)
    # 2 detections without a partner; the car is not found, and a pedestrian is there too many
    assert (variant.disagreement, variant.lost, variant.missed) == (2, 2, ())
    assert [one.error for one in variant.detections] == ["correct", "class", "ignored"]


def test_objects_that_are_not_found_are_named_and_crowds_are_none(tmp_path):
    gallery = draw_gallery(tmp_path, lost={"raw": ((1, 0), (1, 2))})
    picture = gallery.pictures[0]
    assert picture.variants["raw"].missed == (0,)
    assert [one.crowd for one in picture.objects] == [False, False, True]


def test_an_unmatched_box_has_its_cause_and_a_matched_one_its_pair(tmp_path):
    gallery = draw_gallery(
        tmp_path, lost={"raw": ((2, 0), (2, 1))}, causes={"raw": {(2, 0.9): "no_candidate"}}
    )
    others = gallery.pictures[0].variants["raw"].of_reference
    assert [other.cause for other in others] == ["no_candidate", "not_followed", None]
    assert (others[2].score, others[2].iou) == (0.7, 1.0)


def test_boxes_are_in_pixels_of_the_original_image(tmp_path):
    picture = next(p for p in draw_gallery(tmp_path).pictures if p.image_id == 4)
    # 600 x 150 pixels; the box of ``boxes_of``: 0.08, 0.3, 0.18, 0.6 of them, and the image's number
    assert (picture.width, picture.height) == (600, 150)
    assert picture.objects[0].box == (52.0, 49.0, 52.0 + 112, 49.0 + 94)
    assert picture.reference[0].box == (52.5, 49.5, 52.5 + 112.5, 49.5 + 94.5)


@pytest.mark.parametrize("labelled", [True, False])
def test_without_annotations_there_are_neither_objects_nor_errors(tmp_path, labelled):
    gallery = draw_gallery(tmp_path, labelled, lost={"raw": ((2, 0),)})
    picture = gallery.pictures[0]
    assert gallery.labelled == labelled
    assert bool(picture.objects) == labelled == (picture.variants["raw"].lost is not None)
    assert {one.error for one in picture.reference} == ({"correct"} if labelled else {None})
    assert gallery.categories[2] == Category(30 if labelled else 3, "traffic <light>")


def test_files_are_written_as_the_index_says_and_old_ones_go(tmp_path):
    draw_gallery(tmp_path)
    gallery = draw_gallery(tmp_path, images=2)
    files = [picture.file for picture in gallery.pictures]
    assert files == ["1.jpg", "2.jpg"]
    folder = tmp_path / "gallery"
    assert sorted(path.name for path in folder.iterdir()) == ["1.jpg", "2.jpg", "index.json", "side_by_side"]
    assert sorted(path.name for path in (folder / "side_by_side").iterdir()) == files
    # a small image keeps its size
    assert cv2.imread(str(folder / "1.jpg")).shape == (240, 320, 3)


def noise(path, height=900, width=1600):
    """An image that JPEG cannot make small."""
    picture = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    cv2.imwrite(str(path), picture)
    return str(path)


def test_pictures_shrink_until_they_keep_the_budget(tmp_path):
    paths = [noise(tmp_path / f"{number}.png") for number in range(3)]
    sides = []
    for budget in (10**7, 10**6, 300_000):
        made = encode_pictures(paths, budget)
        assert sum(map(len, made)) <= budget
        assert len(made) == 3
        sides.append(cv2.imdecode(np.frombuffer(made[0], np.uint8), cv2.IMREAD_COLOR).shape[1])
    assert sides[0] == LEVELS[0][0] > sides[1] > sides[2] >= LEVELS[-1][0]
    # at the last level pictures are left out, but for the first
    size = len(encode_pictures(paths[:1], 1)[0])
    assert len(encode_pictures(paths, 2 * size)) == 2
    assert len(encode_pictures(paths, 1)) == 1


def test_the_budget_leaves_pictures_out_of_the_index_too(tmp_path):
    gallery = draw_gallery(tmp_path, lost={"raw": ((3, 0),)}, megabytes=1e-6)
    assert ids(gallery) == [3]
    assert [path.name for path in (tmp_path / "gallery").glob("*.jpg")] == ["3.jpg"]


def licensed(tmp_path, licences):
    """A manifest whose images have these licences."""
    path = Path(write_data(tmp_path, "licensed", True))
    content = read_json(path)
    for image, licence in zip(content["images"], licences, strict=True):
        image |= {"licence": licence, "source": f"https://example.org/{image['id']}"}
    content["licences"] = [{"id": 4, "name": "Attribution", "url": "https://example.org/by"}]
    content["licences"].append({"id": 9, "name": "Unused", "url": None})
    path.write_text(json.dumps(content))
    return str(path)


def test_only_public_images_are_drawn_and_the_others_counted(tmp_path):
    manifest = licensed(tmp_path, [4, None, 1, 4])
    gallery = draw_gallery(tmp_path, lost={"raw": ((3, 0), (4, 0))}, manifest=manifest, public=[4])
    assert ids(gallery) == [4, 1]
    assert gallery.hidden == Hidden(licence=1, without=1)
    assert gallery.licences == (Licence(4, "Attribution", "https://example.org/by"),)
    assert (gallery.pictures[0].licence, gallery.pictures[0].source) == (4, "https://example.org/4")
    assert {path.name for path in (tmp_path / "gallery").rglob("*.jpg")} == {"1.jpg", "4.jpg"}


def test_all_images_are_shown_by_default_and_none_may_be(tmp_path):
    manifest = licensed(tmp_path, [4, None, 1, 4])
    assert len(draw_gallery(tmp_path, manifest=manifest).pictures) == 4
    gallery = draw_gallery(tmp_path, manifest=manifest, public=[])
    assert (gallery.pictures, gallery.hidden) == ((), Hidden(3, 1))


def test_only_the_reference_is_drawn_where_nothing_else_is_there(tmp_path):
    gallery = draw_gallery(tmp_path, lost={})
    assert ids(gallery) == [1, 2, 3, 4]
    assert {len(picture.variants) for picture in gallery.pictures} == {0}
    assert [one.error for one in gallery.pictures[0].reference] == ["correct", "correct", "ignored"]


def test_each_picture_says_its_slices(tmp_path):
    slices = (Slice("time", "night", (1, 3)), Slice("camera", "3", (3,)))
    write_slices(tmp_path / "slices.json", "setTrue", "slices.csv", slices)
    gallery = draw_gallery(tmp_path, slices=str(tmp_path / "slices.json"))
    assert [p.slices for p in gallery.pictures] == [("time=night",), (), ("time=night", "camera=3"), ()]


def test_a_refused_reference_leaves_the_ground_truth(tmp_path):
    draw_gallery(tmp_path)
    write_refusal(tmp_path / "refused.json", "NaN in boxes")
    found = {"pytorch": str(tmp_path / "refused.json"), "raw": str(tmp_path / "raw.json")}
    gallery = draw_gallery(tmp_path, detections=found)
    assert gallery.refused == {"pytorch": "NaN in boxes"}
    assert [(len(p.objects), p.reference, p.variants) for p in gallery.pictures] == [(3, (), {})] * 4


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda path: path.write_text("no image"), r"001\.jpg: not an image .*; restore it or leave it out"),
        (lambda path: path.unlink(), r"001\.jpg: cannot be read .*; restore it or leave it out"),
    ],
)
def test_an_image_that_cannot_be_read_is_named(tmp_path, harm, message):
    manifest = write_data(tmp_path, "broken", True)
    harm(tmp_path / "data/broken/001.jpg")
    with pytest.raises(UserError, match=message):
        draw_gallery(tmp_path, manifest=manifest)


def test_a_picture_names_its_slices(tmp_path):
    write_slices(
        tmp_path / "s.json", "street", "s.csv", (Slice("time", "night", (2, 3)), Slice("cam", "1", (3,)))
    )
    gallery = draw_gallery(tmp_path, slices=str(tmp_path / "s.json"))
    assert {picture.image_id: picture.slices for picture in gallery.pictures} == {
        1: (),
        2: ("time=night",),
        3: ("time=night", "cam=1"),
        4: (),
    }


def test_a_picture_that_cannot_be_written_names_its_file(tmp_path):
    """RLIMIT_FSIZE stands for a full disk."""
    code = (
        "import resource, sys\nfrom pathlib import Path\nimport numpy as np\n"
        "from cutpoint.report.sample_files import save\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n    save(Path(sys.argv[1]), np.zeros((90, 90, 3), np.uint8))\n"
        "except OSError as error:\n    print(error.errno, error.filename)"
    )
    command = [sys.executable, "-c", code, tmp_path / "picture.jpg"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(errno.EFBIG), str(tmp_path / "picture.jpg")]
