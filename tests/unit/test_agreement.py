import itertools
import json

import numpy as np
import pytest

from cutpoint.agreement import compare, count_matches, match
from cutpoint.boxes import box_iou


def detection(x, image=1, category=1, score=0.5, width=10):
    return {"image_id": image, "category_id": category, "bbox": [x, 0, width, 10], "score": score}


def run(tmp_path, reference, variant, metrics=(None, None)):
    paths = {}
    for name, value in (("reference", reference), ("variant", variant)):
        paths[name] = str(tmp_path / f"{name}.json")
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    for name, value in zip(("reference_metrics", "variant_metrics"), metrics, strict=True):
        paths[name] = None
        if value is not None:
            paths[name] = str(tmp_path / f"{name}.json")
            (tmp_path / f"{name}.json").write_text(json.dumps({"AP": value[0]}))
    compare(reference_name="pytorch", **paths, out=str(tmp_path / "out.json"))
    return json.loads((tmp_path / "out.json").read_text())


def test_agreement_is_a_share_of_both_sides(tmp_path):
    # IoU 9.5 / 10.5 = .905 matches at .9; 9 / 11 does not; another class, another image do not
    reference = [detection(0), detection(100), detection(200, category=2), detection(300, image=2)]
    variant = [detection(0.5), detection(101), detection(200), detection(300, image=1), detection(400)]
    assert run(tmp_path, reference, variant) == {
        "reference": "pytorch",
        "delta_AP": None,
        "delta_AP_ci95": None,
        "verdict": None,
        "agreement": 2 / 9,
        "autopsy": None,
    }


def test_delta_is_variant_minus_reference(tmp_path):
    assert run(tmp_path, [], [], ([0.5], [0.375]))["delta_AP"] == -0.125
    assert run(tmp_path, [], [], ([0.5], [None]))["delta_AP"] is None


@pytest.mark.parametrize(
    ("reference", "variant", "expected"), [([], [], 1.0), ([1], [], 0.0), ([], [1], 0.0), ([1], [1], 1.0)]
)
def test_empty_sides(tmp_path, reference, variant, expected):
    sides = ([detection(x) for x in side] for side in (reference, variant))
    assert run(tmp_path, *sides)["agreement"] == expected


def test_duplicates_match_one_to_one():
    assert count_matches([detection(0)] * 3, [detection(0)] * 2, 0.9) == 2
    assert count_matches([detection(0)], [detection(0)] * 2, 0.9) == 1


def test_bbox_is_x_y_width_height():
    # overlap 7 of 13 px; read as corners it would be 2 of 5
    assert count_matches([detection(5)], [detection(8)], 0.5) == 1


def test_the_better_score_chooses_first_and_takes_its_best_partner():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10]], float)
    others = np.array([[1, 0, 11, 10], [0, 0, 10, 10.5]], float)
    left, right = match(boxes, np.array([0.9, 0.8]), others, 0.5)
    assert list(zip(left, right, strict=True)) == [(0, 1), (1, 0)]
    # whichever is first takes the only partner that both could have
    for scores, winner in (([0.9, 0.8], 0), ([0.8, 0.9], 1)):
        left, right = match(boxes, np.array(scores), others[:1], 0.5)
        assert list(zip(left, right, strict=True)) == [(winner, 0)]


def test_the_least_iou_itself_matches():
    boxes, others = np.array([[0, 0, 10, 10.0]]), np.array([[0, 0, 10, 5.0]])
    assert len(match(boxes, np.ones(1), others, 0.5)[0]) == 1
    assert len(match(boxes, np.ones(1), others, 0.5001)[0]) == 0


def test_match_is_one_to_one_and_symmetric_in_count_on_separated_boxes():
    rng = np.random.default_rng(0)
    centres = np.array(list(itertools.product(range(0, 1000, 50), range(0, 1000, 50))), float)
    boxes = np.concatenate([centres, centres + 30], 1)
    others = rng.permutation(boxes + rng.normal(0, 0.5, boxes.shape))[:300]
    left, right = match(boxes, rng.random(len(boxes)), others, 0.8)
    assert len(set(left)) == len(left) == len(set(right)) > 250
    back, _ = match(others, rng.random(300), boxes, 0.8)
    assert len(back) == len(left)
    assert (box_iou(boxes, others)[left, right] >= 0.8).all()


def test_no_partners():
    left, right = match(np.zeros((2, 4)), np.ones(2), np.zeros((0, 4)), 0.5)
    assert len(left) == len(right) == 0


def test_box_iou_by_hand():
    iou = box_iou(
        np.array([[0, 0, 10, 10], [5, 5, 5, 5]]), np.array([[5, 5, 15, 15], [20, 0, 30, 10], [5, 5, 5, 5]])
    )
    np.testing.assert_allclose(iou, [[25 / 175, 0, 0], [0, 0, 0]])
