"""Mistakes are made with the file itself, also one of a fixed batch; those behind the network share a run."""

import json
from dataclasses import asdict

import cv2
import numpy as np
import onnx
import pytest
from datasets import make_image
from onnx import TensorProto, helper, numpy_helper
from row_graphs import write_rois
from tiny import input_recipe, model_spec, rows_head
from tracing import write_picture

from cutpoint.compare.fingerprints import possible_mistakes, run_mistakes
from cutpoint.export.cut import write_cut
from cutpoint.predict.runtime import Session
from cutpoint.records.image import Pad, TensorForm
from cutpoint.records.model import METADATA_KEY

SIDE = 32
OWN = input_recipe(
    scale=(SIDE, SIDE),
    fit="frame",
    place="centre",
    pad=Pad(size=(SIDE, SIDE), value=(114.0,) * 3),
    bgr_to_rgb=True,
    divide_by=255.0,
)


def write_file(path, batch):
    """Rows of a detector that sees one box, as sure as its first channel is bright."""
    spec = model_spec(rows_head()).to_dict() | {"input": OWN.to_dict()}
    boxes = np.tile(np.float32([[[8, 10, 24, 20]]]), (batch, 1, 1))
    weights = [
        numpy_helper.from_array(boxes, "box"),
        numpy_helper.from_array(np.ones((batch, 1), np.int64), "label"),
        numpy_helper.from_array(np.ones(batch, np.int64), "one"),
        numpy_helper.from_array(np.array([0]), "first"),
        numpy_helper.from_array(np.array([1]), "second"),
        numpy_helper.from_array(np.array([1, 2, 3]), "axes"),
    ]
    nodes = [
        helper.make_node("Slice", ["images", "first", "second", "second"], ["red"]),
        helper.make_node("ReduceMax", ["red", "axes"], ["most"], keepdims=0),
        helper.make_node("Reshape", ["most", "column"], ["scores"]),
        helper.make_node("Identity", ["box"], ["boxes"]),
        helper.make_node("Identity", ["label"], ["labels"]),
        helper.make_node("Identity", ["one"], ["count"]),
    ]
    weights.append(numpy_helper.from_array(np.array([batch, 1]), "column"))
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, SIDE, SIDE])
    outputs = [
        helper.make_tensor_value_info(name, kind, None)
        for name, kind in zip(("boxes", "scores", "labels", "count"), (1, 1, 7, 7), strict=True)
    ]
    graph = helper.make_graph(nodes, "g", [images], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    content = {"cut": "e2e", "spec": spec, "external": "rows.onnx", "tensor": asdict(TensorForm())}
    helper.set_model_props(model, {METADATA_KEY: json.dumps(content)})
    onnx.save(model, path)
    return str(path)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_file_of_any_fixed_batch(tmp_path, batch):
    pixels = np.full((32, 16, 3), (30, 60, 204), np.uint8)  # blue, green, red; the border is 114
    cv2.imwrite(str(tmp_path / "1.png"), pixels)
    session = Session(write_file(tmp_path / "rows.onnx", batch), "cpu", 1)
    assert session.batch == batch
    mistakes = possible_mistakes(session)
    made = run_mistakes(
        session, mistakes.values(), [make_image(1, str(tmp_path / "1.png"), 32, 16)], [7, 8, 9]
    )
    assert set(made) == set(mistakes)
    found = {
        name: (side.bbox.tolist(), side.score.tolist(), side.category_id.tolist())
        for name, side in made.items()
    }
    own = [[0.0, 10.0, 16.0, 10.0]]
    assert found["none"] == (own, [pytest.approx(0.8)], [8])
    assert found["channel_order"] == (own, [pytest.approx(114 / 255)], [8])  # the border is brighter
    assert found["black_padding"][1] == [pytest.approx(0.8)]
    assert found["not_divided"][1] == [204.0]
    assert found["class_minus_one"][2] == [7]
    assert found["padding_left"][0] == [[8.0, 10.0, 16.0, 10.0]]
    assert found["place_corner"][0] == [[8.0, 10.0, 16.0, 10.0]]
    assert found["double_sigmoid"][1] == [pytest.approx(1 / (1 + np.exp(-0.8)))]


def test_a_file_gets_the_padded_size_in_place_of_the_images(tmp_path):
    path = str(tmp_path / "raw.onnx")
    write_cut(**write_rois(tmp_path), cut="raw", out=path)
    # 90 x 60 in 64 x 96: the right half is padding
    image = make_image(1, write_picture(tmp_path / "1.png", 90, 60, seed=1), 90, 60)
    session = Session(path, "cpu", 1)
    mistakes = possible_mistakes(session)
    assert mistakes["sizes_of_tensor"].input == mistakes["none"].input
    made = run_mistakes(session, mistakes.values(), [image], [7, 8, 9])
    assert set(made) == set(mistakes)
    assert len(made["none"]) > 5
    assert not made["sizes_of_tensor"].is_same_as(made["none"])
    assert not made["clip_forgotten"].is_same_as(made["sizes_of_tensor"])
    # the recipe clips boxes to the image in both
    assert made["sizes_of_tensor"].corners.max(axis=0)[2] <= 60 + 1e-3
