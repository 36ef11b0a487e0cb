"""Heads small enough to work out by hand, and what stands in for a session."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
from onnx import TensorProto, helper

from cutpoint.recipes.recipe import Recipe
from cutpoint.recipes.schema import read_step
from cutpoint.records.candidates import Candidates
from cutpoint.records.head import DenseHead, ExternalHead, Floor, HeadSpec, Part, QueryHead, RoiHead, Shape
from cutpoint.records.image import Geometry, InputRecipe, TensorForm
from cutpoint.records.model import METADATA_KEY, ModelSpec
from cutpoint.records.predictions import RunMetadata

ATSS_STEPS = (
    {"step": "threshold", "quantity": "class", "value": 0.05, "inclusive": False},
    {"step": "top_k", "k": 3},
    {"step": "clip"},
    {"step": "rescale", "operation": "multiply"},
    {"step": "multiply_factor"},
    {"step": "min_size", "value": 0.0},
    {"step": "nms", "iou_threshold": 0.6},
    {"step": "max_per_img", "k": 2},
)
YOLOX_STEPS = (
    {"step": "best_class"},
    {"step": "threshold", "quantity": "product", "value": 0.25, "inclusive": True},
    {"step": "rescale", "operation": "divide"},
    {"step": "multiply_factor"},
    {"step": "nms", "iou_threshold": 0.65},
)
PAA_STEPS = (
    {"step": "multiply_factor", "root": True},
    {"step": "top_k", "k": 3, "unit": "location"},
    {"step": "threshold", "quantity": "product", "value": 0.05},
    {"step": "clip"},
    {"step": "rescale", "operation": "divide"},
    {"step": "nms", "iou_threshold": 0.6},
    {"step": "max_per_img", "k": 2},
    {"step": "score_voting"},
)
YOLOV3_STEPS = (
    {"step": "threshold", "quantity": "factor", "value": 0.3, "inclusive": True},
    {"step": "threshold", "quantity": "class", "value": 0.05},
    {"step": "top_k", "k": 9, "per": "image"},
    {"step": "rescale"},
    {"step": "multiply_factor"},
    {"step": "nms", "iou_threshold": 0.45},
    {"step": "max_per_img", "k": 4},
)


POLYGON_STEPS = (
    {"step": "threshold", "quantity": "class", "value": 0.1, "inclusive": False},
    {"step": "rescale", "operation": "divide"},
    {"step": "max_per_img", "k": 3},
)


def atss_head(**changes: Any) -> DenseHead:
    """Two levels, two anchors a cell, three classes, centerness; class floor 0.05, strict."""
    values: dict[str, Any] = {
        "head": "ATSSHead",
        "num_classes": 3,
        "strides": ((8, 4), (16, 8)),
        "anchors": (
            ((-4.0, -2.0, 4.0, 2.0), (-8.0, -8.0, 8.0, 8.0)),
            ((-8.0, -4.0, 8.0, 4.0), (-16.0, -16.0, 16.0, 16.0)),
        ),
        "point_offset": 0.0,
        "coder": {
            "type": "delta_xywh",
            "means": [0.0, 0.0, 0.0, 0.0],
            "stds": [0.1, 0.1, 0.2, 0.2],
            "max_ratio": math.log(1000 / 16),
            "centre_clamp": None,
        },
        "raw_names": ("cls_0", "cls_1", "box_0", "box_1", "centerness_0", "centerness_1"),
        "score": Part("cls", 0, 3),
        "score_activation": "sigmoid",
        "box": (Part("box", 0, 4),),
        "factor": Part("centerness", 0, 1),
        "factor_activation": "sigmoid",
        "floor": Floor("class", 0.05, False),
        "recipe": ATSS_STEPS,
    }
    return DenseHead(**(values | changes))


def yolox_head(**changes: Any) -> DenseHead:
    """Two levels, one point a cell, three classes, objectness; product floor 0.25, inclusive."""
    values: dict[str, Any] = {
        "head": "YOLOXHead",
        "num_classes": 3,
        "strides": ((8, 8), (16, 16)),
        "anchors": None,
        "point_offset": 0.0,
        "coder": {"type": "centre_size"},
        "raw_names": ("cls_0", "cls_1", "box_0", "box_1", "objectness_0", "objectness_1"),
        "score": Part("cls", 0, 3),
        "score_activation": "sigmoid",
        "box": (Part("box", 0, 4),),
        "factor": Part("objectness", 0, 1),
        "factor_activation": "sigmoid",
        "floor": Floor("product", 0.25, True),
        "recipe": YOLOX_STEPS,
    }
    return DenseHead(**(values | changes))


def yolov3_head() -> DenseHead:
    """One map a level: box, objectness and classes are parts of it."""
    return atss_head(
        coder={"type": "yolov3"},
        box=(Part("pred", 0, 4),),
        factor=Part("pred", 4, 5),
        score=Part("pred", 5, 8),
        recipe=YOLOV3_STEPS,
    )


def sabl_head() -> DenseHead:
    """Boxes in two tensors; the factor is the coder's own."""
    return atss_head(
        coder={"type": "buckets", "buckets": 14, "scale": 3.0},
        box=(Part("bucket_cls", 0, 28), Part("bucket_reg", 0, 28)),
        factor=None,
    )


EXTERNAL_STEPS = (
    {"step": "multiply_factor"},
    {"step": "threshold", "quantity": "class", "value": 0.001, "inclusive": False},
    {"step": "nms", "iou_threshold": 0.7, "space": "per_class"},
    {"step": "max_per_img", "k": 300},
    {"step": "rescale", "operation": "divide", "gain": "one"},
    {"step": "clip", "to": "original"},
)
ROW_STEPS = ({"step": "rescale", "operation": "divide", "gain": "one"},)


def external_head(**changes: Any) -> ExternalHead:
    """Decoded boxes with three classes and no factor, as Ultralytics' files have them."""
    values: dict[str, Any] = {
        "head": "ultralytics",
        "num_classes": 3,
        "raw_names": (),
        "floor": Floor("class", 0.001, False),
        "recipe": EXTERNAL_STEPS,
        "layout": "ultralytics",
    }
    return ExternalHead(**(values | changes))


def rows_head(**changes: Any) -> ExternalHead:
    """Rows behind the file's own NMS: only the way back is left."""
    values: dict[str, Any] = {"floor": Floor("class", 0.0, False), "recipe": ROW_STEPS}
    return external_head(**(values | {"head": "mmdeploy", "layout": "mmdeploy"} | changes))


ROI_STEPS = (
    {"step": "clip"},
    {"step": "rescale", "operation": "multiply"},
    {"step": "threshold", "quantity": "class", "value": 0.05, "inclusive": False},
    {"step": "nms", "iou_threshold": 0.5},
    {"step": "max_per_img", "k": 3},
)
SPARSE_STEPS = (
    {"step": "max_per_img", "k": 3},
    {"step": "rescale", "operation": "divide"},
)
QUERY_STEPS = (
    {"step": "max_per_img", "k": 3},
    {"step": "clip"},
    {"step": "rescale", "operation": "divide"},
)
DETR_STEPS = (
    {"step": "best_class"},
    {"step": "clip"},
    {"step": "rescale", "operation": "divide"},
    {"step": "max_per_img", "k": 3},
)
ROI_CODER = {
    "type": "delta_xywh",
    "means": [0.0, 0.0, 0.0, 0.0],
    "stds": [0.1, 0.1, 0.2, 0.2],
    "max_ratio": math.log(1000 / 16),
    "centre_clamp": None,
}


def roi_head(**changes: Any) -> RoiHead:
    """Four selected proposals, three classes with a box each, softmax; class floor 0.05, strict."""
    values: dict[str, Any] = {
        "head": "Shared2FCBBoxHead",
        "num_classes": 3,
        "raw_names": ("proposals", "priors", "proposal_count", "logits", "deltas"),
        "floor": Floor("class", 0.05, False),
        "recipe": ROI_STEPS,
        "proposals": 4,
        "selected": True,
        "score_activation": "softmax",
        "class_boxes": True,
        "coder": ROI_CODER,
    }
    return RoiHead(**(values | changes))


def sparse_head(**changes: Any) -> RoiHead:
    """Four learned proposals, three classes that share a box, sigmoid; the three best pairs."""
    values: dict[str, Any] = {
        "head": "DIIHead",
        "raw_names": ("proposals", "logits", "deltas"),
        "floor": Floor("class", 0.0, False, 3),
        "recipe": SPARSE_STEPS,
        "selected": False,
        "score_activation": "sigmoid",
        "class_boxes": False,
        "coder": ROI_CODER | {"stds": [0.5, 0.5, 1.0, 1.0]},
    }
    return roi_head(**(values | changes))


def query_head(**changes: Any) -> QueryHead:
    """Five selected queries, three classes, sigmoid, as DINO; the three best pairs."""
    values: dict[str, Any] = {
        "head": "DINOHead",
        "num_classes": 3,
        "raw_names": ("logits", "cxcywh", "priors"),
        "floor": Floor("class", 0.0, False, 3),
        "recipe": QUERY_STEPS,
        "queries": 5,
        "selected": True,
        "score_activation": "sigmoid",
    }
    return QueryHead(**(values | changes))


def detr_head(**changes: Any) -> QueryHead:
    """Five learned queries, three classes and the background, softmax, as DETR; the three best queries."""
    values: dict[str, Any] = {
        "head": "DETRHead",
        "raw_names": ("logits", "cxcywh"),
        "recipe": DETR_STEPS,
        "selected": False,
        "score_activation": "softmax",
    }
    return query_head(**(values | changes))


def roi_outputs(spec: RoiHead, seed: int = 0, batch: int = 1, padding: int = 1) -> dict[str, np.ndarray]:
    """Random raw tensors of a RoI head for the image of ``geometry``; ``padding`` of the rows are empty."""
    random = np.random.default_rng(seed)
    rows, classes = spec.proposals, spec.num_classes
    corner = random.uniform(0, 15, (batch, rows, 2))
    proposals = np.concatenate([corner, corner + random.uniform(4, 16, corner.shape)], axis=-1)
    columns = classes + (spec.score_activation == "softmax")
    width = 4 * classes if spec.class_boxes else 4
    outputs: dict[str, np.ndarray] = {
        "proposals": proposals.astype(np.float32),
        "logits": random.normal(0, 1.5, (batch, rows, columns)).astype(np.float32),
        "deltas": random.normal(0, 0.5, (batch, rows, width)).astype(np.float32),
    }
    if spec.selected:
        outputs["priors"] = np.stack([random.permutation(100)[:rows] for _ in range(batch)])
        outputs["proposal_count"] = np.full(batch, rows - padding)
        outputs["proposals"][:, rows - padding :] = 0
        outputs["priors"][:, rows - padding :] = -1
    return {name: outputs[name] for name in spec.raw_names}


def query_outputs(spec: QueryHead, seed: int = 0, batch: int = 1) -> dict[str, np.ndarray]:
    """Random raw tensors of a query head."""
    random = np.random.default_rng(seed)
    rows = spec.queries
    columns = spec.num_classes + (spec.score_activation == "softmax")
    outputs: dict[str, np.ndarray] = {
        "logits": random.normal(0, 1.5, (batch, rows, columns)).astype(np.float32),
        "cxcywh": random.uniform(0.2, 0.8, (batch, rows, 4)).astype(np.float32),
    }
    if spec.selected:
        outputs["priors"] = np.stack([random.permutation(100)[:rows] for _ in range(batch)])
    return outputs


def recipe_of(*steps: dict[str, Any]) -> Recipe:
    """A recipe of steps as files hold them."""
    return Recipe(tuple(read_step(step, "recipe step") for step in steps))


@dataclass(frozen=True)
class Polygons(HeadSpec):
    """A second kind, which no code but this knows."""

    kind: ClassVar[str] = "polygons"

    corners: int

    @property
    def has_factor(self) -> bool:
        return False

    def shapes(self, cut: str) -> dict[str, Shape]:
        names = {"raw": ("logits", "deltas"), "decoded": ("boxes", "scores")}[cut]
        return dict.fromkeys(names, ("batch", "rows", None))


def input_recipe(**changes: Any) -> InputRecipe:
    """Keep ratio to 32x48, no padding, no normalisation."""
    values: dict[str, Any] = {
        "scale": (32, 48),
        "keep_ratio": True,
        "interpolation": "bilinear",
        "pad": None,
        "bgr_to_rgb": False,
        "mean": None,
        "std": None,
        "divisor": 1,
        "pad_value": 0.0,
    }
    return InputRecipe(**(values | changes))


def run_metadata(model: ModelSpec, /, **changes: Any) -> RunMetadata:
    """Of a run of this model on the CPU; cut ``raw``."""
    values: dict[str, Any] = {
        "cut": "raw",
        "provider": "cpu",
        "floor": model.head.floor,
        "spec": model.digest,
    }
    return RunMetadata(**(values | {"input": "mmdet", "scores": None} | changes))


def model_spec(head: HeadSpec, classes: tuple[str, ...] = ("car", "bus", "person")) -> ModelSpec:
    """A model around a head."""
    return ModelSpec("tiny", classes, head, input_recipe())


def polygon_spec() -> ModelSpec:
    """A model of the second kind; a test that reads it from a file adds its row to ``KINDS``."""
    floor = Floor("class", 0.1, False)
    head = Polygons("PolygonHead", 2, ("logits", "deltas"), floor, POLYGON_STEPS, corners=5)
    return ModelSpec("polygons", ("car", "bus"), head, input_recipe())


def geometry(**changes: Any) -> Geometry:
    """A 64x80 image resized to 32x40: scale 0.5 on both axes."""
    values: dict[str, Any] = {
        "height": 64,
        "width": 80,
        "resized_height": 32,
        "resized_width": 40,
        "padded_height": 32,
        "padded_width": 40,
        "scale_x": 0.5,
        "scale_y": 0.5,
    }
    return Geometry(**(values | changes))


def candidates(*rows: tuple) -> Candidates:
    """Candidates from rows ``(level, prior, label, score, factor, (x1, y1, x2, y2))``."""
    level, prior, label, score, factor, boxes = zip(*rows, strict=True) if rows else ([],) * 6
    return Candidates(
        level=np.array(level, np.int8),
        prior=np.array(prior, np.int32),
        label=np.array(label, np.int16),
        score=np.array(score, np.float32),
        factor=np.array(factor, np.float32),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
    )


def guided_head(**changes) -> DenseHead:
    """GA-RetinaNet: the factor filters cells, and two more values make the anchors."""
    coder = atss_head().coder
    steps = [
        {"step": "threshold", "quantity": "factor", "value": 0.5, "inclusive": True},
        {"step": "top_k", "k": 20, "unit": "location"},
        {"step": "threshold", "quantity": "class", "value": 0.05, "inclusive": False},
        {"step": "clip"},
        {"step": "rescale", "operation": "divide"},
        {"step": "nms", "iou_threshold": 0.5},
        {"step": "max_per_img", "k": 100},
    ]
    anchor = coder | {"stds": [1.0] * 4, "max_ratio": 13.8}
    made = {
        "head": "GARetinaHead",
        "coder": coder | {"type": "guided", "anchor": anchor},
        "box": (Part("box", 0, 4), Part("shape", 0, 2)),
        "factor": Part("location", 0, 1),
        "raw_names": tuple(
            f"{kind}_{level}" for kind in ("cls", "box", "shape", "location") for level in (0, 1)
        ),
        "recipe": tuple(steps),
    }
    return atss_head(**(made | changes))


def peaks_head(**changes) -> DenseHead:
    """CenterNet: local maxima of heat maps, ranked without a threshold; here on two levels."""
    made = {
        "head": "CenterNetHead",
        "anchors": None,
        "coder": {"type": "peaks", "kernel": 3},
        "box": (Part("size", 0, 2), Part("offset", 0, 2)),
        "factor": None,
        "raw_names": tuple(f"{kind}_{level}" for kind in ("cls", "size", "offset") for level in (0, 1)),
        "score_activation": "none",
        "floor": Floor("class", 0.0, True, pairs=30),
        "recipe": (
            {"step": "top_k", "k": 25, "per": "image"},
            {"step": "rescale", "operation": "divide"},
        ),
    }
    return atss_head(**(made | changes))


def raw_outputs(spec: DenseHead, sizes: list[tuple[int, int]], seed: int = 0, batch: int = 1) -> dict:
    """Random raw tensors of a head, logits around 0; ``sizes`` height, width per level."""
    random = np.random.default_rng(seed)
    channels: dict[str, int] = {}
    for part in [spec.score, *spec.box, *([spec.factor] if spec.factor else [])]:
        channels[part.tensor] = max(channels.get(part.tensor, 0), part.stop)
    outputs = {}
    for level, (height, width) in enumerate(sizes):
        anchors = spec.anchors_per_cell(level)
        for tensor, width_of_one in channels.items():
            shape = (batch, anchors * width_of_one, height, width)
            outputs[f"{tensor}_{level}"] = random.normal(0, 1.5, shape).astype(np.float32)
    return outputs


class FakeSession:
    """Stands in for ``runtime.Session``: chosen outputs, remembers its feeds."""

    provider = "cpu"
    scores, external, tensor = None, None, TensorForm()
    empty, pinned = np.empty, False
    optimisation, provider_options, cuda_graph = "all", {}, False

    def __init__(self, spec, cut, outputs, clip=None, shape=None, batch=None):
        self.spec, self.cut, self.clip, self.shape, self.batch = spec, cut, clip, shape, batch
        self.takes_sizes = clip == "image" or spec.head.takes_sizes
        self._outputs, self.feeds = outputs, None

    def upload(self, feeds):
        self.feeds = feeds
        return feeds

    def compute(self, uploaded):
        return self._outputs

    def download(self, computed):
        return computed


def write_one_node(path: Path, sides: list[int | str], metadata: dict[str, Any] | None) -> Path:
    """Write an ONNX file whose output ``cls_0`` is the negative of ``images``; height and width as given."""
    shape = ["batch", 3, *sides]
    node = helper.make_node("Neg", ["images"], ["cls_0"])
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("images", "cls_0")]
    graph = helper.make_graph([node], "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    if metadata is not None:
        helper.set_model_props(model, {METADATA_KEY: json.dumps(metadata)})
    onnx.save(model, path)
    return path
