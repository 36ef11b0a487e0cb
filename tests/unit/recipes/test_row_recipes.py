"""Recipes by name for heads of proposals and queries."""

import numpy as np
import pytest
from tiny import (
    atss_head,
    candidates,
    detr_head,
    geometry,
    model_spec,
    query_head,
    recipe_of,
    roi_head,
    sparse_head,
)

from cutpoint.errors import UserError
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.recipes.steps.boxes import Clip, Rescale
from cutpoint.recipes.steps.overlaps import Nms
from cutpoint.recipes.steps.ranks import MaxPerImg
from cutpoint.recipes.steps.scores import BestBox, BestClass, Threshold
from cutpoint.records.head import Floor

ABOVE = Threshold("class", 0.05)


def test_what_exporters_make_of_proposals():
    shared = roi_head(class_boxes=False)
    # a box a class: one NMS over shifted classes, else one a class
    assert resolve_recipe("mmdet2-onnx", roi_head()).steps == (
        *(ABOVE, Clip("tensor"), Nms(0.5), MaxPerImg(3), Rescale("divide")),
    )
    assert resolve_recipe("mmdet2-onnx", shared).steps == (
        *(ABOVE, Clip("tensor"), Nms(0.5, "per_class", 3), MaxPerImg(3), Rescale("divide")),
    )
    assert resolve_recipe("mmdeploy", shared).steps == (
        *(ABOVE, Clip("tensor"), Nms(0.5, "per_class", 200), MaxPerImg(3), Rescale("divide")),
    )
    bare = roi_head(recipe=[step for step in roi_head().recipe if step["step"] != "clip"])
    assert Clip not in map(type, resolve_recipe("mmdet2-onnx", bare).steps)
    assert resolve_recipe("mmdeploy", roi_head()).steps == (
        BestBox(),
        *resolve_recipe("mmdeploy", shared).steps,
    )


@pytest.mark.parametrize("name", ["mmdet2-onnx", "mmdeploy"])
def test_what_exporters_make_of_queries(name):
    assert resolve_recipe(name, query_head()).steps == (MaxPerImg(3), Clip("tensor"), Rescale("divide"))
    assert resolve_recipe(name, detr_head()).steps == (
        *(BestClass(), Clip("tensor"), MaxPerImg(3), Rescale("divide")),
    )


@pytest.mark.parametrize("name", ["mmdet2-onnx", "mmdeploy"])
def test_exporters_have_no_recipe_for_other_heads_without_nms(name):
    centre = atss_head(
        head="CenterNetHead",
        factor=None,
        floor=Floor("class", 0.0, True, 3),
        recipe=({"step": "max_per_img", "k": 3}, {"step": "rescale"}),
    )
    for head in (sparse_head(), centre):
        with pytest.raises(UserError, match=f"^recipe '{name}': there is none for {head.head}"):
            resolve_recipe(name, head)


@pytest.mark.parametrize("head", [query_head(), detr_head(), sparse_head()])
def test_overrides_change_the_number_and_nothing_that_is_not_there(head):
    recipe = resolve_recipe({"base": "mmdet3", "max_per_img": 2}, head)
    assert recipe.get(MaxPerImg) == MaxPerImg(2)
    with pytest.raises(UserError, match="needs the 4 best pairs of an image: candidates are the 3 best"):
        resolve_recipe({"base": "mmdet3", "max_per_img": 4}, head)
    for key, value in (("score_thr", 0.3), ("nms_pre", 9), ("iou_threshold", 0.4)):
        with pytest.raises(UserError, match=f"override {key}: {head.head} has no step"):
            resolve_recipe({"base": "mmdet3", key: value}, head)
    with pytest.raises(UserError, match="has no step 'nms' to change"):
        resolve_recipe("class-agnostic", head)


def test_a_seed_serves_queries_if_all_of_them_are_candidates():
    # four locations, and the best pair of each of three is kept
    few = detr_head(queries=3)
    assert resolve_recipe("seed-topk-nms", few).get(Nms).reading == "cxcywh"
    with pytest.raises(UserError, match="needs the 5 best pairs"):
        resolve_recipe("seed-topk-nms", detr_head())
    assert resolve_recipe("seed-per-class", roi_head()).get(Threshold).value == 0.3


def test_the_class_that_is_best_brings_its_own_box():
    # one proposal with a box for each of two classes
    near, far = (0, 0, 8, 8), (10, 10, 20, 20)
    rows = candidates((0, 5, 0, 0.6, 1, near), (0, 5, 1, 0.7, 1, far))
    recipe = resolve_recipe("seed-per-class", roi_head())
    found = apply_recipe(recipe, rows, geometry(), model_spec(roi_head()))
    np.testing.assert_allclose(found.boxes, [[20, 20, 40, 40]])
    assert found.labels.tolist() == [1]


def test_all_classes_may_take_the_box_of_the_best_one():
    near, far = (0, 0, 8, 8), (10, 10, 20, 20)
    rows = candidates(
        (0, 5, 0, 0.6, 1, near),
        (0, 5, 1, 0.7, 1, far),
        (0, 9, 0, 0.4, 1, near),
        (0, 9, 2, 0.4, 1, far),  # of equals the lowest label
    )
    own = recipe_of({"step": "best_box"})
    found = apply_recipe(own, rows, geometry(), model_spec(roi_head()))
    assert found.boxes.tolist() == [list(far), list(far), list(near), list(near)]
    assert found.scores.tolist() == rows.score.tolist()
    assert len(apply_recipe(own, candidates(), geometry(), model_spec(roi_head()))) == 0
    # a threshold before it changes nothing
    above = recipe_of({"step": "threshold", "quantity": "class", "value": 0.65}, {"step": "best_box"})
    assert apply_recipe(above, rows, geometry(), model_spec(roi_head())).boxes.tolist() == [list(far)]
