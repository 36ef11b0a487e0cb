"""Golden packs of external files: our own arrays agree in every convention, and planted ports are named."""

from dataclasses import replace

import conventions as dress
import msgspec
import numpy as np
import pytest
from cases import CASES
from golden_packs import (
    as_port,
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
)
from product import Reading, draw_data, make_manifest, run

from cutpoint.golden.pack import write_pack
from cutpoint.records.image import InputRecipe


def pack_of(model, reading, manifest, folder):
    """The golden pack of a file, after all that lies before it."""
    result = run(model, reading, manifest, folder)
    write_pack(
        dataset="d",
        model="m",
        variant="v",
        onnx=result.onnx,
        manifest=manifest,
        labels=str(folder / "labels.json"),
        detections=str(folder / "detections.json"),
        provider="cpu",
        recipe=reading.recipe,
        images=3,
        input=reading.input,
        out=str(folder / "pack"),
    )
    return folder / "pack"


@pytest.fixture(scope="module")
def drawn_manifest(drawn, tiny, tmp_path_factory):
    """The drawn images without ground truth to speak of."""
    boxes = [{"image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 20]}]
    return draw_data(tmp_path_factory.mktemp("drawn"), drawn, tiny.names, boxes)


KINDS = (
    "ultralytics default",
    "ultralytics half",
    "ultralytics nms",
    "yolov5 default",
    "yolox default",
    *(
        name
        for name in CASES
        if name.startswith(("rtdetr", "rfdetr", "detr", "yolonas", "tf", "torchvision", "paddle"))
    ),
)


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_arrays_agree_in_every_convention(kind, tiny, drawn_manifest, tmp_path):
    case = CASES[kind]
    pack = pack_of(case.build(tiny), case.read(tiny), drawn_manifest, tmp_path / "made")
    content, arrays = read_pack(pack)
    assert content["recipe"]
    assert sum(image["detections"] for image in content["images"]) > 10
    assert str(arrays["image1"]["input"].dtype) == content["input"]["dtype"]
    code, text = check(pack, port_of(tmp_path / "port", pack, ("",), same))
    assert code == 0, text
    assert "close" not in text
    code, text = check(pack, tmp_path / "made/detections.json")
    assert code == 0, text


@pytest.fixture(scope="module")
def photographed(real, official, tmp_path_factory):
    """YOLOX-nano in Ultralytics' convention, on 24 photographs."""
    folder = tmp_path_factory.mktemp("photographed")
    coco = real / "coco-dev"
    manifest = make_manifest(coco / "images", coco / "instances.json", folder / "manifest.json", limit=24)
    return pack_of(dress.ultralytics(official), Reading(), manifest, folder / "made")


def test_a_pack_of_photographs_agrees(photographed, tmp_path):
    content, _ = read_pack(photographed)
    assert len({image["pixels"]["height"] for image in content["images"]}) > 1
    assert content["onnx"]["made_from"]
    code, text = check(photographed, port_of(tmp_path / "port", photographed, ("",), same))
    assert code == 0, text
    code, text = check(photographed, photographed.parent / "detections.json")
    assert code == 0, text


INPUTS = {
    "channel_order": ({"bgr_to_rgb": False}, "red and blue are swapped"),
    "padding_place": ({"place": "corner"}, "padding is at another place"),
    "padding_value": ({"pad": "black"}, "only the padding differs"),
    "not_scaled": ({"divide_by": None, "mean": None, "std": None}, "the pixels are 0 to 255"),
    "stretched": ({"keep_ratio": False, "pad": None}, "stretched over the whole tensor"),
    "interpolation": ({"interpolation": "nearest"}, "small differences everywhere"),
}


@pytest.mark.parametrize("mistake", INPUTS)
def test_a_mistake_in_the_input_is_named(photographed, tmp_path, mistake):
    content, _ = read_pack(photographed)
    own = msgspec.convert(content["input"]["recipe"], InputRecipe)
    changes, words = INPUTS[mistake]
    if changes.get("pad") == "black":
        changes = {"pad": replace(own.pad, value=(0.0, 0.0, 0.0))}
    wrong = replace(own, **changes)

    def other(name, arrays):
        return {"input": prepared(photographed, wrong, name, arrays["input"].shape[2:])}

    assert_differs(
        check(photographed, port_of(tmp_path / "p", photographed, ("input",), other)), "input tensor", words
    )


RECIPES = {
    "nms_threshold": (lambda s: changed(s, "nms", iou_threshold=0.45), ["nms", "not 0.7, but 0.45"]),
    "agnostic": (lambda s: changed(s, "nms", space="agnostic"), ["nms", "all classes"]),
    "padding_left": (
        lambda s: changed(s, "rescale", padding="left"),
        ["rescale", "padding is not taken back"],
    ),
    "no_clip": (lambda s: without(s, "clip"), ["clip", "not clipped"]),
    "confidence": (lambda s: changed(s, "threshold", value=0.25), ["threshold", "0.25"]),
    "no_rescale": (lambda s: without(s, "rescale"), ["rescale", "not scaled back"]),
}


@pytest.mark.parametrize("mistake", RECIPES)
def test_a_mistake_of_the_recipe_is_named_from_final_boxes(photographed, tmp_path, mistake):
    content, _ = read_pack(photographed)
    change, words = RECIPES[mistake]
    port = as_results(tmp_path / "r.json", photographed, finish(photographed, change(content["recipe"])))
    assert_differs(check(photographed, port), "detections", *words)


def test_a_class_off_by_one_is_named(photographed, tmp_path):
    content, _ = read_pack(photographed)
    found = {
        name: rows.replaced(labels=rows.labels + 1)
        for name, rows in finish(photographed, content["recipe"]).items()
    }
    assert_differs(check(photographed, as_port(tmp_path / "port", found)), "detections", "off by one")


def test_a_port_in_half_precision_agrees(photographed, tmp_path):
    def half(name, arrays):
        keys = [key for key in arrays if key.startswith(("input", "output"))]
        return {key: arrays[key].astype(np.float16).astype(np.float32) for key in keys}

    port = port_of(tmp_path / "port", photographed, ("input", "output"), half)
    code, text = check(photographed, port, "--precision", "fp16")
    assert code == 0, text
