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
from tiny import atss_head, input_recipe, model_spec

from cutpoint.data.image import clip_size, prepare
from cutpoint.data.inputs import INPUTS, keeps_size, resolve_input
from cutpoint.errors import UserError
from cutpoint.plan.config import complete_config
from cutpoint.plan.resolve import build_plan
from cutpoint.plan.tables import table_row
from cutpoint.predict.postprocess import postprocess
from cutpoint.predict.shard import predict_onnx
from cutpoint.records.detections import read_results
from cutpoint.records.image import InputRecipe, Pad
from cutpoint.records.json_file import as_record
from cutpoint.records.model import METADATA_KEY, ModelSpec, write_spec
from cutpoint.records.predictions import read_metadata, read_predictions

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
    schema = SCHEMA.read_text().replace("enum: [mmdet, stretch,", "enum: [squeeze, mmdet, stretch,")
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
    variant = schema["properties"]["variants"]["additionalProperties"]
    assert variant["properties"]["input"]["enum"] == list(INPUTS)


def test_which_inputs_keep_the_images_size():
    assert [name for name in INPUTS if keeps_size(name)] == ["seed-225"]
