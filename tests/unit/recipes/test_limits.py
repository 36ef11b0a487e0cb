"""Where a recipe ends what it keeps."""

import pytest
from tiny import ATSS_STEPS, PAA_STEPS, YOLOV3_STEPS, atss_head, yolox_head

from cutpoint.recipes.bases import steps_of
from cutpoint.recipes.limits import common_limits, least_score

RETINA = [step for step in ATSS_STEPS if step["step"] != "multiply_factor"]


@pytest.mark.parametrize(
    ("recipe", "head", "expected"),
    [
        pytest.param("mmdet3", atss_head(), None, id="class score before the factor"),
        pytest.param("mmdet2-onnx", atss_head(), 0.05, id="product"),
        pytest.param("mmdet3", atss_head(factor=None, recipe=RETINA), 0.05, id="no factor"),
        pytest.param("mmdeploy", atss_head(factor=None, recipe=RETINA), 0.05, id="product without factor"),
        pytest.param("mmdet3", yolox_head(), 0.25, id="product before it is the score"),
        pytest.param("mmdet3", atss_head(recipe=PAA_STEPS), 0.05, id="root of the product"),
        pytest.param("mmdet3", atss_head(recipe=YOLOV3_STEPS), None, id="factor and class score"),
        pytest.param("seed-per-class", atss_head(), 0.3, id="fused"),
    ],
)
def test_the_least_score_of_a_detection(recipe, head, expected):
    assert least_score(steps_of(recipe, head), head) == expected


def test_a_root_after_the_threshold_is_taken_of_it_too():
    steps = [
        {"step": "threshold", "quantity": "product", "value": 0.04},
        {"step": "multiply_factor", "root": True},
    ]
    assert least_score(steps_of({"steps": steps}, atss_head()), atss_head()) == pytest.approx(0.2)


def test_only_what_both_recipes_share_counts():
    head = yolox_head()
    own = ("mmdet3", head)
    assert common_limits(own, own) == {"score_thr": 0.25, "max_per_img": None}
    capped = ({"base": "mmdeploy"}, head)
    assert common_limits(capped, capped) == {"score_thr": 0.25, "max_per_img": 100}
    assert common_limits(own, ({"base": "mmdet3", "score_thr": 0.3}, head))["score_thr"] is None
    # each recipe is read with its own head
    assert common_limits(own, ("mmdet3", atss_head()))["score_thr"] is None
    assert common_limits(None, own) == {"score_thr": None, "max_per_img": None}
