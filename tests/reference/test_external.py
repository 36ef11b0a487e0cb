"""Real exports as other tools make them: tensors beside the file, detections inside; and NaN in PyTorch."""

import math

import cv2
import numpy as np
import onnx
import pytest
import torch
from datasets import make_image, save_manifest
from models import noise
from onnx import helper, numpy_helper
from scoring import make_scoring

from cutpoint.detector.reference import predict_pytorch
from cutpoint.detector.verify import verify_export
from cutpoint.export.external import import_onnx
from cutpoint.files import read_json
from cutpoint.predict.postprocess import postprocess
from cutpoint.predict.runtime import Session
from cutpoint.records.detections import refusal
from cutpoint.records.model import read_spec

E2E = {
    "box": {"tensor": "boxes"},
    "score": {"tensor": "scores", "activated": True},
    "label": {"tensor": "labels"},
    "count": {"tensor": "count"},
}


@pytest.fixture
def manifest(tmp_path):
    images = []
    for number, (height, width) in enumerate([(150, 200), (201, 120), (160, 160)], start=1):
        path = tmp_path / f"{number}.jpg"
        pixels = noise(height, width, number)[0].transpose(1, 2, 0) * 50 + 120
        cv2.imwrite(str(path), pixels.clip(0, 255).astype(np.uint8))
        images.append(make_image(number, str(path), height, width))
    return save_manifest(tmp_path / "manifest.json", images)


@pytest.fixture
def external(atss_exports, tmp_path):
    """An export without Cutpoint's metadata, changed and with its tensors beside it, imported again."""
    atss = atss_exports.model

    def make(name, outputs, cut, change=lambda graph: None):
        model = onnx.load(atss.folder / f"{name}.onnx")
        del model.metadata_props[:]
        change(model.graph)
        theirs = str(tmp_path / "theirs.onnx")
        # shapes that a graph computes with stay in it, as exporters leave them
        onnx.save_model(model, theirs, save_as_external_data=True, location="theirs.onnx.data")
        ours = str(tmp_path / "ours.onnx")
        import_onnx(onnx=theirs, outputs=outputs, spec=atss.spec_file, cut=cut, out=ours)
        (tmp_path / "theirs.onnx.data").unlink()
        return ours

    return make


@pytest.fixture
def verify(atss_exports, manifest, tmp_path):
    def run(export, checkpoint=None):
        model, out = atss_exports.model, str(tmp_path / "verify.json")
        arguments = {"config": model.config_name, "spec": model.spec_file}
        arguments["checkpoint"] = checkpoint or model.checkpoint
        verify_export(export=export, **arguments, manifest=manifest, images=3, out=out)
        return read_json(out)

    return run


def test_tensors_beside_a_real_export_are_carried_along(external, atss_exports, verify):
    kinds = {"box": "box", "score": "cls", "factor": "centerness"}
    described = {
        key: {"tensor": [f"{name}_{level}" for level in range(5)], "activated": False}
        for key, name in kinds.items()
    }
    ours = external("rawimage", {"layout": "maps", **described}, "raw")
    images = noise(192, 256)
    expected = atss_exports.raw.run({"images": images})
    for name, value in Session(ours, "cpu").run({"images": images}).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)
    assert verify(ours)["passed"]


def test_external_detections_are_judged(external, verify):
    # it clips to the padded tensor, which Cutpoint's own file of this form says of itself: of another the
    # detections do
    found = verify(external("e2etensor", E2E, "e2e"))
    row = found["tensors"][0]
    assert "not judged" not in row["tolerance"]
    assert 0.5 < row["agreement"] < 0.98
    assert not found["passed"]

    def turn(graph):
        # classes in another order: every box is there, of another class
        for name, value in (("one", 1), ("classes", 3)):
            graph.initializer.append(numpy_helper.from_array(np.array(value), name))
        graph.node.append(helper.make_node("Add", ["labels", "one"], ["next"]))
        graph.node.append(helper.make_node("Mod", ["next", "classes"], ["turned"]))
        [labels] = [output for output in graph.output if output.name == "labels"]
        labels.name = "turned"

    before = row["agreement"]
    found = verify(external("e2etensor", E2E | {"label": {"tensor": "turned"}}, "e2e", turn))
    assert found["tensors"][0]["agreement"] < before / 2
    assert found["failures"][0].startswith("boxes, only ")


@pytest.mark.parametrize("name", ["e2eimage", "e2etensor"])
def test_every_file_of_detections_is_judged(verify, atss_exports, tmp_path, name):
    model = atss_exports.model
    export = str(model.folder / f"{name}.onnx")
    found = verify(export)
    assert found["passed"]
    assert min(tensor["agreement"] for tensor in found["tensors"]) > 0.98
    # of other weights than PyTorch's
    state = torch.load(model.checkpoint)
    generator = torch.Generator().manual_seed(0)
    for key, value in state["state_dict"].items():
        if key.startswith("bbox_head.atss_reg"):
            state["state_dict"][key] = torch.randn(value.shape, generator=generator) * 0.1
    torch.save(state, tmp_path / "others.pth")
    found = verify(export, str(tmp_path / "others.pth"))
    assert not found["passed"]
    assert found["failures"][0].startswith("boxes, only ")
    assert found["tensors"][0]["agreement"] < 0.1


@pytest.mark.parametrize("cut", ["e2e", "raw"])
@pytest.mark.parametrize(("value", "said"), [(math.nan, "NaN"), (math.inf, "infinity")])
def test_pytorch_is_refused_by_tensor_and_image(atss_exports, manifest, tmp_path, cut, value, said):
    model = atss_exports.model
    state = torch.load(model.checkpoint)
    state["state_dict"]["bbox_head.atss_centerness.bias"][:] = value
    torch.save(state, tmp_path / "bad.pth")
    files = [str(tmp_path / "0.parquet"), str(tmp_path / "0.images.parquet")]
    predict_pytorch(
        config=model.config_name,
        checkpoint=str(tmp_path / "bad.pth"),
        spec=model.spec_file,
        cut=cut,
        manifest=manifest,
        provider="cpu",
        threads=1,
        shard=0,
        shards=1,
        out=files[0],
        out_images=files[1],
    )
    arguments = {
        "spec": model.spec_file,
        "labels": make_scoring(manifest, model.spec_file)[0],
        "cut": cut,
        "recipe": "mmdet3",
    }
    out = str(tmp_path / "detections.json")
    postprocess(predictions=files[:1], images=files[1:], **arguments, out=out)
    path = read_json(manifest)["images"][0]["path"]
    assert refusal(out) == f"centerness_0 has {said} on image id 1 ({path})"
    assert read_spec(model.spec_file).head.raw_names[-1] == "centerness_4"
