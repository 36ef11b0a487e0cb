"""Traced graphs of one convolution with the outputs of heads of proposals and queries."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tiny import QUERY_STEPS, ROI_STEPS, query_head, roi_head
from tracing import CLASSES, FRAME, small_spec

from cutpoint.records.head import Floor, HeadSpec
from cutpoint.records.model import ModelSpec, write_spec

STRIDE, ROWS, REAL = 8, 40, 36
GRID = FRAME[0] // STRIDE, FRAME[1] // STRIDE
QUERY_HEAD = query_head(
    queries=ROWS,
    floor=Floor("class", 0.0, False, 30),
    recipe=({**QUERY_STEPS[0], "k": 30}, *QUERY_STEPS[1:]),
)
ROI_HEAD = roi_head(proposals=ROWS, recipe=(*ROI_STEPS[:-1], {"step": "max_per_img", "k": 30}))


def row_spec(head: HeadSpec) -> ModelSpec:
    """A model around a head: fitted into 64 x 96 at the top left, the rest of the tensor is padding."""
    spec = small_spec()
    return replace(spec, head=head, input=replace(spec.input, pad=None, divisor=32))


class RowGraph:
    """Maps of one convolution, a row for each cell, and the best cells by their class logits."""

    def __init__(self, columns: int, bias: float) -> None:
        self.nodes, self.constants = [], []
        random = np.random.default_rng(6)
        maps = self.op(
            "Conv",
            "images",
            self.constant("weight", random.normal(0, 0.08, (columns + 12, 3, STRIDE, STRIDE))),
            self.constant("bias", np.r_[np.full(columns, bias), np.zeros(12)]),
            strides=[STRIDE] * 2,
        )
        flat = self.op("Reshape", maps, self.constant("flat", [0, columns + 12, -1]))
        rows = self.op("Transpose", flat, perm=[0, 2, 1])
        logits, self.numbers = self.split(rows, [columns, 12])
        best = self.op("ReduceMax", logits, self.constant("last", [2]), keepdims=0)
        self.op("TopK", best, self.constant("rows", [ROWS]), out="ranks")
        self.nodes[-1].output.append("cells")
        self.op("Unsqueeze", "cells", "last", out="at")
        self.logits, self.numbers = self.take(logits, columns), self.take(self.numbers, 12)

    def op(self, kind: str, *inputs: str, out: str | None = None, **attributes: object) -> str:
        out = out or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def constant(self, name: str, value: object) -> str:
        array = np.asarray(value)
        kinds = {"i": np.int64, "f": np.float32, "b": np.bool_}
        self.constants.append(numpy_helper.from_array(array.astype(kinds[array.dtype.kind]), name))
        return name

    def split(self, value: str, sizes: list[int]) -> list[str]:
        name = self.op("Split", value, self.constant(f"sizes{len(self.nodes)}", sizes), axis=2)
        self.nodes[-1].output.append(f"{name}_rest")
        return [name, f"{name}_rest"]

    def take(self, rows: str, columns: int) -> str:
        """The best cells' rows."""
        shape = self.constant(f"shape{len(self.nodes)}", [1, ROWS, columns])
        return self.op("GatherElements", rows, self.op("Expand", "at", shape), axis=1)

    def save(self, folder: Path, head: HeadSpec, shapes: dict[str, list[object]]) -> dict[str, str]:
        kinds = dict.fromkeys(("priors", "proposal_count"), TensorProto.INT64)
        outputs = [
            helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), ["batch", *sides])
            for name, sides in shapes.items()
        ]
        inputs = [
            helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, *FRAME]),
            helper.make_tensor_value_info("image_sizes", TensorProto.FLOAT, ["batch", 4]),
        ]
        graph = helper.make_graph(self.nodes, "rows", inputs, outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        files = {"trace": str(folder / "trace.onnx"), "spec": str(folder / "spec.json")}
        onnx.save(model, files["trace"])
        write_spec(files["spec"], row_spec(head))
        return files


def write_queries(folder: Path) -> dict[str, str]:
    """Write the trace and the specification of a head of forty queries, as DINO's."""
    g = RowGraph(len(CLASSES), bias=-1.0)
    g.op("Identity", g.logits, out="logits")
    g.op("Identity", "cells", out="priors")
    numbers, _ = g.split(g.numbers, [4, 8])
    g.op("Sigmoid", numbers, out="cxcywh")
    return g.save(folder, QUERY_HEAD, {"logits": [ROWS, 3], "cxcywh": [ROWS, 4], "priors": [ROWS]})


def write_rois(folder: Path) -> dict[str, str]:
    """Write the trace and the specification of a head of forty proposals, four of them padding."""
    g = RowGraph(len(CLASSES) + 1, bias=0.0)
    real = g.constant("real", (np.arange(ROWS) < REAL)[None])
    g.op("Where", real, "cells", g.constant("none", [[-1]]), out="priors")
    g.op("Identity", g.logits, out="logits")
    g.op("Identity", g.numbers, out="deltas")
    y, x = np.divmod(np.arange(GRID[0] * GRID[1]), GRID[1])
    corner = np.stack([x, y], 1) * STRIDE
    anchors = g.constant("anchors", np.concatenate([corner - 8, corner + 16], 1)[None].astype("f4"))
    chosen = g.take(anchors, 4)
    sizes = g.op("Unsqueeze", "image_sizes", g.constant("middle", [1]))
    order = g.constant("order", [1, 0, 1, 0])  # width, height
    limit = g.op("Gather", sizes, order, axis=2)
    clipped = g.op("Min", g.op("Max", chosen, g.constant("zero", np.float32(0))), limit)
    column = g.constant("real_column", (np.arange(ROWS) < REAL)[None, :, None])
    g.op("Where", column, clipped, "zero", out="proposals")
    g.op("Identity", g.constant("count", [REAL]), out="proposal_count")
    shapes = {"proposals": [ROWS, 4], "priors": [ROWS], "proposal_count": []}
    return g.save(folder, ROI_HEAD, shapes | {"logits": [ROWS, 4], "deltas": [ROWS, 12]})
