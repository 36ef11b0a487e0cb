import numpy as np
import pytest

from cutpoint.errors import UserError
from cutpoint.files import read_json, write_json
from cutpoint.records.truth import make_truth, read_truth, write_truth

CONTENT = {
    "images": [
        {"id": 5, "file_name": "a.jpg", "height": 20, "width": 30},
        {"id": 9, "file_name": "b.jpg", "height": 20, "width": 30},
    ],
    "annotations": [
        {"id": 1, "image_id": 9, "category_id": 2, "bbox": [1, 2.5, 3, 4], "area": 11.5, "iscrowd": 0},
        {"id": 2, "image_id": 9, "category_id": 2, "bbox": [0, 0, 30, 20], "area": 600, "iscrowd": 1},
    ],
    "categories": [{"id": 2, "name": "car"}],
    "info": {
        "dataset": "street",
        "source": "instances.json",
        "notes": ["one"],
        "left_out": {"categories": 1, "boxes": 3, "names": ["bus"]},
    },
}


def test_ground_truth_comes_back(tmp_path):
    path = tmp_path / "truth.json"
    write_json(path, CONTENT)  # as older versions wrote it, without a format number
    truth = read_truth(path)
    assert truth.image_ids == [5, 9]
    assert truth.corners.tolist() == [[1, 2.5, 4, 6.5], [0, 0, 30, 20]]
    assert truth.iscrowd.tolist() == [False, True]
    assert truth.left_out.names == ("bus",)
    write_truth(path, truth)
    assert read_json(path) == {"format": 2, **CONTENT}


def test_chosen_boxes_as_coco():
    truth = make_truth(CONTENT)
    coco = truth.to_coco(~truth.iscrowd)
    assert coco["annotations"] == CONTENT["annotations"][:1]
    assert coco["images"] == CONTENT["images"]
    assert truth.to_coco(np.array([], dtype=int))["annotations"] == []


def test_images_are_taken_with_their_boxes():
    truth = make_truth(CONTENT)
    with_boxes, without = truth.of_images([9]), truth.of_images({5, 77})
    assert with_boxes.to_coco() == {**truth.to_coco(), "images": CONTENT["images"][1:]}
    assert (without.image_ids, len(without)) == ([5], 0)
    assert without.categories == truth.categories


def test_a_box_of_an_image_that_is_not_listed_is_refused(tmp_path):
    path = tmp_path / "truth.json"
    write_json(path, CONTENT | {"images": CONTENT["images"][:1]})
    with pytest.raises(UserError, match=r"truth.json: annotations\[0\].image_id: 9 is not among the images"):
        read_truth(path)


def test_a_box_that_is_none_is_refused_with_its_place(tmp_path):
    path = tmp_path / "truth.json"
    broken = [CONTENT["annotations"][0], CONTENT["annotations"][1] | {"bbox": None}]
    write_json(path, CONTENT | {"annotations": broken})
    with pytest.raises(UserError, match=r"truth.json: annotations\[1\].bbox: expected array, got null"):
        read_truth(path)
