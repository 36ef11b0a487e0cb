"""Layouts of files that end in detections."""

from collections.abc import Sequence

from cutpoint.errors import UserError
from cutpoint.layouts import look
from cutpoint.layouts.inputs import CUBIC, IMAGENET, INSIDE, LETTERBOX, UNIT, YOLOX_INPUT
from cutpoint.layouts.layout import (
    Check,
    Layout,
    Outputs,
    find_output,
    first_id,
    has_outputs,
    require,
    rows_of,
    takes,
)
from cutpoint.records.graph_facts import GraphFacts, Tensor

TENSORRT = ("num_dets", "det_boxes", "det_scores", "det_classes")
YOLONAS = ("num_predictions", "pred_boxes", "pred_scores", "pred_classes")
# YOLO-NAS' own frame, and the long side of an image in it: ``default_yolo_nas_coco_processing_params``,
# training/processing/processing.py, super-gradients 3.7.
YOLONAS_SIZES = {(640, 640): (636, 636)}
# Scaling inside keeps the ratio, so the image does too. The fill is near to the mean that the file subtracts.
RESIZED_BEFORE = {"resize": "letterbox", "place": "corner", "fill": 114}
TF = ("detection_boxes", "detection_scores", "detection_classes")


def _flat(facts: GraphFacts) -> tuple[Tensor, Check, bool]:
    """The one output, whether it has rows of 7, and whether it is from super-gradients."""
    tensor, image = facts.outputs[0], look.image_input(facts)
    fits = len(facts.outputs) == 1 and tensor.rank == 2 and look.side(tensor, 1) == 7
    ours = tensor.name.endswith("flat_predictions") or bool(image and image.dtype == "uint8")
    return tensor, Check(fits, "rows of 7, image number first", "one output of rows of 7 is needed"), ours


def _yolov7(facts: GraphFacts, classes: int | None) -> list[Check]:
    _, rows, gradients = _flat(facts)
    return [rows, _chosen(facts), Check(not gradients, "a float input", "super-gradients made it")]


def _yolonas_flat(facts: GraphFacts, classes: int | None) -> list[Check]:
    tensor, rows, gradients = _flat(facts)
    how = "a uint8 input" if not tensor.name.endswith("flat_predictions") else f"output {tensor.name}"
    return [rows, _chosen(facts), Check(gradients, how, "neither a uint8 input nor flat_predictions")]


def _chosen(facts: GraphFacts) -> Check:
    """A classifier of seven classes has no NMS."""
    chosen = look.is_selected(facts, facts.outputs[0])
    return Check(chosen, "rows chosen by NMS", "its rows were not chosen by NMS")


def _four_tensors(facts: GraphFacts, names: Sequence[str]) -> Outputs:
    """The outputs count, boxes, scores and classes by the ends of their names."""
    count, box, score, label = (find_output(facts, name).name for name in names)
    return {
        "box": {"tensor": box},
        "score": {"tensor": score},
        "label": {"tensor": label},
        "count": {"tensor": count},
    }


def _flat_rows(facts: GraphFacts, *, score: int, label: int) -> Outputs:
    """Rows of all images; the first column is the number of the image in the batch."""
    name = require(facts, [_flat(facts)[1]])
    return rows_of(name, 1, score, label) | {"image": {"tensor": name, "channels": [0, 1]}}


def _mmdeploy(facts: GraphFacts, classes: int | None) -> list[Check]:
    boxes, labels = look.ending(facts.outputs, "dets"), look.ending(facts.outputs, "labels")
    whole = bool(labels and labels.dtype.startswith("int"))
    return [
        has_outputs(facts, "dets", "labels"),
        Check(look.side(boxes, -1) == 5, "dets of corners and score", "dets do not have 5 values"),
        Check(whole, "labels are whole numbers", "labels are not whole numbers"),
    ]


def _mmdeploy_outputs(facts: GraphFacts, classes: Sequence[str]) -> Outputs:
    boxes = find_output(facts, "dets").name
    return {
        "box": {"tensor": boxes, "channels": [0, 4]},
        "score": {"tensor": boxes, "channels": [4, 5]},
        "label": {"tensor": find_output(facts, "labels").name},
    }


def _six(facts: GraphFacts) -> Tensor | None:
    return next((t for t in facts.outputs if look.side(t, -1) == 6 and t.rank in (2, 3)), None)


def _paddle(facts: GraphFacts, classes: int | None) -> list[Check]:
    rows = Check(_six(facts) is not None, "rows of 6: class, score, corners", "no output has rows of 6")
    return [takes(facts, "scale_factor"), rows]


def _paddle_outputs(facts: GraphFacts, classes: Sequence[str]) -> Outputs:
    rows = _six(facts)
    if rows is None:
        raise UserError(f"no output has rows of 6; it has {', '.join(map(look.show, facts.outputs))}")
    outputs: Outputs = {
        "box": {"tensor": rows.name, "channels": [2, 6]},
        "score": {"tensor": rows.name, "channels": [1, 2]},
        "label": {"tensor": rows.name, "channels": [0, 1]},
    }
    count = next((t for t in facts.outputs if t.rank == 1 and t.dtype.startswith("int")), None)
    return outputs | ({"count": {"tensor": count.name}} if count else {})


def _torchvision_tensors(facts: GraphFacts) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Boxes, scores, labels. Exporters name them as the user says, so type and shape tell them."""
    boxes = next((t for t in facts.outputs if t.rank == 2 and look.side(t, 1) == 4), None)
    flat = [t for t in facts.outputs if t.rank == 1]
    scores = next((t for t in flat if t.dtype.startswith("float")), None)
    return boxes, scores, next((t for t in flat if t.dtype.startswith("int")), None)


def _torchvision(facts: GraphFacts, classes: int | None) -> list[Check]:
    image = look.image_input(facts)
    return [
        Check(bool(image and image.rank == 3), "an image without a batch", "its images have a batch"),
        Check(all(_torchvision_tensors(facts)), "boxes, labels, scores of one image", "three such outputs"),
    ]


def _torchvision_outputs(facts: GraphFacts, classes: Sequence[str]) -> Outputs:
    boxes, scores, labels = _torchvision_tensors(facts)
    if boxes is None or scores is None or labels is None:
        found = ", ".join(map(look.show, facts.outputs))
        raise UserError(f"boxes (M, 4), whole labels (M,) and scores (M,) are needed; it has {found}")
    label = {"tensor": labels.name, "offset": first_id(classes)}
    return {"box": {"tensor": boxes.name}, "score": {"tensor": scores.name}, "label": label}


def _tf_outputs(facts: GraphFacts, classes: Sequence[str]) -> Outputs:
    box, score, label = (find_output(facts, name).name for name in TF)
    outputs: Outputs = {
        "box": {"tensor": box, "format": "yxyx", "normalised": True},
        "score": {"tensor": score},
        "label": {"tensor": label, "offset": first_id(classes)},
    }
    count = look.ending(facts.outputs, "num_detections")
    return outputs | ({"count": {"tensor": count.name}} if count else {})


def _efficientdet(facts: GraphFacts, classes: int | None) -> list[Check]:
    tensor, image = facts.outputs[0], look.image_input(facts)
    rows = len(facts.outputs) == 1 and tensor.rank == 3 and look.side(tensor, 2) == 7
    last = bool(image and look.channels_last(facts, image))
    return [
        Check(rows, "rows of 7: image, y1 x1 y2 x2, score, class", "one output of rows of 7 is needed"),
        Check(last, "channels last", "its channels are not last"),
    ]


def _efficientdet_outputs(facts: GraphFacts, classes: Sequence[str]) -> Outputs:
    name = facts.outputs[0].name
    return {
        "box": {"tensor": name, "channels": [1, 5], "format": "yxyx"},
        "score": {"tensor": name, "channels": [5, 6]},
        "label": {"tensor": name, "channels": [6, 7], "offset": first_id(classes)},
    }


# mean 0 and std 1 in ppyoloe_plus_reader.yml; deploy/third_engine/onnx/preprocess.py, PaddleDetection 2.6
PADDLE_CONSTANTS = {"scale_factor": 1, "im_shape": "network_hw"}


DETECTIONS = {
    "yolov7-end2end": Layout(
        "YOLOv7 with --end2end --max-wh",
        "e2e",
        LETTERBOX,
        lambda facts, classes: _flat_rows(facts, score=6, label=5),
        "final",
        _yolov7,
    ),
    "tensorrt-nms": Layout(
        "YOLOv6 and YOLOv7 with NMS for TensorRT",
        "e2e",
        LETTERBOX,
        lambda facts, classes: _four_tensors(facts, TENSORRT),
        "final",
        lambda facts, classes: [has_outputs(facts, *TENSORRT)],
    ),
    "yolonas": Layout(
        "YOLO-NAS of super-gradients, batch format",
        "e2e",
        LETTERBOX,
        lambda facts, classes: _four_tensors(facts, YOLONAS),
        "final",
        lambda facts, classes: [has_outputs(facts, *YOLONAS)],
        sizes=YOLONAS_SIZES,
    ),
    "yolonas-flat": Layout(
        "YOLO-NAS of super-gradients, flat format",
        "e2e",
        LETTERBOX,
        lambda facts, classes: _flat_rows(facts, score=5, label=6),
        "final",
        _yolonas_flat,
        sizes=YOLONAS_SIZES,
    ),
    "paddle": Layout(
        "PaddleDetection: PP-YOLOE, PicoDet",
        "e2e",
        IMAGENET | CUBIC,
        _paddle_outputs,
        "final",
        _paddle,
        PADDLE_CONSTANTS,
    ),
    "paddle-plus": Layout(
        "PaddleDetection: PP-YOLOE+",
        "e2e",
        UNIT | CUBIC,
        _paddle_outputs,
        "final",
        _paddle,
        PADDLE_CONSTANTS,
    ),
    "torchvision": Layout(
        "torchvision's detectors",
        "e2e",
        INSIDE | {"divide_by": 255},
        _torchvision_outputs,
        "final",
        _torchvision,
        at_fixed_size=RESIZED_BEFORE,
    ),
    "tf": Layout(
        "TensorFlow's object detection API by tf2onnx",
        "e2e",
        INSIDE,
        _tf_outputs,
        "final",
        lambda facts, classes: [has_outputs(facts, *TF)],
    ),
    "efficientdet": Layout(
        "EfficientDet of google/automl",
        "e2e",
        INSIDE,
        _efficientdet_outputs,
        "final",
        _efficientdet,
        at_fixed_size=RESIZED_BEFORE,
    ),
    # the test pipeline divides by a scale for each axis
    "mmdeploy": Layout(
        "mmdeploy, and mmdet's own exporter",
        "e2e",
        YOLOX_INPUT | {"rounding": "half_up"},
        _mmdeploy_outputs,
        "final-per-axis",
        _mmdeploy,
        asks_input=True,
    ),
}
