"""Graphs small enough to read, in the forms that exporters write."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cutpoint.layouts.look import count_cells
from cutpoint.records.graph_facts import GraphFacts, Tensor

KINDS = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "uint8": TensorProto.UINT8,
}
IMAGE = Tensor("images", "float32", (1, 3, 64, 96))
CELLS, CELLS4 = count_cells((64, 96), (8, 16, 32)), count_cells((64, 96), (8, 16, 32, 64))
NAMES = ("car", "bus", "person")
# what stands behind the last convolutions of each head
UNDECODED, BY_EXP = ("Concat", "Reshape", "Sigmoid", "Transpose"), ("Add", "Concat", "Exp", "Mul", "Sigmoid")
BY_POWER, SELECTED = ("Add", "Concat", "Mul", "Pow", "Sigmoid"), ("Concat", "Gather", "TopK")
# Ultralytics' properties
SAID = {"names": str(dict(enumerate(NAMES))), "task": "detect", "imgsz": "[64, 96]", "stride": "32"}


def out(name: str, *shape: int | str | None, dtype: str = "float32") -> Tensor:
    return Tensor(name, dtype, shape)


def facts(*outputs: Tensor, inputs: tuple[Tensor, ...] = (IMAGE,), tail: Any = (), **more: Any) -> GraphFacts:
    """A file with these outputs; ``tail`` is that of each."""
    return GraphFacts(inputs, outputs, 17, tails={tensor.name: tuple(tail) for tensor in outputs}, **more)


def save(path, nodes, inputs, outputs, constants=None, metadata=None, opset=17):
    """Write a graph; inputs and outputs are ``(name, dtype, shape)``."""
    infos = [
        [helper.make_tensor_value_info(n, KINDS[d], s) for n, d, s in part] for part in (inputs, outputs)
    ]
    values = [numpy_helper.from_array(np.asarray(v), name) for name, v in (constants or {}).items()]
    graph = helper.make_graph([helper.make_node(*n[:3], **dict(n[3:])) for n in nodes], "g", *infos, values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    for key, value in (metadata or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, path)
    return str(path)
