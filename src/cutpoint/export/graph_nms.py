"""NMS in the graph with ONNX's ``NonMaxSuppression``, and the packing of the selected rows."""

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from cutpoint.export.graph import Graph
from cutpoint.export.graph_rows import DROPPED, KEEP_ABOVE, Rows, Setting, gather, gather_pairs
from cutpoint.recipes.steps.overlaps import Nms
from cutpoint.records.head import HeadSpec
from cutpoint.records.onnx_model import PADDING_LABEL


def emit_nms(g: Graph, rows: Rows, step: Nms, setting: Setting) -> Rows:
    """Append NMS and the recipe's ``max_per_img``; rows best first."""
    return (_per_class_nms if step.space == "per_class" else _shifted_nms)(g, rows, step, setting)


def _shifted_nms(g: Graph, rows: Rows, step: Nms, setting: Setting) -> Rows:
    """One NMS over all classes; unless agnostic, on class-shifted boxes as in ``nms.class_shifted_nms``."""
    rows, limit = _live_pairs(g, rows, setting.head), setting.limit
    boxes = rows.boxes
    if step.space == "shifted":
        live = g.op("Unsqueeze", g.op("Greater", rows.scores, g.const(KEEP_ABOVE)), g.ints(2))
        highest = g.op("Where", live, boxes, g.const(-np.inf))
        highest = g.op("ReduceMax", highest, g.ints(1, 2), keepdims=1)
        labels = g.op("Unsqueeze", g.op("Cast", rows.labels, to=ir.DataType.FLOAT), g.ints(2))
        boxes = g.op("Add", boxes, g.op("Mul", labels, g.op("Add", highest, g.const(1.0))))
    selected = _select(g, boxes, g.op("Unsqueeze", rows.scores, g.ints(1)), step, limit)
    image, _, row = (g.op("Gather", selected, g.const(i, np.int64), axis=1) for i in range(3))
    count = _count(g, image, rows)
    width = g.ints(limit) if limit and setting.fixed else g.op("ReduceMax", count, g.ints(0), keepdims=1)
    return _pack(g, rows, image, row, row, count, width)


def _per_class_nms(g: Graph, rows: Rows, step: Nms, setting: Setting) -> Rows:
    """One NMS per class with its own limit, then the best of all classes."""
    limit = setting.limit
    if rows.class_boxes:  # the operator takes one box for all classes of a row
        rows = _live_pairs(g, rows, setting.head)
    if rows.labels:  # the pairs of a class are the rows with this label
        classes = g.const(np.arange(setting.head.num_classes).reshape(1, -1, 1), np.int64)
        member = g.op("Equal", g.op("Unsqueeze", rows.labels, g.ints(1)), classes)
        by_class = g.op("Where", member, g.op("Unsqueeze", rows.scores, g.ints(1)), g.const(DROPPED))
    else:
        by_class = g.op("Transpose", rows.scores, perm=[0, 2, 1])
    selected = _select(g, rows.boxes, by_class, step, step.max_per_class)
    image, label, row = (g.op("Gather", selected, g.const(i, np.int64), axis=1) for i in range(3))
    count = _count(g, image, rows)
    width = g.op("ReduceMax", count, g.ints(0), keepdims=1)
    chosen = replace(rows, scores=by_class, labels=label)
    if limit is None:
        packed = _pack(g, chosen, image, row, selected, count, width)
        wanted = width
    else:
        full = g.op("Max", width, g.ints(limit)) if setting.fixed else width
        packed = _pack(g, chosen, image, row, selected, count, full)
        wanted = g.op("Min", full, g.ints(limit))
        count = g.op("Min", count, g.ints(limit))
    _, best = g.ops("TopK", 2, packed.scores, wanted, axis=1)
    return replace(gather(g, packed, best), count=count)


def _select(g: Graph, boxes: ir.Value, scores: ir.Value, step: Nms, most: int | None) -> ir.Value:
    """NMS of ``(B, K, 4)`` and ``(B, C, K)``: ``(n, 3)`` (image, class, row), by image, class and score."""
    most = np.iinfo(np.int32).max if most is None else most
    iou_threshold = g.const(step.iou_threshold)
    return g.op(
        "NonMaxSuppression", boxes, scores, g.const(most, np.int64), iou_threshold, g.const(KEEP_ABOVE)
    )


def _count(g: Graph, image: ir.Value, rows: Rows) -> ir.Value:
    """How many of the selected rows belong to each image, ``(B,)`` int64."""
    batch = g.op("Squeeze", g.size(rows.boxes, 0))
    images = g.op("Range", g.const(0, np.int64), batch, g.const(1, np.int64))
    member = g.op("Equal", g.op("Unsqueeze", image, g.ints(1)), images)
    return g.op("ReduceSum", g.op("Cast", member, to=ir.DataType.INT64), g.ints(0), keepdims=0)


def _pack(
    g: Graph, rows: Rows, image: ir.Value, row: ir.Value, scored: ir.Value, count: ir.Value, width: ir.Value
) -> Rows:
    """Selected rows, grouped by image, as ``(B, width)``; padding has the score ``DROPPED``.

    ``scored``: the index of the scores, ``row`` or the full index for scores ``(B, C, K)``. ``rows.labels``:
    the labels of the rows, or of the selected rows if the scores are by class.
    """
    by_class = scored is not row
    first = g.op("CumSum", count, g.const(0, np.int64), exclusive=1)
    total = g.op("Squeeze", g.size(row, 0))
    position = g.op("Range", g.const(0, np.int64), total, g.const(1, np.int64))
    position = g.op("Sub", position, g.op("Gather", first, image, axis=0))
    target, source = (
        g.op("Concat", g.op("Unsqueeze", image, g.ints(1)), g.op("Unsqueeze", where, g.ints(1)), axis=1)
        for where in (position, row)
    )
    shape = g.op("Concat", g.size(rows.boxes, 0), width, axis=0)

    def pack(values: ir.Value | None, padding: np.ndarray, *tail: int) -> ir.Value:
        full = g.op("Concat", shape, g.ints(*tail), axis=0) if tail else shape
        empty = g.op("ConstantOfShape", full, value=ir.tensor(padding))
        return g.op("ScatterND", empty, target, values)

    scores = g.op("GatherND", rows.scores, scored if by_class else source)
    labels = rows.labels if by_class else g.op("GatherND", rows.labels, source)
    return Rows(
        boxes=pack(g.op("GatherND", rows.boxes, source), np.zeros(1, np.float32), 4),
        scores=pack(scores, np.full(1, DROPPED, np.float32)),
        factors=None,
        labels=pack(labels, np.full(1, PADDING_LABEL, np.int64)),
        count=count,
    )


def _live_pairs(g: Graph, rows: Rows, head: HeadSpec) -> Rows:
    """One row per pair: if the rows still have all classes of a location, the pairs that are not dropped."""
    if rows.labels:
        return rows
    pairs = g.op("Reshape", rows.scores, g.op("Concat", g.size(rows.scores, 0), g.ints(-1), axis=0))
    live = g.op("Cast", g.op("Greater", pairs, g.const(KEEP_ABOVE)), to=ir.DataType.INT64)
    most = g.op("ReduceMax", g.op("ReduceSum", live, g.ints(1), keepdims=0), g.ints(0), keepdims=1)
    scores, index = g.ops("TopK", 2, pairs, most, axis=1)
    return gather_pairs(g, rows, scores, index, head)
