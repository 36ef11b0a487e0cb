"""fp16 and int8 of a network that computes positions: a small RPN, and RoIAlign at its proposals."""

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from datasets import make_image, save_manifest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16
from tiny import input_recipe, roi_head

from cutpoint.export.casts import mend_casts
from cutpoint.export.positions import find_positions
from cutpoint.export.precision import to_fp16, to_int8
from cutpoint.files import read_json
from cutpoint.records.model import ModelSpec, write_spec

ROWS, CHANNELS = 4, 16
# float16 knows no such corner: between 1024 and 2048 its numbers are whole
CORNER = 1500.4
POSITIONS = ["flat", "cells", "moves", "shorter", "placed", "twice", "rois"]


@pytest.fixture
def files(tmp_path):
    """A trace with the outputs of a two-stage head, its specification, and a manifest."""
    random = np.random.default_rng(0)
    nodes, constants = [], []

    def op(kind, *inputs, out, **attributes):
        nodes.append(helper.make_node(kind, list(inputs), [out], f"{out}_node", **attributes))
        return out

    def constant(name, value):
        constants.append(numpy_helper.from_array(value, name))
        return name

    def weight(name, *shape):
        return constant(name, random.normal(0, 0.3, shape).astype(np.float32))

    first = op("Conv", "images", weight("w0", CHANNELS, 3, 3, 3), out="c0", strides=[8, 8])
    second = op("Conv", op("Relu", first, out="r0"), weight("w1", CHANNELS, CHANNELS, 3, 3), out="c1")
    # a constant that nodes of either kind read
    tenth = constant("tenth", np.float32(0.1))
    features = op("Relu", op("Mul", second, tenth, out="small"), out="features")
    rpn = op("Conv", features, weight("w2", 4, CHANNELS, 1, 1), out="rpn")
    flat = op("Reshape", rpn, constant("four", np.int64([4, -1])), out="flat")
    cells = op("Transpose", flat, out="cells", perm=[1, 0])
    moves = op("Slice", cells, *(constant(f"s{n}", np.int64([n])) for n in (0, ROWS)), out="moves")
    anchors = np.float32([[CORNER, CORNER, CORNER + 40, CORNER + 40]]) + np.arange(ROWS)[:, None] / 8
    placed = op(
        "Add",
        op("Mul", moves, tenth, out="shorter"),
        constant("anchors", anchors.astype(np.float32)),
        out="placed",
    )
    # a value that is read twice
    twice = op("Add", placed, placed, out="twice")
    rois = op("Mul", twice, constant("half", np.float32(0.5)), out="rois")
    images = constant("image_of", np.int64([0] * ROWS))
    pooled = op(
        "RoiAlign",
        features,
        rois,
        images,
        out="pooled",
        output_height=2,
        output_width=2,
        spatial_scale=1 / 128,
    )
    rows = op("Reshape", pooled, constant("rows", np.int64([ROWS, -1])), out="pooled_rows")
    hidden = op("Relu", op("MatMul", rows, weight("w3", 4 * CHANNELS, 32), out="h0"), out="hidden")
    op(
        "Unsqueeze",
        op("MatMul", hidden, weight("w4", 32, 4), out="l"),
        constant("axis", np.int64([0])),
        out="logits",
    )
    op("Unsqueeze", op("MatMul", hidden, weight("w5", 32, 12), out="d"), "axis", out="deltas")
    op("Unsqueeze", rois, "axis", out="proposals")
    op("Identity", constant("places", np.int64([[5, 7, 0, 2]])), out="priors")
    op("Identity", constant("number", np.int64([ROWS])), out="proposal_count")
    shapes = {"proposals": [1, ROWS, 4], "logits": [1, ROWS, 4], "deltas": [1, ROWS, 12]}
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]
    outputs[1:1] = [
        helper.make_tensor_value_info("priors", TensorProto.INT64, [1, ROWS]),
        helper.make_tensor_value_info("proposal_count", TensorProto.INT64, [1]),
    ]
    inputs = [
        helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, "height", "width"]),
        helper.make_tensor_value_info("image_sizes", TensorProto.FLOAT, [1, 4]),
    ]
    graph = helper.make_graph(nodes, "rois", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    found = {"trace": str(tmp_path / "trace.onnx"), "spec": str(tmp_path / "spec.json")}
    onnx.save(onnx.shape_inference.infer_shapes(model), found["trace"])
    write_spec(
        found["spec"], ModelSpec("rois", ("car", "bus", "person"), roi_head(), input_recipe(scale=(200, 200)))
    )
    pictures = []
    for number in range(4):
        path = str(tmp_path / f"{number}.png")
        pixels = random.integers(0, 256, (5, 7, 3), np.uint8)
        cv2.imwrite(path, cv2.resize(pixels, (200, 160), interpolation=cv2.INTER_CUBIC))
        pictures.append(make_image(number, path, 160, 200))
    return found | {"manifest": save_manifest(tmp_path / "manifest.json", pictures)}


def run(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feeds = {"images": np.random.default_rng(1).normal(0, 1, (1, 3, 160, 200)).astype(np.float32)}
    names = {value.name for value in session.get_inputs()}
    feeds["image_sizes"] = np.float32([[160, 200, 1, 1]])
    values = session.run(None, {name: feeds[name] for name in names})
    return dict(zip([value.name for value in session.get_outputs()], values, strict=True))


def test_the_nodes_between_the_rpn_and_roi_align_compute_positions(files):
    model = onnx.load(files["trace"])
    inside, border = find_positions(model, model.graph.node)
    assert [node.output[0] for node in inside] == POSITIONS
    assert [node.output[0] for node in border] == ["rpn"]


def test_a_network_that_samples_nothing_has_none(files):
    model = onnx.load(files["trace"])
    kept = [node for node in model.graph.node if node.op_type != "RoiAlign"]
    assert find_positions(model, kept) == ([], [])


def test_positions_of_fp16_have_all_their_digits(files, tmp_path):
    out, report = str(tmp_path / "fp16.onnx"), str(tmp_path / "fp16.json")
    to_fp16(**files, out=out, report=report)
    onnx.checker.check_model(out, full_check=True)
    expected, found = (
        run(
            files["trace"],
        ),
        run(out),
    )
    assert list(found) == list(expected)
    np.testing.assert_array_equal(found["priors"], expected["priors"])
    # what the RPN's fp16 convolution loses, and nothing more
    error = np.abs(found["proposals"] - expected["proposals"])
    assert 0 < error.max() < 0.02
    assert 0 < np.abs(found["logits"] - expected["logits"]).max() < 0.02 * expected["logits"].std()
    kept = read_json(report)["kept_fp32"]["nodes"]
    assert kept["computes positions"] == [f"{n}_node" for n in POSITIONS]
    halves = {i.name for i in onnx.load(out).graph.initializer if i.data_type == TensorProto.FLOAT16}
    assert halves == {"w0", "w1", "w2", "w3", "w4", "w5", "tenth"}


def test_the_converter_alone_rounds_them(files):
    """What ``mend_casts`` undoes; if this fails, the converter has learnt it."""
    model = onnx.load(files["trace"])
    names = [f"{name}_node" for name in (*POSITIONS, "proposals")]
    expected = run(files["trace"])["proposals"]
    converted = convert_float_to_float16(onnx.load(files["trace"]), keep_io_types=True, node_block_list=names)
    made = [name for node in converted.graph.node for name in node.output]
    assert len(made) > len(set(made))
    mend_casts(converted, model)
    made = [name for node in converted.graph.node for name in node.output]
    assert len(made) == len(set(made))
    found = run(converted.SerializeToString())["proposals"]
    assert np.abs(found - expected).max() < 0.02
    constants = {i.name: i for i in converted.graph.initializer}
    assert constants["tenth"].data_type == TensorProto.FLOAT16
    assert numpy_helper.to_array(constants["tenth_cast_to_fp32"]) == np.float32(0.1)


def test_int8_keeps_the_convolution_of_the_rpn(files, tmp_path):
    out, report = str(tmp_path / "int8.onnx"), str(tmp_path / "int8.json")
    to_int8(**files, images=4, out=out, report=report)
    kept = read_json(report)["kept_fp32"]["nodes"]
    assert kept["last convolution before positions"] == ["rpn_node"]
    expected, found = run(files["trace"]), run(out)
    for name in ("proposals", "logits"):
        assert 0 < np.abs(found[name] - expected[name]).max() < 1
