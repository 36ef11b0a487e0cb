"""An external ONNX graph, and the nodes that are added to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx_ir as ir

from cutpoint.errors import UserError
from cutpoint.export.cut import outputs_of
from cutpoint.layouts.precision import read_precision

# the domains of ONNX Runtime's own operators
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc")


class ExternalGraph:
    """The graph of an external file. Nodes are added behind its own; its own stay unchanged.

    Attributes:
        outputs: the values of its outputs, by name.
        precision: see ``external_precision.read_precision``.
        images: the input that takes the images; an opener of ``external_input`` sets it.
        axes: which axes of ``images`` are height and width.
    """

    images: ir.Value
    axes: tuple[int, int] = (2, 3)

    def __init__(self, path: str, model: ir.Model) -> None:
        self.path, self.model, self.graph = path, model, model.graph
        self.opset = model.opset_imports.get("", model.opset_imports.get("ai.onnx", 0))
        self.outputs, self.precision = outputs_of(model), read_precision(model)
        self._tape = ir.tape.Tape(model.graph)
        self._constants = 0
        self._check_operators()

    def _check_operators(self) -> None:
        """Refuse operators that ONNX Runtime does not have, as TensorRT's plugins."""
        functions = {key[0] for key in self.model.functions}
        foreign = {
            f"{node.domain}:{node.op_type}"
            for graph in self.model.graphs()
            for node in graph
            if node.domain not in DOMAINS and node.domain not in functions
        }
        if foreign:
            raise self.error(
                f"it has the operators {', '.join(sorted(foreign))}, which ONNX Runtime lacks; export it "
                "without them (for a plugin of TensorRT: without its NMS)"
            )

    @property
    def inputs(self) -> list[ir.Value]:
        """Its inputs, without those that have a value in the file."""
        return [value for value in self.graph.inputs if value.name not in self.graph.initializers]

    def error(self, text: str) -> UserError:
        """The error with the file's path before the message."""
        return UserError(f"{self.path}: {text}")

    def rename(self, taken: set[str]) -> None:
        """Rename the file's own values that have one of our names."""
        for value in list(self._values()):
            if value.name in taken:
                value.name = f"external_{value.name}"

    def _values(self) -> Iterator[ir.Value]:
        for graph in self.model.graphs():
            yield from graph.inputs
            yield from list(graph.initializers.values())
            for node in graph:
                yield from node.outputs

    def op(self, kind: str, *inputs: ir.Value, **attributes: Any) -> ir.Value:
        """Append a node with one output."""
        return self._tape.op(kind, inputs, attributes=attributes)

    def const(self, value: Any, dtype: Any = np.int64) -> ir.Value:
        """A constant."""
        self._constants += 1
        name = f"cutpoint_constant_{self._constants}"
        array: np.ndarray = np.asarray(value, dtype=dtype)
        tensor = ir.tensor(array, name=name)
        kind, shape = ir.TensorType(tensor.dtype), ir.Shape(array.shape)
        constant = ir.Value(name=name, shape=shape, type=kind, const_value=tensor)
        self.graph.register_initializer(constant)
        return constant

    def size(self, value: ir.Value, axis: int) -> ir.Value:
        """The length of an axis, ``(1,)`` int64."""
        return self.op("Gather", self.op("Shape", value), self.const([axis]), axis=0)

    def top_k(self, value: ir.Value, count: ir.Value) -> list[ir.Value]:
        """The largest values along the last axis, and where they were."""
        return list(self._tape.op_multi_out("TopK", [value, count], num_outputs=2))

    def sum(self, value: ir.Value, axis: int) -> ir.Value:
        """The sum over an axis, which is dropped. How the axis is given depends on the opset."""
        if self.opset < 13:
            return self.op("ReduceSum", value, axes=[axis], keepdims=0)
        return self.op("ReduceSum", value, self.const([axis]), keepdims=0)

    def unsqueeze(self, value: ir.Value) -> ir.Value:
        """The value with an axis of length 1 in front, its shape as far as it is known."""
        if self.opset < 13:
            added = self.op("Unsqueeze", value, axes=[0])
        else:
            added = self.op("Unsqueeze", value, self.const([0]))
        added.shape = None if value.shape is None else ir.Shape([1, *value.shape])
        added.type = value.type
        return added

    @contextmanager
    def in_front(self) -> Iterator[None]:
        """Nodes that are added inside come before the file's own."""
        behind, self._tape = self._tape, ir.tape.Tape()
        try:
            yield
            self.graph.insert_before(self.graph[0], self._tape.nodes)
        finally:
            self._tape = behind

    def replace_input(self, old: ir.Value, new: ir.Value) -> None:
        """Drop an input; what reads it reads another value."""
        ir.convenience.replace_all_uses_with(old, new)
        self.graph.inputs.remove(old)
