"""The checker's steps against the package's: equal bit by bit, for every step and parameter."""

from dataclasses import asdict

import numpy as np
import pytest
from tiny import candidates, geometry, input_recipe, model_spec, yolox_head

from cutpoint.data.image import clip_size
from cutpoint.golden.checker import steps as checker
from cutpoint.golden.checker.guesses import LEFT_OUT
from cutpoint.golden.checker.rows import COLUMNS, Rows
from cutpoint.recipes.apply import run_steps
from cutpoint.recipes.recipe import Recipe
from cutpoint.recipes.schema import read_steps, write_steps
from cutpoint.recipes.steps import STEPS

NMS = {"step": "nms", "iou_threshold": 0.5}
RECIPES = {
    "threshold": [{"step": "threshold", "quantity": "class", "value": 0.3}],
    "inclusive": [{"step": "threshold", "quantity": "product", "value": 0.25, "inclusive": True}],
    "factor": [{"step": "threshold", "quantity": "factor", "value": 0.5}],
    "best_class": [{"step": "best_class"}],
    "best_box": [{"step": "best_box"}, {"step": "top_k", "k": 30}],
    "root": [{"step": "multiply_factor", "root": True}, {"step": "best_class"}],
    "pairs": [{"step": "top_k", "k": 30}],
    "pairs_of_image": [{"step": "top_k", "k": 30, "per": "image"}],
    "locations": [{"step": "top_k", "k": 20, "unit": "location"}],
    "locations_of_image": [{"step": "top_k", "k": 20, "unit": "location", "per": "image"}],
    "minus_one": [{"step": "top_k", "k": -1}],
    "clip": [{"step": "clip"}, {"step": "min_size", "value": 2}],
    "clip_tensor": [{"step": "clip", "to": "tensor", "border": 1}, {"step": "rescale"}],
    "clip_original": [
        {"step": "rescale", "operation": "divide", "gain": "one"},
        {"step": "clip", "to": "original"},
    ],
    "padding_left": [{"step": "rescale", "padding": "left"}],
    "nms": [{"step": "multiply_factor"}, NMS, {"step": "max_per_img", "k": 12}],
    "per_class": [{**NMS, "space": "per_class", "max_per_class": 5}],
    "agnostic": [{**NMS, "space": "agnostic", "offset": 1}],
    "seed": [{**NMS, "reading": "cxcywh", "intersection": "product"}],
    "voting": [{"step": "multiply_factor"}, NMS, {"step": "score_voting"}],
}
SIZES = geometry(padded_height=64, padded_width=64, scale_x=0.45, scale_y=0.55, left=5, top=3, gain=0.5)


def crowd(count, seed=0):
    random = np.random.default_rng(seed)
    centre, size = random.uniform(0, 60, (count, 2)), random.uniform(1, 25, (count, 2))
    boxes = np.concatenate([centre - size / 2, centre + size / 2], 1)
    pairs = sorted({(int(p), int(label)) for p, label in random.integers(0, [[count, 3]], (count, 2))})
    scores = np.round(random.uniform(0, 1, len(pairs)), 2)  # ties
    return candidates(
        *(
            (p % 3, p, label, scores[i], random.uniform(0.2, 1), boxes[p])
            for i, (p, label) in enumerate(pairs)
        )
    )


def as_rows(state):
    names = dict(zip(COLUMNS, ("boxes", "score", "label", "factor", "prior", "level"), strict=True))
    return Rows(**{name: getattr(state, column) for name, column in names.items()})


def compare(recipe, found, spec):
    clip_height, clip_width = clip_size(SIZES, spec.input)
    facts = {**asdict(SIZES), "clip_height": clip_height, "clip_width": clip_width}
    states = checker.run_steps(write_steps(recipe.steps), as_rows(found), facts)
    expected = list(run_steps(recipe, found, SIZES, spec))
    assert len(states) == len(expected)
    for ours, theirs in zip(states, expected, strict=True):
        for name in COLUMNS:
            np.testing.assert_array_equal(getattr(ours, name), getattr(as_rows(theirs), name), err_msg=name)
    return expected


def test_every_step_may_be_left_out():
    assert set(LEFT_OUT) == set(STEPS)


def test_the_recipes_have_every_step():
    assert set(checker.STEPS) == set(STEPS)
    assert {step["step"] for recipe in RECIPES.values() for step in recipe} == set(STEPS)


@pytest.mark.parametrize("count", [0, 1, 300])
@pytest.mark.parametrize("name", RECIPES)
def test_a_step_gives_the_packages_rows(name, count):
    spec = model_spec(yolox_head())
    found = crowd(count)
    expected = compare(Recipe(read_steps(RECIPES[name])), found, spec)
    if count == 300:
        changed = len(expected[-1]) != len(found) or not np.array_equal(expected[-1].boxes, found.boxes)
        assert changed or not np.array_equal(expected[-1].score, found.score)


def test_many_boxes_are_split_by_class_as_mmcv_does(monkeypatch):
    monkeypatch.setattr(checker, "SPLIT_THRESHOLD", 200)
    monkeypatch.setattr("cutpoint.recipes.nms.SPLIT_THRESHOLD", 200)
    found = crowd(400, seed=3)
    assert len(found) > 200
    compare(Recipe(read_steps([NMS])), found, model_spec(yolox_head()))


def test_the_clip_is_the_recipes_own():
    assert clip_size(SIZES, input_recipe()) == (32, 40)
