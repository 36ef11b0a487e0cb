"""The recipes of detectors outside mmdet, worked by hand on a few candidates."""

import numpy as np
import pytest
from tiny import atss_head, candidates, geometry, model_spec, yolox_head

from cutpoint.errors import UserError
from cutpoint.export.ingraph import check_in_graph
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.bases import OF_MMDET, steps_of
from cutpoint.recipes.external import EXTERNAL
from cutpoint.recipes.recipe import Recipe, floor_of, limit_top_k
from cutpoint.recipes.schema import write_steps
from cutpoint.recipes.steps.boxes import Rescale
from cutpoint.records.head import ExternalHead, Floor

ALL = Floor("class", 0.0, False)
PLAIN = ExternalHead("a file", 3, (), ALL, (), "tiny")
WITH_FACTOR = ExternalHead("a file", 3, (), ALL, (), "tiny", factor=True)
# the way back: 4 pixels of padding at the left, then the one factor .51, or .5 and .6 of the axes
SIZES = {"left": 4, "gain": 0.51, "scale_x": 0.5, "scale_y": 0.6}
FAR, NEAR = (4, 0, 14, 10), (4, 0, 14, 9)  # their IoU is .9
APART = (24, 0, 34, 10)


def run(definition, head, *rows):
    return apply_recipe(
        Recipe(steps_of(definition, head)), candidates(*rows), geometry(**SIZES), model_spec(head)
    )


def own(head, base):
    """The head of a layout with this recipe."""
    return ExternalHead(head.head, 3, (), ALL, tuple(write_steps(steps_of(base, head))), "tiny", head.factor)


def test_ultralytics_keeps_several_classes_of_a_location_and_clips():
    rows = [
        (0, 0, 0, 0.9, 1, FAR),
        (0, 0, 1, 0.8, 1, FAR),
        (0, 1, 0, 0.7, 1, NEAR),
        (0, 2, 2, 0.001, 1, APART),
    ]
    found = run("ultralytics", PLAIN, *rows)
    assert found.labels.tolist() == [0, 1]  # near falls to NMS, .001 is not above .001
    assert found.scores.tolist() == np.float32([0.9, 0.8]).tolist()
    np.testing.assert_allclose(found.boxes[0], np.array([0, 0, 10, 10]) / 0.51, rtol=1e-6)
    outside = run("ultralytics", PLAIN, (0, 0, 0, 0.9, 1, (-8, 0, 100, 10)))
    assert outside.boxes[0, [0, 2]].tolist() == [0, 80]


@pytest.mark.parametrize(("base", "kept"), [("ultralytics", 2), ("yolov5", 1)])
def test_the_iou_of_each_project(base, kept):
    wide = (4, 0, 14, 6.5)  # its IoU with the other is .65
    assert len(run(base, PLAIN, (0, 0, 0, 0.9, 1, FAR), (0, 1, 0, 0.8, 1, wide)).scores) == kept


def test_yolov5_thresholds_the_product():
    rows = [(0, 0, 0, 0.5, 0.002, FAR), (0, 1, 0, 0.9, 0.0015, APART)]
    found = run("yolov5", WITH_FACTOR, *rows)
    np.testing.assert_allclose(found.scores, [0.00135], rtol=1e-5)
    assert floor_of(Recipe(steps_of("yolov5", WITH_FACTOR))) == Floor("product", 0.001, False)


def test_yolox_takes_the_best_class_that_reaches_its_threshold():
    rows = [(0, 0, 0, 0.5, 0.5, FAR), (0, 0, 1, 0.6, 0.5, FAR), (0, 1, 0, 0.02, 0.5, APART)]
    found = run("yolox", WITH_FACTOR, *rows)
    assert found.labels.tolist() == [1, 0]
    assert found.scores.tolist() == np.float32([0.3, 0.01]).tolist()
    assert found.boxes[1, 2] > 58  # not clipped


def test_queries_ranks_pairs_and_detr_takes_the_best_class():
    rows = [(0, 0, 0, 0.9, 1, FAR), (0, 0, 1, 0.8, 1, FAR), (0, 1, 0, 0.7, 1, NEAR)]
    assert run({"base": "queries", "max_per_img": 2}, PLAIN, *rows).labels.tolist() == [0, 1]
    assert run("detr", PLAIN, *rows).labels.tolist() == [0, 0]
    assert run("queries", PLAIN, *rows).scores.size == 3


def test_final_only_scales_back():
    rows = [(0, 0, 0, 0.9, 1, FAR), (0, 1, 0, 0.8, 1, NEAR), (0, 2, 1, 0.0, 1, APART)]
    found = run("final", PLAIN, *rows)
    assert found.scores.tolist() == np.float32([0.9, 0.8]).tolist()
    one, each = (run(base, PLAIN, *rows).boxes[0] for base in ("final", "final-per-axis"))
    np.testing.assert_allclose(one, np.array([0, 0, 10, 10]) / 0.51, rtol=1e-6)
    np.testing.assert_allclose(each, [0, 0, 20, 10 / 0.6], rtol=1e-6)
    assert run("final-clipped", PLAIN, (0, 0, 0, 0.9, 1, (-8, 0, 9, 9))).boxes[0, 0] == 0


def test_gain_and_clip_of_a_base_can_be_changed():
    row = (0, 0, 0, 0.9, 1, (-8, 0, 14, 10))
    found = run({"base": "ultralytics", "clip": False, "gain": "per_axis"}, PLAIN, row)
    np.testing.assert_allclose(found.boxes[0], [-24, 0, 20, 10 / 0.6], rtol=1e-6)
    with pytest.raises(UserError, match="clip: True; only false can be given"):
        steps_of({"base": "ultralytics", "clip": True}, PLAIN)
    with pytest.raises(UserError, match="clip: a file has no step 'clip' to change"):
        steps_of({"base": "final", "clip": False}, PLAIN)
    with pytest.raises(UserError, match="gain 'both': one of per_axis, one is expected"):
        steps_of({"base": "final", "gain": "both"}, PLAIN)


def test_ssd_and_nanodet_have_their_projects_numbers():
    half = (4, 0, 14, 5)
    rows = [(0, 0, 0, 0.9, 1, FAR), (0, 1, 0, 0.8, 1, half), (0, 2, 0, 0.03, 1, APART)]
    assert run("ssd", PLAIN, *rows).scores.tolist() == np.float32([0.9, 0.03]).tolist()
    assert run("nanodet", PLAIN, *rows).scores.tolist() == np.float32([0.9, 0.8]).tolist()


@pytest.mark.parametrize("base", EXTERNAL)
@pytest.mark.parametrize(
    "head", [PLAIN, WITH_FACTOR, atss_head(), yolox_head()], ids=["plain", "factor", "ATSS", "YOLOX"]
)
def test_every_recipe_takes_every_heads_candidates(base, head):
    rows = [(0, 0, 0, 0.9, 0.9, FAR), (0, 1, 1, 0.8, 0.9, APART)]
    assert run(base, head, *rows).labels.tolist() == [0, 1]
    assert run({"base": base, "score_thr": 0.85}, head, *rows).labels.tolist() in ([0], [])
    assert limit_top_k(Recipe(steps_of(base, head)), 1, head).steps


@pytest.mark.parametrize("base", OF_MMDET)
def test_bases_of_mmdets_heads_are_refused_for_a_layout(base):
    with pytest.raises(UserError, match=rf"^recipe '{base}': made from the parameters of mmdet's heads"):
        steps_of(base, own(PLAIN, "ultralytics"))


def test_one_nms_over_all_classes_needs_an_nms():
    rows = [(0, 0, 0, 0.9, 1, FAR), (0, 1, 1, 0.8, 1, NEAR)]
    assert run("class-agnostic", own(PLAIN, "ultralytics"), *rows).labels.tolist() == [0]
    with pytest.raises(UserError, match="'class-agnostic': the recipe of a file has no step 'nms'"):
        steps_of("class-agnostic", own(PLAIN, "final"))


@pytest.mark.parametrize("base", ["seed-topk-nms", "seed-per-class"])
def test_a_copied_script_runs_on_a_layouts_candidates(base):
    rows = [(0, 0, 0, 0.9, 1, FAR), (0, 0, 1, 0.8, 1, FAR), (0, 1, 1, 0.7, 1, APART)]
    assert run(base, own(PLAIN, "ultralytics"), *rows).labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("definition", "text"),
    [
        ("ultralytics", "in a graph rescale has a factor for each axis"),
        ({"base": "ultralytics", "gain": "per_axis"}, "does not get the original image's size"),
        ("queries", "a factor for each axis"),
        ({"base": "detr", "gain": "per_axis"}, "needs an NMS, or a max_per_img or top_k"),
    ],
)
def test_what_a_graph_cannot_have(definition, text):
    with pytest.raises(UserError, match=text):
        check_in_graph(steps_of(definition, atss_head()))
    check_in_graph(steps_of({"base": "ultralytics", "gain": "per_axis", "clip": False}, atss_head()))


def test_the_padding_that_a_copied_script_forgets():
    steps = [step for step in steps_of("final", PLAIN) if not isinstance(step, Rescale)]
    left = Recipe((*steps, Rescale("divide", "one", "left")))
    found = apply_recipe(left, candidates((0, 0, 0, 0.9, 1, FAR)), geometry(**SIZES), model_spec(PLAIN))
    np.testing.assert_allclose(found.boxes[0, 0], 4 / 0.51, rtol=1e-6)
