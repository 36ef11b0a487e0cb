"""fp16 and int8: what is converted, what is kept, what the report says, and what it costs in AP."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from datasets import make_image, save_manifest
from models import noise, write_export
from onnx import TensorProto, numpy_helper
from scoring import make_scoring

from cutpoint.data.manifest import build_manifest
from cutpoint.detector.describe import describe_model
from cutpoint.detector.trace import trace_model
from cutpoint.errors import UserError
from cutpoint.evaluate.coco import evaluate
from cutpoint.export.precision import to_fp16, to_int8
from cutpoint.files import read_json
from cutpoint.predict.postprocess import postprocess
from cutpoint.predict.runtime import Session
from cutpoint.predict.shard import predict_onnx
from cutpoint.records.onnx_model import OVERFLOW_KEY
from cutpoint.records.predictions import find_refusal

CONVERT = {"fp16": to_fp16, "int8": to_int8}
ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "data/demo"


@pytest.fixture(scope="module")
def trace(atss, tmp_path_factory):
    """The small ATSS: 64 convolutions, the last of each of three branches shared by five levels."""
    out = str(tmp_path_factory.mktemp("precision") / "trace.onnx")
    arguments = {"config": atss.config_name, "checkpoint": atss.checkpoint, "spec": atss.spec_file}
    trace_model(**arguments, shape="dynamic", exporter="torchscript", out=out)
    return out


@pytest.fixture
def manifest(tmp_path):
    """Writes images of given contrast and lists them."""

    def write(contrasts):
        images = []
        for number, contrast in enumerate(contrasts):
            path = tmp_path / f"{number}.png"
            pixels = noise(160, 224, seed=number)[0].transpose(1, 2, 0) * contrast + 120
            cv2.imwrite(str(path), pixels.clip(0, 255).astype(np.uint8))
            images.append(make_image(number, str(path), 160, 224))
        return save_manifest(tmp_path / "manifest.json", images)

    return write


@pytest.fixture
def convert(atss, trace, manifest, tmp_path):
    def run(precision, contrasts=(30, 30, 30), source=trace):
        files = {"out": str(tmp_path / f"{precision}.onnx"), "report": str(tmp_path / "report.json")}
        CONVERT[precision](
            trace=source, spec=atss.spec_file, manifest=manifest(contrasts), images=len(contrasts), **files
        )
        onnx.checker.check_model(files["out"])
        return onnx.load(files["out"]), read_json(files["report"]), files["out"]

    return run


def nodes(model, kind):
    return {node.name for node in model.graph.node if node.op_type == kind}


def names_of(values):
    return [(value.name, value.type.tensor_type.elem_type) for value in values]


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_inputs_and_outputs_stay_and_every_cut_is_made_of_it(convert, atss, trace, tmp_path, precision):
    model, report, path = convert(precision)
    before = onnx.load(trace)
    assert names_of(model.graph.input) == names_of(before.graph.input)
    assert names_of(model.graph.output) == names_of(before.graph.output)
    assert report["precision"] == precision
    assert report["bytes"]["before"] > 1.6 * report["bytes"]["after"]
    image = noise(160, 224, seed=5)
    for cut in ("raw", "decoded", "e2e"):
        export = str(tmp_path / f"{cut}.onnx")
        write_export(trace=path, spec=atss.spec_file, cut=cut, out=export)
        session = Session(export, "cpu", 2)
        assert session.precision == precision
        sizes = {"image_sizes": np.float32([[160, 224, 1, 1]])} if cut == "e2e" else {}
        outputs = session.run({"images": image, **sizes})
        if cut == "e2e":
            assert outputs["count"][0] > 20
            continue
        expected = atss.cuts(image)
        for name, value in outputs.items():
            ours, theirs = (side.astype(np.float64).ravel() for side in (value, expected[name]))
            cosine = ours @ theirs / np.sqrt((ours @ ours) * (theirs @ theirs))
            assert cosine > {"fp16": 0.99999, "int8": 0.97}[precision], name
            changed = not np.array_equal(value, expected[name].astype(value.dtype))
            assert changed or name == "level_counts", name


def test_fp16_keeps_what_follows_the_last_convolutions(convert, trace):
    model, report, _ = convert("fp16")
    before = onnx.load(trace)
    weights = {node.input[1] for node in before.graph.node if node.op_type == "Conv"}
    types = {i.name: i.data_type for i in model.graph.initializer}
    assert {types[name] for name in weights} == {TensorProto.FLOAT16}
    kept = set(report["kept_fp32"]["nodes"]["behind the last convolutions"])
    # decoding: the sigmoids and exponentials are all there, no convolution is
    assert nodes(before, "Sigmoid") | nodes(before, "Exp") <= kept
    assert not kept & nodes(before, "Conv")
    assert sum(report["kept_fp32"]["operators"].values()) == len(kept)
    assert report["overflows"] == []
    halves = {v.name for v in model.graph.value_info if v.type.tensor_type.elem_type == TensorProto.FLOAT16}
    made = {name for node in before.graph.node if node.name in kept for name in node.output}
    assert not halves & made


def test_fp16_names_the_tensors_that_overflow(convert, trace, tmp_path):
    model = onnx.load(trace)
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    for tensor in model.graph.initializer:
        if tensor.name in first.input[1:]:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 1e5, tensor.name))
    onnx.save(model, tmp_path / "large.onnx")
    _, report, _ = convert("fp16", source=str(tmp_path / "large.onnx"))
    found = {row["tensor"]: row["max_abs"] for row in report["overflows"]}
    assert first.output[0] in found
    assert all(value > 65504 for value in found.values())
    assert list(found.values()) == sorted(found.values(), reverse=True)


@pytest.fixture
def loud(trace, tmp_path):
    """The trace with class scores that float16 cannot hold."""
    model = onnx.load(trace)
    last = next(n for n in model.graph.node if n.op_type == "Conv" and n.output[0].startswith("cls_0"))
    for tensor in model.graph.initializer:
        if tensor.name == last.input[1]:
            signs = np.sign(numpy_helper.to_array(tensor))
            tensor.CopyFrom(numpy_helper.from_array(np.float32(9e3) * signs, tensor.name))
    onnx.save(model, tmp_path / "loud.onnx")
    return str(tmp_path / "loud.onnx")


def refusal_of(trace, spec, cut, folder):
    """Why predictions of a trace's export are refused on the images of the manifest; null if they are not."""
    export, out = str(folder / f"{cut}.onnx"), str(folder / f"{cut}.parquet")
    write_export(trace=trace, spec=spec, cut=cut, out=export)
    common = {"manifest": str(folder / "manifest.json"), "provider": "cpu", "threads": 1}
    predict_onnx(model=export, **common, shard=0, shards=1, out=out, out_images=f"{out}.images")
    return find_refusal([out])


@pytest.mark.parametrize("cut", ["raw", "decoded", "e2e"])
def test_fp16_that_is_seen_to_overflow_is_refused_at_every_cut_by_tensor_and_image(
    convert, atss, loud, tmp_path, cut
):
    """On a CPU nothing is infinite: ONNX Runtime computes it in float32. On a GPU it would be."""
    _, report, path = convert("fp16", contrasts=(1, 30, 1), source=loud)
    most = report["overflows"][0]
    assert most["tensor"] == "cls_0"
    assert most["image"] in {f"image id {number} ({tmp_path}/{number}.png)" for number in range(3)}
    said = f"cls_0 has {most['max_abs']:.3g}, which float16 cannot hold, on {most['image']}"
    assert refusal_of(path, atss.spec_file, cut, tmp_path) == said
    assert refusal_of(loud, atss.spec_file, cut, tmp_path) is None


@pytest.mark.parametrize(("cut", "tensor"), [("raw", "cls_0"), ("decoded", "scores")])
def test_fp16_that_overflows_before_a_sigmoid_on_an_image_that_was_not_measured_is_refused(
    convert, atss, loud, tmp_path, cut, tensor
):
    """Sigmoid of infinity is 1: without a mark in the graph, the class scores of ``decoded`` look sound."""
    model, _, path = convert("fp16", source=loud)
    kept = [entry for entry in model.metadata_props if entry.key != OVERFLOW_KEY]
    assert len(kept) == len(model.metadata_props) - 1
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    onnx.save(model, path)
    said = f"{tensor} has NaN on image id 0 ({tmp_path}/0.png)"
    assert refusal_of(path, atss.spec_file, cut, tmp_path) == said


def test_int8_quantises_all_but_the_first_and_last_convolutions(convert, trace):
    model, report, _ = convert("int8")
    convolutions = [node for node in onnx.load(trace).graph.node if node.op_type == "Conv"]
    kept = report["kept_fp32"]["nodes"]
    assert kept["first convolution"] == [convolutions[0].name]
    assert len(kept["last convolution of the head"]) == 15
    assert "depthwise convolution" not in kept
    quantised = len(convolutions) - 16
    made = {name: node.op_type for node in model.graph.node for name in node.output}
    dequantised = [
        node
        for node in model.graph.node
        if node.op_type == "Conv" and made.get(node.input[1]) == "DequantizeLinear"
    ]
    assert len(dequantised) == quantised
    scales = {
        node.output[0]: node.input[1] for node in model.graph.node if node.op_type == "DequantizeLinear"
    }
    shapes = {i.name: list(i.dims) for i in model.graph.initializer}
    # per channel: as many scales as the convolution has outputs
    assert {len(shapes[scales[node.input[1]]]) for node in dequantised} == {1}
    assert all(shapes[scales[node.input[1]]][0] > 1 for node in dequantised)


def test_int8_tells_what_lies_outside_the_calibrated_range(convert):
    # the second image of five is held out: once like the others, once far outside of what they are
    _, within, _ = convert("int8", contrasts=(30, 1, 30, 30, 30))
    assert within["images"] == {"calibration": 4, "held_out": 1}
    _, outside, _ = convert("int8", contrasts=(2, 90, 2, 2, 2))
    assert len(outside["saturated"]) > len(within["saturated"])
    worst = outside["saturated"][0]
    low, high = worst["range"]
    assert worst["max_abs"] > max(abs(low), abs(high))
    assert 0 < worst["share_outside"] < 1
    assert len(outside["saturated"]) <= outside["quantised_tensors"]


def test_one_image_is_no_calibration(convert):
    with pytest.raises(UserError, match=r"manifest\.json: 1 image\(s\); int8 needs at least 2"):
        convert("int8", contrasts=(30,))


@pytest.mark.slow
def test_the_demo_detector_loses_little(tmp_path):
    """AP of the trained detector on its drawn street scenes; calibration on images that are not scored."""
    arguments = {
        "config": str(ROOT / "config/demo/atss_traffic.py"),
        "checkpoint": str(DEMO / "atss_traffic.pth"),
    }
    spec, trace = str(tmp_path / "spec.json"), str(tmp_path / "fp32.onnx")
    describe_model(model="demo", **arguments, candidate_floor=None, out=spec)
    trace_model(**arguments, spec=spec, shape="dynamic", exporter="torchscript", out=trace)
    scored, calibration = str(tmp_path / "scored.json"), str(tmp_path / "calibration.json")
    folder = str(DEMO / "traffic")
    build_manifest(
        dataset="traffic",
        images=f"{folder}/images",
        annotations=f"{folder}/instances.json",
        limit=None,
        out=scored,
    )
    unlabelled = str(DEMO / "traffic_unlabelled/images")
    build_manifest(dataset="rest", images=unlabelled, annotations=None, limit=None, out=calibration)
    common = {"trace": trace, "spec": spec, "manifest": calibration}
    to_fp16(**common, out=str(tmp_path / "fp16.onnx"), report=str(tmp_path / "fp16.json"))
    to_int8(**common, images=32, out=str(tmp_path / "int8.onnx"), report=str(tmp_path / "int8.json"))
    found = {name: score(tmp_path, name, spec, scored) for name in ("fp32", "fp16", "int8")}
    assert found["fp32"] > 0.5
    assert abs(found["fp16"] - found["fp32"]) <= 0.001
    assert abs(found["int8"] - found["fp32"]) <= 0.02
    assert found["int8"] != found["fp32"]


def score(folder, name, spec, manifest, cut="raw"):
    """AP of a trace's export."""
    export, detections = str(folder / f"{name}-{cut}.onnx"), str(folder / f"{name}.detections.json")
    write_export(trace=str(folder / f"{name}.onnx"), spec=spec, cut=cut, out=export)
    files = {"out": f"{export}.parquet", "out_images": f"{export}.images.parquet"}
    predict_onnx(model=export, manifest=manifest, provider="cpu", threads=2, shard=0, shards=1, **files)
    labels, truth = make_scoring(manifest, spec)
    postprocess(
        predictions=[files["out"]],
        images=[files["out_images"]],
        spec=spec,
        labels=labels,
        cut=cut,
        recipe="mmdet3",
        out=detections,
    )
    evaluate(truth=truth, detections=detections, out=f"{detections}.metrics")
    return read_json(f"{detections}.metrics")["AP"]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e38])
def test_weights_that_are_not_finite_are_converted_as_they_are(convert, trace, tmp_path, value):
    """The variant is refused where it runs; the conversion must not stop the others."""
    model = onnx.load(trace)
    weights = [tensor for tensor in model.graph.initializer if len(tensor.dims) == 4]
    array = numpy_helper.to_array(weights[5]).copy()
    array[0] = value
    weights[5].CopyFrom(numpy_helper.from_array(array, weights[5].name))
    onnx.save(model, tmp_path / "spoilt.onnx")
    _, report, _ = convert("fp16", source=str(tmp_path / "spoilt.onnx"))
    assert all(np.isfinite(row["max_abs"]) for row in report["overflows"])
    model, report, _ = convert("int8", source=str(tmp_path / "spoilt.onnx"))
    assert (report["quantised_tensors"], report["saturated"]) == (0, [])
    assert "NaN or infinity in a convolution" in report["kept_fp32"]["nodes"]
    # nothing is quantised, and the file does not say it is
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties["cutpoint_precision"] == "fp32"
