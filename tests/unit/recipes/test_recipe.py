import numpy as np
import pytest
from tiny import (
    ATSS_STEPS,
    YOLOX_STEPS,
    atss_head,
    candidates,
    geometry,
    input_recipe,
    model_spec,
    recipe_of,
    yolox_head,
)

from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import limit_top_k
from cutpoint.recipes.steps.boxes import Clip
from cutpoint.recipes.steps.overlaps import Nms
from cutpoint.recipes.steps.ranks import MaxPerImg, TopK
from cutpoint.recipes.steps.scores import BestClass
from cutpoint.records.image import Pad
from cutpoint.records.model import ModelSpec

BOX = (0, 0, 8, 8)
FAR = [(i * 100, 0, i * 100 + 8, 8) for i in range(10)]


def run(steps, rows, **sizes):
    """Detections as ``(label, score, box)`` lists."""
    found = apply_recipe(recipe_of(*steps), candidates(*rows), geometry(**sizes), model_spec(atss_head()))
    assert found.boxes.dtype == np.float32
    assert found.scores.dtype == np.float32
    assert found.labels.dtype == np.int64
    return found


def kept(steps, rows, **sizes):
    return run(steps, rows, **sizes).labels.tolist()


def test_best_class_of_each_location_and_the_lowest_label_among_equals():
    rows = [
        (0, 4, 0, 0.2, 1, BOX),
        (0, 4, 1, 0.3, 1, BOX),
        (0, 7, 1, 0.5, 1, BOX),
        (0, 7, 2, 0.5, 1, BOX),
        (0, 9, 0, 0.1, 1, BOX),
    ]
    found = run([{"step": "best_class"}], rows)
    assert list(zip(found.labels.tolist(), found.scores.round(3).tolist(), strict=True)) == [
        (1, pytest.approx(0.3)),
        (1, pytest.approx(0.5)),
        (0, pytest.approx(0.1)),
    ]


@pytest.mark.parametrize(("inclusive", "expected"), [(False, [2]), (True, [1, 2])])
def test_threshold_on_the_class_score(inclusive, expected):
    rows = [(0, 0, 0, 0.2, 1, BOX), (0, 1, 1, 0.25, 1, BOX), (0, 2, 2, 0.26, 0.01, BOX)]
    assert (
        kept([{"step": "threshold", "quantity": "class", "value": 0.25, "inclusive": inclusive}], rows)
        == expected
    )


@pytest.mark.parametrize(("inclusive", "expected"), [(False, [2]), (True, [1, 2])])
def test_threshold_on_the_product(inclusive, expected):
    rows = [(0, 0, 0, 0.9, 0.25, BOX), (0, 1, 1, 0.5, 0.5, BOX), (0, 2, 2, 0.6, 0.5, BOX)]
    step = {"step": "threshold", "quantity": "product", "value": 0.25, "inclusive": inclusive}
    found = run([step], rows)
    assert found.labels.tolist() == expected
    # the score itself stays the class score
    assert found.scores[-1] == np.float32(0.6)


def test_threshold_compares_in_float32():
    # float32(0.3) is above 0.3 in float64: strictly above the threshold there, equal to it in float32
    assert (
        kept(
            [{"step": "threshold", "quantity": "class", "value": 0.3, "inclusive": False}],
            [(0, 0, 0, 0.3, 1, BOX)],
        )
        == []
    )


def test_top_k_is_per_level_of_pairs_by_class_score():
    rows = [
        (0, 0, 0, 0.3, 1.0, BOX),
        (0, 0, 1, 0.5, 0.01, BOX),  # the factor does not count
        (0, 1, 2, 0.4, 1.0, BOX),
        (1, 9, 0, 0.1, 1.0, BOX),
    ]
    found = run([{"step": "top_k", "k": 2}], rows)
    assert found.scores.tolist() == np.float32([0.5, 0.4, 0.1]).tolist()
    assert kept([{"step": "top_k", "k": 5}], rows) == [1, 2, 0, 0]


def test_top_k_of_minus_one_drops_the_worst_pair_of_each_level():
    rows = [(0, 0, 0, 0.3, 1, BOX), (0, 1, 1, 0.5, 1, BOX), (0, 2, 2, 0.4, 1, BOX), (1, 9, 0, 0.1, 1, BOX)]
    assert kept([{"step": "top_k", "k": -1}], rows) == [1, 2]


def test_top_k_of_locations_keeps_all_their_pairs_and_ranks_by_the_best():
    rows = [
        (0, 0, 0, 0.3, 1, BOX),
        (0, 1, 1, 0.4, 1, BOX),
        (0, 1, 2, 0.2, 1, BOX),
        (0, 2, 0, 0.35, 1, BOX),
        (0, 2, 2, 0.34, 1, BOX),
        (1, 9, 0, 0.1, 1, BOX),
    ]
    found = run([{"step": "top_k", "k": 2, "unit": "location"}], rows)
    assert sorted(found.scores.round(2).tolist()) == pytest.approx([0.1, 0.2, 0.34, 0.35, 0.4])
    assert kept([{"step": "top_k", "k": 1, "unit": "location"}], rows) == [1, 2, 0]


def test_top_k_of_the_image_forgets_the_levels():
    rows = [(0, 0, 0, 0.3, 1, BOX), (0, 1, 1, 0.5, 1, BOX), (1, 8, 2, 0.4, 1, BOX), (1, 9, 0, 0.1, 1, BOX)]
    assert kept([{"step": "top_k", "k": 2, "per": "image"}], rows) == [1, 2]
    assert kept([{"step": "top_k", "k": 3, "per": "image", "unit": "location"}], rows) == [1, 2, 0]


@pytest.mark.parametrize(("inclusive", "expected"), [(False, [2]), (True, [1, 2])])
def test_threshold_on_the_factor(inclusive, expected):
    rows = [(0, 0, 0, 0.9, 0.2, BOX), (0, 1, 1, 0.1, 0.5, BOX), (0, 2, 2, 0.1, 0.6, BOX)]
    step = {"step": "threshold", "quantity": "factor", "value": 0.5, "inclusive": inclusive}
    assert kept([step], rows) == expected


def test_clip_to_the_tensor_and_with_a_border():
    rows = [(0, 0, 0, 0.5, 1, (-5, -5, 100, 100))]
    sizes = {"padded_height": 64, "padded_width": 96}
    assert run([{"step": "clip", "to": "tensor"}], rows, **sizes).boxes.tolist() == [[0, 0, 96, 64]]
    assert run([{"step": "clip", "border": 1}], rows, **sizes).boxes.tolist() == [[0, 0, 39, 31]]


def test_multiply_factor_with_root():
    found = run([{"step": "multiply_factor", "root": True}], [(0, 0, 0, 0.5, 0.125, BOX)])
    assert found.scores.tolist() == [0.25]
    # the factor is used up: a second product changes nothing
    twice = run([{"step": "multiply_factor"}] * 2, [(0, 0, 0, 0.5, 0.5, BOX)])
    assert twice.scores.tolist() == [0.25]


def test_score_voting_by_hand():
    rows = [
        (0, 0, 0, 0.8, 1, (0, 0, 10, 10)),
        (0, 1, 0, 0.4, 1, (0, 0, 10, 5)),  # IoU 1/2
        (0, 2, 0, 0.4, 1, (50, 50, 60, 60)),  # no overlap: no vote
        (0, 3, 1, 0.8, 1, (0, 0, 10, 20)),  # another class: no vote
    ]
    steps = [{"step": "nms", "iou_threshold": 0.4}, {"step": "score_voting"}]
    found = run(steps, rows)
    assert found.labels.tolist() == [0, 1, 0]
    weights = np.array([0.8, 0.4 * np.exp(-(0.5**2) / 0.025)])
    bottom = (weights * [10, 5]).sum() / weights.sum()
    np.testing.assert_allclose(found.boxes[0], [0, 0, 10, bottom], rtol=1e-6)
    assert found.boxes[0, 3] < 10
    np.testing.assert_array_equal(found.boxes[1:], [[0, 0, 10, 20], [50, 50, 60, 60]])
    np.testing.assert_array_equal(found.scores, np.float32([0.8, 0.8, 0.4]))


def test_the_spaces_of_nms():
    # the same box in two classes, and a box of the first class that overlaps it
    rows = [(0, 0, 0, 0.9, 1, BOX), (0, 1, 1, 0.8, 1, BOX), (0, 2, 0, 0.7, 1, (0, 0, 8, 7))]
    nms = {"step": "nms", "iou_threshold": 0.5}
    assert kept([nms], rows) == [0, 1]
    assert kept([nms | {"space": "per_class"}], rows) == [0, 1]
    assert kept([nms | {"space": "agnostic"}], rows) == [0]
    loose = nms | {"iou_threshold": 0.9}
    assert kept([loose], rows) == [0, 1, 0]
    assert kept([loose | {"space": "per_class", "max_per_class": 1}], rows) == [0, 1]
    # 8 x 8 and 8 x 7: 7/8, with the old pixel 9 x 9 and 9 x 8: 8/9
    tight = nms | {"iou_threshold": 0.88}
    assert kept([tight], rows) == [0, 1, 0]
    assert kept([tight | {"offset": 1}], rows) == [0, 1]


def test_clip_takes_the_image_size_not_the_padded_one():
    rows = [(0, 0, 0, 0.5, 1, (-5, -5, 100, 100))]
    found = run([{"step": "clip"}], rows, padded_height=64, padded_width=64)
    assert found.boxes.tolist() == [[0, 0, 40, 32]]


def test_clip_takes_the_padded_size_after_a_pad_step():
    spec = ModelSpec("m", ("a", "b", "c"), atss_head(), input_recipe(pad=Pad(to_square=True)))
    found = apply_recipe(
        recipe_of({"step": "clip"}), candidates((0, 0, 0, 0.5, 1, (-5, -5, 100, 100))), geometry(), spec
    )
    assert found.boxes.tolist() == [[0, 0, 40, 40]]


@pytest.mark.parametrize("operation", ["multiply", "divide"])
def test_rescale_divides_by_the_scale_of_each_axis(operation):
    rows = [(0, 0, 0, 0.5, 1, (1, 2, 3, 4))]
    found = run([{"step": "rescale", "operation": operation}], rows, scale_x=0.5, scale_y=0.25)
    assert found.boxes.tolist() == [[2, 8, 6, 16]]


def test_multiply_factor_makes_the_product_the_score():
    found = run([{"step": "multiply_factor"}], [(0, 0, 0, 0.5, 0.5, BOX)])
    assert found.scores.tolist() == [0.25]


def test_min_size_is_strict_on_both_sides():
    boxes = [(0, 0, 2, 9), (0, 0, 9, 2), (0, 0, 2.5, 2.5), (5, 5, 4, 9)]
    rows = [(0, i, i % 3, 0.5, 1, box) for i, box in enumerate(boxes)]
    assert run([{"step": "min_size", "value": 2.0}], rows).boxes.tolist() == [[0, 0, 2.5, 2.5]]
    assert len(run([{"step": "min_size", "value": 0.0}], rows)) == 3


def test_nms_is_per_class_and_ranks():
    rows = [
        (0, 0, 0, 0.5, 1, BOX),
        (0, 1, 0, 0.6, 1, BOX),
        (0, 2, 1, 0.4, 1, BOX),
        (0, 3, 0, 0.7, 1, FAR[3]),
    ]
    found = run([{"step": "nms", "iou_threshold": 0.5}], rows)
    assert found.scores.tolist() == np.float32([0.7, 0.6, 0.4]).tolist()
    assert found.labels.tolist() == [0, 0, 1]


def test_cap_keeps_the_best():
    rows = [(0, i, i, score, 1, FAR[i]) for i, score in enumerate((0.2, 0.9, 0.5))]
    assert kept([{"step": "max_per_img", "k": 2}], rows) == [1, 2]


def test_a_whole_recipe_by_hand():
    rows = [
        (0, 0, 0, 0.9, 0.5, (0, 0, 20, 20)),
        (0, 1, 0, 0.8, 0.9, (0, 0, 20, 19)),  # the better one after the factor
        (0, 2, 1, 0.7, 0.2, (0, 0, 20, 20)),
        (0, 3, 2, 0.6, 1.0, (4, 4, 60, 60)),  # fourth of its level: out by top-k
        (0, 4, 2, 0.05, 1.0, (4, 4, 60, 60)),  # on the threshold: out
        (1, 9, 2, 0.06, 1.0, (30, 20, 60, 60)),  # clipped to 40 x 32
        (1, 10, 2, 0.07, 1.0, (40, 0, 60, 60)),  # nothing left of it after the clip
    ]
    found = run(ATSS_STEPS, rows)
    assert found.labels.tolist() == [0, 1]  # the cap of 2 drops the last
    assert found.scores.tolist() == [np.float32(0.8) * np.float32(0.9), np.float32(0.7) * np.float32(0.2)]
    assert found.boxes.tolist() == [[0, 0, 40, 38], [0, 0, 40, 40]]
    uncapped = run(ATSS_STEPS[:-1], rows)
    assert uncapped.labels.tolist() == [0, 1, 2]
    assert uncapped.boxes[2].tolist() == [60, 40, 80, 64]


@pytest.mark.parametrize("steps", [ATSS_STEPS, YOLOX_STEPS])
def test_no_candidates_give_no_detections(steps):
    found = run(steps, [])
    assert found.boxes.shape == (0, 4)
    assert len(found) == 0


def test_without_leaves_one_step_out():
    recipe = recipe_of(*ATSS_STEPS)
    assert [step.name for step in recipe.without(Clip).steps] == [
        s["step"] for s in ATSS_STEPS if s["step"] != "clip"
    ]
    with pytest.raises(ValueError, match="no step 'best_class'"):
        recipe.without(BestClass)


def test_a_limit_of_top_k_caps_every_count_and_what_goes_into_nms():
    recipe = limit_top_k(recipe_of(*ATSS_STEPS[:-1], {"step": "max_per_img", "k": 100}), 50, atss_head())
    assert [(step.name, step.k) for step in recipe.steps if isinstance(step, TopK | MaxPerImg)] == [
        ("top_k", 3),
        ("top_k", 50),
        ("max_per_img", 50),
    ]
    before_nms = recipe.steps[[type(step) for step in recipe.steps].index(Nms) - 1]
    assert before_nms == TopK(50, "pair", "image")
    assert limit_top_k(recipe_of(*YOLOX_STEPS), 50, yolox_head()).get(MaxPerImg).k == 50


def random_candidates(seed, count=200):
    """Many equal scores, several labels a location, rows in any order."""
    random = np.random.default_rng(seed)
    keys = random.permutation(80 * 3)[:count]
    prior, label = keys // 3, keys % 3
    score = np.round(random.random(count), 1)
    boxes = random.random((count, 4))
    rows = zip(prior // 30, prior, label, score, random.random(count), boxes.tolist(), strict=True)
    return candidates(*rows)


def best_of_a_group(c, members, step):
    """The ``k`` best of some rows, taken one after the other."""
    order = members[np.argsort(-c.score[members], kind="stable")]
    if step.unit == "pair":
        return order[: step.k]
    locations = list(dict.fromkeys(c.prior[order].tolist()))[: step.k]
    return order[np.isin(c.prior[order], locations)]


@pytest.mark.parametrize("k", [-70, -3, -1, 0, 1, 7, 40, 500])
@pytest.mark.parametrize("per", ["level", "image"])
@pytest.mark.parametrize("unit", ["pair", "location"])
def test_top_k_equals_a_loop_over_the_groups(unit, per, k):
    step = TopK(k, unit, per)
    for seed in range(3):
        c = random_candidates(seed)
        groups = [np.flatnonzero(c.level == level) for level in range(3)]
        if per == "image":
            groups = [np.arange(len(c))]
        expected = c.take(np.concatenate([best_of_a_group(c, group, step) for group in groups]))
        found = step.apply(c, None)
        for name, value in vars(expected).items():
            np.testing.assert_array_equal(getattr(found, name), value, err_msg=name)
        if k != 40:  # more than a level has locations, fewer than it has pairs
            assert (len(found) < len(c)) == (k < 40)


def test_best_class_of_rows_in_any_order():
    for seed in range(3):
        c = random_candidates(seed)
        found = BestClass().apply(c, None)
        ranks = sorted(range(len(c)), key=lambda i: (c.prior[i], -c.score[i], c.label[i]))
        expected = [i for n, i in enumerate(ranks) if not n or c.prior[i] != c.prior[ranks[n - 1]]]
        assert found.prior.tolist() == c.prior[expected].tolist()
        assert found.label.tolist() == c.label[expected].tolist()
        assert len(found) < len(c)
