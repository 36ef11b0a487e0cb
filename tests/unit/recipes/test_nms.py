import numpy as np
import pytest

from cutpoint.recipes import nms
from cutpoint.recipes.nms import class_shifted_nms, greedy_nms, per_class_nms
from cutpoint.recipes.overlap import Overlap


def brute_force(boxes, scores, threshold):
    """The textbook loop: every box against every better kept one, float32."""
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if all(not iou(boxes[i], boxes[j]) > np.float32(threshold) for j in kept):
            kept.append(i)
    return kept


def iou(a, b):
    width = max(min(a[2], b[2]) - max(a[0], b[0]), np.float32(0))
    height = max(min(a[3], b[3]) - max(a[1], b[1]), np.float32(0))
    overlap = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.float32(overlap) / np.float32(union)


def random_boxes(rng, count, extent=60, size=30):
    corner = rng.uniform(0, extent, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(0, size, (count, 2))], 1).astype(np.float32)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.65])
@pytest.mark.parametrize("seed", range(3))
def test_equals_brute_force(seed, threshold):
    rng = np.random.default_rng(seed)
    boxes = random_boxes(rng, 150)
    boxes[::13, 2:] = boxes[::13, :2]  # zero area
    boxes[::17] = boxes[5]  # repeated
    scores = np.round(rng.random(150), 1).astype(np.float32)  # many ties
    kept = greedy_nms(boxes, scores, threshold)
    assert kept.dtype == np.int64
    assert kept.tolist() == brute_force(boxes, scores, threshold)
    assert 10 < len(kept) < 150


def test_integer_boxes_on_the_threshold_stay():
    # IoU exactly 1/2: strictly greater suppresses
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5]], np.float32)
    scores = np.array([0.9, 0.8], np.float32)
    assert greedy_nms(boxes, scores, 0.5).tolist() == [0, 1]
    assert greedy_nms(boxes, scores, 0.49).tolist() == [0]


def test_a_suppressed_box_suppresses_nothing():
    # a covers b, b covers c, a does not cover c
    boxes = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]], np.float32)
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    assert greedy_nms(boxes, scores, 0.4).tolist() == [0, 2]


def test_two_empty_boxes_at_one_place_both_stay():
    boxes = np.array([[5, 5, 5, 5], [5, 5, 5, 5]], np.float32)
    assert greedy_nms(boxes, np.array([0.5, 0.6], np.float32), 0.5).tolist() == [1, 0]


def test_no_boxes():
    empty = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    assert greedy_nms(*empty, 0.5).shape == (0,)
    kept = class_shifted_nms(*empty, np.zeros(0, np.int64), 0.5)
    assert kept.shape == (0,)
    assert kept.dtype == np.int64


def test_classes_do_not_suppress_each_other():
    boxes = np.array([[-3, 0, 10, 10]] * 4, np.float32)
    scores = np.array([0.5, 0.9, 0.8, 0.7], np.float32)
    labels = np.array([0, 1, 1, 2])
    assert class_shifted_nms(boxes, scores, labels, 0.5).tolist() == [1, 3, 0]


def test_the_shift_is_label_times_largest_coordinate_plus_one(monkeypatch):
    seen = []
    monkeypatch.setattr(nms, "greedy_nms", lambda boxes, *_: seen.append(boxes))
    boxes = np.array([[-3, 0, 10, 12], [1, 2, 3, 4]], np.float32)
    class_shifted_nms(boxes, np.ones(2, np.float32), np.array([0, 2]), 0.5)
    assert seen[0].tolist() == [[-3, 0, 10, 12], [27, 28, 29, 30]]
    assert seen[0].dtype == np.float32


def test_class_shifted_equals_one_nms_a_class_away_from_the_threshold():
    rng = np.random.default_rng(4)
    boxes = np.round(random_boxes(rng, 300))  # whole pixels: the shift is exact
    scores = rng.permutation(300).astype(np.float32) / 300
    labels = rng.integers(0, 4, 300)
    expected = []
    for label in range(4):
        members = np.flatnonzero(labels == label)
        expected += members[brute_force(boxes[members], scores[members], 0.45)].tolist()
    kept = class_shifted_nms(boxes, scores, labels, 0.45)
    assert sorted(kept.tolist()) == sorted(expected)
    assert (np.diff(scores[kept]) < 0).all()


def test_the_shift_rounds_as_mmdet_does():
    # At label 79 of a 1333 px image a coordinate is rounded to 1/128 px: an overlap just above the threshold
    # becomes one just below it. mmdet's results have this, so ours must.
    boxes = np.array([[0, 0, 100, 100], [0, 0, 100, 60.003], [0, 0, 1333, 1]], np.float32)
    scores = np.array([0.9, 0.8, 0.1], np.float32)
    assert greedy_nms(boxes[:2], scores[:2], 0.6).tolist() == [0]
    labels = np.array([79, 79, 0])
    assert class_shifted_nms(boxes, scores, labels, 0.6).tolist() == [0, 1, 2]


def test_from_the_split_threshold_on_one_nms_a_class(monkeypatch):
    rng = np.random.default_rng(5)
    boxes, labels = np.round(random_boxes(rng, 200)), rng.integers(0, 3, 200)
    scores = np.round(rng.random(200), 2).astype(np.float32)
    whole = class_shifted_nms(boxes, scores, labels, 0.5)
    calls = []
    real = nms.greedy_nms
    monkeypatch.setattr(nms, "greedy_nms", lambda b, s, t, o: calls.append(len(b)) or real(b, s, t, o))
    monkeypatch.setattr(nms, "SPLIT_THRESHOLD", 201)
    class_shifted_nms(boxes, scores, labels, 0.5)
    assert calls == [200]
    calls.clear()
    monkeypatch.setattr(nms, "SPLIT_THRESHOLD", 200)
    split = class_shifted_nms(boxes, scores, labels, 0.5)
    assert calls == np.bincount(labels).tolist()
    # the same boxes; equal scores now in the order of the input
    assert sorted(split) == sorted(whole)
    assert split.tolist() == sorted(whole.tolist(), key=lambda i: (-scores[i], i))
    assert nms.SPLIT_THRESHOLD == 200


def test_per_class_equals_one_nms_a_class_without_any_shift():
    rng = np.random.default_rng(6)
    boxes, labels = random_boxes(rng, 200), rng.integers(0, 3, 200)
    scores = rng.permutation(200).astype(np.float32) / 200
    expected = []
    for label in range(3):
        members = np.flatnonzero(labels == label)
        expected += members[brute_force(boxes[members], scores[members], 0.4)].tolist()
    kept = per_class_nms(boxes, scores, labels, 0.4)
    assert kept.tolist() == sorted(expected, key=lambda i: -scores[i])


def test_per_class_does_not_round_as_the_shift_does():
    # the case of test_the_shift_rounds_as_mmdet_does
    boxes = np.array([[0, 0, 100, 100], [0, 0, 100, 60.003], [0, 0, 1333, 1]], np.float32)
    scores = np.array([0.9, 0.8, 0.1], np.float32)
    assert per_class_nms(boxes, scores, np.array([79, 79, 0]), 0.6).tolist() == [0, 2]


def test_the_cap_of_a_class_counts_what_it_kept():
    # class 0: the second is suppressed by the first, so the third is the second that is kept
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [50, 0, 60, 10], [90, 0, 99, 10]] * 2, np.float32)
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.55, 0.5, 0.4, 0.3], np.float32)
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    assert per_class_nms(boxes, scores, labels, 0.5, max_per_class=2).tolist() == [0, 2, 4, 6]
    assert per_class_nms(boxes, scores, labels, 0.5).tolist() == [0, 2, 3, 4, 6, 7]


def test_equal_scores_of_several_classes_stay_in_the_order_of_the_classes():
    boxes = np.array([[0, 0, 1, 1], [5, 5, 6, 6], [9, 9, 10, 10]], np.float32)
    kept = per_class_nms(boxes, np.array([0.5, 0.5, 0.9], np.float32), np.array([1, 0, 0]), 0.5)
    assert kept.tolist() == [2, 1, 0]


def test_the_old_pixel_convention_makes_small_boxes_overlap_more():
    # 9 x 9 and 9 x 4 with the offset 10 x 10 and 10 x 5: IoU 4/9 and 1/2
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 4]], np.float32)
    scores = np.array([0.9, 0.8], np.float32)
    assert greedy_nms(boxes, scores, 0.47).tolist() == [0, 1]
    assert greedy_nms(boxes, scores, 0.47, Overlap(offset=1)).tolist() == [0]
    assert greedy_nms(boxes, scores, 0.5, Overlap(offset=1)).tolist() == [0, 1]
    # boxes that touch share a column of pixels
    touching = np.array([[0, 0, 9, 9], [9, 0, 18, 9]], np.float32)
    sides = Overlap(offset=1).sides(touching)
    np.testing.assert_allclose(Overlap(offset=1).iou(sides.take(0), sides.take(slice(1, 2))), 10 / 190)


def iou_of(one, other, **settings):
    overlap = Overlap(**settings)
    sides = overlap.sides(np.array([one, other], np.float32))
    return float(overlap.iou(sides.take(0), sides.take(slice(1, 2)))[0])


def test_corners_read_as_centre_and_size():
    # (10, 10, 20, 20) is read as 0..20; (10, 10, 10, 20) as 5..15, 0..20: half of it
    assert iou_of((10, 10, 20, 20), (10, 10, 10, 20), reading="cxcywh") == pytest.approx(0.5)
    # read as corners the second is empty
    assert iou_of((10, 10, 20, 20), (10, 10, 10, 20)) == 0


def test_an_intersection_clipped_as_a_product_takes_two_gaps_for_an_overlap():
    # gaps of 10 and 10 between boxes of 10 x 10: 100 / (100 + 100 - 100)
    apart = (0, 0, 10, 10), (20, 20, 30, 30)
    assert iou_of(*apart, intersection="product") == 1.0
    assert iou_of(*apart) == 0.0
    # one gap alone makes the product negative
    assert iou_of((0, 0, 10, 10), (20, 0, 30, 10), intersection="product") == 0.0


def one_by_one(boxes, scores, threshold, overlap):
    """Each kept box against all that are left, by the same arithmetic."""
    rest, kept = np.argsort(-scores, kind="stable"), []
    sides = overlap.sides(boxes)
    while rest.size:
        best, rest = rest[0], rest[1:]
        kept.append(best)
        rest = rest[~(overlap.iou(sides.take(best), sides.take(rest)) > np.float32(threshold))]
    return [int(row) for row in kept]


def awkward_boxes(rng, kind, count=120):
    """Boxes that a list of overlapping pairs could get wrong."""
    extent = 10 ** rng.uniform(-2, 5)
    corner = rng.uniform(-extent, extent, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0, 1, (count, 2)) * extent], 1)
    if kind == "inside out":
        boxes[::3, :2], boxes[::3, 2:] = boxes[::3, 2:].copy(), boxes[::3, :2].copy()
        boxes[1::5, 0], boxes[1::5, 2] = boxes[1::5, 2].copy(), boxes[1::5, 0].copy()
    elif kind == "empty":
        boxes[::2, 2:] = boxes[::2, :2]
        boxes = np.clip(boxes, 0, extent / 3)
    elif kind == "tiny":  # areas that float32 rounds to a few bits
        boxes[:90] = rng.integers(0, 40, (90, 4)) * 10 ** rng.uniform(-24, -20)
        boxes[:90, 2:] += boxes[:90, :2]
    elif kind == "whole pixels":  # many a tie, many an IoU on the threshold
        boxes = rng.integers(0, 12, (count, 4)).astype(float)
        boxes[:, 2:] = boxes[:, :2] + rng.integers(0, 7, (count, 2))
    elif kind == "not finite":
        boxes[::17, 1], boxes[::19, 2] = np.nan, np.inf
    elif kind == "far out":  # coordinates so large that they are whole pixels
        boxes = np.round(boxes / extent * 8) + 2.0**24
    return boxes.astype(np.float32)


KINDS = ["plain", "inside out", "empty", "tiny", "whole pixels", "not finite", "far out"]
OVERLAPS = [
    Overlap(),
    Overlap(offset=1),
    Overlap(reading="cxcywh"),
    Overlap(intersection="product"),
    Overlap(offset=1, reading="cxcywh"),
]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize("overlap", OVERLAPS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_loop_over_the_kept_boxes(kind, overlap):
    rng = np.random.default_rng(KINDS.index(kind))
    sizes = []
    for threshold in (0.0, 0.1, 0.5, 2 / 3, 0.9, 1.0) * 2:
        boxes = awkward_boxes(rng, kind)
        scores = np.round(rng.random(len(boxes)), 2).astype(np.float32)
        kept = greedy_nms(boxes, scores, threshold, overlap)
        assert kept.tolist() == one_by_one(boxes, scores, threshold, overlap), threshold
        labels = rng.integers(0, 3, len(boxes))
        shifted = nms.shift_classes(boxes, labels)
        expected = one_by_one(shifted, scores, threshold, overlap)
        assert class_shifted_nms(boxes, scores, labels, threshold, overlap).tolist() == expected
        sizes.append(len(kept))
    if kind != "far out":
        assert min(sizes) < len(boxes)


def test_boxes_left_of_the_image_reach_into_the_class_before():
    # the shift is 21: class 1's box at -18 .. -2 lands on 3 .. 19, inside class 0's; mmcv suppresses it
    boxes = np.array([[2, 0, 20, 10], [-18, -21, -2, -11]], np.float32)
    scores, labels = np.array([0.9, 0.8], np.float32), np.array([0, 1])
    assert class_shifted_nms(boxes, scores, labels, 0.5).tolist() == [0]


def test_areas_of_a_single_bit_overlap_as_they_are_rounded():
    # areas of 1.4 and an overlap of 0.55 of float32's smallest number are rounded to 1 of it: IoU 1
    unit = 2.0**-74
    boxes = np.array([[0, 0, 1.4 * unit, unit / 2], [0.85 * unit, 0, 2.25 * unit, unit / 2]], np.float32)
    assert greedy_nms(boxes, np.array([0.9, 0.8], np.float32), 0.9).tolist() == [0]


def test_a_negative_threshold_suppresses_what_does_not_overlap():
    boxes = np.array([[0, 0, 1, 1], [5, 5, 6, 6]], np.float32)
    assert greedy_nms(boxes, np.array([0.1, 0.2], np.float32), -0.1).tolist() == [1]


def test_very_many_pairs_are_not_listed(monkeypatch):
    rng = np.random.default_rng(8)
    boxes, scores = random_boxes(rng, 200), rng.random(200).astype(np.float32)
    expected = greedy_nms(boxes, scores, 0.4)
    monkeypatch.setattr(nms, "_settle", None)
    monkeypatch.setattr(nms, "MOST_PAIRS", 100)
    assert greedy_nms(boxes, scores, 0.4).tolist() == expected.tolist()


def test_a_long_chain_is_settled_one_after_the_other():
    # each box overlaps the next alone: every other one stays
    left = np.arange(400, dtype=np.float32) * 4
    boxes = np.stack([left, 0 * left, left + 6, 0 * left + 10], axis=1)
    scores = np.linspace(0.9, 0.1, 400, dtype=np.float32)
    assert greedy_nms(boxes, scores, 0.15).tolist() == list(range(0, 400, 2))
