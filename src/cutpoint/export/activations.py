"""Measure the tensors of a float32 graph on images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnxruntime import InferenceSession, SessionOptions

Feeds = Iterator[dict[str, np.ndarray]]


@dataclass(frozen=True)
class Measured:
    """The largest |x| of a tensor, the number of the image that has it, the fraction outside of limits."""

    largest: float
    image: int
    share_outside: float


def measure(
    inner: onnx.ModelProto, limits: dict[str, tuple[float, float]], feeds: Feeds
) -> dict[str, Measured]:
    """Measure tensors against their limits on images, computed in the graph; empty without images."""
    if not limits:
        return {}
    model = onnx.ModelProto()
    model.CopyFrom(inner)
    del model.graph.output[:]
    for number, (name, (low, high)) in enumerate(limits.items()):
        at = f"measure_{number}_"
        model.graph.initializer.extend(
            helper.make_tensor(f"{at}{side}", TensorProto.FLOAT, [], [limit])
            for side, limit in (("low", low), ("high", high))
        )
        steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
            ("Less", [name, f"{at}low"], "below", {}),
            ("Greater", [name, f"{at}high"], "above", {}),
            ("Or", [f"{at}below", f"{at}above"], "outside", {}),
            ("Cast", [f"{at}outside"], "ones", {"to": TensorProto.FLOAT}),
            ("ReduceMean", [f"{at}ones"], "share", {"keepdims": 0}),
            ("Abs", [name], "abs", {}),
            ("ReduceMax", [f"{at}abs"], "largest", {"keepdims": 0}),
        ]
        for operator, inputs, output, attributes in steps:
            model.graph.node.append(
                helper.make_node(operator, inputs, [at + output], at + output, **attributes)
            )
        model.graph.output.extend(
            helper.make_tensor_value_info(at + output, TensorProto.FLOAT, [])
            for output in ("largest", "share")
        )
    rows = _run(model, feeds)
    if not len(rows):
        return {}
    largest, share = rows[:, ::2], rows[:, 1::2].mean(axis=0)
    # NaN does not hide where the largest number is
    first = np.nan_to_num(largest, nan=-1.0, posinf=np.inf).argmax(axis=0)
    return {
        name: Measured(float(largest[:, i].max()), int(first[i]), float(share[i]))
        for i, name in enumerate(limits)
    }


def is_spoilt(inner: onnx.ModelProto, convolutions: list[onnx.NodeProto], feeds: Feeds) -> bool:
    """Whether a weight, the input or the output of a convolution is not finite."""
    used = {name for node in convolutions for name in node.input}
    weights = (onnx.numpy_helper.to_array(i) for i in inner.graph.initializer if i.name in used)
    if not all(np.isfinite(weight).all() for weight in weights):
        return True
    model = onnx.ModelProto()
    model.CopyFrom(inner)
    del model.graph.output[:]
    tensors = dict.fromkeys(name for node in convolutions for name in (node.input[0], node.output[0]))
    for number, name in enumerate(tensors):
        # a sum is finite only if all its values are
        total = f"total_{number}"
        model.graph.node.append(helper.make_node("ReduceSum", [name], [total], total, keepdims=0))
        model.graph.output.append(helper.make_tensor_value_info(total, TensorProto.FLOAT, []))
    return not np.isfinite(_run(model, feeds)).all()


def _run(model: onnx.ModelProto, feeds: Feeds) -> np.ndarray:
    """The graph's scalar outputs, ``(images, outputs)`` float64."""
    options = SessionOptions()
    options.log_severity_level = 3
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.array([session.run(None, feed) for feed in feeds], dtype=np.float64)
