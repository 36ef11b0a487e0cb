"""fp16 and int8 from every convention: only the network is converted, and what it costs on photographs."""

import shutil
from dataclasses import replace

import conventions as dress
import onnx
import pytest
from cases import CASES
from judge import average_precision, unmatched
from product import Reading, draw_data, import_external

from cutpoint.data.manifest import build_manifest
from cutpoint.export.precision import to_fp16, to_int8
from cutpoint.files import read_json
from cutpoint.layouts.classes import read_class_names
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.runtime import Session
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.records.classes import Classes, write_classes

DECODING = ("NonMaxSuppression", "TopK", "Exp", "Sigmoid", "GatherND", "MatMul")


@pytest.fixture(scope="module")
def manifest(drawn, tiny, tmp_path_factory):
    return draw_data(tmp_path_factory.mktemp("drawn"), drawn, tiny.names, [])


def imported(model, reading, folder):
    """The imported file and its specification."""
    theirs, ours, spec, classes = (
        str(folder / n) for n in ("theirs.onnx", "fp32.onnx", "spec.json", "c.json")
    )
    onnx.save(model, theirs)
    write_classes(classes, Classes("m", read_class_names(reading.classes, None, "classes")))
    written = {"input": reading.input} if isinstance(reading.input, dict) else {}
    names = {"model": "m", "onnx": theirs, "layout": reading.layout, "classes": classes}
    import_external(**names, written=written, candidate_floor=None, out=ours, out_spec=spec)
    return ours, spec


def results(path, reading, images):
    """COCO results of a file, category = label."""
    session = Session(path, "cpu", 1)
    pipeline = OnnxPipeline(session, reading.input)
    recipe = resolve_recipe(reading.recipe, session.spec.head, session.scores or "class")
    found = []
    for key, image in images.items():
        tensor, sizes = pipeline.prepare(image)
        read = pipeline.read(pipeline.infer(tensor, sizes), sizes)
        boxes, scores, labels = vars(apply_recipe(recipe, read, sizes, pipeline.spec)).values()
        boxes[:, 2:] -= boxes[:, :2]
        found += [
            {"image_id": key, "category_id": int(label), "bbox": box.tolist(), "score": float(score)}
            for box, score, label in zip(boxes, scores, labels, strict=True)
        ]
    return session, found


@pytest.mark.parametrize("name", CASES)
def test_each_convention_in_fp16(tiny, drawn, manifest, tmp_path, name):
    reading = CASES[name].read(tiny)
    source, spec = imported(CASES[name].build(tiny), reading, tmp_path)
    out, report = str(tmp_path / "fp16.onnx"), str(tmp_path / "fp16.json")
    to_fp16(trace=source, spec=spec, manifest=manifest, out=out, report=report)
    before, after = (results(path, reading, drawn) for path in (source, out))
    assert (after[0].precision, after[0].tensor, after[0].shape) == (
        "fp16",
        before[0].tensor,
        before[0].shape,
    )
    assert len(before[1]) > 50
    lost = unmatched(before[1], after[1], pixels=1, score=0.01)
    assert len(lost) <= 0.05 * len(before[1])
    # the same to the last digit is fp32
    assert unmatched(before[1], after[1], pixels=0, score=0)
    kept = read_json(report)["kept_fp32"]["operators"]
    graph = onnx.load(source).graph
    for kind in DECODING:
        assert kept.get(kind, 0) == sum(node.op_type == kind for node in graph.node)


@pytest.fixture(scope="module")
def calibration(real, tmp_path_factory):
    """Twelve real images that are not scored."""
    images = tmp_path_factory.mktemp("calibration")
    scored = {path.name for path in (real / "coco-dev" / "images").iterdir()}
    for path in [*(real / "seed" / "images").iterdir(), *(real / "kitti-sample" / "images").iterdir()]:
        if path.name not in scored:
            shutil.copy(path, images)
    out = str(images / "manifest.json")
    build_manifest(dataset="rest", images=str(images), annotations=None, limit=None, out=out)
    return out


# What fp16 and int8 may cost in AP. Of 108 photographs a few boxes that change places make 0.002.
REAL = {
    "yolox": (dress.yolox, Reading("yolox"), 0.001, 0.02),
    "ultralytics": (dress.ultralytics, Reading("ultralytics"), 0.002, 0.03),
    "yolonas": (dress.yolonas_batch, Reading("yolonas"), 0.003, 0.03),
}


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_photographs_lose_little(official, photographs, truth, categories, calibration, tmp_path, name):
    build, reading, *most = REAL[name]
    reading = replace(reading, classes=official.names)
    source, spec = imported(build(official), reading, tmp_path)
    files = {"trace": source, "spec": spec, "manifest": calibration, "images": 32}
    measured = {"fp32": score(source, reading, photographs, truth, categories)}
    for precision, convert in (("fp16", to_fp16), ("int8", to_int8)):
        out, report = (str(tmp_path / f"{precision}.{ending}") for ending in ("onnx", "json"))
        convert(**files, out=out, report=report)
        measured[precision] = score(out, reading, photographs, truth, categories)
        told = read_json(report)
        assert told["bytes"]["after"] < 0.6 * told["bytes"]["before"]
    assert told["quantised_tensors"] > 100
    assert len(told["kept_fp32"]["nodes"]["depthwise convolution"]) == 30
    assert len(told["kept_fp32"]["nodes"]["last convolution of the head"]) == 9
    for precision, limit in zip(("fp16", "int8"), most, strict=True):
        assert 0 < abs(measured[precision] - measured["fp32"]) <= limit


def score(path, reading, photographs, truth, categories):
    """AP on coco-dev."""
    _, found = results(path, reading, photographs)
    return average_precision(truth, [row | {"category_id": categories[row["category_id"]]} for row in found])
