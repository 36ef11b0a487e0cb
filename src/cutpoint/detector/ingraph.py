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

    ``clip``: ``(B, 4)`` float32 ``x, y, x, y`` limits; ``scale``: ``(B, 4)``, null when boxes stay in network
    pixels.
    """

    clip: ir.Value
    scale: ir.Value | None


def frame_from_sizes(g: Graph, image_sizes: ir.Value) -> Frame:
    """Frame from ``image_sizes`` ``(B, 4)`` float32: clip height, clip width, scale_y, scale_x."""
    return Frame(
        clip=g.op("Gather", image_sizes, g.ints(1, 0, 1, 0), axis=1),
        scale=g.op("Gather", image_sizes, g.ints(3, 2, 3, 2), axis=1),
    )


def frame_from_tensor(g: Graph, images: ir.Value) -> Frame:
    """Frame of the one-input form: clip to the tensor, stay in network pixels."""
    size = g.op("Concat", *[g.size(images, axis) for axis in (3, 2, 3, 2)], axis=0)
    size = g.op("Cast", size, to=ir.DataType.FLOAT)
    batch = g.op("Concat", g.size(images, 0), g.ints(4), axis=0)
    return Frame(clip=g.op("Expand", size, batch), scale=None)


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
            outputs = _nms(g, rows, step, limit)
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
    value = g.op("Mul", rows.scores, rows.factors) if step["on"] == "product" else rows.scores
    passed = g.op("GreaterOrEqual" if step["inclusive"] else "Greater", value, g.const(step["value"]))
    return replace(rows, scores=g.op("Where", passed, rows.scores, g.const(DROPPED)))


def _top_k(g: Graph, rows: Rows, step: dict, level_counts: ir.Value, spec: HeadSpec) -> Rows:
    """The ``k`` best (location, class) pairs of each level, gathered."""
    classes = spec.num_classes
    batch = g.size(rows.scores, 0)
    pairs = g.op("Reshape", rows.scores, g.op("Concat", batch, g.ints(-1), axis=0))
    sizes = g.op("Mul", level_counts, g.ints(classes))
    starts = g.op("CumSum", sizes, g.const(0, np.int64), exclusive=1)
    scores, index = [], []
    for level in range(spec.levels):
        start, size = (g.op("Gather", values, g.ints(level), axis=0) for values in (starts, sizes))
        part = g.op("Slice", pairs, start, g.op("Add", start, size), g.ints(1))
        wanted = g.op("Min", g.ints(step["k"]), size)
        best, where = g.ops("TopK", 2, part, wanted, axis=1)
        scores.append(best)
        index.append(g.op("Add", where, start))
    index = g.op("Concat", *index, axis=1)
    location = g.op("Div", index, g.ints(classes))
    factors = rows.factors and g.op("GatherElements", rows.factors, location, axis=1)
    return Rows(
        boxes=g.op("GatherND", rows.boxes, g.op("Unsqueeze", location, g.ints(2)), batch_dims=1),
        scores=g.op("Concat", *scores, axis=1),
        factors=factors,
        labels=g.op("Mod", index, g.ints(classes)),
    )


def _clip(g: Graph, rows: Rows, step: dict, frame: Frame) -> Rows:
    limit = g.op("Unsqueeze", frame.clip, g.ints(1))
    return replace(rows, boxes=g.op("Min", g.op("Max", rows.boxes, g.const(0.0)), limit))


def _rescale(g: Graph, rows: Rows, step: dict, frame: Frame) -> Rows:
    if frame.scale is None:
        return rows
    return replace(rows, boxes=g.op("Div", rows.boxes, g.op("Unsqueeze", frame.scale, g.ints(1))))


def _multiply_factor(g: Graph, rows: Rows, step: dict, frame: Frame) -> Rows:
    live = g.op("Greater", rows.scores, g.const(KEEP_ABOVE))
    product = g.op("Mul", rows.scores, rows.factors)
    return replace(rows, scores=g.op("Where", live, product, g.const(DROPPED)))


def _min_size(g: Graph, rows: Rows, step: dict, frame: Frame) -> Rows:
    low = g.op("Slice", rows.boxes, g.ints(0), g.ints(2), g.ints(2))
    high = g.op("Slice", rows.boxes, g.ints(2), g.ints(4), g.ints(2))
    shortest = g.op("ReduceMin", g.op("Sub", high, low), g.ints(2), keepdims=0)
    large = g.op("Greater", shortest, g.const(step["value"]))
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
