"""Builders that dress a detector in the input and output conventions of the stacks that export to ONNX.

Each follows its stack's exporter in the names, shapes, dtypes, units and order of the tensors. A file is
built when a test runs; none is stored.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from dressing import IOU, SCORE, Final, Net, Writer, corners, decode, final, to_net

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NANODET_MEAN, NANODET_STD = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
NANODET_STRIDES, NANODET_BINS = (8, 16, 32, 64), 8
# COCO's 91 ids without those that name nothing
UNUSED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
COCO_IDS = tuple(index for index in range(1, 91) if index not in UNUSED)


def image(net: Net, name: str = "images", kind: str = "float32") -> tuple[str, str, list[object]]:
    return name, kind, [1, 3, *net.size]


def ids(w: Writer, net: Net, labels: str) -> str:
    """COCO's category ids of 80 labels; of another number of classes, the label + 1."""
    table = COCO_IDS if net.classes == len(COCO_IDS) else range(1, net.classes + 1)
    return w("Gather", w.constant(np.int64(table)), labels, axis=0)


def words(net: Net, **more: object) -> dict[str, object]:
    """Ultralytics' metadata, text of Python literals."""
    common = {"description": "dressed", "stride": 32, "task": "detect", "batch": 1, "channels": 3}
    return common | {"imgsz": list(net.size), "names": dict(enumerate(net.names))} | more


def inside(w: Writer, net: Net, x: str, threshold: float = SCORE) -> Final:
    return final(w, net, decode(w, net, w.add(net.model, x)), threshold)


# Ultralytics, engine/exporter.py and utils/nms.py


def ultralytics(
    net: Net, dynamic: bool = False, half: bool = False, masks: int = 0, batch: int = 1
) -> onnx.ModelProto:
    """v8, 9, 11, 12: ``output0`` (1, 4 + C [+ masks], N) columns: centre and size in pixels, scores."""
    w, kind = Writer(), "float16" if half else "float32"
    x = to_net(w, w.cast("images", "float32") if half else "images")
    found = decode(w, net, w.add(net.model, x), x if dynamic else None)
    parts = [found.xy, found.wh, w("Mul", found.objectness, found.classes)]
    if masks:
        parts.append(
            w("Concat", *[w("Sub", found.objectness, 0.1 * index) for index in range(masks)], axis=2)
        )
    columns = w("Transpose", w("Concat", *parts, axis=2), perm=[0, 2, 1])
    columns = w.cast(columns, kind) if half else columns
    shape = ["batch", 3, "height", "width"] if dynamic else [batch, 3, *net.size]
    width = 4 + net.classes + masks
    outputs = [
        ("output0", kind, ["batch", width, "anchors"] if dynamic else [batch, width, net.places], columns)
    ]
    if masks:
        prototypes = w(
            "AveragePool", w("Concat", *[x] * (masks // 3 + 1), axis=1), kernel_shape=[4, 4], strides=[4, 4]
        )
        sides = [side // 4 for side in net.size]
        outputs.append(("output1", kind, [1, masks, *sides], w.cut(prototypes, 0, masks, 1)))
    return w.build(
        [("images", kind, shape)], outputs, words(net, task="segment" if masks else "detect", batch=batch)
    )


def ultralytics_pose(net: Net, points: int = 17) -> onnx.ModelProto:
    """``output0`` (1, 4 + C + 3 * points, N): x, y, visibility of each point behind the classes."""
    w = Writer()
    found = decode(w, net, w.add(net.model, to_net(w, "images")))
    point = w("Concat", found.xy, found.objectness, axis=2)
    parts = [found.xy, found.wh, w("Mul", found.objectness, found.classes), *[point] * points]
    columns = w("Transpose", w("Concat", *parts, axis=2), perm=[0, 2, 1])
    shape = [1, 4 + net.classes + 3 * points, net.places]
    metadata = words(net, task="pose", kpt_shape=[points, 3])
    return w.build([image(net)], [("output0", "float32", shape, columns)], metadata)


def ultralytics_nms(net: Net, **metadata: object) -> onnx.ModelProto:
    """nms=True, YOLOv10, YOLO26: ``output0`` (1, 300, 6) corners, score, class, zero rows behind."""
    w = Writer()
    found = inside(w, net, to_net(w, "images"))
    rows = w("Concat", found.boxes, w.column(found.scores), w.column(found.labels), axis=1)
    return w.build(
        [image(net)], [("output0", "float32", [1, 300, 6], w.filled(rows, 300, True))], words(net, **metadata)
    )


def ultralytics_end2end(net: Net) -> onnx.ModelProto:
    """YOLO26's own head: the same rows, ``end2end`` in the metadata."""
    return ultralytics_nms(net, end2end=True, args={"nms": False, "half": False})


# YOLOv5, v6, v7


def yolov5(net: Net, output: str = "output0", named: bool = True) -> onnx.ModelProto:
    """``output0`` (1, N, 5 + C): centre and size in pixels, objectness, classes; YOLOv7: ``output``."""
    w = Writer()
    found = decode(w, net, w.add(net.model, to_net(w, "images")))
    rows = w("Concat", found.xy, found.wh, found.objectness, found.classes, axis=2)
    metadata = {"stride": 32, "names": dict(enumerate(net.names))} if named else {}
    return w.build([image(net)], [(output, "float32", [1, net.places, 5 + net.classes], rows)], metadata)


def yolov7_end2end(net: Net, threshold: float = SCORE) -> onnx.ModelProto:
    """--end2end --max-wh: ``output`` (M, 7) image, corners, class, score."""
    w = Writer()
    found = inside(w, net, to_net(w, "images"), threshold)
    score = w.column(found.scores)
    rows = w("Concat", w("Mul", score, 0.0), found.boxes, w.column(found.labels), score, axis=1)
    return w.build([image(net)], [("output", "float32", ["m", 7], rows)])


def yolov7_batches(net: Net) -> onnx.ModelProto:
    """The same of a batch of any size: rows of all images, best first over all, whatever their image."""
    w = Writer()
    found = decode(w, net, w.add(net.model, to_net(w, "images")))
    product = w("Transpose", w("Mul", found.objectness, found.classes), perm=[0, 2, 1])
    boxes = corners(w, found)
    best = w("Equal", product, w("ReduceMax", product, axes=[1], keepdims=1))
    kept = w("Mul", product, w.cast(best, "float32"))
    chosen = w("NonMaxSuppression", boxes, kept, [1 << 20], [IOU], [SCORE])
    scores, order = w.many(2, "TopK", w("GatherND", kept, chosen), w.cut(w("Shape", chosen), 0, 1, 0))
    chosen = w("Gather", chosen, order, axis=0)
    of_box = w("GatherND", boxes, w("Gather", chosen, [0, 2], axis=1))
    image_and_class = w.cast(chosen, "float32")
    parts = [w.cut(image_and_class, 0, 1, 1), of_box, w.cut(image_and_class, 1, 2, 1), w.column(scores)]
    inputs = [("images", "float32", ["batch", 3, *net.size])]
    return w.build(inputs, [("output", "float32", ["m", 7], w("Concat", *parts, axis=1))])


def tensorrt(net: Net, count: int = 100) -> onnx.ModelProto:
    """YOLOv6 and v7 with TensorRT's four outputs, of ordinary operators here."""
    w = Writer()
    found = inside(w, net, to_net(w, "images"))
    best = [w.cut(value, 0, count, 0) for value in (found.boxes, found.scores, w.cast(found.labels, "int32"))]
    number = w.batched(w.cast(w("Shape", best[1]), "int32"))
    outputs = [
        ("num_dets", "int32", [1, 1], number),
        ("det_boxes", "float32", [1, count, 4], w.filled(best[0], count, True)),
        ("det_scores", "float32", [1, count], w.filled(best[1], count, False)),
        ("det_classes", "int32", [1, count], w.filled(best[2], count, False, np.int32(0))),
    ]
    return w.build([image(net)], outputs)


# YOLOX


def yolox_decoded(net: Net) -> onnx.ModelProto:
    """--decode_in_inference: ``output`` (1, N, 5 + C), pixels; the input BGR 0..255."""
    w = Writer()
    found = decode(w, net, w.add(net.model, "images"))
    rows = w("Concat", found.xy, found.wh, found.objectness, found.classes, axis=2)
    return w.build([image(net)], [("output", "float32", [1, net.places, 5 + net.classes], rows)])


def yolox(net: Net) -> onnx.ModelProto:
    """tools/export_onnx.py as it is: the same rows undecoded."""
    w = Writer()
    rows = w.add(net.model, "images")
    return w.build([image(net)], [("output", "float32", [1, net.places, 5 + net.classes], rows)])


# DETR and its like


def rtdetr(net: Net, squeezed: bool = False, imagenet: bool = False) -> onnx.ModelProto:
    """RT-DETR, D-FINE, DEIM: labels, boxes, scores; boxes in the pixels of ``orig_target_sizes`` = [[w, h]].

    ``imagenet``: DEIMv2 s and larger; ``squeezed``: the simplified files without the image's axis.
    """
    w = Writer()
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if imagenet else (None, None)
    found = inside(w, net, to_net(w, "images", mean=mean, std=std))
    size = w.cast("orig_target_sizes", "float32")
    fractions = w("Div", found.boxes, np.float32([net.size[::-1] * 2]))
    boxes = w("Mul", fractions, w("Concat", size, size, axis=1))
    values = [
        w.filled(found.labels, 300, False, 0),
        w.filled(boxes, 300, True),
        w.filled(found.scores, 300, False),
    ]
    if squeezed:
        values = [w("Squeeze", value, [0]) for value in values]
    front = [] if squeezed else [1]
    outputs = [
        ("labels", "int64", [*front, 300], values[0]),
        ("boxes", "float32", [*front, 300, 4], values[1]),
        ("scores", "float32", [*front, 300], values[2]),
    ]
    return w.build([image(net), ("orig_target_sizes", "int64", [1, 2])], outputs)


def fractions_of(w: Writer, net: Net, boxes: str) -> str:
    """Corners in pixels (M, 4) to centre and size in fractions."""
    first, last = w.cut(boxes, 0, 2, 1), w.cut(boxes, 2, 4, 1)
    both = w("Concat", w("Mul", w("Add", first, last), 0.5), w("Sub", last, first), axis=1)
    return w("Div", both, np.float32([net.size[::-1] * 2]))


def queries(
    w: Writer, net: Net, found: Final, slots: Sequence[int], width: int, none: int | None
) -> tuple[str, str]:
    """Boxes (1, 300, 4) and logits (1, 300, ``width``): label c in slot ``slots[c]``.

    A query's other slots, and all slots of a query without a detection, have -30. ``none`` null: sigmoid
    gives the score. A slot: softmax gives the score, and the rest of the probability at ``none``.
    """
    score = w("Clip", w.column(found.scores), 1e-7, 1 - 1e-7)
    rest = w("Log", w("Sub", 1.0, score))
    logit = w("Log", score) if none is not None else w("Sub", w("Log", score), rest)
    place = w("Gather", w.constant(np.int64(slots)), found.labels, axis=0)
    hot = w("OneHot", place, w.constant(np.int64(width)), w.constant(np.float32([0, 1])), axis=1)
    logits = w("Add", w("Mul", hot, logit), w("Mul", w("Sub", 1.0, hot), -30.0))
    if none is not None:
        at = (np.arange(width) == none).astype(np.float32)[None]
        logits = w("Add", w("Mul", logits, 1 - at), w("Mul", rest, at))
    logits = w.filled(logits, 300, True, -30.0)
    if none is not None:  # an empty query is surely nothing
        empty = w("Less", w("ReduceMax", logits, axes=[2], keepdims=1), -29.0)
        logits = w("Add", logits, w("Mul", w.cast(empty, "float32"), 60 * at[None]))
    return w.filled(fractions_of(w, net, found.boxes), 300, True), logits


def rfdetr(net: Net, slots: int | None = 91) -> onnx.ModelProto:
    """RF-DETR: ``dets`` fractions, ``labels`` logits in COCO's 91 ids; null: own data, C + 1 slots."""
    w = Writer()
    found = inside(w, net, to_net(w, "input", mean=IMAGENET_MEAN, std=IMAGENET_STD))
    table = range(net.classes) if slots is None else COCO_IDS
    width = slots or net.classes + 1
    boxes, logits = queries(w, net, found, table, width, None)
    outputs = [("dets", "float32", [1, 300, 4], boxes), ("labels", "float32", [1, 300, width], logits)]
    return w.build([image(net, "input")], outputs)


def detr(net: Net, softmax: bool = True, mask: bool = False) -> onnx.ModelProto:
    """transformers' DETR: ``logits``, ``pred_boxes``; softmax with no-object last, else sigmoid.

    What the mask leaves out is not seen: a file that gets zeros there finds nothing.
    """
    w = Writer()
    x = to_net(w, "pixel_values", mean=IMAGENET_MEAN, std=IMAGENET_STD)
    inputs = [image(net, "pixel_values")]
    if mask:
        x = w("Mul", x, w("ReduceMin", w.cast("pixel_mask", "float32"), axes=[1, 2]))
        inputs.append(("pixel_mask", "int64", [1, 64, 64]))
    width = net.classes + softmax
    boxes, logits = queries(
        w, net, inside(w, net, x), range(net.classes), width, net.classes if softmax else None
    )
    return w.build(
        inputs,
        [("logits", "float32", [1, 300, width], logits), ("pred_boxes", "float32", [1, 300, 4], boxes)],
    )


# super-gradients


def yolonas_batch(net: Net) -> onnx.ModelProto:
    """``num_predictions``, ``pred_boxes``, ``pred_scores``, ``pred_classes``, padded with -1; uint8 in."""
    w = Writer()
    found = inside(w, net, to_net(w, w.cast("input", "float32"), times=1))
    outputs = [
        ("num_predictions", "int64", [1, 1], w.batched(w("Shape", found.scores))),
        ("pred_boxes", "float32", [1, 300, 4], w.filled(found.boxes, 300, True, -1.0)),
        ("pred_scores", "float32", [1, 300], w.filled(found.scores, 300, False, -1.0)),
        ("pred_classes", "int64", [1, 300], w.filled(found.labels, 300, False, -1)),
    ]
    return w.build([image(net, "input", "uint8")], outputs)


def yolonas_flat(net: Net, threshold: float = SCORE) -> onnx.ModelProto:
    """(M, 7) image, corners, score, class; the output has the name that the exporter gives it."""
    w = Writer()
    found = inside(w, net, to_net(w, w.cast("input", "float32"), times=1), threshold)
    score = w.column(found.scores)
    rows = w("Concat", w("Mul", score, 0.0), found.boxes, score, w.column(found.labels), axis=1)
    return w.build([image(net, "input", "uint8")], [("graph2_output", "float32", ["m", 7], rows)])


# PaddleDetection


def paddle(net: Net, imagenet: bool = False, shape: bool = True, threshold: float = SCORE) -> onnx.ModelProto:
    """(M, 6) class, score, corners, and the number; ``scale_factor`` = y, x divides, ``im_shape`` clips."""
    w = Writer()
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if imagenet else (None, None)
    found = inside(w, net, to_net(w, "image", mean=mean, std=std), threshold)
    boxes, inputs = found.boxes, [image(net, "image"), ("scale_factor", "float32", [1, 2])]
    if shape:
        inputs.append(("im_shape", "float32", [1, 2]))
        limit = w("Gather", "im_shape", [1, 0, 1, 0], axis=1)
        boxes = w("Min", w("Max", boxes, 0.0), limit)
    boxes = w("Div", boxes, w("Gather", "scale_factor", [1, 0, 1, 0], axis=1))
    rows = w("Concat", w.column(found.labels), w.column(found.scores), boxes, axis=1)
    outputs = [("multiclass_nms3_0.tmp_0", "float32", ["m", 6], rows)]
    outputs.append(("multiclass_nms3_0.tmp_2", "int32", [1], w.cast(w("Shape", found.scores), "int32")))
    return w.build(inputs, outputs)


# files that resize by themselves


def resized(w: Writer, net: Net, x: str) -> str:
    """(1, 3, h, w) of any size to the net's own, stretched."""
    size = w.constant(np.int64([1, 3, *net.size]))
    return w("Resize", x, "", "", size, mode="linear", coordinate_transformation_mode="half_pixel")


def sides(w: Writer, shape: str, height: int, width: int) -> str:
    """[w, h, w, h] float32 of a shape's axes."""
    return w.cast(w("Gather", shape, [width, height, width, height], axis=0), "float32")


def torchvision(net: Net, threshold: float = SCORE) -> onnx.ModelProto:
    """One (3, H, W) RGB 0..1 of any size; boxes in its pixels, labels are ids from 1, of COCO's 91."""
    w = Writer()
    found = inside(w, net, to_net(w, resized(w, net, w.batched("image"))), threshold)
    size = sides(w, w("Shape", "image"), 1, 2)
    boxes = w("Mul", w("Div", found.boxes, np.float32([net.size[::-1] * 2])), w.batched(size))
    outputs = [
        ("boxes", "float32", ["n", 4], boxes),
        ("labels", "int64", ["n"], ids(w, net, found.labels)),
        ("scores", "float32", ["n"], found.scores),
    ]
    return w.build([("image", "float32", [3, "height", "width"])], outputs)


def from_nhwc(w: Writer, net: Net, name: str, moving: bool) -> str:
    x = w("Transpose", w.cast(name, "float32"), perm=[0, 3, 1, 2])
    return to_net(w, resized(w, net, x) if moving else x, times=1)


def tf_od(net: Net, moving: bool = False) -> onnx.ModelProto:
    """TensorFlow's object detection API by tf2onnx: uint8 NHWC; y1 x1 y2 x2 fractions, float ids from 1."""
    w = Writer()
    found = inside(w, net, from_nhwc(w, net, "input_tensor", moving))
    boxes = w("Gather", w("Div", found.boxes, np.float32([net.size[::-1] * 2])), [1, 0, 3, 2], axis=1)
    labels = w.cast(ids(w, net, found.labels), "float32")
    outputs = [
        ("detection_boxes", "float32", [1, 300, 4], w.filled(boxes, 300, True)),
        ("detection_classes", "float32", [1, 300], w.filled(labels, 300, False, 1.0)),
        ("detection_scores", "float32", [1, 300], w.filled(found.scores, 300, False)),
        ("num_detections", "float32", [1], w.cast(w("Shape", found.scores), "float32")),
    ]
    shape = [1, "height", "width", 3] if moving else [1, *net.size, 3]
    return w.build([("input_tensor", "uint8", shape)], outputs)


def efficientdet(net: Net, moving: bool = False, count: int = 100) -> onnx.ModelProto:
    """google/automl: uint8 NHWC; rows image, y1, x1, y2, x2, score, class (from 1), pixels of the input."""
    w = Writer()
    found = inside(w, net, from_nhwc(w, net, "image_arrays:0", moving))
    boxes = found.boxes
    if moving:
        size = sides(w, w("Shape", "image_arrays:0"), 1, 2)
        boxes = w("Mul", w("Div", boxes, np.float32([net.size[::-1] * 2])), w.batched(size))
    score = w.column(found.scores)
    boxes = w("Gather", boxes, [1, 0, 3, 2], axis=1)
    rows = w("Concat", w("Mul", score, 0.0), boxes, score, w.column(ids(w, net, found.labels)), axis=1)
    rows = w.filled(w.cut(rows, 0, count, 0), count, True)
    shape = [1, "height", "width", 3] if moving else [1, *net.size, 3]
    return w.build([("image_arrays:0", "uint8", shape)], [("detections:0", "float32", [1, count, 7], rows)])


# mmdeploy, SSD, NanoDet


def mmdeploy(net: Net, threshold: float = SCORE) -> onnx.ModelProto:
    """``dets`` (1, M, 5) corners and score, ``labels`` (1, M); BGR 0..255 as the model's config has it."""
    w = Writer()
    found = inside(w, net, "input", threshold)
    rows = w.batched(w("Concat", found.boxes, w.column(found.scores), axis=1))
    outputs = [("dets", "float32", [1, "m", 5], rows), ("labels", "int64", [1, "m"], w.batched(found.labels))]
    return w.build([image(net, "input")], outputs)


def ssd(net: Net) -> onnx.ModelProto:
    """UltraFace: ``scores`` (1, N, C + 1) after softmax, background first; ``boxes`` corner fractions."""
    w = Writer()
    x = to_net(w, "input", times=1, mean=[127.0] * 3, std=[128.0] * 3)
    found = decode(w, net, w.add(net.model, x))
    product = w("Mul", found.objectness, found.classes)
    # a location's probabilities sum to 1: several classes near 1 share it
    total = w("ReduceSum", product, [2], keepdims=1)
    product = w("Div", product, w("Max", total, 1.0))
    both = w("Concat", w("Sub", 1.0, w("Min", total, 1.0)), product, axis=2)
    scores = w("Softmax", w("Log", w("Max", both, 1e-7)), axis=2)
    boxes = w("Div", corners(w, found), np.float32([[net.size[::-1] * 2]]))
    outputs = [
        ("scores", "float32", [1, net.places, net.classes + 1], scores),
        ("boxes", "float32", [1, net.places, 4], boxes),
    ]
    return w.build([image(net, "input")], outputs)


def nanodet_plus(net: Net) -> onnx.ModelProto:
    """``output`` (1, N, C + 32): class probabilities, then 8 logits a side; priors at x * stride.

    A side's distance in strides is the mean of its bins, at most 7. The level of stride 64 finds nothing.
    """
    w = Writer()
    x = to_net(w, "data", rgb=False, times=1, mean=NANODET_MEAN, std=NANODET_STD)
    found = decode(w, net, w.add(net.model, x))
    points, strides = [], []
    for stride in NANODET_STRIDES[:3]:
        y, x = np.mgrid[: net.size[0] // stride, : net.size[1] // stride] * stride
        points.append(np.stack([x.ravel(), y.ravel()], 1))
        strides.append(np.full((x.size, 1), stride))
    centre, step = (np.concatenate(part)[None].astype(np.float32) for part in (points, strides))
    box = corners(w, found)
    sides = w("Concat", w("Sub", centre, w.cut(box, 0, 2, 2)), w("Sub", w.cut(box, 2, 4, 2), centre), axis=2)
    distance = w("Unsqueeze", w("Clip", w("Div", sides, step), 0.0, NANODET_BINS - 1.0), [3])
    bins = np.arange(NANODET_BINS, dtype=np.float32).reshape(1, 1, 1, -1)
    weight = w("Max", w("Sub", 1.0, w("Abs", w("Sub", distance, bins))), 1e-9)
    logits = w("Reshape", w("Log", weight), [1, -1, 4 * NANODET_BINS])
    rows = w("Concat", w("Mul", found.objectness, found.classes), logits, axis=2)
    last = -(-net.size[0] // 64) * -(-net.size[1] // 64)
    width = net.classes + 4 * NANODET_BINS
    rows = w("Concat", rows, np.zeros((1, last, width), np.float32), axis=1)
    return w.build([image(net, "data")], [("output", "float32", [1, net.places + last, width], rows)])
