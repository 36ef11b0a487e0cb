"""What the steps of a recipe pass on in a graph: rows, and the images' sizes."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from cutpoint.export.graph import Graph
from cutpoint.records.head import HeadSpec
from cutpoint.records.onnx_model import PADDING_LABEL

DROPPED = -1.0  # the score of a dropped row; other scores are products of sigmoids, above KEEP_ABOVE
KEEP_ABOVE = -0.5


@dataclass(frozen=True)
class Rows:
    """The rows of all images between two steps: ``(B, K)`` each, ``boxes`` ``(B, K, 4)``.

    ``scores`` is ``DROPPED`` in dropped rows. Before rows are gathered, ``scores`` is ``(B, N, C)`` and
    ``labels`` is null: all classes of all locations; with ``class_boxes``, ``boxes`` is ``(B, N, C, 4)``.
    ``count`` ``(B,)`` int64: the number of rows that NMS selected for each image, which come first; null
    before NMS.
    """

    boxes: ir.Value
    scores: ir.Value
    factors: ir.Value | None
    labels: ir.Value | None
    count: ir.Value | None = None
    class_boxes: bool = False


@dataclass(frozen=True)
class Sizes:
    """The images' sizes.

    ``clip``: ``(B, 4)`` float32 ``x, y, x, y`` limits, ``tensor``: the same of the network input; ``scale``:
    ``(B, 4)``, null when boxes stay in network pixels.
    """

    clip: ir.Value
    tensor: ir.Value
    scale: ir.Value | None


@dataclass(frozen=True)
class Setting:
    """What the steps know besides their rows.

    ``level_counts``: ``(L,)`` int64, locations of each level; null for heads without levels. ``limit``: the
    most detections of an image, null without a limit. ``fixed``: the recipe gives ``limit`` rows; otherwise
    as many as the largest count of the batch. ``full``: the recipe's only ranking always finds as many pairs
    as it keeps.
    """

    sizes: Sizes
    level_counts: ir.Value | None
    head: HeadSpec
    limit: int | None
    fixed: bool
    full: bool = False


def sizes_from_input(g: Graph, images: ir.Value, image_sizes: ir.Value) -> Sizes:
    """Sizes from ``image_sizes`` ``(B, 4)`` float32: clip height, clip width, scale_y, scale_x."""
    return Sizes(
        clip=g.op("Gather", image_sizes, g.ints(1, 0, 1, 0), axis=1),
        tensor=_tensor_size(g, images),
        scale=g.op("Gather", image_sizes, g.ints(3, 2, 3, 2), axis=1),
    )


def sizes_from_tensor(g: Graph, images: ir.Value) -> Sizes:
    """Sizes for the file with one input: clip to the tensor, stay in network pixels."""
    size = _tensor_size(g, images)
    return Sizes(clip=size, tensor=size, scale=None)


def _tensor_size(g: Graph, images: ir.Value) -> ir.Value:
    size = g.op("Concat", *[g.size(images, axis) for axis in (3, 2, 3, 2)], axis=0)
    size = g.op("Cast", size, to=ir.DataType.FLOAT)
    return g.op("Expand", size, g.op("Concat", g.size(images, 0), g.ints(4), axis=0))


def of_images(g: Graph, values: ir.Value, rows: Rows) -> ir.Value:
    """Four numbers of each image, ``(B, 4)``, in a shape that fits the boxes."""
    return g.op("Unsqueeze", values, g.ints(1, 2) if rows.class_boxes else g.ints(1))


def gather(g: Graph, rows: Rows, index: ir.Value) -> Rows:
    """Chosen rows; ``index`` ``(B, K)``."""
    where = g.op("Unsqueeze", index, g.ints(2))
    return Rows(
        boxes=g.op("GatherND", rows.boxes, where, batch_dims=1),
        scores=g.op("GatherND", rows.scores, where, batch_dims=1),
        factors=rows.factors and g.op("GatherElements", rows.factors, index, axis=1),
        labels=rows.labels and g.op("GatherElements", rows.labels, index, axis=1),
        class_boxes=rows.class_boxes,
    )


def gather_pairs(g: Graph, rows: Rows, scores: ir.Value, index: ir.Value, head: HeadSpec) -> Rows:
    """Rows of chosen pairs; ``index`` ``(B, K)`` counts classes fastest."""
    location = g.op("Div", index, g.ints(head.num_classes))
    label = None
    where = g.op("Unsqueeze", location, g.ints(2))
    if rows.class_boxes:
        label = g.op("Mod", index, g.ints(head.num_classes))
        where = g.op("Concat", where, g.op("Unsqueeze", label, g.ints(2)), axis=2)
    return Rows(
        boxes=g.op("GatherND", rows.boxes, where, batch_dims=1),
        scores=scores,
        factors=rows.factors and g.op("GatherElements", rows.factors, location, axis=1),
        labels=label or g.op("Mod", index, g.ints(head.num_classes)),
    )


def close(g: Graph, rows: Rows, setting: Setting) -> Rows:
    """The rows of a recipe without NMS, which come best first: counted, and cut or filled to ``K``."""
    live = g.op("Cast", g.op("Greater", rows.scores, g.const(KEEP_ABOVE)), to=ir.DataType.INT64)
    count = g.op("ReduceSum", live, g.ints(1), keepdims=0)
    labels = rows.labels
    assert labels is not None
    labels = g.op("Where", g.op("Cast", live, to=ir.DataType.BOOL), labels, g.ints(PADDING_LABEL))
    boxes, scores = rows.boxes, rows.scores
    if not setting.fixed:
        width = g.op("ReduceMax", count, g.ints(0), keepdims=1)
        boxes, scores, labels = (
            g.op("Slice", values, g.ints(0), width, g.ints(1)) for values in (boxes, scores, labels)
        )
    elif not setting.full:
        assert setting.limit is not None
        missing = g.op("Sub", g.ints(setting.limit), g.size(scores, 1))

        def fill(values: ir.Value, padding: ir.Value) -> ir.Value:
            return g.op("Pad", values, g.op("Concat", g.ints(0), missing, axis=0), padding, g.ints(1))

        boxes, scores = fill(boxes, g.const(0.0)), fill(scores, g.const(DROPPED))
        labels = fill(labels, g.const(PADDING_LABEL, np.int64))
    return Rows(boxes, scores, None, labels, count)
