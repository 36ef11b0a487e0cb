"""Which layout a file is found to have, and what the message says where there is not one."""

import re

import pytest
from layout_files import BY_EXP, BY_POWER, CELLS, CELLS4, IMAGE, NAMES, SAID, SELECTED, UNDECODED, facts, out

from cutpoint.errors import UserError
from cutpoint.layouts.names import LAYOUTS
from cutpoint.layouts.recognise import recognise
from cutpoint.records.graph_facts import Tensor

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
        facts(
            out("output", 1, "n", 8), tail=UNDECODED, inputs=(Tensor("images", "float32", (1, 3, "h", "w")),)
        ),
    ),
    "yolox of four levels": ("yolox", facts(out("output", 1, 4 * 6 + 2 * 3, 8), tail=UNDECODED)),
    "yolox decoded": ("yolox-decoded", facts(out("output", 1, CELLS, 8), tail=BY_EXP)),
    "rtdetr": ("rtdetr", facts(*RTDETR, inputs=(IMAGE, SIZES))),
    "rtdetr squeezed": ("rtdetr", facts(*SQUEEZED, inputs=(IMAGE, SIZES))),
    "deimv2": ("deimv2", facts(*RTDETR, inputs=(IMAGE, SIZES), patch=16)),
    "detr": ("detr", facts(*DETR)),
    "detr-sigmoid": ("detr-sigmoid", facts(out("logits", 1, 300, 80), DETR[1])),
    "rfdetr": ("rfdetr", facts(out("dets", 1, 300, 4), out("labels", 1, 300, 91))),
    "yolonas": ("yolonas", facts(out("num_predictions", 1, 1, dtype="int64"), *FOUR, inputs=(UINT8,))),
    "yolonas, names of the graph": (
        "yolonas",
        facts(*[out(f"graph2_{t.name}", *t.shape) for t in [out("num_predictions", 1, 1), *FOUR]]),
    ),
    "yolonas flat": ("yolonas-flat", facts(out("graph2_flat_predictions", "m", 7))),
    "yolonas flat, uint8": ("yolonas-flat", facts(out("output", "m", 7), inputs=(UINT8,))),
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


@pytest.mark.parametrize("case", FILES)
def test_the_layout_of_a_file(case):
    layout, file = FILES[case]
    assert recognise(file, "a.onnx").layout == layout


def test_every_layout_is_tried_here():
    tried = {layout for layout, _ in FILES.values()} | {"paddle", "paddle-plus", "written"}
    assert tried == set(LAYOUTS)


def test_why_names_what_the_file_shows():
    why = recognise(FILES["v8"][1], "a.onnx").why
    assert "columns of 7 channels, 4 and 3 classes" in why
    assert "task detect" in why


def test_the_number_of_classes_decides_where_shapes_do_not():
    one = facts(out("logits", 1, 100, 4), DETR[1])
    assert recognise(one, "a.onnx", NAMES).layout == "detr"
    assert recognise(one, "a.onnx", (*NAMES, "dog")).layout == "detr-sigmoid"
    with pytest.raises(UserError, match="the number of classes is not known"):
        recognise(one, "a.onnx")


def test_two_layouts_that_nothing_tells_apart():
    with pytest.raises(UserError, match=r"2 layouts fit.*paddle \(.*paddle-plus \(.*Write `layout`"):
        recognise(PADDLE, "a.onnx")


def test_the_classes_of_the_config_must_fit():
    with pytest.raises(UserError, match="84 channels are not 4 and 3 classes"):
        recognise(facts(out("output0", 1, 84, 8400)), "a.onnx", NAMES)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (
            facts(out("output0", 1, 8, 189), metadata=SAID | {"task": "obb"}),
            "its task is 'obb', not detection",
        ),
        (facts(out("output0", 1, 300, 6), metadata=SAID), "its rows were not chosen by NMS or top-k"),
        (facts(*RTDETR), "input orig_target_sizes is missing"),
        (facts(out("dets", 1, 300, 4), out("labels", 1, 300, dtype="int64")), "labels are not logits"),
        (facts(out("output0", 1, 300, 7), metadata=SAID), "no layout fits"),
    ],
)
def test_no_layout_fits(file, text):
    with pytest.raises(UserError, match=r"^a\.onnx: it has the inputs images float32") as caught:
        recognise(file, "a.onnx")
    assert text in str(caught.value)
    assert re.search(r"layout: written", str(caught.value))


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        ([out(f"{kind}{level}", 1, 10, 80) for kind in "cd" for level in range(3)], "NanoDet-m"),
        ([out("output", 1, 85, 22, 22)], "FastestDet"),
        ([out("537", 1, 1, 8, 8), out("538", 1, 2, 8, 8), out("539", 1, 2, 8, 8)], "CenterNet"),
        ([out("a", 1, 3, 8, 8, 85), out("b", 1, 3, 4, 4, 85)], "--grid"),
    ],
)
def test_own_decoders_go_by_results(outputs, text):
    with pytest.raises(UserError, match=rf"{text}.*run your own code, and give its detections as `results`"):
        recognise(facts(*outputs), "a.onnx")
