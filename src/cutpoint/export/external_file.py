"""An external ONNX graph, read as the config describes it, and the nodes that are appended to it."""

import math
from typing import Any

import numpy as np
import onnx_ir as ir

from cutpoint.errors import UserError
from cutpoint.export.cut import outputs_of
from cutpoint.records.model import DenseHead

OLDEST_OPSET = 11
CHANNELS = 3
# a file with channels last begins with this permutation if PyTorch's operators follow
TO_NCHW = (0, 3, 1, 2)


def as_list(value: Any) -> list[Any]:
    """Return a list; a single value becomes a list of one."""
    return value if isinstance(value, list) else [value]


class ExternalFile:
    """The external graph, its description, and what is appended to it."""

    def __init__(self, path: str, model: ir.Model, outputs: dict[str, Any], head: DenseHead) -> None:
        self.path, self.head, self.graph = path, head, model.graph
        self.described, self.layout = outputs, outputs.get("layout", "rows")
        self.opset = model.opset_imports.get("", model.opset_imports.get("ai.onnx", 0))
        if self.opset < OLDEST_OPSET:
            raise self.error(f"opset {self.opset}; {OLDEST_OPSET} or later is needed; convert it")
        self._tape = ir.tape.Tape(model.graph)
        self._outputs = outputs_of(model)
        self._constants = 0
        inputs = [v for v in model.graph.inputs if v.name not in model.graph.initializers]
        if len(inputs) != 1 or inputs[0].dtype != ir.DataType.FLOAT:
            found = ", ".join(f"{value.name} ({value.dtype})" for value in inputs)
            raise self.error(
                f"one float32 input is needed, it has: {found}; export it with the images as its only input, "
                "float32"
            )
        [self.images] = inputs
        self._check_input()
        if self._is_unbatched():
            self._add_batch()

    def _check_input(self) -> None:
        shape = self.images.shape
        if shape is None or (len(shape) == 4 and shape[1] == CHANNELS):
            return
        turned = any(
            node.op_type == "Transpose" and tuple(node.attributes["perm"].as_ints()) == TO_NCHW
            for node, _ in self.images.uses()
            if "perm" in node.attributes
        )
        if len(shape) == 4 and (shape[3] == CHANNELS or (turned and not isinstance(shape[1], int))):
            raise self.error(
                f"input {self.images.name} has shape {shape}: its channels come last (NHWC), (B, 3, H, W) is "
                "needed; export it with channels first (NCHW)"
            )
        if len(shape) != 4 or isinstance(shape[1], int):
            raise self.error(f"input {self.images.name} has shape {shape}; (B, 3, H, W) is needed")

    def _is_unbatched(self) -> bool:
        """Whether the outputs have no axis for the images: boxes of rank 2 belong to one image."""
        parts = as_list(self.described.get("box") or [])
        names = [name for part in parts for name in as_list(part["tensor"]) if name in self._outputs]
        shapes = [self._outputs[name].shape for name in names]
        return bool(shapes) and all(shape is not None and len(shape) == 2 for shape in shapes)

    def _add_batch(self) -> None:
        """Give all outputs an axis for the images; the file then takes one image per run."""
        batch = self.images.shape[0] if self.images.shape is not None else None
        if isinstance(batch, int) and batch != 1:
            raise self.error(f"its outputs have no axis for the images, and its input takes {batch} of them")
        for name, value in self._outputs.items():
            if self.opset < 13:
                added = self.op("Unsqueeze", value, axes=[0])
            else:
                added = self.op("Unsqueeze", value, self.const([0]))
            added.shape = None if value.shape is None else ir.Shape([1, *value.shape])
            added.type = value.type
            self._outputs[name] = added
        sides = self.images.shape[1:] if self.images.shape is not None else [CHANNELS, None, None]
        self.images.shape = ir.Shape([1, *sides])

    def error(self, text: str) -> UserError:
        """The error with the file's path before the message."""
        return UserError(f"{self.path}: {text}")

    def rename(self, taken: set[str]) -> None:
        """Rename the file's own values that have one of our names."""
        for value in [*self.graph.inputs, *(v for node in self.graph for v in node.outputs)]:
            if value.name in taken:
                value.name = f"external_{value.name}"

    def op(self, kind: str, *inputs: ir.Value, **attributes: Any) -> ir.Value:
        """Append a node with one output."""
        return self._tape.op(kind, inputs, attributes=attributes)

    def const(self, value: Any, dtype: type = np.int64) -> ir.Value:
        """A constant."""
        self._constants += 1
        array: np.ndarray = np.asarray(value, dtype=dtype)
        return self._tape.initializer(ir.tensor(array, name=f"cutpoint_constant_{self._constants}"))

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

    def description(self, key: str, cut: str) -> dict[str, Any]:
        """What the config says about one kind of value."""
        described: dict[str, Any] | None = self.described.get(key)
        if described is None:
            raise self.error(f"outputs.{key} is missing; the cut {cut} needs it")
        return described

    def tensors(self, described: dict[str, Any]) -> list[ir.Value]:
        """The described tensor, or one per level, as they are in the file."""
        names = as_list(described["tensor"])
        for name in names:
            if name not in self._outputs:
                raise self.error(f"it has no output {name!r}; it has: {', '.join(self._outputs)}")
        if len(names) not in (1, self.head.levels):
            raise self.error(f"{len(names)} tensors {names}; 1 is needed, or one a level: {self.head.levels}")
        return [self._outputs[name] for name in names]

    def rows(self, described: dict[str, Any], layout: str, channels: int) -> list[ir.Value]:
        """The described values as ``(B, N, C)`` float32, one row per prior: one tensor, or one per level.

        Args:
            described: the description of one kind of value.
            layout: ``rows``, ``columns`` or ``maps``.
            channels: C, how many the head has of this kind.
        """
        found = []
        for level, value in enumerate(self.tensors(described)):
            self._check_channels(value, described, layout, level, channels)
            shape = None if value.shape is None else tuple(value.shape)
            rank = None if shape is None else len(shape)
            if layout == "maps":
                channel = shape[1] if shape is not None and rank == 4 else None
                if not isinstance(channel, int):
                    raise self.error(f"output {value.name}: a map is (B, channels, H, W), not {value.shape}")
                width = channel // self.head.anchors_per_cell(level)
                value = self.op("Transpose", value, perm=[0, 2, 3, 1])
                value = self.op("Reshape", value, self.const([0, -1, width]))
            elif rank == 2:
                value = self.op("Reshape", value, self.const([0, -1, 1]))
            elif layout == "columns":
                value = self.op("Transpose", value, perm=[0, 2, 1])
            if described.get("channels"):
                start, stop = described["channels"]
                value = self.op("Slice", value, self.const([start]), self.const([stop]), self.const([2]))
            found.append(self.op("Cast", value, to=ir.DataType.FLOAT))
        return found

    def _check_channels(
        self, value: ir.Value, described: dict[str, Any], layout: str, level: int, channels: int
    ) -> None:
        """Check the channels of a described tensor against the head, as far as its shape is known."""
        start, stop = described.get("channels") or (None, None)
        if start is not None and stop is not None and (stop - start != channels or start < 0):
            raise self.error(
                f"channels [{start}, {stop}] of {described['tensor']!r}: {self.head.head} has {channels}"
            )
        shape = () if value.shape is None else tuple(value.shape)
        axis = {("maps", 4): 1, ("columns", 3): 1, ("rows", 3): 2}.get((layout, len(shape)))
        width = 1 if len(shape) == 2 else shape[axis] if axis else None
        if not isinstance(width, int):
            return
        anchors = self.head.anchors_per_cell(level) if layout == "maps" else 1
        wanted = f"{channels * anchors}" + (f" ({anchors} anchors x {channels})" if anchors > 1 else "")
        if start is None and width != channels * anchors:
            raise self.error(f"output {value.name} has {width} channels; {self.head.head} has {wanted}")
        if stop is not None and (width % anchors or stop > width // anchors):
            raise self.error(f"output {value.name} has {width} channels, not [{start}, {stop}] of each prior")

    def sides(self) -> list[tuple[ir.Value, ir.Value]]:
        """Height and width of each level in cells, ``(1,)`` int64: from the map, or from input and stride."""
        if self.layout == "maps":
            maps = self.tensors(self.described["score"])
            if len(maps) != self.head.levels:
                raise self.error(f"outputs.layout maps: one output a level is needed: {self.head.levels}")
            return [(self.size(value, 2), self.size(value, 3)) for value in maps]
        sides = [self.size(self.images, axis) for axis in (2, 3)]
        cells = []
        for stride in self.head.strides:
            height, width = (
                self.op("Div", self.op("Add", side, self.const([step - 1])), self.const([step]))
                for side, step in zip(sides, stride[::-1], strict=True)
            )
            cells.append((height, width))
        return cells

    def counts(self, sides: list[tuple[ir.Value, ir.Value]]) -> list[ir.Value]:
        """Number of priors of each level, ``(1,)`` int64."""
        anchors = [self.const([self.head.anchors_per_cell(level)]) for level in range(self.head.levels)]
        return [
            self.op("Mul", self.op("Mul", height, width), number)
            for (height, width), number in zip(sides, anchors, strict=True)
        ]

    def check_rows(self, value: ir.Value, axis: int) -> None:
        """Check that a static file has as many rows as the head has priors at that size."""
        height, width = tuple(self.images.shape)[2:] if self.images.shape is not None else (None, None)
        rows = value.shape[axis] if value.shape is not None else None
        if not isinstance(height, int) or not isinstance(width, int) or not isinstance(rows, int):
            return
        priors = sum(
            math.ceil(height / y) * math.ceil(width / x) * self.head.anchors_per_cell(level)
            for level, (x, y) in enumerate(self.head.strides)
        )
        if rows != priors:
            raise self.error(
                f"output {value.name} has {rows} rows; {self.head.head} has {priors} priors at "
                f"{height}x{width}"
            )
