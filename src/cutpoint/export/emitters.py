"""How each step of a recipe is built in a graph: a sibling table of ``recipes.steps.STEPS``."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir

from cutpoint.export.graph import Graph
from cutpoint.export.graph_nms import emit_nms
from cutpoint.export.graph_rows import (
    DROPPED,
    KEEP_ABOVE,
    Rows,
    Setting,
    gather,
    gather_pairs,
    of_images,
)
from cutpoint.recipes.steps.boxes import Clip, MinSize, Rescale
from cutpoint.recipes.steps.overlaps import Nms, ScoreVoting
from cutpoint.recipes.steps.ranks import MaxPerImg, TopK
from cutpoint.recipes.steps.scores import BestBox, BestClass, MultiplyFactor, Threshold
from cutpoint.recipes.steps.step import Step
from cutpoint.records.head import DenseHead


def _always(step: Any) -> None:
    return None


@dataclass(frozen=True)
class Emitter:
    """How a step is built.

    ``emit``: appends the step to a graph and returns the rows after it. ``refuse``: why a step with such
    parameters cannot be built; null if it can. ``after_rows``: whether it may follow the step that gives the
    rows, see ``ingraph.check_in_graph``.
    """

    emit: Callable[[Graph, Rows, Any, Setting], Rows]
    refuse: Callable[[Any], str | None] = _always
    after_rows: bool = False


def _best_class(g: Graph, rows: Rows, step: BestClass, setting: Setting) -> Rows:
    scores = g.op("ReduceMax", rows.scores, g.ints(2), keepdims=0)
    labels = g.op("ArgMax", rows.scores, axis=2, keepdims=0)
    return replace(_of_class(g, rows, labels), scores=scores, labels=labels)


def _best_box(g: Graph, rows: Rows, step: BestBox, setting: Setting) -> Rows:
    if not rows.class_boxes:
        return rows
    return _of_class(g, rows, g.op("ArgMax", rows.scores, axis=2, keepdims=0))


def _of_class(g: Graph, rows: Rows, labels: ir.Value) -> Rows:
    """The rows with one box for each location: that of a class, ``(B, N)``."""
    if not rows.class_boxes:
        return rows
    index = g.op("Expand", g.op("Unsqueeze", labels, g.ints(2, 3)), g.ints(1, 1, 1, 4))
    boxes = g.op("Squeeze", g.op("GatherElements", rows.boxes, index, axis=2), g.ints(2))
    return replace(rows, boxes=boxes, class_boxes=False)


def _threshold(g: Graph, rows: Rows, step: Threshold, setting: Setting) -> Rows:
    value = rows.scores
    if step.quantity != "class" and rows.factors:
        factors = _like(g, rows.factors, rows)
        value = factors if step.quantity == "factor" else g.op("Mul", value, factors)
    passed = g.op("GreaterOrEqual" if step.inclusive else "Greater", value, g.const(step.value))
    return replace(rows, scores=g.op("Where", passed, rows.scores, g.const(DROPPED)))


def _multiply_factor(g: Graph, rows: Rows, step: MultiplyFactor, setting: Setting) -> Rows:
    live = g.op("Greater", rows.scores, g.const(KEEP_ABOVE))
    score = g.op("Mul", rows.scores, _like(g, rows.factors, rows)) if rows.factors else rows.scores
    if step.root:
        # the root of a dropped row is NaN and is not chosen
        score = g.op("Sqrt", score)
    return replace(rows, scores=g.op("Where", live, score, g.const(DROPPED)), factors=None)


def _like(g: Graph, factors: ir.Value, rows: Rows) -> ir.Value:
    """Factors ``(B, N)`` in a shape that fits the scores."""
    return factors if rows.labels else g.op("Unsqueeze", factors, g.ints(2))


def _top_k(g: Graph, rows: Rows, step: TopK, setting: Setting) -> Rows:
    """The ``k`` best pairs or locations, of each level or of the image, gathered."""
    head, by_pair = setting.head, step.unit == "pair"
    each = head.num_classes if by_pair and not rows.labels else 1
    values = rows.scores
    if not rows.labels and by_pair:
        values = g.op("Reshape", values, g.op("Concat", g.size(values, 0), g.ints(-1), axis=0))
    elif not rows.labels:
        values = g.op("ReduceMax", values, g.ints(2), keepdims=0)
    if step.per == "image" or not isinstance(head, DenseHead):
        wanted = g.ints(step.k) if setting.full else g.op("Min", g.ints(step.k), g.size(values, 1))
        scores, index = g.ops("TopK", 2, values, wanted, axis=1)
    else:
        sizes = g.op("Mul", setting.level_counts, g.ints(each))
        starts = g.op("CumSum", sizes, g.const(0, np.int64), exclusive=1)
        parts = []
        for level in range(head.levels):
            start, size = (g.op("Gather", borders, g.ints(level), axis=0) for borders in (starts, sizes))
            part = g.op("Slice", values, start, g.op("Add", start, size), g.ints(1))
            wanted = g.op("Min", g.ints(step.k), size)
            best, where = g.ops("TopK", 2, part, wanted, axis=1)
            parts.append((best, g.op("Add", where, start)))
        scores, index = (g.op("Concat", *side, axis=1) for side in zip(*parts, strict=True))
    if by_pair and not rows.labels:
        return gather_pairs(g, rows, scores, index, head)
    return gather(g, rows, index)


def _max_per_img(g: Graph, rows: Rows, step: MaxPerImg, setting: Setting) -> Rows:
    """Behind NMS a part of it, because its rows are ranked: see ``Setting.limit``."""
    return _top_k(g, rows, TopK(step.k, per="image"), setting) if rows.count is None else rows


def _refuse_count(step: TopK | MaxPerImg) -> str | None:
    if step.k >= 1:
        return None
    return (
        f"the {step.name} of {step.k} cannot be built into a graph; "
        "set nms_pre and max_per_img to at least 1 for the cut e2e"
    )


def _clip(g: Graph, rows: Rows, step: Clip, setting: Setting) -> Rows:
    sizes = setting.sizes
    limit = of_images(g, sizes.clip if step.to == "image" else sizes.tensor, rows)
    if step.border:
        limit = g.op("Sub", limit, g.const(step.border))
    return replace(rows, boxes=g.op("Min", g.op("Max", rows.boxes, g.const(0.0)), limit))


def _rescale(g: Graph, rows: Rows, step: Rescale, setting: Setting) -> Rows:
    scale = setting.sizes.scale
    if scale is None:
        return rows
    return replace(rows, boxes=g.op("Div", rows.boxes, of_images(g, scale, rows)))


def _refuse_original(step: Clip) -> str | None:
    if step.to != "original":
        return None
    return "a graph does not get the original image's size for its clip; use cut decoded"


def _refuse_one_gain(step: Rescale) -> str | None:
    if (step.gain, step.padding) == ("per_axis", "taken_back"):
        return None
    return "in a graph rescale has a factor for each axis; write gain: per_axis, or use cut decoded"


def _min_size(g: Graph, rows: Rows, step: MinSize, setting: Setting) -> Rows:
    axis = 3 if rows.class_boxes else 2
    low = g.op("Slice", rows.boxes, g.ints(0), g.ints(2), g.ints(axis))
    high = g.op("Slice", rows.boxes, g.ints(2), g.ints(4), g.ints(axis))
    shortest = g.op("ReduceMin", g.op("Sub", high, low), g.ints(axis), keepdims=0)
    large = g.op("Greater", shortest, g.const(step.value))
    large = large if rows.labels or rows.class_boxes else g.op("Unsqueeze", large, g.ints(2))
    return replace(rows, scores=g.op("Where", large, rows.scores, g.const(DROPPED)))


def _refuse_overlap(step: Nms) -> str | None:
    if (step.offset, step.reading, step.intersection) == (0, "xyxy", "sides"):
        return None
    return "ONNX has no NMS with such an IoU; use cut raw or decoded for this recipe"


# For each kind of step: how it is built, or why a graph cannot have it.
EMITTERS: dict[type[Step], Emitter | str] = {
    BestClass: Emitter(_best_class),
    BestBox: Emitter(_best_box),
    Threshold: Emitter(_threshold),
    MultiplyFactor: Emitter(_multiply_factor),
    TopK: Emitter(_top_k, _refuse_count),
    MaxPerImg: Emitter(_max_per_img, _refuse_count, after_rows=True),
    Clip: Emitter(_clip, _refuse_original, after_rows=True),
    Rescale: Emitter(_rescale, _refuse_one_gain, after_rows=True),
    MinSize: Emitter(_min_size),
    Nms: Emitter(emit_nms, _refuse_overlap),
    ScoreVoting: (
        "score voting cannot be built into a graph; give the cut e2e the recipe "
        "{base: mmdet3, score_voting: false}"
    ),
}
