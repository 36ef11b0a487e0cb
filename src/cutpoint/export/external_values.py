"""Nodes that turn the values of an external ONNX graph into Cutpoint's: corners, scores, logits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir

from cutpoint.export.external_file import Activation, ExternalFile

# Probabilities are clipped to these limits before they are turned back into logits.
TINY, NEXT_TO_ONE = 1e-37, 1 - 2**-24


def corners(file: ExternalFile, boxes: ir.Value, described: dict[str, Any]) -> ir.Value:
    """``(B, N, 4)`` as ``x1, y1, x2, y2`` in pixels."""
    form = described.get("format", "xyxy")
    if form == "cxcywh":
        centre, size = (
            file.op("Slice", boxes, file.const([start]), file.const([start + 2]), file.const([2]))
            for start in (0, 2)
        )
        half = file.op("Div", size, file.const(2, np.float32))
        boxes = file.op("Concat", file.op("Sub", centre, half), file.op("Add", centre, half), axis=2)
    elif form == "yxyx":
        boxes = file.op("Gather", boxes, file.const([1, 0, 3, 2]), axis=2)
    if described.get("normalised"):
        height, width = file.axes
        axes = file.const([width, height, width, height])
        size = file.op("Gather", file.op("Shape", file.images), axes, axis=0)
        boxes = file.op("Mul", boxes, file.op("Cast", size, to=ir.DataType.FLOAT))
    return boxes


def activate(file: ExternalFile, value: ir.Value, activation: Activation) -> ir.Value:
    """``(B, N, C)`` after its activation, without the background."""
    if activation.kind == "sigmoid":
        value = file.op("Sigmoid", value)
    elif activation.kind == "softmax":
        value = file.op("Softmax", value, axis=-1 if file.opset >= 13 else 2)
    if activation.background:
        start, stop = {"first": (1, np.iinfo(np.int64).max), "last": (0, -1)}[activation.background]
        value = file.op("Slice", value, file.const([start]), file.const([stop]), file.const([2]))
    return value


def _logit(file: ExternalFile, value: ir.Value) -> ir.Value:
    """The inverse of a sigmoid; infinity becomes NaN, and NaN stays NaN."""
    finite = file.op("Sub", value, value)
    value = file.op("Add", value, finite)
    value = file.op("Clip", value, file.const(TINY, np.float32), file.const(NEXT_TO_ONE, np.float32))
    rest = file.op("Sub", file.const(1, np.float32), value)
    return file.op("Sub", file.op("Log", value), file.op("Log", rest))


def _log(file: ExternalFile, value: ir.Value) -> ir.Value:
    """An inverse of a softmax, the background included."""
    return file.op("Log", file.op("Max", value, file.const(TINY, np.float32)))


def _same(file: ExternalFile, value: ir.Value) -> ir.Value:
    return value


# by the activation of the head
UNDO: dict[str, Callable[[ExternalFile, ir.Value], ir.Value]] = {
    "sigmoid": _logit,
    "softmax": _log,
    "none": _same,
}
