"""A recipe built into the graph, of standard ONNX operators: the cut ``e2e``.

The same steps as ``recipes.py``, for a batch. Every image keeps a fixed number of rows until NMS, and rows
that a step drops get ``DROPPED`` as score, so padding is never mistaken for a box.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir

from cutpoint.errors import UserError
from cutpoint.export.graph import Graph
from cutpoint.export.graph_nms import NMS
from cutpoint.export.graph_rows import DROPPED, KEEP_ABOVE, Rows, gather, gather_pairs
from cutpoint.records.model import DenseHead


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
    g: Graph,
    decoded: dict[str, ir.Value],
    frame: Frame,
    steps: tuple[dict[str, Any], ...],
    spec: DenseHead,
    fixed: bool,
) -> dict[str, ir.Value]:
    """Append a recipe behind the ``decoded`` outputs.

    Args:
        g: the graph.
        decoded: ``boxes``, ``scores``, ``factors`` (heads with one), ``level_counts``.
        frame: the images' sizes.
        steps: the recipe's steps in order, as ``check_in_graph`` allows them.
        spec: the head specification.
        fixed: whether K is the recipe's cap (where it has one), else the largest count of the batch.

    Returns:
        ``boxes`` ``(B, K, 4)``, ``scores`` ``(B, K)``, ``labels`` ``(B, K)`` int64, ``count`` ``(B,)`` int64.
        Padding: zeros, label -1.
    """
    rows = Rows(decoded["boxes"], decoded["scores"], decoded.get("factors"), None)
    cap = next((int(step["k"]) for step in steps if step["step"] == "max_per_img"), None)
    count = None
    for step in steps:
        kind = step["step"]
        if kind == "top_k":
            rows = _top_k(g, rows, step, decoded["level_counts"], spec)
        elif kind == "nms":
            rows, count = NMS[step["space"]](g, rows, step, cap, fixed, spec)
        elif kind != "max_per_img":  # the cap is part of NMS: its result is ranked
            rows = STEPS[kind](g, rows, step, frame)
    out = g.op("Less", rows.scores, g.const(KEEP_ABOVE))
    boxes = g.op("Where", g.op("Unsqueeze", out, g.ints(2)), g.const(0.0), rows.boxes)
    scores = g.op("Where", out, g.const(0.0), rows.scores)
    return {"boxes": boxes, "scores": scores, "labels": rows.labels, "count": count}


def check_in_graph(steps: tuple[dict[str, Any], ...]) -> None:
    """Refuse a recipe that cannot be built into a graph.

    Raises:
        UserError: says which step, and what to do.
    """
    kinds = [step["step"] for step in steps]
    if kinds.count("nms") != 1:
        raise UserError("a graph that ends after the post-processing needs one NMS")
    if "score_voting" in kinds:
        raise UserError(
            "score voting cannot be built into a graph; give the cut e2e the recipe "
            "{base: mmdet3, score_voting: false}"
        )
    nms = kinds.index("nms")
    late = [kind for kind in kinds[nms + 1 :] if kind not in ("max_per_img", "clip", "rescale")]
    if late or "max_per_img" in kinds[:nms] or kinds.count("max_per_img") > 1:
        raise UserError(
            "in a graph one max_per_img, clip and rescale may follow NMS, and no max_per_img may precede it; "
            "use cut decoded"
        )
    mixed = False
    for step in steps:
        if step.get("k", 1) < 1:
            raise UserError(
                f"the {step['step']} of {step['k']} cannot be built into a graph; "
                "set nms_pre and max_per_img to at least 1 for the cut e2e"
            )
        if step["step"] == "top_k":
            if mixed and step["per"] == "level":
                raise UserError("a top_k per level behind another top_k cannot be built into a graph")
            mixed = True
    if (steps[nms]["offset"], steps[nms]["reading"], steps[nms]["intersection"]) != (0, "xyxy", "sides"):
        raise UserError("ONNX has no NMS with such an IoU; use cut raw or decoded for this recipe")


def _best_class(g: Graph, rows: Rows, step: dict, frame: Frame) -> Rows:
    return replace(
        rows,
        scores=g.op("ReduceMax", rows.scores, g.ints(2), keepdims=0),
        labels=g.op("ArgMax", rows.scores, axis=2, keepdims=0),
    )


def _threshold(g: Graph, rows: Rows, step: dict, frame: Frame) -> Rows:
    value = rows.scores
    if step["quantity"] != "class" and rows.factors:
        factors = _like(g, rows.factors, rows)
        value = factors if step["quantity"] == "factor" else g.op("Mul", value, factors)
    passed = g.op("GreaterOrEqual" if step["inclusive"] else "Greater", value, g.const(step["value"]))
    return replace(rows, scores=g.op("Where", passed, rows.scores, g.const(DROPPED)))


def _like(g: Graph, factors: ir.Value, rows: Rows) -> ir.Value:
    """Factors ``(B, N)`` in a shape that goes with the scores."""
    return factors if rows.labels else g.op("Unsqueeze", factors, g.ints(2))


def _top_k(g: Graph, rows: Rows, step: dict, level_counts: ir.Value, spec: DenseHead) -> Rows:
    """The ``k`` best pairs or locations, of each level or of the image, gathered."""
    by_pair = step["unit"] == "pair"
    each = spec.num_classes if by_pair and not rows.labels else 1
    values = rows.scores
    if not rows.labels and by_pair:
        values = g.op("Reshape", values, g.op("Concat", g.size(values, 0), g.ints(-1), axis=0))
    elif not rows.labels:
        values = g.op("ReduceMax", values, g.ints(2), keepdims=0)
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
    if by_pair and not rows.labels:
        return gather_pairs(g, rows, scores, index, spec)
    return gather(g, rows, index)


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


STEPS = {
    "best_class": _best_class,
    "threshold": _threshold,
    "clip": _clip,
    "rescale": _rescale,
    "multiply_factor": _multiply_factor,
    "min_size": _min_size,
}
