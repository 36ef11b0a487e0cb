"""A recipe built into the graph, of standard ONNX operators: the cut ``e2e``.

The same steps as ``recipes.py``, for a batch. Every image keeps a fixed number of rows until NMS, and rows
that a step drops get ``DROPPED`` as score, so padding is never mistaken for a box.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir

from cutpoint.headspec import HeadSpec

DROPPED = -1.0  # the score of a row that is out; live scores are products of sigmoids, above KEEP_ABOVE
KEEP_ABOVE = -0.5
PADDING_LABEL = -1


@dataclass(frozen=True)
class Rows:
    """The rows of all images between two steps: ``(B, K)`` each, ``boxes`` ``(B, K, 4)``.

    ``scores`` is ``DROPPED`` in rows that are out. Before rows are gathered, ``scores`` is ``(B, N, C)`` and
    ``labels`` is null: all classes of all locations.
    """

    boxes: ir.Value
    scores: ir.Value
    factors: ir.Value | None
    labels: ir.Value | None


class Graph:
    """Nodes and constants appended to an ONNX graph."""

    def __init__(self, graph: ir.Graph) -> None:
        self._tape = ir.tape.Tape(graph)
        self._constants = 0

    def op(self, kind: str, *inputs: ir.Value | None, **attributes: Any) -> ir.Value:
        """Append a node with one output."""
        return self._tape.op(kind, inputs, attributes=attributes)

    def ops(self, kind: str, outputs: int, *inputs: ir.Value, **attributes: Any) -> list[ir.Value]:
        """Append a node with several outputs."""
        return list(self._tape.op_multi_out(kind, inputs, attributes=attributes, num_outputs=outputs))

    def const(self, value: Any, dtype: type = np.float32) -> ir.Value:
        """A constant."""
        self._constants += 1
        array = np.asarray(value, dtype=dtype)
        return self._tape.initializer(ir.tensor(array, name=f"postprocess_constant_{self._constants}"))

    def ints(self, *values: int) -> ir.Value:
        """A constant ``(n,)`` int64 tensor."""
        return self.const(values, np.int64)

    def size(self, value: ir.Value, axis: int) -> ir.Value:
        """The length of one axis as ``(1,)`` int64."""
        return self.op("Shape", value, start=axis, end=axis + 1)


@dataclass(frozen=True)
class Frame:
    """What the steps know of the images.

    ``clip``: ``(B, 4)`` float32 ``x, y, x, y`` limits, ``tensor``: the same of the network input; ``scale``:
    ``(B, 4)``, null when boxes stay in network pixels.
    """

    clip: ir.Value
    tensor: ir.Value
    scale: ir.Value | None


def frame_from_sizes(g: Graph, images: ir.Value, image_sizes: ir.Value) -> Frame:
    """Frame from ``image_sizes`` ``(B, 4)`` float32: clip height, clip width, scale_y, scale_x."""
    return Frame(
        clip=g.op("Gather", image_sizes, g.ints(1, 0, 1, 0), axis=1),
        tensor=_tensor_size(g, images),
        scale=g.op("Gather", image_sizes, g.ints(3, 2, 3, 2), axis=1),
    )


def frame_from_tensor(g: Graph, images: ir.Value) -> Frame:
    """Frame of the one-input form: clip to the tensor, stay in network pixels."""
    size = _tensor_size(g, images)
    return Frame(clip=size, tensor=size, scale=None)


def _tensor_size(g: Graph, images: ir.Value) -> ir.Value:
    size = g.op("Concat", *[g.size(images, axis) for axis in (3, 2, 3, 2)], axis=0)
    size = g.op("Cast", size, to=ir.DataType.FLOAT)
    return g.op("Expand", size, g.op("Concat", g.size(images, 0), g.ints(4), axis=0))


def append_recipe(
    g: Graph, decoded: dict[str, ir.Value], frame: Frame, steps: tuple[dict[str, Any], ...], spec: HeadSpec
) -> dict[str, ir.Value]:
    """Append a recipe behind the ``decoded`` outputs.

    Args:
        g: the graph.
        decoded: ``boxes``, ``scores``, ``factors`` (heads with one), ``level_counts``.
        frame: the images' sizes.
        steps: the recipe's steps in order; see ``recipes.STEPS``.
        spec: the head specification.

    Returns:
        ``boxes`` ``(B, K, 4)``, ``scores`` ``(B, K)``, ``labels`` ``(B, K)`` int64, ``count`` ``(B,)`` int64.
        K is the cap, or the largest count of the batch where the recipe has no cap. Padding: zeros, label -1.
    """
    rows = Rows(decoded["boxes"], decoded["scores"], decoded.get("factors"), None)
    outputs, limit = None, None
    for step in steps:
        if step["step"] == "cap":
            limit = int(step["k"])
    for step in steps:
        kind = step["step"]
        if kind == "top_k":
            rows = _top_k(g, rows, step, decoded["level_counts"], spec)
        elif kind == "nms":
            outputs = _nms(g, _live_pairs(g, rows, spec), step, limit)
        elif kind != "cap":  # the cap is NMS's own limit: one ranking, best first
            rows = STEPS[kind](g, rows, step, frame)
    return outputs


def _best_class(g: Graph, rows: Rows, step: dict, frame: Frame) -> Rows:
    return replace(
        rows,
        scores=g.op("ReduceMax", rows.scores, g.ints(2), keepdims=0),
        labels=g.op("ArgMax", rows.scores, axis=2, keepdims=0),
    )


def _threshold(g: Graph, rows: Rows, step: dict, frame: Frame) -> Rows:
    value = rows.scores
    if step["on"] != "class" and rows.factors:
        factors = _like(g, rows.factors, rows)
        value = factors if step["on"] == "factor" else g.op("Mul", value, factors)
    passed = g.op("GreaterOrEqual" if step["inclusive"] else "Greater", value, g.const(step["value"]))
    return replace(rows, scores=g.op("Where", passed, rows.scores, g.const(DROPPED)))


def _like(g: Graph, factors: ir.Value, rows: Rows) -> ir.Value:
    """Factors ``(B, N)`` in a shape that goes with the scores."""
    return factors if rows.labels else g.op("Unsqueeze", factors, g.ints(2))


def _top_k(g: Graph, rows: Rows, step: dict, level_counts: ir.Value, spec: HeadSpec) -> Rows:
    """The ``k`` best pairs or locations, of each level or of the image, gathered."""
    by_pair = step["unit"] == "pair"
    each = spec.num_classes if by_pair else 1
    batch = g.size(rows.scores, 0)
    if by_pair:
        values = g.op("Reshape", rows.scores, g.op("Concat", batch, g.ints(-1), axis=0))
    else:
        values = g.op("ReduceMax", rows.scores, g.ints(2), keepdims=0)
    if step["per"] == "image":
        wanted = g.op("Min", g.ints(step["k"]), g.size(values, 1))
        scores, index = g.ops("TopK", 2, values, wanted, axis=1)
    else:
        sizes = g.op("Mul", level_counts, g.ints(each))
        starts = g.op("CumSum", sizes, g.const(0, np.int64), exclusive=1)
        parts = []
        for level in range(spec.levels):
            start, size = (g.op("Gather", borders, g.ints(level), axis=0) for borders in (starts, sizes))
            part = g.op("Slice", values, start, g.op("Add", start, size), g.ints(1))
            wanted = g.op("Min", g.ints(step["k"]), size)
            best, where = g.ops("TopK", 2, part, wanted, axis=1)
            parts.append((best, g.op("Add", where, start)))
        scores, index = (g.op("Concat", *side, axis=1) for side in zip(*parts, strict=True))
    if by_pair:
        return _gather_pairs(g, rows, scores, index, spec)
    location = g.op("Unsqueeze", index, g.ints(2))
    return Rows(
        boxes=g.op("GatherND", rows.boxes, location, batch_dims=1),
        scores=g.op("GatherND", rows.scores, location, batch_dims=1),
        factors=rows.factors and g.op("GatherElements", rows.factors, index, axis=1),
        labels=None,
    )


def _gather_pairs(g: Graph, rows: Rows, scores: ir.Value, index: ir.Value, spec: HeadSpec) -> Rows:
    """Rows of chosen pairs; ``index`` ``(B, K)`` counts classes fastest."""
    location = g.op("Div", index, g.ints(spec.num_classes))
    return Rows(
        boxes=g.op("GatherND", rows.boxes, g.op("Unsqueeze", location, g.ints(2)), batch_dims=1),
        scores=scores,
        factors=rows.factors and g.op("GatherElements", rows.factors, location, axis=1),
        labels=g.op("Mod", index, g.ints(spec.num_classes)),
    )


def _live_pairs(g: Graph, rows: Rows, spec: HeadSpec) -> Rows:
    """One row a pair: where all classes of the locations still stand, the pairs that are not out."""
    if rows.labels:
        return rows
    pairs = g.op("Reshape", rows.scores, g.op("Concat", g.size(rows.scores, 0), g.ints(-1), axis=0))
    live = g.op("Cast", g.op("Greater", pairs, g.const(KEEP_ABOVE)), to=ir.DataType.INT64)
    most = g.op("ReduceMax", g.op("ReduceSum", live, g.ints(1), keepdims=0), g.ints(0), keepdims=1)
    scores, index = g.ops("TopK", 2, pairs, most, axis=1)
    return _gather_pairs(g, rows, scores, index, spec)


def _clip(g: Graph, rows: Rows, step: dict, frame: Frame) -> Rows:
    limit = g.op("Unsqueeze", frame.clip if step["to"] == "image" else frame.tensor, g.ints(1))
    if step["border"]:
        limit = g.op("Sub", limit, g.const(step["border"]))
    return replace(rows, boxes=g.op("Min", g.op("Max", rows.boxes, g.const(0.0)), limit))


def _rescale(g: Graph, rows: Rows, step: dict, frame: Frame) -> Rows:
    if frame.scale is None:
        return rows
    return replace(rows, boxes=g.op("Div", rows.boxes, g.op("Unsqueeze", frame.scale, g.ints(1))))


def _multiply_factor(g: Graph, rows: Rows, step: dict, frame: Frame) -> Rows:
    live = g.op("Greater", rows.scores, g.const(KEEP_ABOVE))
    score = g.op("Mul", rows.scores, _like(g, rows.factors, rows)) if rows.factors else rows.scores
    if step["root"]:
        # of a row that is out the root is NaN, and not chosen
        score = g.op("Sqrt", score)
    return replace(rows, scores=g.op("Where", live, score, g.const(DROPPED)), factors=None)


def _min_size(g: Graph, rows: Rows, step: dict, frame: Frame) -> Rows:
    low = g.op("Slice", rows.boxes, g.ints(0), g.ints(2), g.ints(2))
    high = g.op("Slice", rows.boxes, g.ints(2), g.ints(4), g.ints(2))
    shortest = g.op("ReduceMin", g.op("Sub", high, low), g.ints(2), keepdims=0)
    large = g.op("Greater", shortest, g.const(step["value"]))
    large = large if rows.labels else g.op("Unsqueeze", large, g.ints(2))
    return replace(rows, scores=g.op("Where", large, rows.scores, g.const(DROPPED)))


def _nms(g: Graph, rows: Rows, step: dict, limit: int | None) -> dict[str, ir.Value]:
    """NMS on class-shifted boxes, as ``nms.class_shifted_nms``, then rows packed per image."""
    live = g.op("Unsqueeze", g.op("Greater", rows.scores, g.const(KEEP_ABOVE)), g.ints(2))
    highest = g.op("Where", live, rows.boxes, g.const(-np.inf))
    highest = g.op("ReduceMax", highest, g.ints(1, 2), keepdims=1)
    labels = g.op("Unsqueeze", g.op("Cast", rows.labels, to=ir.DataType.FLOAT), g.ints(2))
    shift = g.op("Mul", labels, g.op("Add", highest, g.const(1.0)))
    selected = g.op(
        "NonMaxSuppression",
        g.op("Add", rows.boxes, shift),
        g.op("Unsqueeze", rows.scores, g.ints(1)),
        g.const(np.iinfo(np.int32).max if limit is None else limit, np.int64),
        g.const(step["iou_threshold"]),
        g.const(KEEP_ABOVE),
    )
    return _pack(g, rows, selected, limit)


def _pack(g: Graph, rows: Rows, selected: ir.Value, limit: int | None) -> dict[str, ir.Value]:
    """``selected`` ``(n, 3)`` (image, 0, row), grouped by image and best first, into padded outputs."""
    batch = g.size(rows.scores, 0)
    image = g.op("Gather", selected, g.const(0, np.int64), axis=1)
    row = g.op("Gather", selected, g.const(2, np.int64), axis=1)
    images = g.op("Range", g.const(0, np.int64), g.op("Squeeze", batch), g.const(1, np.int64))
    member = g.op("Equal", g.op("Unsqueeze", image, g.ints(1)), images)
    member = g.op("Cast", member, to=ir.DataType.INT64)
    count = g.op("ReduceSum", member, g.ints(0), keepdims=0)
    first = g.op("CumSum", count, g.const(0, np.int64), exclusive=1)
    total = g.op("Squeeze", g.size(selected, 0))
    position = g.op("Range", g.const(0, np.int64), total, g.const(1, np.int64))
    position = g.op("Sub", position, g.op("Gather", first, image, axis=0))
    width = g.ints(limit) if limit is not None else g.op("ReduceMax", count, g.ints(0), keepdims=1)
    target, source = (
        g.op("Concat", g.op("Unsqueeze", image, g.ints(1)), g.op("Unsqueeze", where, g.ints(1)), axis=1)
        for where in (position, row)
    )
    shape = g.op("Concat", batch, width, axis=0)

    def pack(values: ir.Value, padding: ir.TensorProtocol, *tail: int) -> ir.Value:
        full = g.op("Concat", shape, g.ints(*tail), axis=0) if tail else shape
        empty = g.op("ConstantOfShape", full, value=padding)
        return g.op("ScatterND", empty, target, g.op("GatherND", values, source))

    zero = ir.tensor(np.zeros(1, np.float32))
    nobody = ir.tensor(np.full(1, PADDING_LABEL, np.int64))
    return {
        "boxes": pack(rows.boxes, zero, 4),
        "scores": pack(rows.scores, zero),
        "labels": pack(rows.labels, nobody),
        "count": count,
    }


STEPS = {
    "best_class": _best_class,
    "threshold": _threshold,
    "clip": _clip,
    "rescale": _rescale,
    "multiply_factor": _multiply_factor,
    "min_size": _min_size,
}
