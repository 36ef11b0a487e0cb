"""Nodes and constants that are appended to an ONNX graph."""

from typing import Any

import numpy as np
import onnx_ir as ir


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
        array: np.ndarray = np.asarray(value, dtype=dtype)
        return self._tape.initializer(ir.tensor(array, name=f"postprocess_constant_{self._constants}"))

    def ints(self, *values: int) -> ir.Value:
        """A constant ``(n,)`` int64 tensor."""
        return self.const(values, np.int64)

    def size(self, value: ir.Value, axis: int) -> ir.Value:
        """The length of one axis as ``(1,)`` int64."""
        return self.op("Shape", value, start=axis, end=axis + 1)
