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
    yolox_head,
)

from cutpoint.errors import UserError
from cutpoint.headspec import ModelSpec
from cutpoint.image import Pad
from cutpoint.recipe_checks import check_served
from cutpoint.recipes import Recipe, apply_recipe, floor_of, resolve_recipe

BOX = (0, 0, 8, 8)
FAR = [(i * 100, 0, i * 100 + 8, 8) for i in range(10)]


def run(steps, rows, **sizes):
    """Detections as ``(label, score, box)`` lists."""
    found = apply_recipe(Recipe(tuple(steps)), candidates(*rows), geometry(**sizes), model_spec(atss_head()))
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
        kept([{"step": "threshold", "on": "class", "value": 0.25, "inclusive": inclusive}], rows) == expected
    )


@pytest.mark.parametrize(("inclusive", "expected"), [(False, [2]), (True, [1, 2])])
def test_threshold_on_the_product(inclusive, expected):
    rows = [(0, 0, 0, 0.9, 0.25, BOX), (0, 1, 1, 0.5, 0.5, BOX), (0, 2, 2, 0.6, 0.5, BOX)]
    step = {"step": "threshold", "on": "product", "value": 0.25, "inclusive": inclusive}
    found = run([step], rows)
    assert found.labels.tolist() == expected
    # the score itself stays the class score
    assert found.scores[-1] == np.float32(0.6)


def test_threshold_compares_in_float32():
    # float32(0.3) is above 0.3 in float64: strictly above the threshold there, equal to it in float32
    assert (
        kept(
            [{"step": "threshold", "on": "class", "value": 0.3, "inclusive": False}], [(0, 0, 0, 0.3, 1, BOX)]
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


def test_clip_takes_the_image_size_not_the_padded_one():
    rows = [(0, 0, 0, 0.5, 1, (-5, -5, 100, 100))]
    found = run([{"step": "clip"}], rows, padded_height=64, padded_width=64)
    assert found.boxes.tolist() == [[0, 0, 40, 32]]


def test_clip_takes_the_padded_size_after_a_pad_step():
    spec = ModelSpec("m", ("a", "b", "c"), atss_head(), input_recipe(pad=Pad(to_square=True)))
    found = apply_recipe(
        Recipe(({"step": "clip"},)), candidates((0, 0, 0, 0.5, 1, (-5, -5, 100, 100))), geometry(), spec
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
    assert kept([{"step": "cap", "k": 2}], rows) == [1, 2]


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


def test_mmdet3_is_the_heads_own_recipe():
    assert resolve_recipe("mmdet3", atss_head()) == Recipe(ATSS_STEPS)
    assert resolve_recipe({"base": "mmdet3"}, yolox_head()) == Recipe(YOLOX_STEPS)


def test_overrides_change_their_step_alone():
    definition = {"base": "mmdet3", "score_thr": 0.3, "nms_pre": 7, "iou_threshold": 0.5, "max_per_img": 9}
    recipe = resolve_recipe(definition, atss_head())
    assert recipe.get("threshold")["value"] == 0.3
    assert recipe.get("top_k") == {"step": "top_k", "k": 7, "unit": "pair", "per": "level"}
    assert recipe.get("nms")["iou_threshold"] == 0.5
    assert recipe.get("cap")["k"] == 9
    assert [step["step"] for step in recipe.steps] == [step["step"] for step in ATSS_STEPS]
    # neither the head's own recipe nor the definition changed
    assert atss_head().recipe[0]["value"] == 0.05
    assert definition["base"] == "mmdet3"


def test_an_override_without_its_step_is_refused():
    with pytest.raises(UserError, match="nms_pre: YOLOXHead has no step 'top_k'"):
        resolve_recipe({"base": "mmdet3", "nms_pre": 100}, yolox_head())


def test_an_unknown_base_is_refused():
    with pytest.raises(UserError, match="'mmdet4': unknown; known: mmdet3"):
        resolve_recipe("mmdet4", atss_head())


def test_a_threshold_below_the_floor_is_refused_and_the_message_tells_how_to_mend_it():
    message = (
        r"threshold 0.04: candidates end at class score 0.05; raise .*score_thr or lower .*candidate_floor"
    )
    with pytest.raises(UserError, match=message):
        resolve_recipe({"base": "mmdet3", "score_thr": 0.04}, atss_head())
    assert resolve_recipe({"base": "mmdet3", "score_thr": 0.05}, atss_head())


def threshold(on, value, inclusive):
    return Recipe(({"step": "threshold", "on": on, "value": value, "inclusive": inclusive},))


def test_what_the_candidates_can_serve():
    on_class = atss_head(floor={"on": "class", "value": 0.05, "inclusive": False})
    on_product = yolox_head(floor={"on": "product", "value": 0.05, "inclusive": True})
    check_served(threshold("class", 0.05, False).steps, on_class.floor)
    # a product is at most the class score
    check_served(threshold("product", 0.05, False).steps, on_class.floor)
    check_served(threshold("product", 0.05, True).steps, on_product.floor)
    check_served(threshold("product", 0.05, False).steps, on_product.floor)
    for refused, head in (
        (threshold("class", 0.05, True), on_class),  # one on the floor is missing
        (threshold("product", 0.04, True), on_product),
        (threshold("class", 0.9, True), on_product),  # a small factor hides any class score
        (Recipe(()), on_class),
    ):
        with pytest.raises(UserError, match="candidates end at"):
            check_served(refused.steps, head.floor)


def test_floor_of_is_the_recipes_own_threshold():
    recipe = resolve_recipe({"base": "mmdet3", "score_thr": 0.3}, atss_head())
    assert floor_of(recipe) == {"on": "class", "value": 0.3, "inclusive": False}
    check_served(recipe.steps, floor_of(recipe))


def test_without_leaves_one_step_out():
    recipe = Recipe(ATSS_STEPS)
    assert [s["step"] for s in recipe.without("clip").steps] == [
        s["step"] for s in ATSS_STEPS if s["step"] != "clip"
    ]
    with pytest.raises(ValueError, match="no step 'best_class'"):
        recipe.without("best_class")
