"""A file or a checkpoint that gives NaN: its rows are refused, the others and the page are finished."""

import re

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from snake import ROOT, run_snakemake

from cutpoint.files import read_json
from cutpoint.records.summary import read_summary

CHANNELS = {"cls": 4, "box": 4, "centerness": 1}
LEVELS = range(5)
CONFIG = """\
device: cpu
models:
  demo: {config: config/demo/atss_traffic.py, checkpoint: data/demo/atss_traffic.pth}
  diverged: {config: config/demo/atss_traffic.py, checkpoint: diverged.pth}
datasets:
  traffic: {images: data/demo/traffic/images, annotations: data/demo/traffic/instances.json, limit: 8}
variants:
  pytorch: {runtime: pytorch, cut: e2e}
  raw: {runtime: onnxruntime, cut: raw}
  scripted: {runtime: onnxruntime, cut: raw, exporter: torchscript}
  theirs:
    runtime: onnxruntime
    cut: raw
    onnx: theirs.onnx
    outputs:
      layout: maps
      box: {tensor: [box_0, box_1, box_2, box_3, box_4]}
      score: {tensor: [cls_0, cls_1, cls_2, cls_3, cls_4], activated: false}
      factor:
        tensor: [centerness_0, centerness_1, centerness_2, centerness_3, centerness_4]
        activated: false
evaluations:
  - {model: demo, dataset: traffic, variants: [pytorch, raw, theirs], ladder: [raw, theirs]}
  - {model: diverged, dataset: traffic, variants: [pytorch, scripted]}
gate:
  - {variants: [raw, scripted, theirs], agreement: {min: 0.9}}
latency: {images: 2, min_seconds: 0.1, min_runs: 2}
samples: {images: 1}
"""


def write_theirs(path):
    """Maps of the demo detector's shapes; where an image is brighter than the mean they are NaN."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Neg", ["mean"], ["dark"]),
        helper.make_node("Log", ["dark"], ["log"]),
        helper.make_node("Mul", ["log", "zero"], ["nothing"]),
        helper.make_node("AveragePool", ["images"], ["p"], kernel_shape=[4, 4], strides=[4, 4]),
    ]
    constants, outputs, last = [numpy_helper.from_array(np.float32(0), "zero")], [], "p"
    for name, channels in CHANNELS.items():
        weights = np.random.default_rng(channels).normal(0, 1, (channels, 3, 1, 1)).astype(np.float32)
        constants.append(numpy_helper.from_array(weights, f"{name}_weights"))
    for level in LEVELS:
        settings = {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}
        nodes.append(helper.make_node("AveragePool", [last], [f"p{level}"], **settings))
        last = f"p{level}"
        for name, channels in CHANNELS.items():
            made = f"{name}_{level}"
            nodes.append(helper.make_node("Conv", [last, f"{name}_weights"], [f"{made}_plain"]))
            nodes.append(helper.make_node("Add", [f"{made}_plain", "nothing"], [made]))
            outputs.append(
                helper.make_tensor_value_info(made, TensorProto.FLOAT, ["b", channels, None, None])
            )
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["b", 3, "h", "w"])
    graph = helper.make_graph(nodes, "g", [images], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)


def write_diverged(path):
    """The demo's checkpoint after a training that diverged in one layer."""
    content = torch.load(ROOT / "data/demo/atss_traffic.pth", weights_only=False)
    content["state_dict"]["bbox_head.atss_cls.weight"][:] = float("nan")
    torch.save(content, path)


def test_what_gives_nan_is_refused_and_the_rest_is_finished(project):
    write_theirs(project / "theirs.onnx")
    write_diverged(project / "diverged.pth")
    (project / "config/config.yaml").write_text(CONFIG)
    result = run_snakemake(project, "--cores", "2", timeout=900)
    assert result.code == 0, result.text[-3000:]
    every = read_summary(project / "results/tables/summary.csv")
    rows = {row.variant: row for row in every if row.model == "demo"}
    refused = rows["theirs"]
    reason = r"cls_0 has NaN on image id \d+ \(data/demo/traffic/images/\d+\.jpg\)"
    assert re.fullmatch(reason, refused.refused)
    assert refused.notes.split("; ")[0] == f"refused: {refused.refused}"
    empty = ("AP", "AP50", "delta_AP", "delta_AP_lo", "agreement")
    assert {getattr(refused, column) for column in empty} == {None}
    assert refused.verdict == "inconclusive"
    assert rows["raw"].verdict == "lossless"
    assert pytest.approx(rows["pytorch"].AP, abs=1e-6) == rows["raw"].AP
    verified = read_json(project / "results/models/demo/raw-external-theirs.verify.json")
    assert not verified["passed"]
    checks = read_json(project / "results/gate.json")["checks"]
    status = {(check["model"], check["variant"]): check["status"] for check in checks}
    assert (status["demo", "raw"], status["demo", "theirs"]) == ("passed", "inconclusive")
    assert status["diverged", "scripted"] == "inconclusive"
    page = (project / "results/report.html").read_text()
    assert "theirs is refused: cls_0 has NaN" in page

    diverged = {row.variant: row for row in every if row.model == "diverged"}
    assert {row.AP for row in diverged.values()} == {None}
    for variant in ("pytorch", "scripted"):
        assert diverged[variant].refused.startswith("cls_0 has NaN on image id ")
    assert diverged["scripted"].verdict == "inconclusive"
    assert "The reference pytorch is refused, so nothing is compared with it: cls_0 has NaN" in page
    said = (project / "logs/describe_model/diverged.log").read_text()
    assert "diverged.pth: 2304 weights in 1 tensors are NaN or infinite" in said
