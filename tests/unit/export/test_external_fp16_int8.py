"""fp16 and int8 from imported files: what is converted, what stays, and that they run."""

import json

import cv2
import numpy as np
import onnx
import pytest
from datasets import make_image, save_manifest
from imported import SIDE, backbone, columns, detections, queries, write_imported
from onnx import TensorProto, helper

from cutpoint.data.image import decode
from cutpoint.errors import UserError
from cutpoint.export.precision import to_fp16, to_int8
from cutpoint.files import read_json
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.runtime import Session
from cutpoint.records.image import TensorForm

CONVERT = {"fp16": to_fp16, "int8": to_int8}
FORMS = [TensorForm(), TensorForm("uint8"), TensorForm("uint8", channels_last=True), TensorForm("float16")]


@pytest.fixture
def manifest(tmp_path):
    images = []
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 256, (5, 7, 3), np.uint8)
        path = str(tmp_path / f"{number}.png")
        cv2.imwrite(path, cv2.resize(pixels, (57, 40), interpolation=cv2.INTER_CUBIC))
        images.append(make_image(number, path, 40, 57))
    return save_manifest(tmp_path / "manifest.json", images)


@pytest.fixture
def convert(tmp_path, manifest):
    def run(precision, source):
        onnx_file, spec = source
        files = {"out": str(tmp_path / f"{precision}.onnx"), "report": str(tmp_path / f"{precision}.json")}
        CONVERT[precision](trace=onnx_file, spec=spec, manifest=manifest, images=6, **files)
        onnx.checker.check_model(files["out"], full_check=True)
        return onnx.load(files["out"]), read_json(files["report"]), files["out"]

    return run


def run(path, image):
    """The outputs of the whole batch, and the session."""
    session = Session(path, "cpu", 1)
    pipeline = OnnxPipeline(session)
    count = session.batch or 1
    tensor, sizes = pipeline.batch([pipeline.prepare(decode(image))] * count)
    return pipeline.infer(tensor, *sizes), session


def described(values):
    return [(value.name, value.type.tensor_type.elem_type) for value in values]


def count(model, kind):
    return sum(node.op_type == kind for node in model.graph.node)


def kept(report, kind):
    return report["kept_fp32"]["operators"].get(kind, 0)


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("ending", [columns, detections, queries])
@pytest.mark.parametrize("precision", CONVERT)
def test_the_file_keeps_its_outside_and_nearly_its_values(convert, tmp_path, precision, ending, form):
    source = write_imported(tmp_path / "fp32", ending, form)
    before = onnx.load(source[0])
    model, report, path = convert(precision, source)
    assert described(model.graph.input) == described(before.graph.input)
    assert described(model.graph.output) == described(before.graph.output)
    expected, _ = run(source[0], str(tmp_path / "0.png"))
    found, session = run(path, str(tmp_path / "0.png"))
    assert (session.precision, session.external, session.tensor) == (precision, "net.onnx", form)
    assert report["bytes"]["before"] > report["bytes"]["after"]
    for name in ("boxes", "scores"):
        assert found[name].dtype == np.float32
        if ending is not detections:  # where NMS follows, their order may differ
            limit = {"fp16": 0.02, "int8": 0.5}[precision] * expected[name].std()
            assert 0 < np.abs(found[name] - expected[name]).max() < limit
    if ending is detections:
        assert found["count"][0] == found["boxes"].shape[1] > 5


@pytest.mark.parametrize("ending", [columns, detections])
def test_decoding_and_nms_stay_float32(convert, tmp_path, ending):
    """The convolution of fixed weights behind the softmax, and the small product behind NMS, are decoding."""
    before = onnx.load(write_imported(tmp_path, ending)[0])
    model, report, _ = convert("fp16", write_imported(tmp_path, ending))
    convolutions = count(before, "Conv")
    assert kept(report, "Conv") == 1
    for kind in ("Softmax", "Sigmoid", "NonMaxSuppression", "MatMul"):
        assert kept(report, kind) == count(before, kind)
    halves = {i.name for i in model.graph.initializer if i.data_type == TensorProto.FLOAT16}
    weights = [node.input[1] in halves for node in model.graph.node if node.op_type == "Conv"]
    assert sum(weights) == convolutions - 1


def test_int8_keeps_the_first_the_depthwise_and_the_last_convolutions(convert, tmp_path):
    model, report, _ = convert("int8", write_imported(tmp_path, columns))
    names = report["kept_fp32"]["nodes"]
    assert [len(names[reason]) for reason in ("first convolution", "depthwise convolution")] == [1, 1]
    assert len(names["last convolution of the head"]) == 2
    assert kept(report, "Conv") == 5
    made = {name: node.op_type for node in model.graph.node for name in node.output}
    quantised = [n for n in model.graph.node if made.get(n.input[-1]) == made.get(n.input[0]) != "Relu"]
    assert sum(node.op_type == "Conv" for node in quantised) == 2
    assert report["quantised_tensors"] >= 2
    assert report["images"] == {"calibration": 5, "held_out": 1}


def test_int8_leaves_products_alone(convert, tmp_path):
    _, report, _ = convert("int8", write_imported(tmp_path, queries))
    assert kept(report, "MatMul") == 4
    assert len(report["kept_fp32"]["nodes"]["last convolution of the head"]) == 2


@pytest.mark.parametrize("precision", CONVERT)
@pytest.mark.parametrize(("batch", "opset"), [(2, 13), ("batch", 13), (1, 12)])
def test_batches_and_older_opsets_are_converted(convert, tmp_path, precision, batch, opset):
    source = write_imported(tmp_path / "fp32", columns, batch=batch, opset=opset)
    _, _, path = convert(precision, source)
    found, session = run(path, str(tmp_path / "1.png"))
    assert found["scores"].shape[0] == (batch if isinstance(batch, int) else 1)
    assert session.batch == (batch if isinstance(batch, int) else None)


def test_large_metadata_survives(convert, tmp_path):
    names = {"names": json.dumps({n: f"class number {n}" for n in range(20_000)}), "stride": "32"}
    source = write_imported(tmp_path / "fp32", columns, metadata=names)
    before = {entry.key: entry.value for entry in onnx.load(source[0]).metadata_props}
    for precision in CONVERT:
        model, _, _ = convert(precision, source)
        after = {entry.key: entry.value for entry in model.metadata_props}
        assert len(after["names"]) > 500_000
        assert after.items() >= (before | {"cutpoint_precision": precision}).items()


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_file_that_is_reduced_already_is_refused(convert, tmp_path, precision):
    source = write_imported(tmp_path, precision=precision)
    with pytest.raises(UserError, match=rf"net\.onnx: it is {precision} already, and only a float32 file"):
        convert("fp16", source)


def only_first(net, images, form):
    """A patch embedding: the only convolution."""
    return net.op("Relu", net.conv(net.op("Mul", images, net.const(1 / 255)), 3, 32, 3, strides=[4, 4]))


def nothing(net, images, form):
    return net.op("AveragePool", images, kernel_shape=[4, 4], strides=[4, 4])


def test_int8_without_a_convolution_is_refused(convert, tmp_path):
    source = write_imported(tmp_path / "fp32", queries, trunk=only_first)
    with pytest.raises(
        UserError, match=r"int8 quantises convolutions, .* there is none .* use precision fp16"
    ):
        convert("int8", source)
    _, report, _ = convert("fp16", source)
    assert kept(report, "MatMul") == 0


def averages(net, value):
    rows = net.rows(value, 3)
    boxes = net.op(
        "Concat", rows, net.op("Slice", rows, *(net.const([k], np.int64) for k in (0, 1, 2))), axis=2
    )
    return {"boxes": boxes, "scores": rows, "level_counts": net.const([(SIDE // 4) ** 2], np.int64)}


def test_a_graph_without_weights_is_refused(convert, tmp_path):
    source = write_imported(tmp_path, averages, trunk=nothing)
    with pytest.raises(UserError, match="no operator with weights lies before its outputs"):
        convert("fp16", source)


def test_a_tensor_that_float16_cannot_hold_is_named(convert, tmp_path):
    def loud(net, images, form):
        return net.op("Mul", backbone(net, net.op("Mul", images, net.const(1e5)), form), net.const(1e-5))

    _, report, _ = convert("fp16", write_imported(tmp_path, columns, trunk=loud))
    assert report["overflows"]
    assert all(row["max_abs"] > 65504 for row in report["overflows"])


def test_an_operator_of_onnx_runtime_alone_is_converted_around(convert, tmp_path):
    """ONNX does not know its type; ONNX Runtime does."""
    source = write_imported(tmp_path / "fp32", columns)
    model = onnx.load(source[0])
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    relu.op_type, relu.domain = "Gelu", "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, source[0])
    for precision in CONVERT:
        _, _, path = convert(precision, source)
        expected, _ = run(source[0], str(tmp_path / "0.png"))
        found, _ = run(path, str(tmp_path / "0.png"))
        assert np.abs(found["scores"] - expected["scores"]).max() < 0.5 * expected["scores"].std()
