"""Graphs small enough to read, in the forms that exporters write."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cutpoint.layouts.look import count_cells
from cutpoint.records.graph_facts import GraphFacts, Tensor

KINDS = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "uint8": TensorProto.UINT8,
}
IMAGE = Tensor("images", "float32", (1, 3, 64, 96))
CELLS, CELLS4 = count_cells((64, 96), (8, 16, 32)), count_cells((64, 96), (8, 16, 32, 64))
NAMES = ("car", "bus", "person")
# what stands behind the last convolutions of each head
UNDECODED, BY_EXP = ("Concat", "Reshape", "Sigmoid", "Transpose"), ("Add", "Concat", "Exp", "Mul", "Sigmoid")
BY_POWER, SELECTED = ("Add", "Concat", "Mul", "Pow", "Sigmoid"), ("Concat", "Gather", "TopK")
# Ultralytics' properties
SAID = {"names": str(dict(enumerate(NAMES))), "task": "detect", "imgsz": "[64, 96]", "stride": "32"}


def out(name: str, *shape: int | str | None, dtype: str = "float32") -> Tensor:
    return Tensor(name, dtype, shape)


def facts(*outputs: Tensor, inputs: tuple[Tensor, ...] = (IMAGE,), tail: Any = (), **more: Any) -> GraphFacts:
    """A file with these outputs; ``tail`` is that of each."""
    return GraphFacts(inputs, outputs, 17, tails={tensor.name: tuple(tail) for tensor in outputs}, **more)


def save(path, nodes, inputs, outputs, constants=None, metadata=None, opset=17):
    """Write a graph; inputs and outputs are ``(name, dtype, shape)``."""
    infos = [
        [helper.make_tensor_value_info(n, KINDS[d], s) for n, d, s in part] for part in (inputs, outputs)
    ]
    values = [numpy_helper.from_array(np.asarray(v), name) for name, v in (constants or {}).items()]
    graph = helper.make_graph(
        [helper.make_node(*n[:3], **(n[3] if n[3:] else {})) for n in nodes], "g", *infos, values
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    for key, value in (metadata or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, path)
    return str(path)


ANY_SIZE = Tensor("images", "float32", (1, 3, "h", "w"))
SIZES = Tensor("orig_target_sizes", "int64", ("N", 2))
UINT8 = Tensor("input", "uint8", (1, 3, 640, 640))
FOUR = [out("pred_boxes", 1, 300, 4), out("pred_scores", 1, 300), out("pred_classes", 1, 300, dtype="int64")]
DETR = [out("logits", 1, 100, 92), out("pred_boxes", 1, 100, 4)]
RTDETR = [out("labels", 1, 300, dtype="int64"), out("boxes", 1, 300, 4), out("scores", 1, 300)]
SQUEEZED = [out("labels", 300, dtype="int64"), out("boxes", 300, 4), out("scores", 300)]
TF = [
    out("detection_boxes:0", 1, 100, 4),
    out("detection_scores:0", 1, 100),
    out("detection_classes:0", 1, 100),
]
FILES = {
    "v8": ("ultralytics", facts(out("output0", 1, 7, 189), tail=BY_EXP, metadata=SAID)),
    "v8 dynamic": ("ultralytics", facts(out("output0", "batch", 7, "anchors"), metadata=SAID)),
    "v8 without metadata": ("ultralytics", facts(out("output0", 1, 84, 8400))),
    "v8 segment": (
        "ultralytics",
        facts(out("output0", 1, 39, 189), out("output1", 1, 32, 16, 24), metadata=SAID | {"task": "segment"}),
    ),
    "v8 pose": ("ultralytics", facts(out("output0", 1, 58, 189), metadata=SAID | {"task": "pose"})),
    "nms": ("ultralytics-end2end", facts(out("output0", 1, 300, 6), tail=SELECTED, metadata=SAID)),
    "nms, many rows": ("ultralytics-end2end", facts(out("output0", 1, "rows", 6), tail=SELECTED)),
    "end2end by metadata": (
        "ultralytics-end2end",
        facts(out("output0", 1, 300, 6), metadata=SAID | {"end2end": "True"}),
    ),
    "v5": ("yolov5", facts(out("output0", 1, 567, 8), tail=BY_POWER, metadata=SAID)),
    "v5, maps beside": (
        "yolov5",
        facts(out("output", 1, 567, 8), out("350", 1, 3, 8, 12, 8), out("498", 1, 3, 4, 6, 8), tail=BY_POWER),
    ),
    "v7 grid": ("yolov5", facts(out("output", 1, 25200, 85), tail=BY_POWER)),
    "v7 end2end": ("yolov7-end2end", facts(out("output", "rows", 7), tail=SELECTED)),
    "tensorrt": (
        "tensorrt-nms",
        facts(
            out("num_dets", 1, 1, dtype="int32"),
            out("det_boxes", 1, 100, 4),
            out("det_scores", 1, 100),
            out("det_classes", 1, 100, dtype="int32"),
        ),
    ),
    "yolox": ("yolox", facts(out("output", 1, CELLS, 8), tail=UNDECODED)),
    "yolox dynamic": (
        "yolox",
        facts(out("output", 1, "n", 8), tail=UNDECODED, inputs=(ANY_SIZE,)),
    ),
    "yolox of four levels": ("yolox", facts(out("output", 1, 4 * 6 + 2 * 3, 8), tail=UNDECODED)),
    "yolox decoded": ("yolox-decoded", facts(out("output", 1, CELLS, 8), tail=BY_EXP)),
    "rtdetr": ("rtdetr", facts(*RTDETR, inputs=(IMAGE, SIZES))),
    "rtdetr squeezed": ("rtdetr", facts(*SQUEEZED, inputs=(IMAGE, SIZES))),
    "deimv2": ("deimv2", facts(*RTDETR, inputs=(IMAGE, SIZES), patch=16)),
    "detr": ("detr", facts(*DETR)),
    "detr-sigmoid": ("detr-sigmoid", facts(out("logits", 1, 300, 80), DETR[1])),
    "detr-sigmoid of LibreYOLO": (
        "detr-sigmoid",
        facts(out("pred_logits", 1, 300, 3), DETR[1], metadata={"names": str(dict(enumerate(NAMES)))}),
    ),
    "rfdetr": ("rfdetr", facts(out("dets", 1, 300, 4), out("labels", 1, 300, 91))),
    "yolonas": ("yolonas", facts(out("num_predictions", 1, 1, dtype="int64"), *FOUR, inputs=(UINT8,))),
    "yolonas, names of the graph": (
        "yolonas",
        facts(*[out(f"graph2_{t.name}", *t.shape) for t in [out("num_predictions", 1, 1), *FOUR]]),
    ),
    "yolonas flat": ("yolonas-flat", facts(out("graph2_flat_predictions", "m", 7), tail=SELECTED)),
    "yolonas flat, uint8": ("yolonas-flat", facts(out("output", "m", 7), tail=SELECTED, inputs=(UINT8,))),
    "nanodet": ("nanodet", facts(out("output", 1, CELLS4, 35), tail=UNDECODED)),
    "nanodet dynamic": (
        "nanodet",
        facts(
            out("output", 1, "n", 112), tail=UNDECODED, inputs=(Tensor("data", "float32", (1, 3, "h", "w")),)
        ),
    ),
    "torchvision": (
        "torchvision",
        facts(
            out("3094", "m", 4),
            out("3095", "m", dtype="int64"),
            out("3093", "m"),
            inputs=(Tensor("image", "float32", (3, "h", "w")),),
        ),
    ),
    "tf": ("tf", facts(*TF, inputs=(Tensor("input_tensor", "uint8", (1, None, None, 3)),))),
    "efficientdet": (
        "efficientdet",
        facts(out("detections:0", 1, 100, 7), inputs=(Tensor("image_arrays:0", "uint8", (1, "h", "w", 3)),)),
    ),
    "mmdeploy": ("mmdeploy", facts(out("dets", 1, "m", 5), out("labels", 1, "m", dtype="int64"))),
    "ssd": (
        "ssd",
        facts(out("scores", 1, 4420, 2), out("boxes", 1, 4420, 4), tail=("Concat", "Softmax")),
    ),
}
PADDLE = facts(
    out("multiclass_nms3_0.tmp_0", "m", 6),
    out("multiclass_nms3_0.tmp_2", 1, dtype="int32"),
    inputs=(Tensor("image", "float32", (1, 3, 640, 640)), Tensor("scale_factor", "float32", (1, 2))),
)
