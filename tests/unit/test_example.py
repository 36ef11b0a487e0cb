"""``examples/postprocess.py`` against the package, for every coder, activation and step that a head has."""

import importlib.util
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from tiny import (
    ATSS_STEPS,
    PAA_STEPS,
    YOLOX_STEPS,
    atss_head,
    geometry,
    input_recipe,
    model_spec,
    raw_outputs,
    sabl_head,
    yolov3_head,
    yolox_head,
)

from cutpoint.data.image import clip_size, prepare
from cutpoint.decode.boxes import CODERS
from cutpoint.decode.candidates import from_raw
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.recipes.steps import STEPS
from cutpoint.records.image import Pad
from cutpoint.records.model import Floor, Part

SCRIPT = Path(__file__).parents[2] / "examples/postprocess.py"
SIZES = [(6, 7), (3, 4)]
BASE = [step for step in ATSS_STEPS if step["step"] != "multiply_factor"]
POINT = {"anchors": None, "point_offset": 0.5}
DISTANCE = {"type": "distance", "bins": None, "exp": False, "unit": [1.0, 1.0]}

HEADS = {
    "ATSS": atss_head(),
    "YOLOF": atss_head(coder=atss_head().coder | {"centre_clamp": 3.0}, factor=None, recipe=BASE),
    "PAA": atss_head(recipe=PAA_STEPS, floor=Floor("product", 0.0024, True)),
    "SSD": atss_head(score=Part("cls", 0, 4), score_activation="softmax", factor=None, recipe=BASE),
    "YOLOX": yolox_head(recipe=YOLOX_STEPS),
    "FCOS": atss_head(**POINT, coder=DISTANCE),
    "FoveaBox": atss_head(
        **POINT,
        coder=DISTANCE | {"exp": True, "unit": [16.0, 32.0]},
        factor=None,
        recipe=[step | ({"border": 1} if step["step"] == "clip" else {}) for step in BASE],
    ),
    "GFL": atss_head(
        coder=DISTANCE | {"bins": 5, "unit": [8.0, 16.0]}, box=(Part("box", 0, 20),), factor=None, recipe=BASE
    ),
    "FSAF": atss_head(coder={"type": "tblr", "normalizer": [4.0] * 4}, factor=None, recipe=BASE),
    "RepPoints": atss_head(**POINT, coder={"type": "corners", "from_point": True}, factor=None, recipe=BASE),
    "TOOD": atss_head(
        coder={"type": "corners", "from_point": False}, score_activation="none", factor=None, recipe=BASE
    ),
    "YOLOv3": yolov3_head(),
    "SABL": sabl_head(),
}


@pytest.fixture(scope="module")
def script():
    specification = importlib.util.spec_from_file_location("postprocess_example", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def as_json(spec):
    return json.loads(json.dumps(asdict(spec)))


def test_the_heads_have_every_coder_and_every_step():
    assert {spec.coder["type"] for spec in HEADS.values()} == set(CODERS)
    assert {step["step"] for spec in HEADS.values() for step in spec.recipe} == set(STEPS)
    assert {spec.score_activation for spec in HEADS.values()} == {"sigmoid", "softmax", "none"}


@pytest.mark.parametrize("name", HEADS)
def test_the_scripts_table_has_the_candidates(script, name):
    spec = HEADS[name]
    outputs = raw_outputs(spec, SIZES, seed=3)
    boxes, scores, factors, levels = script.read_raw(outputs, as_json(spec))
    found = from_raw(outputs, spec)
    assert 20 < len(found) <= scores.size
    assert (
        len(boxes) == len(scores) == sum(h * w * spec.anchors_per_cell(i) for i, (h, w) in enumerate(SIZES))
    )
    for ours, theirs in (
        (scores[found.prior, found.label], found.score),
        (factors[found.prior], found.factor),
        (boxes[found.prior], found.boxes),
    ):
        assert ours.dtype == theirs.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(levels[found.prior], found.level)


@pytest.mark.parametrize("name", HEADS)
def test_the_script_gives_the_recipes_detections(script, name):
    spec = HEADS[name]
    sizes = geometry(scale_x=0.7)
    clip = clip_size(sizes, input_recipe())
    head, seen = as_json(spec), 0
    for seed in range(3):
        outputs = raw_outputs(spec, SIZES, seed=seed)
        table = script.read_raw(outputs, head)
        for threshold in (None, 0.4):
            definition = {"base": "mmdet3"} | ({"score_thr": threshold} if threshold else {})
            recipe = resolve_recipe(definition, spec)
            expected = apply_recipe(recipe, from_raw(outputs, spec), sizes, model_spec(spec))
            boxes, found, labels = script.postprocess(
                table, head, clip, (sizes.scale_x, sizes.scale_y), threshold
            )
            seen += len(expected)
            np.testing.assert_array_equal(labels, expected.labels)
            np.testing.assert_allclose(found, expected.scores, rtol=1e-6)
            np.testing.assert_allclose(boxes, expected.boxes, rtol=1e-5, atol=1e-4)
    assert seen > 3


@pytest.mark.parametrize("name", ["ATSS", "PAA", "YOLOX", "YOLOv3"])
def test_nothing_above_the_threshold(script, name):
    spec = HEADS[name]
    outputs = {key: np.full_like(value, -20) for key, value in raw_outputs(spec, SIZES).items()}
    found = script.postprocess(script.read_raw(outputs, as_json(spec)), as_json(spec), (32, 40), (0.5, 0.5))
    assert [part.shape for part in found] == [(0, 4), (0,), (0,)]


def test_fused_scores_are_refused(script):
    outputs = {
        "boxes": np.zeros((1, 2, 4), np.float32),
        "scores": np.zeros((1, 2, 3), np.float32),
        "level_counts": np.array([1, 1]),
    }
    with pytest.raises(SystemExit, match="scores: class"):
        script.read_decoded(outputs, as_json(HEADS["ATSS"]))
    assert script.read_decoded(outputs, as_json(HEADS["SSD"]))[2].tolist() == [1, 1]


@pytest.mark.parametrize(
    "recipe",
    [
        input_recipe(),
        input_recipe(pad=Pad(to_square=True, value=(114.0,) * 3), divisor=32),
        input_recipe(
            pad=Pad(size=(40, 90), divisor=4), bgr_to_rgb=True, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0)
        ),
        input_recipe(keep_ratio=False, divisor=32),
    ],
)
def test_the_script_prepares_an_image_alike(script, recipe):
    image = np.random.default_rng(0).integers(0, 256, (33, 58, 3), np.uint8)
    tensor, clip, scale = script.preprocess(image, json.loads(json.dumps(recipe.to_dict())))
    expected, sizes = prepare(image, recipe)
    np.testing.assert_array_equal(tensor, expected)
    assert tuple(clip) == clip_size(sizes, recipe)
    assert scale == (sizes.scale_x, sizes.scale_y)
