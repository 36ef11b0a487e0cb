"""A project with a variant of each kind, whose inputs are files of its own."""

import shutil
from pathlib import Path

import numpy as np
import onnx
from external_project import write_small_model
from onnx import TensorProto, helper, numpy_helper
from snake import ROOT, copy_project

CONFIG = """\
device: cpu
imports: [mine.hooks]
models:
  demo: {config: config/mine/atss.py, checkpoint: weights/atss.pth}
  alone: {}
datasets:
  traffic: {images: street/images, annotations: street/instances.json, slices: street/slices.csv, limit: 12}
  unlabelled: {images: other/images, annotations: null}
  calibration: {images: calibration/images, annotations: null}
variants:
  pytorch: {runtime: pytorch, cut: e2e}
  raw: {runtime: onnxruntime, cut: raw}
  raw_thr: {runtime: onnxruntime, cut: raw, recipe: {base: mmdet3, score_thr: 0.3}}
  decoded: {runtime: onnxruntime, cut: decoded}
  e2e: {runtime: onnxruntime, cut: e2e}
  int8: {runtime: onnxruntime, cut: raw, precision: int8, calibration: {dataset: calibration, images: 4}}
  given: {results: theirs/detections.json}
  theirs:
    runtime: onnxruntime
    cut: e2e
    onnx: theirs/model.onnx
    outputs: {box: {tensor: boxes}, score: {tensor: scores, activated: true}, label: {tensor: labels}}
  small: {onnx: theirs/small.onnx}
  small_thr: {onnx: theirs/small.onnx, recipe: {base: mmdet3, score_thr: 0.2}}
  small_half: {onnx: theirs/small.onnx, precision: fp16}
evaluations:
  - model: demo
    dataset: traffic
    variants: [pytorch, raw, raw_thr, decoded, e2e, int8, given, theirs]
    ladder: [raw, decoded]
  - {model: demo, dataset: unlabelled, variants: [pytorch, e2e]}
  - {model: alone, dataset: unlabelled, variants: [small, small_thr, small_half]}
gate:
  - {variants: [raw], agreement: {min: 0.9}}
"""


def write_project(folder: Path) -> Path:
    """Make it in an empty folder."""
    copy_project(folder)
    demo = ROOT / "data/demo"
    shutil.copytree(demo / "traffic", folder / "street")
    for name in ("other", "calibration"):
        shutil.copytree(demo / "traffic_unlabelled", folder / name)
    (folder / "street/slices.csv").write_text("image,name,value\n1,time,day\n2,time,night\n")
    (folder / "weights").mkdir()
    shutil.copy(demo / "atss_traffic.pth", folder / "weights/atss.pth")
    (folder / "config/mine").mkdir()
    (folder / "config/mine/atss.py").write_text('_base_ = ["./base.py"]\n')
    (folder / "config/mine/base.py").write_text('_base_ = ["../demo/atss_traffic.py"]\n')
    (folder / "mine").mkdir()
    (folder / "mine/__init__.py").touch()
    (folder / "mine/hooks.py").write_text("VALUE = 1\n")
    (folder / "theirs").mkdir()
    (folder / "theirs/detections.json").write_text("[]")
    _write_external_model(folder / "theirs/model.onnx")
    write_small_model(folder / "theirs/small.onnx")
    (folder / "config/config.yaml").write_text(CONFIG)
    return folder


def _write_external_model(path: Path) -> None:
    """A graph whose one tensor lies in a file beside it."""
    weight = numpy_helper.from_array(np.ones((4, 3), np.float32), "weight")
    outputs = [
        helper.make_tensor_value_info(name, kind, None)
        for name, kind in (("boxes", TensorProto.FLOAT), ("scores", 1), ("labels", TensorProto.INT64))
    ]
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["b", 3, "h", "w"])
    nodes = [helper.make_node("Identity", ["weight"], ["boxes"])]
    graph = helper.make_graph(nodes, "theirs", [image], outputs, [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    settings = {"all_tensors_to_one_file": True, "location": "model.onnx.data", "size_threshold": 0}
    onnx.save_model(model, path, save_as_external_data=True, **settings)
