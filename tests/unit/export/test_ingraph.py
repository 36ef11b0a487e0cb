"""Recipes in a graph against the numpy recipe, on tensors fed in the place of a network's."""

from dataclasses import replace

import numpy as np
import pytest
from graphs import assert_rows, decoded_tensors, run_in_graph, sizes_of
from tiny import (
    PAA_STEPS,
    YOLOV3_STEPS,
    YOLOX_STEPS,
    atss_head,
    geometry,
    model_spec,
    recipe_of,
    yolox_head,
)

from cutpoint.decode.candidates import from_decoded
from cutpoint.errors import UserError
from cutpoint.export.ingraph import check_in_graph
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import limit_top_k, resolve_recipe
from cutpoint.recipes.steps.ranks import MaxPerImg
from cutpoint.records.head import Floor

HEADS = {
    "ATSS": atss_head(),
    "RetinaNet": atss_head(head="RetinaHead", factor=None),
    "PAA": atss_head(
        head="PAAHead",
        recipe=PAA_STEPS[:-1],
        floor=Floor("product", 0.05**2 * (1 - 1e-6), True),
    ),
    "YOLOX": yolox_head(
        recipe=(YOLOX_STEPS[0], YOLOX_STEPS[1] | {"value": 0.05}, *YOLOX_STEPS[2:]),
        floor=Floor("product", 0.05, True),
    ),
    "YOLOv3": atss_head(head="YOLOV3Head", recipe=YOLOV3_STEPS),
    "RTMDet": atss_head(head="RTMDetHead", factor=None),
}
RECIPES = ["mmdet3", "mmdet2-onnx", "mmdeploy", "class-agnostic"]


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("head", HEADS)
def test_every_recipe_of_every_kind_of_head_equals_numpy(head, name, batch):
    spec = HEADS[head]
    recipe = resolve_recipe(name, spec)
    tensors = decoded_tensors(spec, batch)
    sizes, rows = sizes_of(batch)
    outputs = run_in_graph(spec, recipe, tensors, rows)
    for image in range(batch):
        candidates = from_decoded(tensors, spec, image)
        expected = apply_recipe(recipe, candidates, sizes[image], model_spec(spec))
        assert len(expected) == 0 if image == 2 else len(candidates) > len(expected) > 1
        assert_rows(outputs, image, expected)
    limit = recipe.get(MaxPerImg)
    assert outputs["boxes"].shape == (batch, limit.k if limit else outputs["count"].max(), 4)


@pytest.mark.parametrize("name", ["mmdet3", "mmdet2-onnx"])
def test_a_free_count_has_as_many_rows_as_the_fullest_image(name):
    spec = replace(HEADS["ATSS"], recipe=(*HEADS["ATSS"].recipe[:-1], {"step": "max_per_img", "k": 500}))
    recipe, tensors = resolve_recipe(name, spec), decoded_tensors(spec, 2)
    _, rows = sizes_of(2)
    free, fixed = (run_in_graph(spec, recipe, tensors, rows, fixed=fixed) for fixed in (False, True))
    most = free["count"].max()
    assert 1 < most < 500
    assert free["boxes"].shape == (2, most, 4)
    assert fixed["boxes"].shape == (2, 500, 4)
    for key in ("boxes", "scores", "labels"):
        np.testing.assert_array_equal(fixed[key][:, :most], free[key])
    assert (fixed["labels"][:, most:] == -1).all()


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("head", HEADS)
def test_a_limited_top_k_equals_the_limited_numpy_recipe(head, name):
    spec = HEADS[head]
    recipe = resolve_recipe(name, spec)
    limited, tensors = limit_top_k(recipe, 2, spec), decoded_tensors(spec, 2)
    sizes, rows = sizes_of(2)
    outputs = run_in_graph(spec, limited, tensors, rows)
    for image in range(2):
        candidates = from_decoded(tensors, spec, image)
        expected = apply_recipe(limited, candidates, sizes[image], model_spec(spec))
        assert 0 < len(expected) <= 2
        assert_rows(outputs, image, expected)
    # far above what passes the limit changes nothing
    usual = run_in_graph(spec, recipe, tensors, rows, fixed=False)
    high = run_in_graph(spec, limit_top_k(recipe, 3840, spec), tensors, rows, fixed=False)
    for key, value in usual.items():
        np.testing.assert_array_equal(high[key], value)


def test_the_one_input_form_stays_in_network_pixels():
    spec = HEADS["ATSS"]
    tensors = decoded_tensors(spec, 2)
    whole = geometry(
        resized_height=64, resized_width=96, padded_height=64, padded_width=96, scale_x=1.0, scale_y=1.0
    )
    for name in ("mmdet3", "mmdeploy"):
        outputs = run_in_graph(spec, resolve_recipe(name, spec), tensors, None)
        for image in range(2):
            candidates = from_decoded(tensors, spec, image)
            expected = apply_recipe(resolve_recipe(name, spec), candidates, whole, model_spec(spec))
            assert_rows(outputs, image, expected)


def test_pairs_that_are_chosen_before_a_nms_per_class():
    spec = HEADS["ATSS"]
    steps = (
        {"step": "threshold", "quantity": "class", "value": 0.05},
        {"step": "top_k", "k": 50},
        {"step": "multiply_factor"},
        {"step": "nms", "iou_threshold": 0.3, "space": "per_class", "max_per_class": 3},
        {"step": "max_per_img", "k": 7},
    )
    tensors = decoded_tensors(spec, 3)
    sizes, rows = sizes_of(3)
    outputs = run_in_graph(spec, recipe_of(*steps), tensors, rows)
    for image in range(3):
        expected = apply_recipe(
            recipe_of(*steps), from_decoded(tensors, spec, image), sizes[image], model_spec(spec)
        )
        assert len(expected) == (0 if image == 2 else 7)
        assert_rows(outputs, image, expected)


NMS, CAP = {"step": "nms", "iou_threshold": 0.5}, {"step": "max_per_img", "k": 5}
TOP_K = {"step": "top_k", "k": 5}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([TOP_K], "needs an NMS, or a max_per_img or top_k of the image's pairs"),
        ([NMS, NMS], "can have one NMS"),
        ([CAP, {"step": "threshold", "quantity": "class", "value": 0.1}], "only clip and rescale may follow"),
        ([CAP, {"step": "best_class"}, CAP], "a best_class after best_class, or"),
        (
            [NMS, {"step": "best_box"}, CAP],
            "only clip and rescale|one max_per_img, clip and rescale may follow",
        ),
        (
            [TOP_K | {"per": "image"}, {"step": "best_box"}, NMS],
            "a best_box after best_class, or after a top_k",
        ),
        ([TOP_K, TOP_K | {"unit": "location", "per": "image"}, NMS], "a top_k of locations after"),
        ([CAP, NMS], "no max_per_img may precede it"),
        ([NMS, {"step": "min_size", "value": 1.0}], "one max_per_img, clip and rescale may follow NMS"),
        ([NMS, {"step": "score_voting"}], "score_voting: false"),
        ([TOP_K, TOP_K, NMS], "per level after another top_k"),
        ([TOP_K | {"k": 0}, NMS], "top_k of 0 cannot be built"),
        ([NMS | {"offset": 1}], "no NMS with such an IoU"),
        ([NMS | {"reading": "cxcywh"}], "no NMS with such an IoU"),
    ],
)
def test_what_cannot_be_built_into_a_graph_is_refused(steps, message):
    with pytest.raises(UserError, match=message):
        check_in_graph(recipe_of(*steps).steps)
