"""A project of models without mmdet: files that the test makes, and real ones if they are there."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from snake import ROOT, copy_project

NAMES = ("pedestrian", "non-motor-vehicle", "motor-vehicle", "other")
SIDE, CELL = 160, 16
CONFIG = """\
device: cpu
models:
  small: {}
datasets:
  street: {images: street/images, annotations: street/instances.json, limit: 12}
variants:
  pt: {results: theirs/predictions.json, category_ids: label_plus_one}
  fp32: {onnx: theirs/small.onnx}
  corner: {onnx: theirs/small.onnx, input: {place: corner}}
  strict: {onnx: theirs/small.onnx, recipe: {base: mmdet3, score_thr: 0.5}}
evaluations:
  - model: small
    dataset: street
    variants: [pt, fp32, corner, strict]
    ladder: [corner, fp32, strict]
latency: {images: 2, min_seconds: 0, min_runs: 2}
samples: {images: 1}
"""
# what the real weights add
REAL = """\
models:
  nano: {{classes: coco80}}
datasets:
  coco: {{images: {real}/coco-dev/images, annotations: {real}/coco-dev/instances.json, limit: 12}}
variants:
  official: {{onnx: {real}/weights/yolox_nano_official.onnx, layout: yolox}}
evaluations:
  - {{model: nano, dataset: coco, variants: [official]}}
"""


def write_external_project(folder: Path, config: str = CONFIG) -> Path:
    """Make it in an empty folder, without the demo's checkpoints."""
    copy_project(folder)
    (folder / "data/demo").unlink()
    shutil.copytree(ROOT / "data/demo/traffic", folder / "street")
    (folder / "theirs").mkdir()
    write_small_model(folder / "theirs/small.onnx")
    (folder / "theirs/predictions.json").write_text(json.dumps(_predictions(folder / "street")))
    (folder / "config/config.yaml").write_text(config)
    return folder


def write_small_model(path: Path, seed: int = 0, names: Sequence[str] = NAMES) -> None:
    """A file as Ultralytics writes it: a box for each cell of a grid, with scores of its mean colour."""
    rng, cells = np.random.default_rng(seed), SIDE // CELL
    centres = (np.stack(np.meshgrid(np.arange(cells), np.arange(cells)), 0) + 0.5) * CELL
    sizes = rng.uniform(CELL, 3 * CELL, (2, cells, cells))
    values = {
        "weight": rng.normal(0, 8, (len(names), 3, 1, 1)),
        "boxes": np.concatenate([centres, sizes]).reshape(1, 4, -1),
    }
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in values.items()]
    tensors.append(numpy_helper.from_array(np.array([1, len(names), -1]), "shape"))
    nodes = [
        helper.make_node("AveragePool", ["images"], ["cells"], kernel_shape=[CELL] * 2, strides=[CELL] * 2),
        helper.make_node("Conv", ["cells", "weight"], ["maps"]),
        helper.make_node("Reshape", ["maps", "shape"], ["columns"]),
        helper.make_node("Sigmoid", ["columns"], ["scores"]),
        helper.make_node("Concat", ["boxes", "scores"], ["output0"], axis=1),
    ]
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    shape = [1, 4 + len(names), cells * cells]
    output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "small", [image], [output], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    metadata = {"names": str(dict(enumerate(names))), "imgsz": str([SIDE, SIDE]), "stride": "32"}
    helper.set_model_props(model, metadata | {"task": "detect", "batch": "1"})
    onnx.save(model, path)


def _predictions(data: Path) -> list[dict[str, object]]:
    """Every second box of the ground truth, as Ultralytics writes its own."""
    content = json.loads((data / "instances.json").read_text())
    files = {image["id"]: image["file_name"] for image in content["images"]}
    return [
        {
            "image_id": Path(files[box["image_id"]]).stem,
            "file_name": files[box["image_id"]],
            "category_id": box["category_id"],
            "bbox": box["bbox"],
            "score": 0.9,
        }
        for box in content["annotations"][::2]
    ]
