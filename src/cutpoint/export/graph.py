"""What a recipe in a graph is written with: nodes, constants, and the rows that pass from step to step."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from cutpoint.records.model import HeadSpec

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


def gather(g: Graph, rows: Rows, index: ir.Value) -> Rows:
    """Chosen rows; ``index`` ``(B, K)``."""
    where = g.op("Unsqueeze", index, g.ints(2))
    return Rows(
        boxes=g.op("GatherND", rows.boxes, where, batch_dims=1),
        scores=g.op("GatherND", rows.scores, where, batch_dims=1),
        factors=rows.factors and g.op("GatherElements", rows.factors, index, axis=1),
        labels=rows.labels and g.op("GatherElements", rows.labels, index, axis=1),
    )


def gather_pairs(g: Graph, rows: Rows, scores: ir.Value, index: ir.Value, spec: HeadSpec) -> Rows:
    """Rows of chosen pairs; ``index`` ``(B, K)`` counts classes fastest."""
    location = g.op("Div", index, g.ints(spec.num_classes))
    return Rows(
        boxes=g.op("GatherND", rows.boxes, g.op("Unsqueeze", location, g.ints(2)), batch_dims=1),
        scores=scores,
        factors=rows.factors and g.op("GatherElements", rows.factors, location, axis=1),
        labels=g.op("Mod", index, g.ints(spec.num_classes)),
    )
