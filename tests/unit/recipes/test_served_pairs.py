"""Heads that rank and do not threshold: which recipes their best pairs are enough for."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import (
    detr_head,
    geometry,
    model_spec,
    query_head,
    query_outputs,
    recipe_of,
    roi_head,
    roi_outputs,
    sparse_head,
)

from cutpoint.decode.candidates import from_raw
from cutpoint.errors import UserError
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import least_floor, resolve_recipe
from cutpoint.recipes.served import check_served
from cutpoint.records.head import Floor, RoiHead

NMS, VOTING = {"step": "nms", "iou_threshold": 0.5}, {"step": "score_voting"}
TOP_K = {"step": "top_k", "k": 5}
CAP, BEST = {"step": "max_per_img", "k": 5}, {"step": "best_class"}


def test_a_floor_of_pairs_serves_recipes_that_begin_with_fewer():
    floor = Floor("class", 0.0, True, 5)
    moved = ({"step": "clip"}, {"step": "rescale"}, {"step": "threshold", "quantity": "class", "value": 0.3})
    of_image = TOP_K | {"per": "image"}
    served = [
        (CAP,),
        (of_image, NMS),
        (*moved, CAP, NMS),
        (*moved, BEST, CAP),
        (BEST, of_image | {"unit": "location"}, {"step": "min_size", "value": 1}),
        (CAP | {"k": 4}, CAP | {"k": 9}),
        (CAP | {"k": 9}, CAP),
        (CAP, BEST, NMS, CAP | {"k": 900}),
    ]
    for steps in served:
        check_served(recipe_of(*steps).steps, floor)
    refused = [
        (moved[-1:], "may need any pair"),
        ((NMS, CAP), "may need any pair"),
        ((VOTING, CAP), "may need any pair"),
        (({"step": "min_size", "value": 1}, CAP), "may need any pair"),
        ((of_image | {"unit": "location"}, CAP), "may need any pair"),
        ((TOP_K, CAP), "may need any pair"),  # five of each level
        ((BEST, NMS), "may need any pair"),
        ((of_image | {"k": -1},), "may need any pair"),
        ((CAP | {"k": 6},), "needs the 6 best pairs"),
    ]
    for steps, problem in refused:
        message = f"^recipe {problem}.*: candidates are the 5 best; begin it with max_per_img"
        with pytest.raises(UserError, match=message):
            check_served(recipe_of(*steps).steps, floor)


def test_all_locations_may_be_among_the_best():
    floor = Floor("class", 0.0, True, 5)
    for steps in ((BEST, NMS), (BEST, CAP | {"k": 900}), (CAP, NMS)):
        check_served(recipe_of(*steps).steps, floor, rows=5)
    for steps in ((BEST, NMS), (BEST, CAP | {"k": 900})):
        with pytest.raises(UserError, match="needs the 6 best pairs"):
            check_served(recipe_of(*steps).steps, floor, rows=6)
    with pytest.raises(UserError, match="may need any pair"):
        check_served(recipe_of(NMS, BEST).steps, floor, rows=5)


OF_ROWS = {"Sparse R-CNN": sparse_head(), "DINO": query_head(), "DETR": detr_head()}


def test_what_is_timed_reads_no_more_pairs_than_the_recipe_needs():
    head = query_head(floor=Floor("class", 0.0, True, 5))
    few = resolve_recipe({"base": "mmdet3", "max_per_img": 2}, head)
    assert least_floor(few, head) == Floor("class", 0.0, True, 2)
    limit = {"step": "threshold", "quantity": "class", "value": 0.3}
    above = resolve_recipe({"steps": [limit, CAP]}, head)
    assert least_floor(above, head) == Floor("class", 0.3, False)
    proposals = roi_head()
    assert least_floor(resolve_recipe("mmdet3", proposals), proposals) == proposals.floor


@pytest.mark.parametrize("steps", [(CAP, NMS), (BEST, CAP), ({"step": "clip"}, CAP | {"k": 2}), (BEST, NMS)])
@pytest.mark.parametrize("head", OF_ROWS)
def test_pairs_beyond_the_floors_number_change_nothing(head, steps):
    number = 5 if steps == (BEST, NMS) else 3
    spec = replace(OF_ROWS[head], floor=Floor("class", 0.0, True, number))
    steps = tuple(step | {"k": min(step["k"], number)} if "k" in step else step for step in steps)
    recipe = resolve_recipe({"steps": list(steps)}, spec)
    outputs = roi_outputs if isinstance(spec, RoiHead) else query_outputs
    fewer = 0
    for seed in range(9):
        raw, found = outputs(spec, seed=seed), {}
        for key, floor in {"all": Floor("class", 0.0, True), "best": spec.floor}.items():
            rows = from_raw(raw, replace(spec, floor=floor), 0, (32, 40))
            found[key] = len(rows), apply_recipe(recipe, rows, geometry(), model_spec(spec))
        fewer += found["best"][0] < found["all"][0]
        for field, value in vars(found["all"][1]).items():
            np.testing.assert_array_equal(getattr(found["best"][1], field), value, err_msg=field)
    assert fewer == 9
