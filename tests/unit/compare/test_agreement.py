import itertools

import numpy as np
import pytest

from cutpoint.compare.agreement import find_overlaps, match, measure_agreement, pair
from cutpoint.decode.boxes import box_iou


def detection(x, image=1, category=1, score=0.5, width=10):
    return {"image_id": image, "category_id": category, "bbox": [x, 0, width, 10], "score": score}


def pairs(reference, variant, iou):
    return len(pair(find_overlaps(reference, variant), iou)[0])


def test_agreement_is_a_share_of_both_sides():
    # IoU 9.5 / 10.5 = .905 matches at .9; 9 / 11 = .82 does not; another class, another image do not
    reference = [detection(0), detection(100), detection(200, category=2), detection(300, image=2)]
    variant = [detection(0.5), detection(101), detection(200), detection(300, image=1), detection(400)]
    found = measure_agreement(reference, variant, [1, 2])
    assert found["agreement"] == 2 / 9
    assert (found["reference"], found["variant"]) == (4, 5)
    assert (found["missing"], found["extra"]) == (2, 3)
    assert found["shares"] == [
        {"iou": 0.5, "pairs": 2, "share": 4 / 9},
        {"iou": 0.9, "pairs": 1, "share": 2 / 9},
        {"iou": 0.99, "pairs": 0, "share": 0.0},
    ]
    # all scores are 0.5, the sixth threshold of ten
    assert found["per_image"] == [
        {"image_id": 1, "reference": 3, "variant": 5, "agreement": 2 / 8, "missing": 1, "extra": 3}
        | {"score_drift": 0.0, "box_drift_px": 1.0, "f1": [2 / 8] * 6 + [None] * 4},
        {"image_id": 2, "reference": 1, "variant": 0, "agreement": 0.0, "missing": 1, "extra": 0}
        | {"score_drift": None, "box_drift_px": None, "f1": [0.0] * 6 + [None] * 4},
    ]


@pytest.mark.parametrize(
    ("reference", "variant", "expected"), [([], [], 1.0), ([1], [], 0.0), ([], [1], 0.0), ([1], [1], 1.0)]
)
def test_empty_sides(reference, variant, expected):
    sides = ([detection(x) for x in side] for side in (reference, variant))
    found = measure_agreement(*sides, [1])
    assert found["agreement"] == found["per_image"][0]["agreement"] == expected
    assert (found["score_drift"]["p50"] is None) == (expected == 0 or not reference)


def test_drift_is_of_the_scores_and_of_the_corner_that_moved_most():
    # of 101 pairs the k-th moves by k / 100 px and loses k / 1000 of its score; one gains
    reference = [detection(50 * k, score=0.5) for k in range(101)]
    variant = [detection(50 * k, score=0.5 - k / 1000, width=10 + k / 100) for k in range(101)]
    variant[10]["score"] = 0.51
    found = measure_agreement(reference, variant, [1])
    assert found["box_drift_px"] == pytest.approx({"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0})
    assert found["score_drift"]["max"] == pytest.approx(0.1)
    assert found["score_drift"]["p90"] == pytest.approx(0.09)
    # the mean is signed: variant - reference
    assert found["score_drift"]["mean"] == pytest.approx(-(sum(range(101)) / 1000 - 0.02) / 101)


def test_f1_counts_either_side_above_the_threshold_and_matches_anew():
    # below .5 the reference's best partner is the low one; above, only the high one is left
    reference = [detection(0, score=0.9)]
    variant = [detection(0, score=0.15), detection(0.1, score=0.8)]
    found = {row["score_thr"]: row for row in measure_agreement(reference, variant, [1])["f1"]}
    assert found[0.1] == {"score_thr": 0.1, "reference": 1, "variant": 2, "f1": 2 / 3}
    assert found[0.2] == {"score_thr": 0.2, "reference": 1, "variant": 1, "f1": 1.0}
    assert found[0.9] == {"score_thr": 0.9, "reference": 1, "variant": 0, "f1": 0.0}
    assert measure_agreement([], [], [1])["f1"][0]["f1"] is None


def test_f1_of_each_image_over_thresholds():
    reference = [detection(0, score=0.9), detection(50, score=0.35), detection(0, image=2, score=0.6)]
    variant = [detection(0, score=0.85), detection(0, image=2, score=0.6)]
    found = measure_agreement(reference, variant, [1, 2, 3])
    thresholds = [row["score_thr"] for row in found["f1"]]
    f1 = {row["image_id"]: dict(zip(thresholds, row["f1"], strict=True)) for row in found["per_image"]}
    assert [f1[1][thr] for thr in (0.3, 0.4, 0.8, 0.9)] == [2 / 3, 1.0, 1.0, 0.0]
    assert [f1[2][thr] for thr in (0.6, 0.7)] == [1.0, None]
    assert set(f1[3].values()) == {None}


def test_of_many_images_the_worst_are_listed():
    reference = [detection(0, image=image) for image in range(150)]
    variant = [detection(0 if image != 77 else 500, image=image) for image in range(150)]
    variant.append(detection(900, image=33))
    found = measure_agreement(reference, variant, range(150))
    assert found["images"] == 150
    assert len(found["per_image"]) == 20
    assert [(row["image_id"], row["agreement"]) for row in found["per_image"][:3]] == [
        (77, 0.0),
        (33, 2 / 3),
        (0, 1.0),
    ]


def test_duplicates_match_one_to_one():
    assert pairs([detection(0)] * 3, [detection(0)] * 2, 0.9) == 2
    assert pairs([detection(0)], [detection(0)] * 2, 0.9) == 1


def test_bbox_is_x_y_width_height():
    # overlap 7 of 13 px; read as corners it would be 2 of 5
    assert pairs([detection(5)], [detection(8)], 0.5) == 1


@pytest.mark.parametrize("iou", [0.5, 0.7, 0.9])
def test_pairs_are_those_of_match_in_each_image_and_class(iou):
    rng = np.random.default_rng(1)
    sides = [
        [
            detection(
                float(rng.uniform(0, 30)), int(rng.integers(3)), int(rng.integers(2)), float(rng.random())
            )
            for _ in range(200)
        ]
        for _ in range(2)
    ]
    left, right = pair(find_overlaps(*sides), iou)
    found = set(zip(left.tolist(), right.tolist(), strict=True))
    expected = set()
    for image, category in itertools.product(range(3), range(2)):
        rows = [
            [k for k, d in enumerate(side) if (d["image_id"], d["category_id"]) == (image, category)]
            for side in sides
        ]
        corners = [
            np.array([np.add(sides[s][k]["bbox"], [0, 0, sides[s][k]["bbox"][0], 0]) for k in rows[s]])
            for s in (0, 1)
        ]
        scores = np.array([sides[0][k]["score"] for k in rows[0]])
        for i, j in zip(*match(corners[0], scores, corners[1], iou), strict=True):
            expected.add((rows[0][i], rows[1][j]))
    assert found == expected
    assert len(found) > 100


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
