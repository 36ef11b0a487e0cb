#!/usr/bin/env python3
"""Post-process a Cutpoint export by hand: one file, numpy + OpenCV + onnxruntime, nothing else. Copy it.

    python postprocess.py model.onnx image.jpg [--score-thr 0.3]

Reads a `raw` or `decoded` export, whose `cutpoint` metadata holds all that post-processing needs, and prints
one detection a line: label, score, x1 y1 x2 y2 in pixels of the original image. The result is that of the
model's own `predict` in mmdet 3.3.0.
"""

import argparse
import json

import cv2
import numpy as np
import onnxruntime as ort

f32 = np.float32


# --- image to tensor ---


def preprocess(image, recipe):
    """BGR uint8 (H, W, 3) to float32 (1, 3, H', W'); also the clip size (h, w) and the scale (x, y)."""
    height, width = image.shape[:2]
    target_h, target_w = recipe["scale"]
    if recipe["keep_ratio"]:
        factor = min(
            max(target_h, target_w) / max(height, width), min(target_h, target_w) / min(height, width)
        )
        target_h, target_w = int(height * factor + 0.5), int(width * factor + 0.5)  # rounds, never truncates
    if recipe["interpolation"] != "bilinear":
        raise SystemExit(f"this script resizes bilinearly, the model wants {recipe['interpolation']}")
    if (target_h, target_w) != (height, width):
        image = cv2.resize(image, (target_w, target_h), interpolation=cv2.INTER_LINEAR)
    scale = (target_w / width, target_h / height)  # per axis, after rounding
    pad = recipe["pad"]
    if pad:  # raw pixels, before normalisation (YOLOX: 114)
        h, w = (max(image.shape[:2]),) * 2 if pad["to_square"] else (pad["size"] or image.shape[:2])
        if pad["divisor"]:
            h, w = (-(-side // pad["divisor"]) * pad["divisor"] for side in (h, w))
        bottom, right = h - image.shape[0], w - image.shape[1]
        image = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=pad["value"])
    clip = image.shape[:2]  # mmdet's img_shape: with a Pad step the padded size
    if recipe["bgr_to_rgb"]:
        image = image[:, :, ::-1]
    tensor = image.transpose(2, 0, 1).astype(f32)
    if recipe["mean"]:
        tensor = (tensor - np.array(recipe["mean"], f32)[:, None, None]) / np.array(recipe["std"], f32)[
            :, None, None
        ]
    h, w = (-(-side // recipe["divisor"]) * recipe["divisor"] for side in tensor.shape[1:])
    padded = np.full((1, 3, h, w), recipe["pad_value"], f32)  # after normalisation
    padded[0, :, : tensor.shape[1], : tensor.shape[2]] = tensor
    return padded, clip, scale


# --- network outputs to one table of pairs ---


def sigmoid(x):
    return f32(1) / (f32(1) + np.exp(-x))


def read_raw(outputs, head):
    """All locations: boxes (N, 4) in network pixels, class scores (N, C), factors (N,), levels (N,)."""
    boxes, scores, factors, levels = [], [], [], []
    for level, (stride_x, stride_y) in enumerate(head["strides"]):

        def flat(kind, size, level=level):  # (A * size, H, W) -> (H * W * A, size): row-major y, x, anchor
            return outputs[f"{kind}_{level}"][0].transpose(1, 2, 0).reshape(-1, size)

        height, width = outputs[f"cls_{level}"].shape[2:]
        x, y = np.meshgrid(np.arange(width, dtype=f32), np.arange(height, dtype=f32))
        offset = f32(head["point_offset"])
        x, y = (x.ravel() + offset) * f32(stride_x), (y.ravel() + offset) * f32(stride_y)
        values = flat("box", 4)
        if head["coder"]["type"] == "centre_size":  # points: YOLOX
            stride = np.array([stride_x, stride_y], f32)
            centre = values[:, :2] * stride + np.stack([x, y], 1)
            half = np.exp(values[:, 2:]) * stride / f32(2)
        else:  # anchors with deltas: ATSS
            coder = head["coder"]
            shift = np.stack([x, y, x, y], 1)[:, None]
            anchors = (np.array(head["anchors"][level], f32) + shift).reshape(-1, 4)
            deltas = values * np.array(coder["stds"], f32) + np.array(coder["means"], f32)
            size = anchors[:, 2:] - anchors[:, :2]
            move, limit = size * deltas[:, :2], f32(coder["max_ratio"])
            low = -limit
            if coder["centre_clamp"] is not None:
                move, low = np.clip(move, -f32(coder["centre_clamp"]), f32(coder["centre_clamp"])), None
            centre = (anchors[:, :2] + anchors[:, 2:]) * f32(0.5) + move
            half = size * np.exp(np.clip(deltas[:, 2:], low, limit)) * f32(0.5)
        boxes.append(np.concatenate([centre - half, centre + half], 1))
        scores.append(sigmoid(flat("cls", head["num_classes"])))
        factors.append(
            sigmoid(flat(head["factor"], 1)[:, 0]) if head["factor"] else np.ones(len(values), f32)
        )
        levels.append(np.full(len(values), level))
    return [np.concatenate(part) for part in (boxes, scores, factors, levels)]


def read_decoded(outputs, head):
    """The same table from the `decoded` cut, where the graph has done the work."""
    boxes, scores = outputs["boxes"][0], outputs["scores"][0]
    factors = outputs["factors"][0] if head["factor"] else np.ones(len(boxes), f32)
    return boxes, scores, factors, np.repeat(np.arange(len(outputs["level_counts"])), outputs["level_counts"])


# --- the recipe ---


def nms(boxes, scores, iou_threshold):
    """Greedy NMS, IoU strictly above the threshold suppresses; kept indices, best first."""
    order, kept = np.argsort(-scores, kind="stable"), []
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        overlap = np.maximum(high - low, f32(0)).prod(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            iou = overlap / (area[best] + area[order] - overlap)
        order = order[~(iou > f32(iou_threshold))]
    return np.array(kept, dtype=int)


def postprocess(table, head, clip, scale, score_thr=None):
    """Run the steps in the metadata; boxes (N, 4) in original-image pixels, scores (N,), labels (N,)."""
    all_boxes, all_scores, all_factors, all_levels = table
    row, label = np.indices(all_scores.shape).reshape(2, -1)
    for step in head["recipe"]:  # the first steps choose pairs, before anything is computed for them
        if step["step"] == "best_class":
            row, label = np.arange(len(all_scores)), all_scores.argmax(1)
        elif step["step"] == "threshold":
            value = all_scores[row, label]
            if step["on"] == "product":
                value = value * all_factors[row]
            limit = f32(step["value"] if score_thr is None else score_thr)
            keep = value >= limit if step["inclusive"] else value > limit
            row, label = row[keep], label[keep]
    boxes, score, factor, level = all_boxes[row], all_scores[row, label], all_factors[row], all_levels[row]
    for step in head["recipe"]:
        keep = slice(None)
        if step["step"] == "top_k":  # pairs, per level, by class score
            keep = []
            for number in np.unique(level):
                members = np.flatnonzero(level == number)
                best = members[np.argsort(-score[members], kind="stable")]
                keep.extend(best[: min(step["k"], len(best))])
        elif step["step"] == "clip":
            boxes = np.clip(boxes, f32(0), np.array([clip[1], clip[0], clip[1], clip[0]], f32))
        elif step["step"] == "rescale":
            factors = np.array([*scale, *scale])
            multiply = step["operation"] == "multiply"
            boxes = boxes * (1 / factors).astype(f32) if multiply else boxes / factors.astype(f32)
        elif step["step"] == "multiply_factor":
            score = score * factor
        elif step["step"] == "min_size":
            keep = ((boxes[:, 2:] - boxes[:, :2]) > f32(step["value"])).all(1)
        elif step["step"] == "nms" and len(boxes):  # per class: boxes of other classes are shifted far away
            shift = label.astype(f32) * (boxes.max() + f32(1))
            keep = nms(boxes + shift[:, None], score, step["iou_threshold"])
        elif step["step"] == "cap":
            keep = np.argsort(-score, kind="stable")[: step["k"]]
        boxes, score, factor, level, label = (a[keep] for a in (boxes, score, factor, level, label))
    return boxes, score, label


def detect(model, image, score_thr=None):
    """One image, BGR uint8, through an open session: boxes, scores, labels, class names."""
    metadata = json.loads(model.get_modelmeta().custom_metadata_map["cutpoint"])
    if metadata["cut"] == "e2e":
        raise SystemExit(
            "this file's graph ends after the post-processing: its outputs are detections already"
        )
    head = metadata["spec"]["head"]
    tensor, clip, scale = preprocess(image, metadata["spec"]["input"])
    names = [output.name for output in model.get_outputs()]
    outputs = dict(zip(names, model.run(None, {"images": tensor}), strict=True))
    table = (read_raw if metadata["cut"] == "raw" else read_decoded)(outputs, head)
    return *postprocess(table, head, clip, scale, score_thr), metadata["spec"]["classes"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="ONNX file, cut raw or decoded")
    parser.add_argument("image", help="image file")
    parser.add_argument("--score-thr", type=float, help="instead of the model's own threshold")
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
