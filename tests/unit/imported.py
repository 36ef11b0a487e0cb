"""Small detectors as the import of an external file leaves them: Cutpoint's outputs and metadata."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tiny import input_recipe, yolox_head

from cutpoint.records.head import ExternalHead, Floor, HeadSpec
from cutpoint.records.image import FLOAT_CHANNELS_FIRST, Pad, TensorForm
from cutpoint.records.json_file import FORMAT, KEY
from cutpoint.records.model import METADATA_KEY, ModelSpec, write_spec
from cutpoint.records.onnx_model import PRECISION_KEY

SIDE, CLASSES, BINS, WIDTH = 32, 3, 8, 32
STEPS = (
    {"step": "threshold", "quantity": "class", "value": 0.05},
    {"step": "rescale", "operation": "divide", "gain": "one"},
    {"step": "nms", "iou_threshold": 0.6, "space": "per_class"},
    {"step": "max_per_img", "k": 20},
)
ROW_STEPS = ({"step": "rescale", "operation": "divide", "gain": "one"},)


def external_spec(cut: str = "decoded", **changes: Any) -> ModelSpec:
    """A model without mmdet: a letterbox of 32x32 in the middle of grey, RGB; one level of 8x8 cells."""
    recipe, floor = STEPS, Floor("class", 0.05, False)
    if cut == "e2e":
        recipe, floor = ROW_STEPS, Floor("class", 0.0, True)
    head: HeadSpec = ExternalHead("external", CLASSES, (), floor, recipe, layout="ultralytics")
    if cut == "raw":
        head = yolox_head(strides=((4, 4),), raw_names=("cls_0", "box_0", "objectness_0"))
    pad = Pad(size=(SIDE, SIDE), value=(114.0,) * 3)
    own = input_recipe(
        **{"scale": (SIDE, SIDE), "pad": pad, "bgr_to_rgb": True, "fit": "frame", "place": "centre"} | changes
    )
    return ModelSpec("tiny", ("car", "bus", "person"), head, own)


class Net:
    """Collects nodes and constants."""

    def __init__(self, seed: int = 0) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.random = np.random.default_rng(seed)
        self.count = 0

    def const(self, value: Any, dtype: type = np.float32) -> str:
        self.count += 1
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), f"constant_{self.count}"))
        return self.constants[-1].name

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Append a node without a name, as some exporters leave them."""
        self.count += 1
        names = [f"value_{self.count}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, value: str, before: int, after: int, size: int = 3, **attributes: Any) -> str:
        shape = (after, before // attributes.get("group", 1), size, size)
        weight = self.random.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape)
        pads = [size // 2] * 4
        return self.op(
            "Conv", value, self.const(weight), self.const(np.zeros(after)), pads=pads, **attributes
        )

    def product(self, value: str, before: int, after: int) -> str:
        return self.op("MatMul", value, self.const(self.random.normal(0, before**-0.5, (before, after))))

    def rows(self, value: str, channels: int) -> str:
        """``(B, channels, H, W)`` to ``(B, H * W, channels)``."""
        value = self.op("Transpose", value, perm=[0, 2, 3, 1])
        return self.op("Reshape", value, self.const([0, -1, channels], np.int64))


def backbone(net: Net, images: str, form: TensorForm) -> str:
    """Four convolutions, stride 4 in all, the third one depthwise."""
    value = net.op("Cast", images, to=TensorProto.FLOAT) if form.dtype != "float32" else images
    if form.channels_last:
        value = net.op("Transpose", value, perm=[0, 3, 1, 2])
    value = net.op("Mul", value, net.const(1 / 255))
    for before, group in ((3, 1), (WIDTH, 1), (WIDTH, WIDTH)):
        stride = 1 if group > 1 else 2
        value = net.op("Relu", net.conv(value, before, WIDTH, strides=[stride] * 2, group=group))
    return net.op("Relu", net.conv(value, WIDTH, WIDTH))


def columns(net: Net, value: str) -> dict[str, str]:
    """``decoded``, as Ultralytics: a convolution of fixed weights takes the mean of a distribution."""
    bins = net.rows(net.conv(value, WIDTH, 4 * BINS, 1), 4 * BINS)
    bins = net.op("Reshape", bins, net.const([0, -1, 4, BINS], np.int64))
    bins = net.op("Transpose", net.op("Softmax", bins, axis=3), perm=[0, 3, 2, 1])
    mean = net.op("Conv", bins, net.const(np.arange(BINS).reshape(1, BINS, 1, 1)))
    sides = net.op("Reshape", net.op("Transpose", mean, perm=[0, 3, 2, 1]), net.const([0, -1, 4], np.int64))
    y, x = np.divmod(np.arange((SIDE // 4) ** 2), SIDE // 4)
    points = net.const(np.stack([x, y], 1)[None] * 4 + 2)
    low, high = net.op("Split", sides, outputs=2, axis=2)
    boxes = net.op("Concat", net.op("Sub", points, low), net.op("Add", points, high), axis=2)
    scores = net.op("Sigmoid", net.rows(net.conv(value, WIDTH, CLASSES, 1), CLASSES))
    return {"boxes": boxes, "scores": scores, "level_counts": net.const([(SIDE // 4) ** 2], np.int64)}


def detections(net: Net, value: str) -> dict[str, str]:
    """``e2e``, as a file with its NMS inside; a product with a small matrix makes corners behind it."""
    found = columns(net, value)
    scores = net.op("Transpose", found["scores"], perm=[0, 2, 1])
    limits = net.const([50], np.int64), net.const([0.6]), net.const([0.05])
    chosen = net.op("NonMaxSuppression", found["boxes"], scores, *limits)
    label = net.op("Gather", chosen, net.const(1, np.int64), axis=1)
    row = net.op("Gather", chosen, net.const(2, np.int64), axis=1)
    boxes = net.op("Gather", net.op("Squeeze", found["boxes"], net.const([0], np.int64)), row, axis=0)
    boxes = net.op("MatMul", boxes, net.const(np.eye(4)))
    score = net.op("GatherND", scores, chosen)
    first = net.const([0], np.int64)
    boxes, score, label = (net.op("Unsqueeze", part, first) for part in (boxes, score, label))
    count = net.op("Gather", net.op("Shape", score), net.const([1], np.int64), axis=0)
    return {"boxes": boxes, "scores": score, "labels": label, "count": count}


def maps(net: Net, value: str) -> dict[str, str]:
    """``raw``, as YOLOX: one level of three maps."""
    boxes = net.conv(value, WIDTH, 4, 1)
    scores, factors = (net.op("Mul", net.conv(value, WIDTH, n, 1), net.const(4)) for n in (CLASSES, 1))
    return {"cls_0": scores, "box_0": boxes, "objectness_0": factors}


def queries(net: Net, value: str) -> dict[str, str]:
    """``decoded``, as a transformer leaves it: two products with weights a branch."""
    rows = net.rows(value, WIDTH)
    boxes = net.op("Relu", net.product(rows, WIDTH, 16))
    boxes = net.op("Mul", net.op("Sigmoid", net.product(boxes, 16, 4)), net.const(SIDE))
    middle, size = net.op("Split", boxes, outputs=2, axis=2)
    boxes = net.op("Concat", middle, net.op("Add", middle, size), axis=2)
    scores = net.op("Sigmoid", net.product(net.op("Relu", net.product(rows, WIDTH, 32)), 32, CLASSES))
    return {"boxes": boxes, "scores": scores, "level_counts": net.const([(SIDE // 4) ** 2], np.int64)}


def write_imported(
    folder: Path,
    ending: Callable[[Net, str], dict[str, str]] = columns,
    form: TensorForm = FLOAT_CHANNELS_FIRST,
    *,
    batch: int | str = 1,
    opset: int = 13,
    precision: str = "fp32",
    trunk: Callable[[Net, str, TensorForm], str] = backbone,
    metadata: dict[str, Any] | None = None,
) -> tuple[str, str]:
    """Write the file and the specification beside it; returns both paths."""
    net = Net()
    made = ending(net, trunk(net, "images", form))
    cut = "e2e" if "labels" in made else "decoded" if "boxes" in made else "raw"
    for name, value in made.items():
        net.nodes.append(helper.make_node("Identity", [value], [name]))
    kinds = dict.fromkeys(("labels", "count", "level_counts"), TensorProto.INT64)
    ranks = {"boxes": 3, "scores": 3 if cut == "decoded" else 2, "labels": 2, "count": 1, "level_counts": 1}
    outputs = [
        helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), [None] * ranks.get(name, 4))
        for name in made
    ]
    kind = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}
    shape = [batch, SIDE, SIDE, 3] if form.channels_last else [batch, 3, SIDE, SIDE]
    images = helper.make_tensor_value_info("images", kind[form.dtype], shape)
    graph = helper.make_graph(net.nodes, "net", [images], outputs, net.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    spec = external_spec(cut)
    content = {
        KEY: FORMAT,
        "cut": cut,
        "spec": spec.to_dict(),
        "tensor": asdict(form),
        "external": "net.onnx",
    }
    content |= {"scores": "class"} if cut == "decoded" else {}
    properties = {METADATA_KEY: json.dumps(content), PRECISION_KEY: precision, **(metadata or {})}
    helper.set_model_props(model, properties)
    onnx.checker.check_model(model)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "net.onnx")
    write_spec(folder / "net.spec.json", spec)
    return str(folder / "net.onnx"), str(folder / "net.spec.json")
