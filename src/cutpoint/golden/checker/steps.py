"""The steps of a recipe in numpy, as the package does them; a test holds the two together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cutpoint.golden.checker.rows import Rows

f32 = np.float32
# From this number of boxes on, mmcv runs one NMS per class, on the same shifted boxes.
SPLIT_THRESHOLD = 10000

Step = dict[str, Any]


class Image:
    """The sizes of one image, and the rows that NMS chose from; see the pack's ``geometry``."""

    def __init__(self, geometry: dict[str, Any], before_nms: Rows | None) -> None:
        self.geometry, self.before_nms = geometry, before_nms


def run_steps(
    steps: list[Step], rows: Rows, geometry: dict[str, Any], before_nms: Rows | None = None
) -> list[Rows]:
    """The rows after each step, in order. ``before_nms``: what an NMS before these steps chose from."""
    image, states = Image(geometry, before_nms), []
    for step in steps:
        if step["step"] == "nms":
            image.before_nms = rows
        rows = STEPS[step["step"]](rows, step, image)
        states.append(rows)
    return states


def best_first(scores: np.ndarray) -> np.ndarray:
    """Indices from the highest score to the lowest, equal ones in order."""
    return np.argsort(-scores, kind="stable")


def _threshold(rows: Rows, step: Step, image: Image) -> Rows:
    value = {
        "class": rows.scores,
        "factor": rows.factors,
        "product": rows.scores * rows.factors,
    }[step["quantity"]]
    border = f32(step["value"])
    return rows.take(np.flatnonzero(value >= border if step["inclusive"] else value > border))


def _best_class(rows: Rows, step: Step, image: Image) -> Rows:
    return rows.take(_best_of_each(rows))


def _best_box(rows: Rows, step: Step, image: Image) -> Rows:
    best = _best_of_each(rows)
    return rows.replaced(boxes=rows.boxes[best[np.searchsorted(rows.priors[best], rows.priors)]])


def _best_of_each(rows: Rows) -> np.ndarray:
    """The best row of each location, by location; the lowest label among equals."""
    order = np.argsort(rows.labels, kind="stable")
    order = order[best_first(rows.scores[order])]
    order = order[np.argsort(rows.priors[order], kind="stable")]
    prior = rows.priors[order]
    first = np.ones(len(rows), bool)
    first[1:] = prior[1:] != prior[:-1]
    best: np.ndarray = order[first]
    return best


def _multiply_factor(rows: Rows, step: Step, image: Image) -> Rows:
    score = rows.scores * rows.factors
    return rows.replaced(scores=np.sqrt(score) if step["root"] else score, factors=np.ones_like(score))


def _top_k(rows: Rows, step: Step, image: Image) -> Rows:
    k = step["k"]
    group = rows.levels if step["per"] == "level" else np.zeros_like(rows.levels)
    order = best_first(rows.scores)
    order = order[np.argsort(group[order], kind="stable")]
    if k >= len(rows):
        return rows.take(order)
    if step["unit"] == "pair":
        return rows.take(order[_first_of_each(group[order], k)])
    locations, first = np.unique(rows.priors[order], return_index=True)
    by_rank = np.argsort(first)
    best = locations[by_rank][_first_of_each(group[order[first[by_rank]]], k)]
    return rows.take(order[np.isin(rows.priors[order], best)])


def _first_of_each(groups: np.ndarray, k: int) -> np.ndarray:
    """Mask of the first ``k`` of each run of equal values; for ``-k`` all but the last ``k``."""
    kept = np.zeros(len(groups), bool)
    for value in np.unique(groups):
        kept[np.flatnonzero(groups == value)[:k]] = True
    return kept


def _max_per_img(rows: Rows, step: Step, image: Image) -> Rows:
    return rows.take(best_first(rows.scores)[: step["k"]])


def _clip(rows: Rows, step: Step, image: Image) -> Rows:
    kind = {"image": "clip_", "tensor": "padded_", "original": ""}[step["to"]]
    width, height = (image.geometry[kind + side] - step["border"] for side in ("width", "height"))
    return rows.replaced(boxes=np.clip(rows.boxes, f32(0), np.array([width, height] * 2, f32)))


def _rescale(rows: Rows, step: Step, image: Image) -> Rows:
    g, boxes = image.geometry, rows.boxes
    if step["padding"] == "taken_back" and (g["left"] or g["top"]):
        boxes = boxes - np.array([g["left"], g["top"]] * 2, f32)
    sides = [g["scale_x"], g["scale_y"]]
    if step["gain"] == "one" and g["gain"] is not None:
        sides = [g["gain"]] * 2
    scale = np.array(sides * 2)
    if step["operation"] == "multiply":
        return rows.replaced(boxes=boxes * (1 / scale).astype(f32))
    return rows.replaced(boxes=boxes / scale.astype(f32))


def _min_size(rows: Rows, step: Step, image: Image) -> Rows:
    sizes = rows.boxes[:, 2:] - rows.boxes[:, :2]
    return rows.take(np.flatnonzero((sizes > f32(step["value"])).all(1)))


def _nms(rows: Rows, step: Step, image: Image) -> Rows:
    if not len(rows):
        return rows
    boxes, by_class = rows.boxes, step["space"] == "per_class"
    if step["space"] == "shifted":
        boxes = boxes + (rows.labels.astype(f32) * (boxes.max() + f32(1)))[:, None]
        by_class = len(rows) >= SPLIT_THRESHOLD
    kept = []
    for label in np.unique(rows.labels) if by_class else [None]:
        members = np.arange(len(rows)) if label is None else np.flatnonzero(rows.labels == label)
        kept.append(members[_greedy(boxes[members], rows.scores[members], step)[: step["max_per_class"]]])
    index = np.concatenate(kept)
    index = np.sort(index) if by_class and step["space"] == "shifted" else index
    return rows.take(index[best_first(rows.scores[index])])


def _greedy(boxes: np.ndarray, scores: np.ndarray, step: Step) -> np.ndarray:
    """Keep the best box, drop what overlaps it, repeat; float32, indices best first."""
    order, offset = best_first(scores), f32(step["offset"])
    x1, y1, x2, y2 = boxes[order].T
    if step["reading"] == "cxcywh":
        x1, y1, x2, y2 = x1 - x2 / f32(2), y1 - y2 / f32(2), x1 + x2 / f32(2), y1 + y2 / f32(2)
    areas = (x2 - x1 + offset) * (y2 - y1 + offset)
    rest, kept = np.arange(len(order)), []
    while len(rest):
        best, rest = rest[0], rest[1:]
        kept.append(best)
        width = np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest]) + offset
        height = np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest]) + offset
        if step["intersection"] == "product":
            shared = np.maximum(width * height, f32(0))
        else:
            shared = np.maximum(width, f32(0)) * np.maximum(height, f32(0))
        with np.errstate(divide="ignore", invalid="ignore"):
            iou = shared / (areas[best] + areas[rest] - shared)
        rest = rest[~(iou > f32(step["iou_threshold"]))]
    return order[np.array(kept, np.int64)]


def _score_voting(rows: Rows, step: Step, image: Image) -> Rows:
    pool = image.before_nms if image.before_nms is not None else rows
    boxes = rows.boxes.copy()
    for row, label in enumerate(rows.labels):
        theirs = pool.take(pool.labels == label)
        iou = _iou(rows.boxes[row], theirs.boxes)
        near = iou > step["iou_threshold"]
        weight = np.exp(-((1 - iou[near]) ** 2) / f32(step["variance"]))
        weight = (weight * theirs.scores[near])[:, None]
        boxes[row] = (weight * theirs.boxes[near]).sum(0) / weight.sum(0)
    return rows.replaced(boxes=boxes)


def _iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """IoU of one box with others, float64; 0 if both are empty."""
    box, boxes = box.astype(np.float64), boxes.astype(np.float64)
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.clip(sides, 0, None).prod(1)
    union = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(1) - shared
    iou: np.ndarray = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return iou


STEPS: dict[str, Callable[[Rows, Step, Image], Rows]] = {
    "threshold": _threshold,
    "best_class": _best_class,
    "best_box": _best_box,
    "multiply_factor": _multiply_factor,
    "top_k": _top_k,
    "max_per_img": _max_per_img,
    "clip": _clip,
    "rescale": _rescale,
    "min_size": _min_size,
    "nms": _nms,
    "score_voting": _score_voting,
}
