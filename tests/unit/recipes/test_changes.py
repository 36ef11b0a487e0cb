import pytest
from tiny import ATSS_STEPS, atss_head

from cutpoint.recipes.bases import steps_of
from cutpoint.recipes.changes import step_changes
from cutpoint.recipes.schema import read_steps

STEPS = list(ATSS_STEPS)
THRESHOLD, TOP_K, CLIP, RESCALE, FACTOR, SIZE, NMS, CAP = STEPS


@pytest.mark.parametrize(
    ("after", "found"),
    [
        pytest.param(STEPS, [], id="same"),
        pytest.param([THRESHOLD, TOP_K | {"unit": "pair"}, *STEPS[2:]], [], id="a default written out"),
        pytest.param([*STEPS[:5], SIZE | {"value": 0}, NMS, CAP], [], id="0 is 0.0"),
        pytest.param([*STEPS[:7], {**CAP, "k": 3}], ["max_per_img k 2 → 3"], id="parameter"),
        pytest.param(
            [*STEPS[:6], NMS | {"space": "per_class", "max_per_class": 200}, CAP],
            ["nms space shifted → per_class, max_per_class none → 200"],
            id="two parameters of one step",
        ),
        pytest.param([{"step": "best_class"}, *STEPS], ["best_class added"], id="added"),
        pytest.param(STEPS[:7], ["max_per_img left out"], id="left out"),
        pytest.param(
            [TOP_K, CLIP, RESCALE, FACTOR, THRESHOLD | {"quantity": "product"}, SIZE, NMS, CAP],
            ["threshold moved, quantity class → product"],
            id="moved",
        ),
        pytest.param(
            [*STEPS[:4], FACTOR | {"root": True}, SIZE, NMS],
            ["multiply_factor root false → true", "max_per_img left out"],
            id="two steps",
        ),
    ],
)
def test_each_step_that_differs_is_named_once(after, found):
    assert step_changes(read_steps(STEPS), read_steps(after)) == found


def test_named_recipes_differ_in_several_steps():
    head = atss_head()
    found = step_changes(steps_of("mmdet3", head), steps_of("mmdet2-onnx", head))
    assert len(found) > 3
    assert step_changes(steps_of("mmdet3", head), steps_of("class-agnostic", head)) == [
        "nms space shifted → agnostic"
    ]
