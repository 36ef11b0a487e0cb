"""Input recipes by name; and a new one is a function and a row of the table."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import yaml
from datasets import make_image, save_labels, save_manifest
from onnx import TensorProto, helper, numpy_helper
from tiny import atss_head, input_recipe, model_spec, run_metadata

from cutpoint.data.image import clip_size, prepare
from cutpoint.data.inputs import INPUTS, KEYS, keeps_size, resolve_input
from cutpoint.data.inputs import OWN as OWN_NAME
from cutpoint.errors import UserError
from cutpoint.plan.config import complete_config
from cutpoint.plan.resolve import build_plan
from cutpoint.plan.tables import table_row
from cutpoint.predict.postprocess import postprocess
from cutpoint.predict.shard import predict_onnx
from cutpoint.predict.store import open_run
from cutpoint.records.detections import read_results
from cutpoint.records.image import InputRecipe, Pad
from cutpoint.records.json_file import as_record
from cutpoint.records.model import METADATA_KEY, ModelSpec, write_spec
from cutpoint.records.predictions import PredictionWriter, read_metadata, read_predictions

SCHEMA = Path(__file__).resolve().parents[3] / "workflow/schemas/config.schema.yaml"
OWN = input_recipe(
    pad=Pad(to_square=True), mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 8.0), divisor=32, interpolation="area"
)


def test_mmdet_is_the_models_own_input():
    assert resolve_input("mmdet", OWN, (64, 64)) is OWN


def test_stretch_takes_the_shape_of_the_export_and_the_models_normalisation():
    for shape, size in (((64, 96), (64, 96)), (None, (32, 48))):
        recipe = resolve_input("stretch", OWN, shape)
        image = np.full((100, 40, 3), (30, 60, 110), np.uint8)
        tensor, found = prepare(image, recipe, shape)
        assert (found.resized_height, found.resized_width) == size
        assert (found.scale_y, found.scale_x) == (size[0] / 100, size[1] / 40)
        assert tensor[0, :, 0, 0].tolist() == [10.0, 10.0, 10.0]
        assert clip_size(found, recipe) == size
    assert tensor.shape == (1, 3, 32, 64)  # the divisor's padding, after normalisation
    assert (tensor[0, :, :, 48:] == 0).all()


def test_seed_225_keeps_the_size_and_divides_by_225():
    image = np.full((32, 64, 3), (0, 45, 225), np.uint8)  # blue, green, red
    tensor, found = prepare(image, resolve_input("seed-225", OWN, None))
    assert tensor.shape == (1, 3, 32, 64)
    assert (found.scale_x, found.scale_y) == (1.0, 1.0)
    expected = [(1 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, (0 - 0.406) / 0.225]
    np.testing.assert_allclose(tensor[0, :, 5, 7], expected, rtol=1e-6)


def test_seed_unit_stretches_to_608_and_divides_by_255_alone():
    image = np.full((100, 40, 3), (0, 51, 255), np.uint8)
    tensor, found = prepare(image, resolve_input("seed-unit", OWN, None))
    assert tensor.shape == (1, 3, 608, 608)
    assert (found.scale_x, found.scale_y) == (608 / 40, 608 / 100)
    np.testing.assert_allclose(tensor[0, :, 300, 300], [1, 0.2, 0], rtol=1e-6)
    assert resolve_input("seed-unit", OWN, (64, 96)).scale == (64, 96)


def test_every_named_input_is_another_and_survives_json():
    recipes = [resolve_input(name, OWN, None) for name in INPUTS]
    assert len(set(recipes)) == len(INPUTS)
    for recipe in recipes:
        assert as_record(json.loads(json.dumps(recipe.to_dict())), InputRecipe, "a file") == recipe


def test_an_unknown_input_is_refused():
    known = "input 'squeeze': unknown; known: mmdet, own, seed-225, seed-unit, stretch"
    with pytest.raises(UserError, match=known):
        resolve_input("squeeze", OWN, None)


# a new one


def write_raw(path: Path, spec: ModelSpec) -> str:
    """A ``raw`` export of the tiny ATSS: one convolution a level, with the level's stride."""
    random, nodes, weights, outputs = np.random.default_rng(0), [], [], []
    for level, (x, y) in enumerate(spec.head.strides):
        anchors = spec.head.anchors_per_cell(level)
        widths = {"cls": 3 * anchors, "box": 4 * anchors, "centerness": anchors}
        kernel = random.normal(0, 0.001, (sum(widths.values()), 3, y, x)).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"w_{level}"))
        weights.append(numpy_helper.from_array(np.array(list(widths.values())), f"widths_{level}"))
        names = [f"{name}_{level}" for name in widths]
        nodes.append(helper.make_node("Conv", ["images", f"w_{level}"], [f"all_{level}"], strides=[y, x]))
        nodes.append(helper.make_node("Split", [f"all_{level}", f"widths_{level}"], names, axis=1))
    for name in spec.head.raw_names:
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", None, None, None]))
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, "height", "width"])
    graph = helper.make_graph(nodes, "g", [images], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: json.dumps({"cut": "raw", "spec": spec.to_dict()})})
    onnx.save(model, path)
    return str(path)


@pytest.fixture
def squeezed(monkeypatch, tmp_path):
    """A pretended input recipe: a function and its row; and the schema, where its name stands besides."""

    def squeeze(own, shape):
        return replace(own, scale=(32, 16), keep_ratio=False, pad=None)

    monkeypatch.setitem(INPUTS, "squeeze", squeeze)
    schema = SCHEMA.read_text().replace("enum: [own, mmdet,", "enum: [own, squeeze, mmdet,")
    (tmp_path / "schema.yaml").write_text(schema)
    return tmp_path / "schema.yaml"


def test_a_new_input_recipe_is_planned(squeezed):
    variant = {"runtime": "onnxruntime", "cut": "raw", "input": "squeeze"}
    config = {
        "models": {"m": {"config": "m.py", "checkpoint": "m.pth"}},
        "datasets": {"d": {"images": "d", "annotations": None}},
        "variants": {"v": variant, "fixed": {**variant, "shape": [64, 64]}},
        "evaluations": [{"model": "m", "dataset": "d", "variants": ["v", "fixed"], "reference": "v"}],
    }
    with pytest.raises(UserError, match="'squeeze' is not allowed"):
        complete_config(config, SCHEMA)
    evaluation = build_plan(complete_config(config, squeezed), "cpu").evaluations[0]
    assert evaluation.variant("v").run.name == "onnxruntime-raw-fp32-squeeze"
    assert table_row(evaluation, evaluation.variant("v")).input == "squeeze"


def test_a_new_input_recipe_runs_from_file_to_detections(squeezed, tmp_path):
    spec = model_spec(atss_head())
    pixels = np.random.default_rng(1).integers(0, 255, (64, 80, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "7.png"), pixels)
    image = make_image(7, str(tmp_path / "7.png"), 64, 80)
    files = {"out": str(tmp_path / "0.parquet"), "out_images": str(tmp_path / "0.images.parquet")}
    predict_onnx(
        model=write_raw(tmp_path / "raw.onnx", spec),
        manifest=save_manifest(tmp_path / "m.json", [image]),
        provider="cpu",
        threads=1,
        shard=0,
        shards=1,
        input="squeeze",
        **files,
    )
    assert read_metadata(files["out"]).input == "squeeze"
    shards = [files["out"]], [files["out_images"]]
    ((_, geometry, rows),) = read_predictions(*shards)
    assert (geometry.resized_height, geometry.resized_width) == (32, 16)
    assert (geometry.scale_y, geometry.scale_x) == (0.5, 0.2)
    assert len(rows) > 10
    write_spec(tmp_path / "spec.json", spec)
    postprocess(
        predictions=shards[0],
        images=shards[1],
        spec=str(tmp_path / "spec.json"),
        labels=save_labels(tmp_path / "labels.json", [1, 2, 3]),
        cut="raw",
        recipe="mmdet3",
        out=str(tmp_path / "detections.json"),
    )
    corners = read_results(tmp_path / "detections.json").corners
    assert len(corners) == 2  # the head's own max_per_img
    # clipped to the squeezed image, then scaled back by each axis
    assert (corners >= 0).all()
    assert (corners <= np.tile([80 + 1e-3, 64 + 1e-3], 2)).all()
    assert (np.diff(corners[:, 0::2]) < 80).all()


def test_the_schema_and_the_table_have_the_same_names():
    schema = yaml.safe_load(SCHEMA.read_text())
    variant = schema["properties"]["variants"]["additionalProperties"]["properties"]["input"]
    written = schema["$defs"]["input"]["properties"]
    assert variant["anyOf"][0]["enum"] == written["base"]["enum"] == [OWN_NAME, *INPUTS]
    assert set(written) == {"base", *KEYS}


def test_which_inputs_keep_the_images_size():
    assert [name for name in INPUTS if keeps_size(name)] == ["seed-225"]


# keys of a written input

BOX = input_recipe(
    scale=(32, 48),
    fit="frame",
    pad=Pad(size=(32, 48), value=(114.0,) * 3),
    place="centre",
    bgr_to_rgb=True,
    divide_by=255.0,
)
SIDES = input_recipe(divisor=32)
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)


def padded(pad=None, **changes):
    return replace(BOX, **changes, **({"pad": pad} if pad else {}))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, BOX),
        ({"base": "own"}, BOX),
        ({"base": "mmdet", "colour": "bgr"}, replace(BOX, bgr_to_rgb=False)),
        ({"colour": "rgb"}, BOX),
        ({"divide_by": None}, replace(BOX, divide_by=None)),
        ({"mean": list(MEAN), "std": list(STD)}, replace(BOX, mean=MEAN, std=STD)),
        ({"interpolation": "area"}, replace(BOX, interpolation="area")),
        ({"rounding": "even"}, replace(BOX, rounding="even")),
        ({"enlarge": False}, replace(BOX, enlarge=False)),
        ({"place": "corner"}, replace(BOX, place="corner")),
        ({"fill": 0}, padded(Pad(size=(32, 48)))),
        ({"size": [16, 16]}, padded(Pad(size=(16, 16), value=(114.0,) * 3), scale=(16, 16))),
        ({"frame": [64, 64]}, padded(Pad(size=(64, 64), value=(114.0,) * 3), scale=(64, 64))),
        ({"frame": [64, 64], "size": [32, 48]}, padded(Pad(size=(64, 64), value=(114.0,) * 3))),
        ({"divisor": 16}, padded(Pad(divisor=16, value=(114.0,) * 3))),
        ({"resize": "stretch"}, replace(BOX, keep_ratio=False, pad=None)),
        ({"resize": "stretch", "size": [8, 8]}, replace(BOX, keep_ratio=False, pad=None, scale=(8, 8))),
        ({"resize": "none"}, replace(BOX, scale=None, keep_ratio=False, pad=None)),
        ({"resize": "sides"}, replace(BOX, fit="sides", pad=None)),
        (
            {"resize": "sides", "size": [8, 16], "divisor": 4},
            replace(BOX, fit="sides", scale=(8, 16), pad=Pad(divisor=4, value=(114.0,) * 3)),
        ),
        (
            {"resize": "none", "divisor": 8, "fill": 1},
            replace(BOX, scale=None, keep_ratio=False, pad=Pad(divisor=8, value=(1, 1, 1))),
        ),
        ({"resize": "letterbox"}, BOX),
        ({"base": "stretch", "colour": "bgr"}, replace(BOX, keep_ratio=False, pad=None, bgr_to_rgb=False)),
    ],
)
def test_a_key_changes_what_it_names_and_nothing_else(keys, expected):
    assert resolve_input(keys, BOX, None) == expected


def test_the_file_s_fixed_shape_is_the_frame():
    grey = (114.0,) * 3
    found = resolve_input({"size": [16, 24]}, BOX, (64, 64))
    assert (found.scale, found.pad) == ((16, 24), Pad(size=(64, 64), value=grey))
    # mmdet's target does not fit, so the image is fitted into the file's shape
    large = input_recipe(scale=(800, 1333))
    assert resolve_input({"resize": "letterbox"}, large, (64, 64)).scale == (64, 64)
    assert resolve_input({"resize": "stretch"}, BOX, (64, 64)).scale == (64, 64)
    own = input_recipe(scale=None)
    assert resolve_input({"resize": "letterbox"}, own, (64, 64)).pad.size == (64, 64)


def test_fill_alone_keeps_the_sizes():
    """Of mmdet's inputs too, whose long and short sides are fitted."""
    square = input_recipe(pad=Pad(to_square=True, value=(114.0,) * 3))
    assert resolve_input({"fill": 0}, square, None) == replace(square, pad=Pad(to_square=True))
    assert resolve_input({"fill": 9}, SIDES, None) == replace(SIDES, pad=Pad(divisor=32, value=(9, 9, 9)))
    image = np.zeros((100, 40, 3), np.uint8)
    before, after = (prepare(image, resolve_input(keys, SIDES, None)) for keys in ({}, {"fill": 9}))
    assert before[1] == after[1]
    assert after[0].max() == 9


@pytest.mark.parametrize(
    ("keys", "own", "shape", "message"),
    [
        ({"base": "squeeze"}, BOX, None, "input 'squeeze': unknown"),
        ({"colr": "bgr"}, BOX, None, "input.colr: unknown; did you mean .colour"),
        ({"mean": [1, 2, 3]}, BOX, None, "mean and std belong together"),
        ({"std": None}, replace(BOX, mean=MEAN, std=STD), None, "mean and std belong together"),
        ({"resize": "none", "size": [8, 8]}, BOX, None, "input.size: with resize none"),
        ({"resize": "none", "frame": [8, 8]}, BOX, None, "input.frame: with resize none"),
        ({"resize": "letterbox"}, input_recipe(scale=None), None, "input.size: the file takes any size"),
        ({"frame": [64, 64]}, BOX, (32, 48), "input.frame: 64x64 does not fit the file's fixed 32x48"),
        ({"size": [64, 64]}, BOX, (32, 48), "input.size: 64x64 does not fit the frame of 32x48"),
        ({"size": [64, 8], "frame": [32, 32]}, BOX, None, "input.size: 64x8 does not fit the frame of 32x32"),
        ({"resize": "stretch", "size": [64, 64]}, BOX, (32, 48), "input.size: 64x64 does not fit the frame"),
        ({"place": "centre"}, SIDES, None, "input.place: this input has no frame to lie in"),
    ],
)
def test_what_cannot_be_is_refused_with_its_key(keys, own, shape, message):
    with pytest.raises(UserError, match=message):
        resolve_input(keys, own, shape)


def test_whether_a_written_input_keeps_the_images_size():
    assert keeps_size({"resize": "none"})
    assert keeps_size({"base": "seed-225", "colour": "bgr"})
    for keys in ({}, {"place": "centre"}, {"fill": 3}, {"size": [8, 8]}, {"resize": "stretch"}):
        assert not keeps_size(keys)


def test_a_run_on_a_static_file_is_read_with_its_shape(tmp_path):
    """The recipe depends on the file's shape; boxes are clipped to its frame then and later."""
    spec = replace(model_spec(atss_head()), input=BOX)
    metadata = run_metadata(spec, input={"size": [16, 24]}, shape=(64, 64))
    files = [str(tmp_path / f"0.{ending}") for ending in ("parquet", "images.parquet")]
    with PredictionWriter(*files, candidates=True, metadata=metadata):
        pass
    write_spec(tmp_path / "spec.json", spec)
    read, made = open_run(files[:1], str(tmp_path / "spec.json"))
    assert made == metadata
    assert read.input == resolve_input({"size": [16, 24]}, BOX, (64, 64))
    assert read.input.pad.size == (64, 64)
