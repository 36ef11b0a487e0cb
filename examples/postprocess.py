#!/usr/bin/env python3
"""Post-process a Cutpoint export by hand: one file that needs only numpy, OpenCV and onnxruntime. Copy it.

    python postprocess.py model.onnx image.jpg [--score-thr 0.3]

It reads a `raw` or `decoded` export of every kind (dense heads, two-stage detectors, DETRs), and every file
that Cutpoint made of an external one (Ultralytics, YOLOX, RT-DETR ...). The `cutpoint` metadata of the file
has everything that post-processing needs. It prints one detection per line: label, score, x1 y1 x2 y2 in
pixels of the original image. The result equals the model's own `predict` in mmdet 3.3.0; for an external
file, the recipe of its layout.
"""

import argparse
import json
import math

import cv2
import numpy as np
import onnxruntime as ort

f32 = np.float32
FLOAT = {"dtype": "float32", "channels_last": False}
INTERPOLATIONS = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}
ROUNDINGS = {"half_up": lambda side: int(side + 0.5), "even": round, "down": int, "up": math.ceil}


# --- image to tensor ---


def preprocess(image, recipe, shape=None, form=FLOAT):
    """BGR uint8 (H, W, 3) to the network input and what the way back needs.

    `shape`: height and width of a file of fixed size. `form`: type and axes of the input. The sizes are
    (height, width); `scale` is (x, y), `start` the padding (left, top) before the image.
    """
    height, width = image.shape[:2]
    image = image.astype(f32) if recipe.get("to_float32") else image
    (target_h, target_w), gain = fit(height, width, recipe)
    if (target_h, target_w) != (height, width):
        image = cv2.resize(image, (target_w, target_h), interpolation=INTERPOLATIONS[recipe["interpolation"]])
    scale = (target_w / width, target_h / height)  # per axis, after rounding
    pad, left, top = recipe["pad"], 0, 0
    if pad:  # raw pixels, before normalisation (YOLOX: 114)
        h, w = image.shape[:2]
        if pad["to_square"]:
            h = w = max(h, w)
        elif pad["size"]:
            h, w = max(h, pad["size"][0]), max(w, pad["size"][1])
        if pad["divisor"]:
            more = 0 if pad.get("beyond") else 1  # CenterNet: always to the next multiple
            h, w = ((side - more) // pad["divisor"] * pad["divisor"] + pad["divisor"] for side in (h, w))
        rest_h, rest_w = h - image.shape[0], w - image.shape[1]
        if recipe.get("place") == "centre":
            left, top = round(rest_w / 2 - 0.1), round(rest_h / 2 - 0.1)
        if recipe.get("place") == "middle":  # CenterNet
            left, top = w // 2 - image.shape[1] // 2, h // 2 - image.shape[0] // 2
        sides = top, rest_h - top, left, rest_w - left
        image = cv2.copyMakeBorder(image, *sides, cv2.BORDER_CONSTANT, value=pad["value"])
    clip = image.shape[:2]  # mmdet's img_shape: with a Pad step the padded size
    if recipe["bgr_to_rgb"]:
        image = image[:, :, ::-1]
    tensor = image.transpose(2, 0, 1).astype(f32)
    if recipe.get("divide_by") is not None:
        tensor = tensor / f32(recipe["divide_by"])
    if recipe["mean"]:
        mean, std = (np.array(recipe[key], f32)[:, None, None] for key in ("mean", "std"))
        tensor = (tensor - mean) / std
    if form["dtype"] == "uint8":
        tensor = np.rint(tensor)
    h, w = shape or (-(-side // recipe["divisor"]) * recipe["divisor"] for side in tensor.shape[1:])
    padded = np.full((1, 3, h, w), recipe["pad_value"], form["dtype"])  # after normalisation
    padded[0, :, : tensor.shape[1], : tensor.shape[2]] = tensor
    if form["channels_last"]:
        padded = np.ascontiguousarray(padded.transpose(0, 2, 3, 1))
    back = {"scale": scale, "gain": gain, "start": (left, top)}
    return padded, {"image": clip, "tensor": (h, w), "original": (height, width), **back}


def fit(height, width, recipe):
    """Height and width of the resized image, and the one factor of the resize, if there is one."""
    if recipe["scale"] is None:
        return (height, width), 1.0
    if not recipe["keep_ratio"]:
        return tuple(recipe["scale"]), None
    frame_h, frame_w = recipe["scale"]
    if recipe.get("fit") == "frame":  # a letterbox
        factor = min(frame_h / height, frame_w / width)
    else:  # mmdet: the long side into the long one, the short side into the short one
        long_side, short_side = max(frame_h, frame_w), min(frame_h, frame_w)
        factor = min(long_side / max(height, width), short_side / min(height, width))
    if not recipe.get("enlarge", True):
        factor = min(factor, 1.0)
    turn = ROUNDINGS[recipe.get("rounding", "half_up")]
    height, width = turn(height * factor), turn(width * factor)
    if recipe.get("fit") == "frame":
        height, width = min(height, frame_h), min(width, frame_w)
    return (height, width), factor


# --- network outputs to one table of locations ---


def sigmoid(x):
    return f32(1) / (f32(1) + np.exp(-x))


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


ACTIVATIONS = {"sigmoid": sigmoid, "softmax": lambda x: softmax(x)[..., :-1], "none": lambda x: x}


def make_priors(head, level, height, width):
    """Anchors (N, 4) around each cell, or points (N, 2); row-major y, x, anchor."""
    stride = np.array(head["strides"][level], f32)
    y, x = np.divmod(np.arange(height * width), width)
    cells = np.stack([x, y], 1).astype(f32)
    if head["anchors"] is None:
        return (cells + f32(head["point_offset"])) * stride
    shift = np.tile(cells * stride, 2)[:, None]
    return (np.array(head["anchors"][level], f32) + shift).reshape(-1, 4)


def move_boxes(coder, boxes, deltas):
    """Boxes (N, 4) moved and resized by deltas (N, 4)."""
    centre, size = (boxes[:, :2] + boxes[:, 2:]) * f32(0.5), boxes[:, 2:] - boxes[:, :2]
    deltas = deltas * np.array(coder["stds"], f32) + np.array(coder["means"], f32)
    move, ratio, limit = size * deltas[:, :2], deltas[:, 2:], f32(coder["max_ratio"])
    if coder["centre_clamp"] is None:
        ratio = np.clip(ratio, -limit, limit)
    else:  # YOLOF
        move = np.clip(move, -f32(coder["centre_clamp"]), f32(coder["centre_clamp"]))
        ratio = np.minimum(ratio, limit)
    centre, half = centre + move, size * np.exp(ratio) * f32(0.5)
    return np.concatenate([centre - half, centre + half], 1)


def decode(head, level, priors, values):
    """Output of the box branch (N, channels) to boxes (N, 4), and the factor (N,) from SABL's branch."""
    coder, stride = head["coder"], np.array(head["strides"][level], f32)
    kind = coder["type"]
    centre, size = priors, None
    if priors.shape[1] == 4:
        centre, size = (priors[:, :2] + priors[:, 2:]) * f32(0.5), priors[:, 2:] - priors[:, :2]

    if kind == "delta_xywh":  # ATSS, RetinaNet, PAA, SSD, YOLOF ...
        return move_boxes(coder, priors, values), None
    if kind == "guided":  # GA-RetinaNet: the last two values make the anchors
        anchors = move_boxes(coder["anchor"], priors, np.pad(values[:, 4:], ((0, 0), (2, 0))))
        return move_boxes(coder, anchors, values[:, :4]), None
    if kind == "centre_size":  # YOLOX
        centre, half = values[:, :2] * stride + centre, np.exp(values[:, 2:]) * stride / f32(2)
        return np.concatenate([centre - half, centre + half], 1), None
    if kind == "yolov3":
        centre = centre + (sigmoid(values[:, :2]) - f32(0.5)) * stride
        half = size * f32(0.5) * np.exp(values[:, 2:])
        return np.concatenate([centre - half, centre + half], 1), None
    if kind == "distance":  # FCOS, GFL, RTMDet, VFNet, FoveaBox ...
        if coder["bins"]:  # GFL: each side is the mean of a distribution
            share = softmax(values.reshape(-1, 4, coder["bins"]))
            values = (share * np.arange(coder["bins"], dtype=f32)).sum(-1)
        values = (np.exp(values) if coder["exp"] else values) * f32(coder["unit"][level])
        return np.concatenate([centre - values[:, :2], centre + values[:, 2:]], 1), None
    if kind == "tblr":  # FSAF: top, bottom, left, right
        values = values * np.array(coder["normalizer"], f32)
        values = values * size[:, [1, 1, 0, 0]]
        return np.concatenate([centre - values[:, [2, 0]], centre + values[:, [3, 1]]], 1), None
    if kind == "corners":  # TOOD, RepPoints
        boxes = values * stride[0]
        return boxes + np.tile(priors, 2) if coder["from_point"] else boxes, None
    if kind == "peaks":  # CenterNet, in cells
        centre, half = priors / stride + values[:, 2:], values[:, :2] / f32(2)
        return np.concatenate([(centre - half) * stride, (centre + half) * stride], 1), None
    if kind == "buckets":  # SABL: left, right, top, down
        side = -(-coder["buckets"] // 2)
        scores, offsets = np.split(values.reshape(-1, 8, side), 2, 1)
        scores = softmax(scores)
        best = scores.argmax(-1)[..., None]
        rest = np.where(np.arange(side) == best, f32(-1), scores)
        second = rest.argmax(-1)[..., None]
        # in bucket widths to the inside; an offset moves every edge towards the origin
        offset = np.take_along_axis(offsets, best, 2)[..., 0] * np.array([-1, 1, -1, 1], f32)
        steps = best[..., 0].astype(f32) + f32(0.5) + offset
        half = size * f32(coder["scale"]) * f32(0.5)
        low, high = centre - half, centre + half
        steps = steps * ((high - low) / f32(coder["buckets"]))[:, [0, 0, 1, 1]]
        boxes = np.concatenate([low + steps[:, [0, 2]], high - steps[:, [1, 3]]], 1)
        near = np.where(np.abs(best - second) == 1, np.take_along_axis(rest, second, 2), f32(0))[..., 0]
        return boxes, (scores.max(-1) + near).sum(-1) / f32(4)
    raise SystemExit(f"this script cannot decode {kind!r}")


def local_maxima(heat, kernel):
    """Heat maps (C, H, W) with 0 where a neighbour within the kernel is larger."""
    around = kernel // 2
    wider = np.pad(heat, ((0, 0), (around, around), (around, around)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(wider, (kernel, kernel), (1, 2))
    return np.where(windows.max((3, 4)) == heat, heat, f32(0))


def read_raw(outputs, head, sizes=None):
    """All locations: boxes (N, 4) in network pixels, class scores (N, C), factors (N,), levels (N,)."""
    boxes, scores, factors, levels = [], [], [], []
    for level in range(len(head["strides"])):

        def read(part, level=level):  # (A * channels, H, W) -> (H * W * A, channels of this part)
            tensor = outputs[f"{part['tensor']}_{level}"][0]
            if part == head["score"] and head["coder"]["type"] == "peaks":
                tensor = local_maxima(tensor, head["coder"]["kernel"])
            anchors = len(head["anchors"][level]) if head["anchors"] else 1
            rows = tensor.transpose(1, 2, 0).reshape(-1, len(tensor) // anchors)
            return rows[:, part["start"] : part["stop"]]

        height, width = outputs[f"{head['score']['tensor']}_{level}"].shape[2:]
        values = np.concatenate([read(part) for part in head["box"]], 1)
        decoded, factor = decode(head, level, make_priors(head, level, height, width), values)
        if head["factor"]:
            factor = ACTIVATIONS[head["factor_activation"]](read(head["factor"])[:, 0])
        boxes.append(decoded)
        scores.append(ACTIVATIONS[head["score_activation"]](read(head["score"])))
        factors.append(np.ones(len(decoded), f32) if factor is None else factor)
        levels.append(np.full(len(decoded), level))
    return [np.concatenate(part) for part in (boxes, scores, factors, levels)]


def read_rois(outputs, head, sizes=None):
    """The same table of a two-stage detector: a row is a proposal, its boxes are (N, C, 4) or (N, 4)."""
    proposals, logits, deltas = (outputs[name][0] for name in ("proposals", "logits", "deltas"))
    each = deltas.shape[1] // 4  # a box for each class, or one for all
    boxes = move_boxes(head["coder"], proposals.repeat(each, 0), deltas.reshape(-1, 4))
    boxes = boxes.reshape(-1, each, 4) if head["class_boxes"] else boxes
    return in_order(outputs, boxes, ACTIVATIONS[head["score_activation"]](logits))


def read_queries(outputs, head, sizes):
    """The same table of a DETR: a row is a query, its box is a fraction of the image without padding."""
    centre, size = np.split(outputs["cxcywh"][0], 2, 1)
    height, width = sizes["image"]
    boxes = np.concatenate([centre - size * f32(0.5), centre + size * f32(0.5)], 1)
    boxes = boxes * np.array([width, height] * 2, f32)
    return in_order(outputs, boxes, ACTIVATIONS[head["score_activation"]](outputs["logits"][0]))


def in_order(outputs, boxes, scores):
    """A table in the order of where its rows come from, without padding rows; one level, no factor."""
    if "priors" in outputs:  # -1 in padding rows
        priors = outputs["priors"][0]
        rows = np.argsort(priors, kind="stable")[(priors < 0).sum() :]
        boxes, scores = boxes[rows], scores[rows]
    return boxes, scores, np.ones(len(boxes), f32), np.zeros(len(boxes), int)


def read_decoded(outputs, head, sizes=None):
    """The same table from the `decoded` cut, where the graph has already decoded."""
    boxes, scores = outputs["boxes"][0], outputs["scores"][0]
    if "level_counts" not in outputs:  # proposals or queries
        return in_order(outputs, boxes, scores)
    has_factor = head["factor"] or head.get("coder", {}).get("type") == "buckets"
    if "factors" not in outputs and has_factor:
        raise SystemExit("this file's scores are class x factor; export it with `scores: class`")
    factors = outputs["factors"][0] if "factors" in outputs else np.ones(len(boxes), f32)
    return boxes, scores, factors, np.repeat(np.arange(len(outputs["level_counts"])), outputs["level_counts"])


def read_rows(outputs, head, sizes=None):
    """The same table from an external file that ends in detections: a row has one score, for its label."""
    count = int(outputs["count"][0])
    boxes, score, label = (outputs[name][0, :count] for name in ("boxes", "scores", "labels"))
    real = ~((label == -1) & (score <= 0))  # the count may include padding
    boxes, score, label = boxes[real], score[real], label[real]
    scores = np.full((len(boxes), head["num_classes"]), -np.inf, f32)
    scores[np.arange(len(boxes)), label] = score
    return boxes, scores, np.ones(len(boxes), f32), np.zeros(len(boxes), int)


RAW = {"dense": read_raw, "rois": read_rois, "queries": read_queries}


# --- the recipe ---


def iou_with(box, boxes):
    """IoU of one box with others, float32; NaN for two empty ones."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    overlap = np.maximum(high - low, f32(0)).prod(1)
    area, areas = (box[2:] - box[:2]).prod(), (boxes[:, 2:] - boxes[:, :2]).prod(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return overlap / (area + areas - overlap)


def suppress(step, boxes, score, label):
    """NMS over the classes apart (`shifted`: mmcv's way, far from each other; `per_class`) or together."""
    space, threshold = step.get("space", "shifted"), step["iou_threshold"]
    if space == "per_class":
        classes = [np.flatnonzero(label == number) for number in np.unique(label)]
        kept = [
            rows[nms(boxes[rows], score[rows], threshold)][: step.get("max_per_class")] for rows in classes
        ]
        kept = np.concatenate(kept)
        return kept[np.argsort(-score[kept], kind="stable")]
    if space == "shifted":
        boxes = boxes + (label.astype(f32) * (boxes.max() + f32(1)))[:, None]
    return nms(boxes, score, threshold)


def nms(boxes, scores, iou_threshold):
    """Greedy NMS: an IoU strictly above the threshold suppresses. Kept indices, best first."""
    order, kept = np.argsort(-scores, kind="stable"), []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[~(iou_with(boxes[best], boxes[order]) > f32(iou_threshold))]
    return np.array(kept, dtype=int)


def top_k(step, score, level, row):
    """Indices of the k best pairs, or of all pairs of the k best locations, of each level or of the image."""
    keep = []
    group = np.zeros_like(level) if step.get("per") == "image" else level
    for number in np.unique(group):
        members = np.flatnonzero(group == number)
        members = members[np.argsort(-score[members], kind="stable")]
        if step.get("unit") == "location":
            locations, first = np.unique(row[members], return_index=True)
            keep.extend(members[np.isin(row[members], locations[np.argsort(first)][: step["k"]])])
        else:
            keep.extend(members[: min(step["k"], len(members))])
    return np.array(keep, dtype=int)


def vote(step, boxes, labels, pool_boxes, pool_scores, pool_labels):
    """PAA: each box becomes the weighted mean of the boxes of its class that overlapped it before NMS."""
    voted = boxes.copy()
    for i, (box, label) in enumerate(zip(boxes, labels, strict=True)):
        same = pool_labels == label
        iou = iou_with(box.astype(float), pool_boxes[same].astype(float))
        near = iou > step.get("iou_threshold", 0.01)
        weight = np.exp(-((1 - iou[near]) ** 2) / f32(step.get("variance", 0.025))) * pool_scores[same][near]
        voted[i] = (weight[:, None] * pool_boxes[same][near]).sum(0) / weight.sum()
    return voted


def to_original(step, boxes, sizes):
    """Boxes from network to original-image pixels."""
    if step.get("padding") != "left":  # a copied script forgets the padding before the image
        boxes = boxes - np.array([*sizes["start"]] * 2, f32)
    scale = sizes["scale"]
    if step.get("gain") == "one" and sizes["gain"] is not None:
        scale = sizes["gain"], sizes["gain"]
    factors = np.array([*scale, *scale])
    if step.get("operation", "multiply") == "multiply":
        return boxes * (1 / factors).astype(f32)
    return boxes / factors.astype(f32)


def postprocess(table, head, sizes, score_thr=None):
    """Run the steps in the metadata; boxes (N, 4) in original-image pixels, scores (N,), labels (N,).

    `sizes` are those of `preprocess`. `score_thr` is in the place of the recipe's own thresholds.
    """
    all_boxes, all_scores, all_factors, all_levels = table
    floor = head["floor"]  # pairs below it cannot matter: steps that rank pairs rank them last
    value = all_scores * all_factors[:, None] if floor["quantity"] == "product" else all_scores
    limit = floor["value"]
    if score_thr is not None and not any(step["step"] == "threshold" for step in head["recipe"]):
        limit = max(limit, score_thr)
    row, label = np.nonzero(value >= f32(limit) if floor["inclusive"] else value > f32(limit))
    boxes = all_boxes[row, label] if all_boxes.ndim == 3 else all_boxes[row]  # a box for each class, or one
    score, factor, level = all_scores[row, label], all_factors[row], all_levels[row]
    for step in head["recipe"]:
        kind, keep = step["step"], slice(None)
        if kind == "best_class":  # of each location
            order = np.lexsort((label, -score, row))
            keep = order[np.unique(row[order], return_index=True)[1]]
        elif kind == "best_box" and len(boxes):  # for all classes of a location
            order = np.lexsort((label, -score, row))
            places, first = np.unique(row[order], return_index=True)
            boxes = boxes[order[first]][np.searchsorted(places, row)]
        elif kind == "threshold":
            value = {"class": score, "factor": factor, "product": score * factor}[step["quantity"]]
            limit = f32(step["value"] if score_thr is None or step["quantity"] == "factor" else score_thr)
            keep = value >= limit if step.get("inclusive") else value > limit
        elif kind == "top_k":
            keep = top_k(step, score, level, row)
        elif kind == "clip":
            height, width = (side - step.get("border", 0) for side in sizes[step.get("to", "image")])
            boxes = np.clip(boxes, f32(0), np.array([width, height] * 2, f32))
        elif kind == "rescale":
            boxes = to_original(step, boxes, sizes)
        elif kind == "multiply_factor":
            score = np.sqrt(score * factor) if step.get("root") else score * factor
            factor = np.ones_like(factor)
        elif kind == "min_size":
            keep = ((boxes[:, 2:] - boxes[:, :2]) > f32(step["value"])).all(1)
        elif kind == "nms" and len(boxes):
            before = boxes, score, label
            keep = suppress(step, boxes, score, label)
        elif kind == "max_per_img":
            keep = np.argsort(-score, kind="stable")[: step["k"]]
        elif kind == "score_voting" and len(boxes):
            boxes = vote(step, boxes, label, *before)
        elif kind not in ("nms", "score_voting", "best_box"):
            raise SystemExit(f"this script does not know the step {kind!r}")
        row, label, boxes, score, factor, level = (
            array[keep] for array in (row, label, boxes, score, factor, level)
        )
    return boxes, score, label


def detect(model, image, score_thr=None):
    """One image, BGR uint8, through an open session: boxes, scores, labels, class names."""
    metadata = json.loads(model.get_modelmeta().custom_metadata_map["cutpoint"])
    if metadata.get("format", 1) < 2:
        raise SystemExit("this file was exported by an older Cutpoint; export it again")
    head = metadata["spec"]["head"]
    if metadata["cut"] == "e2e" and head["kind"] != "external":
        raise SystemExit(
            "this file's graph ends after the post-processing: its outputs are detections already"
        )
    form = metadata.get("tensor", FLOAT)
    _, *axes = next(value.shape for value in model.get_inputs() if value.name == "images")
    shape = axes[:2] if form["channels_last"] else axes[1:]
    shape = tuple(shape) if all(isinstance(side, int) for side in shape) else None
    tensor, sizes = preprocess(image, metadata["spec"]["input"], shape, form)
    feeds = {"images": tensor}
    if any(value.name == "image_sizes" for value in model.get_inputs()):  # two-stage detectors, DETRs
        feeds["image_sizes"] = np.array([[*sizes["image"], *sizes["scale"][::-1]]], f32)
    names = [output.name for output in model.get_outputs()]
    outputs = dict(zip(names, model.run(None, feeds), strict=True))
    read = {"raw": RAW.get(head["kind"]), "decoded": read_decoded, "e2e": read_rows}[metadata["cut"]]
    return *postprocess(read(outputs, head, sizes), head, sizes, score_thr), metadata["spec"]["classes"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="ONNX file: cut raw or decoded, or an external one")
    parser.add_argument("image", help="image file")
    parser.add_argument("--score-thr", type=float, help="instead of the model's own threshold, and above it")
    arguments = parser.parse_args()
    image = cv2.imread(arguments.image)
    if image is None:
        raise SystemExit(f"{arguments.image}: not an image that OpenCV can read")
    model = ort.InferenceSession(arguments.model, providers=["CPUExecutionProvider"])
    boxes, scores, labels, classes = detect(model, image, arguments.score_thr)
    for box, score, label in zip(boxes, scores, labels, strict=True):
        print(f"{classes[label]:<20} {score:.4f}  {' '.join(f'{v:8.2f}' for v in box)}")


if __name__ == "__main__":
    main()
