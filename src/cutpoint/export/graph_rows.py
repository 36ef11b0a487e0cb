"""The rows that pass from step to step of a recipe in a graph."""

from dataclasses import dataclass

import onnx_ir as ir

from cutpoint.export.graph import Graph
from cutpoint.records.model import DenseHead

DROPPED = -1.0  # the score of a row that is out; live scores are products of sigmoids, above KEEP_ABOVE
KEEP_ABOVE = -0.5


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


def gather(g: Graph, rows: Rows, index: ir.Value) -> Rows:
    """Chosen rows; ``index`` ``(B, K)``."""
    where = g.op("Unsqueeze", index, g.ints(2))
    return Rows(
        boxes=g.op("GatherND", rows.boxes, where, batch_dims=1),
        scores=g.op("GatherND", rows.scores, where, batch_dims=1),
        factors=rows.factors and g.op("GatherElements", rows.factors, index, axis=1),
        labels=rows.labels and g.op("GatherElements", rows.labels, index, axis=1),
    )


def gather_pairs(g: Graph, rows: Rows, scores: ir.Value, index: ir.Value, spec: DenseHead) -> Rows:
    """Rows of chosen pairs; ``index`` ``(B, K)`` counts classes fastest."""
    location = g.op("Div", index, g.ints(spec.num_classes))
    return Rows(
        boxes=g.op("GatherND", rows.boxes, g.op("Unsqueeze", location, g.ints(2)), batch_dims=1),
        scores=scores,
        factors=rows.factors and g.op("GatherElements", rows.factors, location, axis=1),
        labels=g.op("Mod", index, g.ints(spec.num_classes)),
    )
