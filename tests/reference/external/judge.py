"""Detections of a dressed file by hand: numpy, OpenCV and ONNX Runtime, nothing of package or builders.

Each convention is written from its stack's text: how an image becomes the tensor, what the outputs hold, how
boxes come back to the original image's pixels. Boxes are clipped where the stack does it; padding is dropped.
"""

import contextlib
import io
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import onnxruntime
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


@dataclass
class Seen:
    """A tensor, and its way back: (x - left) / gain; ``gain`` is the smaller one before rounding."""

    pixels: np.ndarray
    gains: tuple[float, float] = (1.0, 1.0)
    gain: float = 1.0
    left: int = 0
    top: int = 0

    def back(self, boxes: np.ndarray, per_axis: bool) -> np.ndarray:
        x, y = self.gains if per_axis else (self.gain, self.gain)
        return (boxes - [self.left, self.top] * 2) / [x, y, x, y]


# --- the image; ``size`` is the tensor's (height, width), an image BGR uint8


def letterbox(
    image: np.ndarray, size: Sequence[int], fit: Sequence[int], centred: bool, side: Callable, fill: int = 114
) -> Seen:
    height, width = image.shape[:2]
    ratio = min(fit[0] / height, fit[1] / width)
    new = tuple(
        min(max(side(length * ratio), 1), fit[1 - axis]) for axis, length in enumerate((width, height))
    )
    image = cv2.resize(image, new, interpolation=cv2.INTER_LINEAR) if new != (width, height) else image
    left, top = ((size[1] - new[0]) // 2, (size[0] - new[1]) // 2) if centred else (0, 0)
    canvas = np.full((*size, 3), fill, np.uint8)
    canvas[top : top + new[1], left : left + new[0]] = image
    return Seen(canvas, (new[0] / width, new[1] / height), ratio, left, top)


def centred(image: np.ndarray, size: Sequence[int]) -> Seen:
    return letterbox(image, size, size, True, round)


def centred_636(image: np.ndarray, size: Sequence[int]) -> Seen:
    """super-gradients fits the image into 636 of 640: four pixels less than the tensor."""
    return letterbox(image, size, [side - 4 for side in size], True, round)


def centred_up(image: np.ndarray, size: Sequence[int]) -> Seen:
    """Ultralytics' ``val``: ``load_image`` rounds up."""
    return letterbox(image, size, size, True, math.ceil)


def centred_black(image: np.ndarray, size: Sequence[int]) -> Seen:
    """D-FINE's and DEIMv2's onnx_inf.py: truncated, on black."""
    return letterbox(image, size, size, True, int, fill=0)


def corner(image: np.ndarray, size: Sequence[int]) -> Seen:
    return letterbox(image, size, size, False, round)


def corner_truncated(image: np.ndarray, size: Sequence[int]) -> Seen:
    return letterbox(image, size, size, False, int)


def half_up(image: np.ndarray, size: Sequence[int]) -> Seen:
    """mmcv's sizes: int(x + 0.5)."""
    return letterbox(image, size, size, False, lambda value: int(value + 0.5))


def stretched(image: np.ndarray, size: Sequence[int], how: int = cv2.INTER_LINEAR) -> Seen:
    height, width = image.shape[:2]
    gains = size[1] / width, size[0] / height
    return Seen(cv2.resize(image, (size[1], size[0]), interpolation=how), gains, min(gains))


def bicubic(image: np.ndarray, size: Sequence[int]) -> Seen:
    return stretched(image, size, cv2.INTER_CUBIC)


def untouched(image: np.ndarray, size: Sequence[int]) -> Seen:
    return Seen(image)


# --- the tensor


def planes(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def rgb01(pixels: np.ndarray) -> np.ndarray:
    return planes(pixels[..., ::-1].astype(np.float32) / 255)


def half01(pixels: np.ndarray) -> np.ndarray:
    return rgb01(pixels).astype(np.float16)


def imagenet(pixels: np.ndarray) -> np.ndarray:
    return planes((pixels[..., ::-1].astype(np.float32) / 255 - MEAN) / STD)


def bgr255(pixels: np.ndarray) -> np.ndarray:
    return planes(pixels.astype(np.float32))


def rgb_bytes(pixels: np.ndarray) -> np.ndarray:
    return planes(pixels[..., ::-1])


def rgb_bytes_last(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels[None, ..., ::-1])


def single01(pixels: np.ndarray) -> np.ndarray:
    return rgb01(pixels)[0]


def ultraface(pixels: np.ndarray) -> np.ndarray:
    return planes((pixels[..., ::-1].astype(np.float32) - 127) / 128)


def nanodet(pixels: np.ndarray) -> np.ndarray:
    mean, std = np.float32([103.53, 116.28, 123.675]), np.float32([57.375, 57.12, 58.395])
    return planes((pixels.astype(np.float32) - mean) / std)


# --- post-processing by hand


def overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    first, last = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    inner = np.prod(np.clip(last - first, 0, None), axis=1)
    area = np.prod(others[:, 2:] - others[:, :2], axis=1)
    return inner / np.maximum(np.prod(box[2:] - box[:2]) + area - inner, 1e-12)


@dataclass(frozen=True)
class Recipe:
    """One class a location or several, above (or at) ``score``, NMS within a class, the best ``most``."""

    score: float = 0.01
    iou: float | None = 0.65
    most: int | None = 300
    several: bool = False
    at_least: bool = False

    def __call__(self, boxes: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(N, 4) corners and (N, C) scores to boxes, scores and labels, best first."""
        good = scores >= self.score if self.at_least else scores > self.score
        if not self.several:
            best = np.zeros_like(good)
            best[np.arange(len(scores)), scores.argmax(1)] = True
            good &= best
        places, labels = np.nonzero(good)
        boxes, scores = boxes[places].astype(np.float64), scores[places, labels]
        order = np.argsort(-scores, kind="stable")
        kept = []
        for label in np.unique(labels) if self.iou is not None else ():
            left = order[labels[order] == label]
            while len(left):
                kept.append(left[0])
                left = left[1:][overlap(boxes[left[0]], boxes[left[1:]]) <= self.iou]
        chosen = np.asarray(kept if self.iou is not None else order, np.int64)
        chosen = chosen[np.argsort(-scores[chosen], kind="stable")][: self.most]
        return boxes[chosen], scores[chosen], labels[chosen]


JUDGED = Recipe()
ULTRALYTICS = Recipe(score=0.001, iou=0.7, several=True)
YOLOV5 = Recipe(score=0.001, iou=0.6, several=True)
YOLOX = Recipe(most=None, at_least=True)
QUERIES = Recipe(score=-1.0, iou=None, several=True)
DETR = Recipe(score=-1.0, iou=None, most=None)
SSD = Recipe(score=0.01, iou=0.3, most=None, several=True)
NANODET = Recipe(score=0.05, iou=0.6, most=100, several=True)

# --- the outputs: (boxes in the tensor's pixels, scores, labels)

Read = tuple[np.ndarray, np.ndarray, np.ndarray]


def from_centre(boxes: np.ndarray) -> np.ndarray:
    half = boxes[..., 2:] / 2
    return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], -1)


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values.astype(np.float64)))


def softmax(values: np.ndarray) -> np.ndarray:
    power = np.exp(values.astype(np.float64) - values.max(-1, keepdims=True))
    return power / power.sum(-1, keepdims=True)


def read_columns(out: dict, recipe: Recipe, size: Sequence[int], classes: int) -> Read:
    found = out["output0"][0].astype(np.float32).T
    return recipe(from_centre(found[:, :4]), found[:, 4 : 4 + classes])


def read_rows5(out: dict, recipe: Recipe, size: Sequence[int], classes: int) -> Read:
    (found,) = out.values()
    return recipe(from_centre(found[0, :, :4]), found[0, :, 4:5] * found[0, :, 5:])


def read_undecoded(out: dict, recipe: Recipe, size: Sequence[int], classes: int) -> Read:
    found, first = out["output"][0].copy(), 0
    for stride in (8, 16, 32):
        for y in range(size[0] // stride):
            last = first + size[1] // stride
            found[first:last, 0] = (found[first:last, 0] + np.arange(last - first)) * stride
            found[first:last, 1] = (found[first:last, 1] + y) * stride
            found[first:last, 2:4] = np.exp(found[first:last, 2:4]) * stride
            first = last
    assert first == len(found)
    return recipe(from_centre(found[:, :4]), found[:, 4:5] * found[:, 5:])


def read_six(out: dict, recipe: Recipe, size: Sequence[int], classes: int) -> Read:
    found = out["output0"][0]
    found = found[found[:, 4] > 0]
    return found[:, :4], found[:, 4], found[:, 5]


def read_yolov7(out: dict, recipe: Recipe, size: Sequence[int], classes: int) -> Read:
    found = out["output"]
    return found[:, 1:5], found[:, 6], found[:, 5]


def read_nas_flat(out: dict, recipe: Recipe, size: Sequence[int], classes: int) -> Read:
    found = out["graph2_output"]
    return found[:, 1:5], found[:, 5], found[:, 6]


def counted(number: str, boxes: str, scores: str, labels: str) -> Callable[..., Read]:
    def read(out: dict, recipe: Recipe, size: Sequence[int], classes: int) -> Read:
        count = int(out[number].reshape(-1)[0])
        return out[boxes][0, :count], out[scores][0, :count], out[labels][0, :count]

    return read


def read_rtdetr(out: dict, recipe: Recipe, size: Sequence[int], classes: int) -> Read:
    boxes, scores, labels = (out[name].reshape(300, -1) for name in ("boxes", "scores", "labels"))
    there = scores[:, 0] > 0
    return boxes[there], scores[there, 0], labels[there, 0]


def read_rfdetr(out: dict, recipe: Recipe, size: Sequence[int], classes: int) -> Read:
    boxes, scores = from_centre(out["dets"][0]), sigmoid(out["labels"][0])
    scores = scores if scores.shape[1] == 91 else scores[:, :-1]
    return recipe(boxes * [size[1], size[0], size[1], size[0]], scores)


def read_detr(out: dict, recipe: Recipe, size: Sequence[int], classes: int) -> Read:
    scores = softmax(out["logits"][0])[:, :-1]
    return recipe(from_centre(out["pred_boxes"][0]) * [size[1], size[0], size[1], size[0]], scores)


def read_sigmoid_queries(out: dict, recipe: Recipe, size: Sequence[int], classes: int) -> Read:
    boxes = from_centre(out["pred_boxes"][0]) * [size[1], size[0], size[1], size[0]]
    return recipe(boxes, sigmoid(out["logits"][0]))


def read_paddle(out: dict, recipe: Recipe, size: Sequence[int], classes: int) -> Read:
    found, number = out.values()
    found = found[: int(number[0])]
    return found[:, 2:6], found[:, 1], found[:, 0]


def read_torchvision(out: dict, recipe: Recipe, size: Sequence[int], classes: int) -> Read:
    return out["boxes"], out["scores"], out["labels"]


def read_tf(out: dict, recipe: Recipe, size: Sequence[int], classes: int) -> Read:
    count = int(out["num_detections"][0])
    boxes = out["detection_boxes"][0, :count][:, [1, 0, 3, 2]] * [size[1], size[0], size[1], size[0]]
    return boxes, out["detection_scores"][0, :count], out["detection_classes"][0, :count]


def read_efficientdet(out: dict, recipe: Recipe, size: Sequence[int], classes: int) -> Read:
    found = out["detections:0"][0]
    found = found[found[:, 5] > 0]
    return found[:, [2, 1, 4, 3]], found[:, 5], found[:, 6]


def read_mmdeploy(out: dict, recipe: Recipe, size: Sequence[int], classes: int) -> Read:
    return out["dets"][0, :, :4], out["dets"][0, :, 4], out["labels"][0]


def read_ssd(out: dict, recipe: Recipe, size: Sequence[int], classes: int) -> Read:
    return recipe(out["boxes"][0] * [size[1], size[0], size[1], size[0]], out["scores"][0, :, 1:])


def read_nanodet(out: dict, recipe: Recipe, size: Sequence[int], classes: int) -> Read:
    found = out["output"][0]
    sides = (softmax(found[:, classes:].reshape(len(found), 4, -1)) @ np.arange(8)).astype(np.float32)
    boxes, first = np.zeros((len(found), 4)), 0
    for stride in (8, 16, 32, 64):
        for y in range(-(-size[0] // stride)):
            for x in range(-(-size[1] // stride)):
                left, top, right, bottom = sides[first] * stride
                boxes[first] = x * stride - left, y * stride - top, x * stride + right, y * stride + bottom
                first += 1
    assert first == len(found)
    return recipe(boxes.clip(0, [size[1], size[0]] * 2), found[:, :classes])


# --- conventions

Feeds = Callable[[np.ndarray, Seen, Sequence[int]], dict[str, np.ndarray]]


def no_more(image: np.ndarray, seen: Seen, size: Sequence[int]) -> dict[str, np.ndarray]:
    return {}


def original_size(image: np.ndarray, seen: Seen, size: Sequence[int]) -> dict[str, np.ndarray]:
    return {"orig_target_sizes": np.int64([[image.shape[1], image.shape[0]]])}


def own_size(image: np.ndarray, seen: Seen, size: Sequence[int]) -> dict[str, np.ndarray]:
    return {"orig_target_sizes": np.int64([[size[1], size[0]]])}


def paddle_sizes(image: np.ndarray, seen: Seen, size: Sequence[int]) -> dict[str, np.ndarray]:
    x, y = seen.gains
    return {"scale_factor": np.float32([[y, x]]), "im_shape": np.float32([size])}


def all_seen(image: np.ndarray, seen: Seen, size: Sequence[int]) -> dict[str, np.ndarray]:
    return {"pixel_mask": np.ones((1, 64, 64), np.int64)}


@dataclass(frozen=True)
class Convention:
    """``ids``: labels are category ids; ``original``: the file gives boxes in the original image's pixels.

    ``clip``: the stack's own code clips the boxes to the image.
    """

    see: Callable[[np.ndarray, Sequence[int]], Seen]
    tensor: Callable[[np.ndarray], np.ndarray]
    read: Callable[..., Read]
    recipe: Recipe = JUDGED
    more: Feeds = no_more
    ids: bool = False
    original: bool = False
    per_axis: bool = False
    clip: bool = False


TENSORRT = counted("num_dets", "det_boxes", "det_scores", "det_classes")
NAS = counted("num_predictions", "pred_boxes", "pred_scores", "pred_classes")
STRETCH = {"per_axis": True}
CONVENTIONS = {
    "ultralytics": Convention(centred, rgb01, read_columns),
    "ultralytics_half": Convention(centred, half01, read_columns),
    "ultralytics_nms": Convention(centred, rgb01, read_six),
    "yolov5": Convention(centred, rgb01, read_rows5),
    "yolov7_end2end": Convention(centred, rgb01, read_yolov7),
    "tensorrt": Convention(centred, rgb01, TENSORRT),
    "ultralytics_default": Convention(centred, rgb01, read_columns, ULTRALYTICS, clip=True),
    "ultralytics_val": Convention(centred_up, rgb01, read_columns, ULTRALYTICS, clip=True),
    "yolov5_default": Convention(centred, rgb01, read_rows5, YOLOV5, clip=True),
    "yolox_default": Convention(corner_truncated, bgr255, read_undecoded, YOLOX),
    "yolox": Convention(corner, bgr255, read_undecoded),
    "yolox_decoded": Convention(corner, bgr255, read_rows5),
    "rtdetr": Convention(stretched, rgb01, read_rtdetr, more=original_size, original=True),
    "deimv2": Convention(stretched, imagenet, read_rtdetr, more=original_size, original=True),
    "rtdetr_letterbox": Convention(centred_black, rgb01, read_rtdetr, more=own_size),
    "rfdetr": Convention(stretched, imagenet, read_rfdetr, QUERIES, ids=True, **STRETCH),
    "rfdetr_own": Convention(stretched, imagenet, read_rfdetr, QUERIES, **STRETCH),
    "detr": Convention(stretched, imagenet, read_detr, DETR, **STRETCH),
    "queries": Convention(stretched, imagenet, read_sigmoid_queries, QUERIES, more=all_seen, **STRETCH),
    "yolonas_batch": Convention(centred, rgb_bytes, NAS),
    "yolonas_flat": Convention(centred, rgb_bytes, read_nas_flat),
    "yolonas_636": Convention(centred_636, rgb_bytes, read_nas_flat),
    "paddle": Convention(bicubic, rgb01, read_paddle, more=paddle_sizes, original=True),
    "paddle_imagenet": Convention(bicubic, imagenet, read_paddle, more=paddle_sizes, original=True),
    "torchvision": Convention(untouched, single01, read_torchvision, ids=True, original=True),
    "tf_od": Convention(stretched, rgb_bytes_last, read_tf, ids=True, **STRETCH),
    "tf_od_any": Convention(untouched, rgb_bytes_last, read_tf, ids=True, original=True),
    "efficientdet": Convention(stretched, rgb_bytes_last, read_efficientdet, ids=True, **STRETCH),
    "efficientdet_any": Convention(untouched, rgb_bytes_last, read_efficientdet, ids=True, original=True),
    "mmdeploy": Convention(corner, bgr255, read_mmdeploy),
    "ssd": Convention(stretched, ultraface, read_ssd, SSD, **STRETCH),
    "nanodet_plus": Convention(stretched, nanodet, read_nanodet, NANODET, clip=True, **STRETCH),
}


@dataclass
class Judge:
    """Runs a file's bytes as they are over images and collects detections."""

    onnx: bytes
    convention: Convention
    size: tuple[int, int]
    classes: int
    session: Any = field(init=False)

    def __post_init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(self.onnx, options, providers=["CPUExecutionProvider"])

    def detect(self, image: np.ndarray) -> Read:
        """BGR (h, w, 3) uint8 to boxes (M, 4) in its pixels, scores (M,), labels (M,) as the file counts."""
        known = self.convention
        seen = known.see(image, self.size)
        names = [entry.name for entry in self.session.get_inputs()]
        more = known.more(image, seen, self.size)
        feeds = {names[0]: known.tensor(seen.pixels)} | {name: more[name] for name in names[1:]}
        outputs = [entry.name for entry in self.session.get_outputs()]
        found = dict(zip(outputs, self.session.run(None, feeds), strict=True))
        size = image.shape[:2] if known.original else self.size
        boxes, scores, labels = known.read(found, known.recipe, size, self.classes)
        if not known.original:
            boxes = seen.back(boxes, known.per_axis)
        if known.clip:
            boxes = boxes.clip(0, [image.shape[1], image.shape[0]] * 2)
        return np.asarray(boxes, np.float64).reshape(-1, 4), scores, labels.astype(np.int64)


def to_coco(image_id: int, found: Read, categories: Sequence[int] | None) -> list[dict[str, Any]]:
    """COCO results; ``categories`` null: a label is the category's id."""
    return [
        {
            "image_id": image_id,
            "category_id": int(label) if categories is None else int(categories[label]),
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "score": float(score),
        }
        for box, score, label in zip(found[0].tolist(), found[1], found[2], strict=True)
    ]


def average_precision(truth: dict[str, Any], detections: Sequence[dict[str, Any]]) -> float:
    """AP of pycocotools."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes([dict(entry) for entry in detections]), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def unmatched(
    one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]], pixels: float, score: float = 1e-4
) -> list[str]:
    """What has no partner: same image and category, score and each side nearly equal, one to one."""
    groups: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for entry in other:
        groups[entry["image_id"], entry["category_id"]].append(entry)
    alone = []
    for entry in one:
        group = groups[entry["image_id"], entry["category_id"]]
        near = [
            index
            for index, known in enumerate(group)
            if abs(known["score"] - entry["score"]) <= score
            and np.abs(np.subtract(known["bbox"], entry["bbox"])).max() <= pixels
        ]
        if near:
            group.pop(near[0])
        else:
            alone.append(f"only the first has {entry}")
    return alone + [f"only the second has {entry}" for group in groups.values() for entry in group]
