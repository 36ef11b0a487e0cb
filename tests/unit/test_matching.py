"""Pairs by hand, and against plain loops on random boxes."""

import itertools

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from cutpoint import matching
from cutpoint.iou import box_iou
from cutpoint.matching import (
    PAIR_IOU,
    find_overlaps,
    find_partners,
    group_rows,
    match,
    matched_fraction,
    pair_alike,
    pair_best,
    pair_nearest,
    pair_overlaps,
)
from cutpoint.records.detections import make_results


def detection(x=0.0, score=0.5, image=1, category=1, width=10.0):
    return {"image_id": image, "category_id": category, "bbox": [x, 0, width, 10], "score": score}


def random_results(seed, count=300, scores=None):
    """Crowded: of three images and two classes; scores of one decimal tie."""
    rng = np.random.default_rng(seed)
    return make_results(
        [
            detection(
                float(rng.uniform(0, 40)),
                round(float(rng.random()), scores) if scores else float(rng.random()),
                int(rng.integers(1, 4)),
                int(rng.integers(1, 3)),
                float(rng.uniform(8, 12)),
            )
            for _ in range(count)
        ]
    )


def rows_of(pairs):
    return list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))


def take_in_turn(boxes, scores, others, iou, allowed):
    """The rule as a loop: best score first, each takes its best free partner."""
    overlap = np.where(allowed, box_iou(boxes, others), -1)
    pairs = []
    for row in sorted(range(len(boxes)), key=lambda row: -scores[row]):
        best = max(range(len(others)), key=lambda column: overlap[row, column], default=None)
        if best is not None and overlap[row, best] >= iou:
            pairs.append((row, best))
            overlap[:, best] = -1
    return pairs


def alike(one, other):
    """``(n, m)``: of the same image and class."""
    return (one.image_id[:, None] == other.image_id) & (one.category_id[:, None] == other.category_id)


def count_pairs(reference, variant, iou):
    return len(pair_overlaps(find_overlaps(make_results(reference), make_results(variant)), iou))


def test_pairs_of_a_data_set_are_one_to_one():
    assert count_pairs([detection()] * 3, [detection()] * 2, 0.9) == 2
    assert count_pairs([detection()], [detection()] * 2, 0.9) == 1
    assert count_pairs([], [detection()], 0.5) == count_pairs([detection()], [], 0.5) == 0


def test_pairs_are_of_the_same_image_and_class():
    others = [detection(image=2), detection(category=2)]
    assert count_pairs([detection()], others, 0.5) == 0
    # ids may be as large as int64
    big = {"image": 2**63 - 1, "category": 2**63 - 2}
    assert count_pairs([detection(**big)], [*others, detection(**big)], 0.9) == 1


def test_bbox_is_x_y_width_height():
    # overlap 7 of 13 px; read as corners it would be 2 of 5
    assert count_pairs([detection(5)], [detection(8)], 0.5) == 1
    # the least IoU itself is enough
    assert count_pairs([detection()], [detection(width=5.0)], 0.5) == 1
    assert count_pairs([detection()], [detection(width=4.99)], 0.5) == 0


def test_overlaps_are_all_that_reach_the_least_iou():
    reference, variant = random_results(1), random_results(2)
    overlaps = find_overlaps(reference, variant)
    iou = box_iou(reference.corners, variant.corners)
    expected = np.argwhere((iou >= PAIR_IOU) & alike(reference, variant))
    found = np.stack([overlaps.left, overlaps.right], axis=1)
    assert sorted(found.tolist()) == expected.tolist()
    assert len(expected) > 1000
    assert overlaps.iou.tolist() == iou[overlaps.left, overlaps.right].tolist()


@pytest.mark.parametrize("scores", [None, 1])
@pytest.mark.parametrize("iou", [0.5, 0.7, 0.9])
def test_pairs_of_a_data_set_are_those_of_a_loop_in_each_image_and_class(iou, scores):
    reference, variant = random_results(1, scores=scores), random_results(2, scores=scores)
    pairs = pair_overlaps(find_overlaps(reference, variant), iou)
    same = alike(reference, variant)
    expected = take_in_turn(reference.corners, reference.score, variant.corners, iou, same)
    assert rows_of(pairs) == expected
    assert len(expected) > 100


@pytest.mark.parametrize("score_thr", [0.3, 0.8])
def test_a_score_threshold_is_of_both_sides_and_matches_anew(score_thr):
    reference, variant = random_results(3), random_results(4)
    pairs = pair_overlaps(find_overlaps(reference, variant), 0.6, score_thr)
    rows = [np.flatnonzero(side.score >= score_thr) for side in (reference, variant)]
    sides = reference.take(rows[0]), variant.take(rows[1])
    anew = take_in_turn(sides[0].corners, sides[0].score, sides[1].corners, 0.6, alike(*sides))
    assert rows_of(pairs) == [(rows[0][i], rows[1][j]) for i, j in anew]
    assert anew


def test_blocks_do_not_show(monkeypatch):
    reference, variant = random_results(5), random_results(6)
    moved = make_results([entry | {"score": entry["score"] + 5e-5} for entry in reference.to_coco()[::-1]])
    whole = find_overlaps(reference, variant), pair_alike(reference, moved, 0.05, 1e-4)
    monkeypatch.setattr(matching, "BLOCK", 7)
    parts = find_overlaps(reference, variant), pair_alike(reference, moved, 0.05, 1e-4)
    for one, other in zip(whole, parts, strict=True):
        assert rows_of(one) == rows_of(other)
        assert len(one.left) >= 300


def test_the_better_score_chooses_first_and_takes_its_best_partner():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10]], float)
    others = np.array([[1, 0, 11, 10], [0, 0, 10, 10.5]], float)
    assert rows_of(match(boxes, np.array([0.9, 0.8]), others, 0.5)) == [(0, 1), (1, 0)]
    # whichever is first takes the only partner that both could have
    for scores, winner in (([0.9, 0.8], 0), ([0.8, 0.9], 1)):
        assert rows_of(match(boxes, np.array(scores), others[:1], 0.5)) == [(winner, 0)]


def test_what_is_not_allowed_is_no_pair():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9.0]])
    labels = np.array([1, 2])
    allowed = labels[:, None] == labels[::-1][None]
    assert rows_of(match(boxes, np.array([0.9, 0.8]), boxes, 0.5)) == [(0, 0), (1, 1)]
    assert rows_of(match(boxes, np.array([0.9, 0.8]), boxes, 0.5, allowed)) == [(0, 1), (1, 0)]
    assert len(match(boxes, np.array([0.9, 0.8]), boxes, 0.5, np.zeros((2, 2), dtype=bool))) == 0


@pytest.mark.parametrize("classes", [1, 3])
def test_match_is_the_rule_as_a_loop(classes):
    rng = np.random.default_rng(classes)
    for _ in range(20):
        corners = [rng.uniform(0, 30, (rng.integers(0, 25), 2)) for _ in range(2)]
        boxes, others = (
            np.hstack([low, low + rng.uniform(5, 20, low.shape)]).astype(np.float32) for low in corners
        )
        labels = [rng.integers(0, classes, len(side)) for side in corners]
        allowed = labels[0][:, None] == labels[1][None]
        scores = rng.random(len(boxes)).round(1).astype(np.float32)
        expected = take_in_turn(boxes, scores, others, 0.3, allowed)
        assert rows_of(match(boxes, scores, others, 0.3, allowed)) == expected


def test_the_least_iou_itself_matches():
    boxes, others = np.array([[0, 0, 10, 10.0]]), np.array([[0, 0, 10, 5.0]])
    assert len(match(boxes, np.ones(1), others, 0.5)) == 1
    assert len(match(boxes, np.ones(1), others, 0.5001)) == 0


def test_match_is_one_to_one_and_symmetric_in_count_on_separated_boxes():
    rng = np.random.default_rng(0)
    centres = np.array(list(itertools.product(range(0, 1000, 50), range(0, 1000, 50))), float)
    boxes = np.concatenate([centres, centres + 30], 1)
    others = rng.permutation(boxes + rng.normal(0, 0.5, boxes.shape))[:300]
    pairs = match(boxes, rng.random(len(boxes)), others, 0.8)
    assert len(set(pairs.left)) == len(pairs) == len(set(pairs.right)) > 250
    assert len(match(others, rng.random(300), boxes, 0.8)) == len(pairs)
    assert (box_iou(boxes, others)[pairs.left, pairs.right] >= 0.8).all()


def test_no_partners():
    assert len(match(np.zeros((2, 4)), np.ones(2), np.zeros((0, 4)), 0.5)) == 0


def count_alike(reference, variant, corner_px=0.05, score=1e-4):
    return len(pair_alike(make_results(reference), make_results(variant), corner_px, score))


def test_alike_are_one_to_one_and_the_most_there_can_be():
    assert count_alike([detection()] * 3, [detection()] * 2) == 2
    assert count_alike([detection()] * 2, [detection()] * 3) == 2
    assert count_alike([], []) == count_alike([detection()], []) == count_alike([], [detection()]) == 0
    # the first fits both, the second only the first's nearer partner
    assert count_alike([detection(0.0), detection(0.04)], [detection(0.03), detection(-0.04)]) == 2


def test_scores_of_any_range_keep_groups_apart():
    reference = [detection(score=s, category=c) for s, c in ((-8.0, 1), (30.0, 1), (-8.0, 2), (30.0, 2))]
    assert count_alike(reference, reference[::-1]) == 4
    moved = [detection(score=s, category=c) for s, c in ((-8.0, 1), (30.0, 1), (30.0, 2), (30.0, 2))]
    assert count_alike(reference, moved) == 3
    # nor does a tolerance that is wider than all scores bring them together
    assert count_alike([detection()], [detection(category=2), detection(image=2)], score=5) == 0


@pytest.mark.parametrize(("corner_px", "score"), [(0.5, 0.05), (2, 0.2), (0, 0)])
def test_alike_pairs_are_as_many_as_an_assignment_finds(corner_px, score):
    reference = random_results(7, 200)
    rng = np.random.default_rng(8)
    variant = make_results(
        [
            detection(
                entry["bbox"][0] + rng.uniform(-corner_px, corner_px),
                entry["score"] + rng.uniform(-score, score),
                entry["image_id"],
                entry["category_id"],
                entry["bbox"][2],
            )
            for entry in reference.to_coco()
        ]
    ).take(rng.permutation(200)[:150])
    pairs = pair_alike(reference, variant, corner_px, score)
    moved = np.abs(reference.corners[:, None] - variant.corners).max(axis=2)
    changed = np.abs(reference.score[:, None] - variant.score)
    near = alike(reference, variant) & (moved <= corner_px) & (changed <= score)
    assert near[pairs.left, pairs.right].all()
    assert len(set(pairs.left)) == len(set(pairs.right)) == len(pairs)
    assert len(pairs) == near[linear_sum_assignment(near, maximize=True)].sum() > 100


def test_the_best_of_each_image_and_class():
    one = make_results([detection(score=0.4), detection(score=0.9), detection(image=2), detection(image=3)])
    other = make_results(
        [detection(image=3), detection(score=0.3), detection(score=0.3), detection(category=2)]
    )
    # of equals the first
    assert sorted(rows_of(pair_best(one, other))) == [(1, 1), (3, 0)]
    assert len(pair_best(one, make_results([]))) == 0


def test_the_nearest_pairs_are_the_most_and_of_these_the_least_sum():
    distance = np.array([[0.1, 0.2], [0.2, 9.0]])
    # one pair would be nearer than two
    assert sorted(rows_of(pair_nearest(distance, np.ones((2, 2), dtype=bool)))) == [(0, 1), (1, 0)]
    assert rows_of(pair_nearest(distance, distance < 0.15)) == [(0, 0)]
    assert len(pair_nearest(np.zeros((0, 3)), np.zeros((0, 3), dtype=bool))) == 0


def test_a_partner_may_be_shared():
    partners = find_partners(np.array([[0.2, 0.9], [0.0, 0.0], [0.0, 0.5]]))
    assert (partners.index.tolist(), partners.value.tolist()) == ([1, -1, 1], [0.9, 0, 0.5])
    none = find_partners(np.zeros((2, 0)))
    assert (none.index.tolist(), none.value.tolist()) == ([-1, -1], [0, 0])


def test_rows_of_each_value():
    rows = group_rows(np.array([7, 2**62, 7, -1]))
    assert {value: own.tolist() for value, own in rows.items()} == {-1: [3], 7: [0, 2], 2**62: [1]}
    assert group_rows(np.array([], dtype=np.int64)) == {}


def test_the_matched_fraction_is_of_both_sides():
    assert matched_fraction(1, 9) == 2 / 9
    assert matched_fraction(0, 0) == 1
