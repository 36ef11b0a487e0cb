"""Golden packs of the real YOLOX-nano at each cut: our own arrays agree, and planted ports are named."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from golden_packs import (
    as_results,
    assert_differs,
    changed,
    check,
    finish,
    port_of,
    prepared,
    read_pack,
    same,
    without,
    write_port,
)
from models import YOLOX, write_export
from scoring import make_scoring

from cutpoint.data.manifest import build_manifest
from cutpoint.detector.describe import describe_model
from cutpoint.detector.trace import trace_model
from cutpoint.golden.pack import write_pack
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.postprocess import postprocess
from cutpoint.predict.runtime import Session
from cutpoint.predict.shard import predict_onnx
from cutpoint.recipes.apply import detect
from cutpoint.recipes.recipe import Recipe
from cutpoint.recipes.schema import read_steps
from cutpoint.records.image import InputRecipe

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def packs(real, tmp_path_factory):
    """The packs of ``raw``, ``decoded`` and ``e2e`` on 24 photographs."""
    folder = tmp_path_factory.mktemp("golden")
    manifest, spec, trace = (str(folder / name) for name in ("manifest.json", "spec.json", "trace.onnx"))
    coco = real / "coco-dev"
    build_manifest(
        dataset="coco_dev",
        images=str(coco / "images"),
        annotations=str(coco / "instances.json"),
        limit=24,
        out=manifest,
    )
    model = {"config": YOLOX, "checkpoint": str(real / "weights" / "yolox_nano_mmdet.pth")}
    describe_model(model="yolox_nano", **model, candidate_floor=None, out=spec)
    trace_model(**model, spec=spec, shape="dynamic", out=trace)
    labels, _ = make_scoring(manifest, spec)
    made = {}
    for cut in ("raw", "decoded", "e2e"):
        onnx, detections = str(folder / f"{cut}.onnx"), str(folder / f"{cut}.json")
        write_export(trace=trace, spec=spec, cut=cut, out=onnx)
        run = {"out": str(folder / f"{cut}.parquet"), "out_images": str(folder / f"{cut}.images.parquet")}
        predict_onnx(model=onnx, manifest=manifest, provider="cpu", threads=2, shard=0, shards=1, **run)
        files = {"predictions": [run["out"]], "images": [run["out_images"]]}
        postprocess(**files, spec=spec, labels=labels, cut=cut, recipe="mmdet3", out=detections)
        made[cut] = folder / f"{cut}-pack"
        write_pack(
            dataset="coco_dev",
            model="yolox_nano",
            variant=cut,
            onnx=onnx,
            manifest=manifest,
            labels=labels,
            detections=detections,
            provider="cpu",
            recipe="mmdet3",
            images=3,
            out=str(made[cut]),
        )
    return made


@pytest.mark.parametrize("cut", ["raw", "decoded", "e2e"])
def test_our_own_arrays_and_detections_agree(packs, tmp_path, cut):
    pack = packs[cut]
    code, text = check(pack, port_of(tmp_path / "port", pack, ("",), same))
    assert code == 0, text
    assert "close" not in text
    for other in ("raw", "decoded", "e2e"):
        code, text = check(pack, pack.parent / f"{other}.json")
        assert code == 0, text


def test_the_cuts_choose_the_same_images(packs):
    chosen = [[image["image_id"] for image in read_pack(pack)[0]["images"]] for pack in packs.values()]
    assert chosen[0] == chosen[1] == chosen[2]


RECIPES = {
    "missing_factor": (lambda s: without(s, "multiply_factor"), ["multiply_factor", "the factor is missing"]),
    "nms_threshold": (lambda s: changed(s, "nms", iou_threshold=0.45), ["nms", "not 0.65, but 0.45"]),
    "agnostic": (lambda s: changed(s, "nms", space="agnostic"), ["nms", "all classes"]),
    "all_classes": (lambda s: without(s, "best_class"), ["best_class"]),
    "confidence": (lambda s: changed(s, "threshold", value=0.3), ["threshold", "0.3"]),
}


@pytest.mark.parametrize("mistake", RECIPES)
def test_a_mistake_of_the_recipe_is_named_from_final_boxes(packs, tmp_path, mistake):
    content, _ = read_pack(packs["raw"])
    change, words = RECIPES[mistake]
    port = as_results(tmp_path / "r.json", packs["raw"], finish(packs["raw"], change(content["recipe"])))
    assert_differs(check(packs["raw"], port), "detections", *words)


INPUTS = {
    "channel_order": ({"bgr_to_rgb": True}, "red and blue are swapped"),
    "padding_place": ({"place": "centre"}, "padding is at another place"),
    "unit": ({"divide_by": 255.0}, "divided by 255"),
    "truncated": ({"rounding": "up"}, "its size is rounded otherwise"),
}


@pytest.mark.parametrize("mistake", INPUTS)
def test_a_mistake_in_the_input_is_named(packs, tmp_path, mistake):
    content, _ = read_pack(packs["decoded"])
    changes, words = INPUTS[mistake]
    wrong = replace(msgspec.convert(content["input"]["recipe"], InputRecipe), **changes)

    def other(name, arrays):
        return {"input": prepared(packs["decoded"], wrong, name, arrays["input"].shape[2:])}

    port = port_of(tmp_path / "port", packs["decoded"], ("input",), other)
    assert_differs(check(packs["decoded"], port), "input tensor", words)


def test_the_graph_alone_is_named(packs, tmp_path):
    def other(name, arrays):
        return {**arrays, "output.cls_1": np.ascontiguousarray(arrays["output.cls_1"][..., ::-1])}

    result = check(packs["raw"], port_of(tmp_path / "port", packs["raw"], ("input", "output"), other))
    assert_differs(result, "output cls_1", "weights, the precision or the runtime")


def test_a_port_with_another_rounding_of_pixels_agrees(packs, tmp_path):
    """One level of noise in every pixel: the outputs and boxes move, and no reason is claimed."""
    pack = packs["raw"]
    content, _ = read_pack(pack)
    session = Session(pack.parent / "raw.onnx", "cpu", 2)
    pipeline, recipe = OnnxPipeline(session), Recipe(read_steps(content["recipe"]))
    port = {}
    for image in content["images"]:
        tensor, sizes = pipeline.prepare(pipeline.decode(str(pack / image["file"])))
        part = tensor[0, :, : sizes.resized_height, : sizes.resized_width]
        part += np.random.default_rng(5).integers(-1, 2, part.shape)
        outputs = pipeline.infer(tensor, sizes)
        rows = detect(pipeline.read(outputs, sizes), recipe, sizes, session.spec)
        port[image["name"]] = {
            "input": tensor,
            **{f"output.{name}": value for name, value in outputs.items()},
            "detections.boxes": rows.boxes,
            "detections.scores": rows.scores,
            "detections.labels": rows.labels,
        }
    code, text = check(pack, write_port(tmp_path / "port", port))
    assert (code, "equal" in text) == (0, False), text
