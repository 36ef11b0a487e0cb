"""The levels of a dense head in an external ONNX graph."""

import math
from typing import Any

import onnx_ir as ir

from cutpoint.export.external_file import ExternalFile, Priors
from cutpoint.records.head import DenseHead


def dense_priors(head: DenseHead) -> Priors:
    """What a dense head says of the rows of a file."""
    return Priors(head.head, head.num_classes, head.levels, head.anchors_per_cell)


class Levels:
    """The levels of a dense head: their sides and their numbers of priors in a graph."""

    def __init__(self, file: ExternalFile, head: DenseHead) -> None:
        self.file, self.head = file, head

    def sides(self) -> list[tuple[ir.Value, ir.Value]]:
        """Height and width of each level in cells, ``(1,)`` int64: from the map, or from input and stride."""
        file, head = self.file, self.head
        if file.layout == "maps":
            maps = file.tensors(file.described["score"])
            if len(maps) != head.levels:
                raise file.error(f"outputs.layout maps: one output a level is needed: {head.levels}")
            return [(file.size(value, 2), file.size(value, 3)) for value in maps]
        sides = [file.size(file.images, axis) for axis in file.axes]
        cells = []
        for stride in head.strides:
            height, width = (
                file.op("Div", file.op("Add", side, file.const([step - 1])), file.const([step]))
                for side, step in zip(sides, stride[::-1], strict=True)
            )
            cells.append((height, width))
        return cells

    def counts(self, sides: list[tuple[ir.Value, ir.Value]]) -> list[ir.Value]:
        """Number of priors of each level, ``(1,)`` int64."""
        file, head = self.file, self.head
        anchors = [file.const([head.anchors_per_cell(level)]) for level in range(head.levels)]
        return [
            file.op("Mul", file.op("Mul", height, width), number)
            for (height, width), number in zip(sides, anchors, strict=True)
        ]

    def split(
        self, described: dict[str, Any], rows: list[ir.Value], counts: list[ir.Value]
    ) -> list[ir.Value]:
        """The rows of each level, from one tensor or from one per level."""
        file = self.file
        if len(rows) == self.head.levels:
            return rows
        self.check_rows(file.tensors(described)[0])
        found, start = [], file.const([0])
        for count in counts:
            stop = file.op("Add", start, count)
            found.append(file.op("Slice", rows[0], start, stop, file.const([1])))
            start = stop
        return found

    def check_rows(self, value: ir.Value) -> None:
        """Check that a static file has as many rows as the head has priors at that size."""
        file, head = self.file, self.head
        axis = 2 if file.layout == "columns" else 1
        shape = file.images.shape
        height, width = (shape[axis] for axis in file.axes) if shape is not None else (None, None)
        rows = value.shape[axis] if value.shape is not None else None
        if not isinstance(height, int) or not isinstance(width, int) or not isinstance(rows, int):
            return
        priors = sum(
            math.ceil(height / y) * math.ceil(width / x) * head.anchors_per_cell(level)
            for level, (x, y) in enumerate(head.strides)
        )
        if rows != priors:
            raise file.error(
                f"output {value.name} has {rows} rows; {head.head} has {priors} priors at {height}x{width}"
            )
