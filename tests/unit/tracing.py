"""A traced graph of one convolution with real outputs of the cuts ``raw`` and ``decoded``."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tiny import yolox_head

from cutpoint.records.head import DenseHead, Floor
from cutpoint.records.image import InputRecipe, Pad
from cutpoint.records.model import ModelSpec, write_spec

FRAME, STRIDE, CLASSES = (64, 96), 8, ("car", "bus", "person")
CELLS = FRAME[0] // STRIDE * (FRAME[1] // STRIDE)
CHANNELS = {"cls_0": 3, "box_0": 4, "objectness_0": 1}
STEPS = (
    {"step": "best_class"},
    {"step": "threshold", "quantity": "product", "value": 0.1, "inclusive": True},
    {"step": "rescale", "operation": "divide"},
    {"step": "multiply_factor"},
    {"step": "nms", "iou_threshold": 0.5},
    {"step": "max_per_img", "k": 60},
)


def small_head() -> DenseHead:
    """One level of 96 points, objectness; candidates from class score x objectness of 0.02 on."""
    names = tuple(CHANNELS)
    floor = Floor("product", 0.02, True)
    return yolox_head(strides=((STRIDE, STRIDE),), raw_names=names, floor=floor, recipe=STEPS)


def small_spec(**changes: object) -> ModelSpec:
    """The model: a letterbox of 64 x 96 with grey padding, ImageNet's mean and std, RGB."""
    made = InputRecipe(
        scale=FRAME,
        keep_ratio=True,
        interpolation="bilinear",
        pad=Pad(size=FRAME, value=(114.0,) * 3),
        bgr_to_rgb=True,
        mean=(123.675, 116.28, 103.53),
        std=(58.395, 57.12, 57.375),
        divisor=1,
        pad_value=0.0,
        fit="frame",
    )
    return ModelSpec("small", CLASSES, small_head(), replace(made, **changes))


def write_small(folder: Path, spec: ModelSpec | None = None) -> dict[str, str]:
    """Write ``trace.onnx`` and ``spec.json``; returns their paths by the arguments of ``write_cut``."""
    random = np.random.default_rng(4)
    nodes, constants = [], []

    def op(kind: str, *inputs: str, out: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(value, name))
        return name

    rows = {}
    for name, channels in CHANNELS.items():
        weight = random.normal(0, 0.05, (channels, 3, STRIDE, STRIDE)).astype(np.float32)
        bias = np.float32([0, 0, 1.2, 1.2] if name == "box_0" else [0] * channels)
        inputs = ("images", constant(f"{name}_w", weight), constant(f"{name}_b", bias))
        op("Conv", *inputs, out=name, kernel_shape=[STRIDE] * 2, strides=[STRIDE] * 2)
        flat = op("Reshape", name, constant(f"{name}_s", np.int64([0, channels, -1])), out=f"{name}_flat")
        rows[name] = op("Transpose", flat, out=f"{name}_rows", perm=[0, 2, 1])
    y, x = np.divmod(np.arange(CELLS), FRAME[1] // STRIDE)
    points = constant("points", (np.stack([x, y], 1)[None] * STRIDE).astype(np.float32))
    stride, two = constant("stride", np.float32(STRIDE)), constant("two", np.float32(2))
    op("Split", rows["box_0"], constant("halves", np.int64([2, 2])), out="offset", axis=2)
    nodes[-1].output.append("size")
    centre = op("Add", op("Mul", "offset", stride, out="moved"), points, out="centre")
    half = op("Div", op("Mul", op("Exp", "size", out="grown"), stride, out="sides"), two, out="half")
    low, high = op("Sub", centre, half, out="low"), op("Add", centre, half, out="high")
    op("Concat", low, high, out="boxes", axis=2)
    op("Sigmoid", rows["cls_0"], out="scores")
    factor = op("Sigmoid", rows["objectness_0"], out="factor_column")
    op("Squeeze", factor, constant("last", np.int64([2])), out="factors")
    op("Identity", constant("counts", np.int64([CELLS])), out="level_counts")

    grid = [FRAME[0] // STRIDE, FRAME[1] // STRIDE]
    shapes = {name: ["batch", channels, *grid] for name, channels in CHANNELS.items()}
    shapes |= {"boxes": ["batch", CELLS, 4], "scores": ["batch", CELLS, 3], "factors": ["batch", CELLS]}
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, side) for name, side in shapes.items()]
    outputs.append(helper.make_tensor_value_info("level_counts", TensorProto.INT64, [1]))
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, *FRAME])
    graph = helper.make_graph(nodes, "small", [images], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    files = {"trace": str(folder / "trace.onnx"), "spec": str(folder / "spec.json")}
    onnx.save(model, files["trace"])
    write_spec(files["spec"], spec or small_spec())
    return files


def write_picture(path: Path, height: int, width: int, seed: int) -> str:
    """Write a picture of coarse coloured patches, without loss; returns its path."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (height // 6, width // 6, 3), dtype=np.uint8)
    coarse[..., 0] //= 2
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    cv2.imwrite(str(path), picture)
    return str(path)
