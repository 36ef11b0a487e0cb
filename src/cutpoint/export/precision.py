"""Convert the traced graph to fp16 and int8 with ONNX Runtime's own tools.

Only the network is converted. Everything after the head's last convolutions, including decoding, stays
float32, and so do the graph's inputs and outputs.
"""

import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper
from onnxruntime import InferenceSession, SessionOptions
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.quantize import load_tensors_data
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from cutpoint.data.image import decode, prepare
from cutpoint.errors import UserError, located
from cutpoint.export.split import extract, join, split
from cutpoint.files import replacing
from cutpoint.records.manifest import Image, read_manifest
from cutpoint.records.model import ModelSpec, read_spec
from cutpoint.records.onnx_model import PRECISION_KEY
from cutpoint.records.precision import (
    Bytes,
    CalibrationImages,
    KeptNodes,
    Overflow,
    PrecisionReport,
    Saturation,
    write_precision,
)

FP16_MAX = 65504.0
# Every fifth calibration image sets no range. The fraction of values outside the range is measured on it.
HELD_OUT = slice(1, None, 5)
LEAST_IMAGES = 2


def to_fp16(*, trace: str, spec: str, manifest: str, out: str, report: str, images: int = 8) -> None:
    """Convert a trace to float16, except inputs, outputs and everything after the last convolutions.

    Args:
        trace: ONNX file of ``trace_model``.
        spec: ``spec.json``.
        manifest: manifest JSON of a data set.
        out: ONNX file to write, with the same inputs and outputs.
        report: JSON file to write: ``bytes``, ``kept_fp32`` and ``overflows``: tensors that float16 cannot
            hold (|x| > 65504), with their largest |x| in float32.
        images: the number of images of the data set that activations are measured on.

    Source:
        ``onnxruntime.transformers.float16.convert_float_to_float16``, ONNX Runtime 1.31.
    """
    model, model_spec = onnx.load(trace), read_spec(spec)
    last, network, rest = split(model, model_spec.head.raw_names)
    inner = extract(model, [*network, *last])
    made = {name for node in inner.graph.node for name in node.output}
    limits = {value.name: (-FP16_MAX, FP16_MAX) for value in _floats(inner) if value.name in made}
    chosen = read_manifest(manifest).images[:images]
    feeds = _feeds(chosen, model, model_spec)
    constants = [i for i in inner.graph.initializer if i.data_type == TensorProto.FLOAT]
    values = {i.name: float(np.abs(onnx.numpy_helper.to_array(i)).max(initial=0)) for i in constants}
    values |= {name: largest for name, (largest, _) in _measure(inner, limits, feeds).items()}
    converted = convert_float_to_float16(inner, keep_io_types=True)
    _save(join(converted, model, rest), "fp16", out)
    blocked = [n for n in network + last if n.op_type in DEFAULT_OP_BLOCK_LIST]
    # a value that is infinite in float32 is not an overflow of float16
    overflows = (Overflow(name, value) for name, value in values.items() if FP16_MAX < value < math.inf)
    write_precision(
        report,
        PrecisionReport(
            precision="fp16",
            bytes=_bytes(trace, out),
            kept_fp32=_kept({"behind the last convolutions": rest, "float32 by the tool": blocked}),
            images=len(chosen),
            overflows=tuple(sorted(overflows, key=_largest_first)),
        ),
    )


def to_int8(*, trace: str, spec: str, manifest: str, images: int, out: str, report: str) -> None:
    """Quantise a trace's convolutions to int8: static, QDQ, weights per channel, ranges min to max.

    The first convolution, depthwise ones, the head's last ones and everything after them stay float32. A
    range cannot have NaN or infinity: a convolution with such values stays float32, and the report says so.

    Args:
        trace: ONNX file of ``trace_model``.
        spec: ``spec.json``.
        manifest: manifest JSON of the calibration images, none of which should be scored.
        images: how many of them.
        out: ONNX file to write, with the same inputs and outputs.
        report: JSON file to write: ``bytes``, ``kept_fp32`` and ``saturated``: quantised tensors of which
            values lie outside the calibrated range on the images held out of the calibration (every fifth),
            with the range, the fraction outside and the largest |x|.

    Raises:
        UserError: fewer than two images.

    Source:
        ``onnxruntime.quantization.quantize_static``, ONNX Runtime 1.31.
    """
    model, model_spec = onnx.load(trace), read_spec(spec)
    chosen = read_manifest(manifest).images[:images]
    if len(chosen) < LEAST_IMAGES:
        raise UserError(
            f"calibration on {manifest}: {len(chosen)} image(s); int8 needs at least {LEAST_IMAGES}"
        )
    held_out = chosen[HELD_OUT]
    calibration = [image for image in chosen if image not in held_out]
    last, network, rest = split(model, model_spec.head.raw_names)
    inner = extract(model, network)
    convolutions = [node for node in inner.graph.node if node.op_type == "Conv"]
    first, depthwise = convolutions[:1], [n for n in convolutions[1:] if _is_depthwise(n, inner)]
    if _is_spoilt(inner, convolutions, _feeds(calibration, model, model_spec)):
        kept = {"NaN or infinity in a convolution": network}
        limits: dict[str, tuple[float, float]] = {}
        _save(join(inner, model, [*last, *rest]), "fp32", out)
    else:
        kept = {"first convolution": first, "depthwise convolution": depthwise}
        excluded = [node.name for node in first + depthwise]
        converted, limits = _quantise(inner, excluded, _feeds(calibration, model, model_spec))
        _save(join(converted, model, [*last, *rest]), "int8", out)
    kept |= {"last convolution of the head": last, "behind the last convolutions": rest}
    if limits:
        kept["not a convolution"] = [node for node in inner.graph.node if node.op_type != "Conv"]
    measured = _measure(inner, limits, _feeds(held_out, model, model_spec))
    saturated = (
        Saturation(name, largest, limits[name], share)
        for name, (largest, share) in measured.items()
        if share > 0 and math.isfinite(largest)
    )
    write_precision(
        report,
        PrecisionReport(
            precision="int8",
            bytes=_bytes(trace, out),
            kept_fp32=_kept(kept),
            images=CalibrationImages(len(calibration), len(held_out)),
            quantised_tensors=len(limits),
            saturated=tuple(sorted(saturated, key=_largest_first)),
        ),
    )


def _quantise(
    inner: onnx.ModelProto, excluded: list[str], feeds: Iterator[dict[str, np.ndarray]]
) -> tuple[onnx.ModelProto, dict[str, tuple[float, float]]]:
    """The quantised graph, and the range of each quantised tensor; ``excluded``: names of nodes."""
    with tempfile.TemporaryDirectory() as folder:
        prepared, ranges, quantised = (Path(folder) / name for name in ("in.onnx", "ranges.json", "out.onnx"))
        quant_pre_process(inner, prepared, skip_optimization=True, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            quantised,
            _Reader(feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=excluded,
            calibration_cache_path=ranges,
        )
        converted = onnx.load(quantised)
        limits = {
            name: tuple(side.item() for side in found.range_value)
            for name, found in load_tensors_data(ranges).items()
        }
    used = {t for node in converted.graph.node if node.op_type == "QuantizeLinear" for t in node.input[:1]}
    return converted, {name: limit for name, limit in limits.items() if name in used}


class _Reader(CalibrationDataReader):
    def __init__(self, feeds: Iterator[dict[str, np.ndarray]]) -> None:
        self._feeds = feeds

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)


def _feeds(
    images: Sequence[Image], model: onnx.ModelProto, spec: ModelSpec
) -> Iterator[dict[str, np.ndarray]]:
    """The images one by one, prepared by the model's own input recipe."""
    sides = [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim[2:]]
    for image in images:
        with located(f"calibration image {image.path}"):
            tensor, _ = prepare(decode(image.path), spec.input, tuple(sides) if all(sides) else None)
        yield {"images": tensor}


def _measure(
    inner: onnx.ModelProto, limits: dict[str, tuple[float, float]], feeds: Iterator[dict[str, np.ndarray]]
) -> dict[str, tuple[float, float]]:
    """The largest |x| of each tensor and its fraction of values outside the limits, computed in the graph."""
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
    largest, share = rows[:, ::2].max(axis=0), rows[:, 1::2].mean(axis=0)
    return {name: (float(largest[i]), float(share[i])) for i, name in enumerate(limits)}


def _is_spoilt(
    inner: onnx.ModelProto, convolutions: list[onnx.NodeProto], feeds: Iterator[dict[str, np.ndarray]]
) -> bool:
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


def _run(model: onnx.ModelProto, feeds: Iterator[dict[str, np.ndarray]]) -> np.ndarray:
    """The graph's scalar outputs, ``(images, outputs)`` float64."""
    options = SessionOptions()
    options.log_severity_level = 3
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.array([session.run(None, feed) for feed in feeds], dtype=np.float64)


def _is_depthwise(node: onnx.NodeProto, model: onnx.ModelProto) -> bool:
    """Whether a convolution has several groups with a single input channel each."""
    group = next((a.i for a in node.attribute if a.name == "group"), 1)
    weight = next((i for i in model.graph.initializer if i.name == node.input[1]), None)
    return group > 1 and weight is not None and weight.dims[1] == 1


def _floats(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    values = [*model.graph.value_info, *model.graph.output]
    return [value for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT]


def _kept(nodes: dict[str, list[onnx.NodeProto]]) -> KeptNodes:
    """The nodes that stay float32: the number of each operator, and their names by reason."""
    counts = Counter(node.op_type for group in nodes.values() for node in group)
    names = {reason: tuple(node.name for node in group) for reason, group in nodes.items() if group}
    return KeptNodes(dict(counts.most_common()), names)


def _largest_first(tensor: Overflow | Saturation) -> tuple[float, str]:
    """The largest |x| first; of equal ones by name, since ONNX Runtime lists them in the order of a set."""
    return -tensor.max_abs, tensor.tensor


def _bytes(before: str, after: str) -> Bytes:
    return Bytes(Path(before).stat().st_size, Path(after).stat().st_size)


def _save(model: ir.Model, precision: str, out: str) -> None:
    model.metadata_props[PRECISION_KEY] = precision
    with replacing(out) as temporary:
        ir.save(model, temporary)
