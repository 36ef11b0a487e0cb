"""Convert a graph to fp16 and int8 with ONNX Runtime's own tools: a trace, or an imported external file.

Only the network is converted. Everything after the last convolutions (for a network without any, after the
last products with weights), including decoding and NMS, stays float32, and so do the outputs. The inputs keep
their types.
"""

import math
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.quantize import load_tensors_data
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from cutpoint.errors import UserError
from cutpoint.export.activations import Feeds, is_spoilt, measure
from cutpoint.export.casts import list_halves, mark_overflows, mend_casts
from cutpoint.export.float_graph import FloatGraph, read_float_graph
from cutpoint.export.positions import find_positions
from cutpoint.export.split import extract, join, split
from cutpoint.files import replacing
from cutpoint.records.manifest import read_manifest
from cutpoint.records.onnx_model import OVERFLOW_KEY, PRECISION_KEY
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
# the first opset whose DequantizeLinear takes a scale for each channel
PER_CHANNEL = 13
# Every fifth calibration image sets no range. The fraction of values outside the range is measured on it.
HELD_OUT = slice(1, None, 5)
LEAST_IMAGES = 2


def to_fp16(*, trace: str, spec: str, manifest: str, out: str, report: str, images: int = 8) -> None:
    """Convert a graph to float16, except inputs, outputs and everything after the last convolutions.

    What computes positions inside the network stays float32 too, see ``positions``. Where float16 overflows
    in the last convolutions, they give NaN, see ``mark_overflows``. Where it overflows before them, the file
    says so (``OVERFLOW_KEY``), and no detections are made of it.

    Args:
        trace: ONNX file of ``trace_model``, or of the import of an external file.
        spec: ``spec.json``, or the specification beside the import.
        manifest: manifest JSON of a data set.
        out: ONNX file to write, with the same inputs and outputs.
        report: JSON file to write: ``bytes``, ``kept_fp32`` and ``overflows``: tensors that float16 cannot
            hold (|x| > 65504), with their largest |x| in float32 and the image that has it.
        images: the number of images of the data set that activations are measured on.

    Raises:
        UserError: an external file that cannot be converted, see ``read_float_graph``.

    Source:
        ``onnxruntime.transformers.float16.convert_float_to_float16``, ONNX Runtime 1.31.
    """
    graph = read_float_graph(trace, spec)
    last, network, rest = _split(graph, trace)
    inner = extract(graph.model, [*network, *last])
    positions, _ = find_positions(inner, inner.graph.node)
    names = [node.name for node in positions]
    made = {name for node in inner.graph.node if node.name not in names for name in node.output}
    limits = {value.name: (-FP16_MAX, FP16_MAX) for value in _floats(inner) if value.name in made}
    chosen = read_manifest(manifest).images[:images]
    read = {name for node in inner.graph.node if node.name not in names for name in node.input}
    constants = [i for i in inner.graph.initializer if i.data_type == TensorProto.FLOAT and i.name in read]
    values = [
        Overflow(i.name, float(np.abs(onnx.numpy_helper.to_array(i)).max(initial=0))) for i in constants
    ]
    measured = measure(inner, limits, graph.feeds(chosen))
    values += [
        Overflow(name, found.largest, f"image id {chosen[found.image].id} ({chosen[found.image].path})")
        for name, found in measured.items()
    ]
    before = onnx.ModelProto()
    before.CopyFrom(inner)
    converted = convert_float_to_float16(inner, keep_io_types=True, node_block_list=names)
    mend_casts(converted, before)
    # a value that is infinite in float32 is not an overflow of float16
    overflows = [value for value in values if FP16_MAX < value.max_abs < math.inf]
    overflows.sort(key=_largest_first)
    halves = list_halves(converted)
    lost = next((value for value in overflows if value.image and value.tensor in halves), None)
    model = join(converted, graph.model, rest)
    mark_overflows(model, [name for node in last for name in node.output])
    if lost is not None:
        model.metadata_props[OVERFLOW_KEY] = (
            f"{lost.tensor} has {lost.max_abs:.3g}, which float16 cannot hold, on {lost.image}"
        )
    _save(model, graph, "fp16", out)
    blocked = [n for n in network + last if n.op_type in DEFAULT_OP_BLOCK_LIST and n.name not in names]
    write_precision(
        report,
        PrecisionReport(
            precision="fp16",
            bytes=_bytes(trace, out),
            kept_fp32=_kept(
                {
                    "behind the last convolutions": rest,
                    "computes positions": positions,
                    "float32 by the tool": blocked,
                }
            ),
            images=len(chosen),
            overflows=tuple(overflows),
        ),
    )


def to_int8(*, trace: str, spec: str, manifest: str, images: int, out: str, report: str) -> None:
    """Quantise a graph's convolutions to int8: static, QDQ, weights per channel, ranges min to max.

    The first convolution, depthwise ones, the head's last ones and everything after them stay float32, and so
    do the last ones before positions are computed (those of an RPN). A range cannot have NaN or infinity: a
    convolution with such values stays float32, and the report says so. Products with weights (``MatMul``,
    ``Gemm``) stay float32 too: a transformer's tensors have outliers that one range for a whole tensor does
    not serve.

    Args:
        trace: ONNX file of ``trace_model``, or of the import of an external file, which is converted to opset
            ``PER_CHANNEL`` if it is older.
        spec: ``spec.json``, or the specification beside the import.
        manifest: manifest JSON of the calibration images, none of which should be scored.
        images: how many of them.
        out: ONNX file to write, with the same inputs and outputs.
        report: JSON file to write: ``bytes``, ``kept_fp32`` and ``saturated``: quantised tensors of which
            values lie outside the calibrated range on the images held out of the calibration (every fifth),
            with the range, the fraction outside and the largest |x|.

    Raises:
        UserError: fewer than two images, no convolution to quantise, or an external file that cannot be
            converted, see ``read_float_graph``.

    Source:
        ``onnxruntime.quantization.quantize_static``, ONNX Runtime 1.31.
    """
    graph = read_float_graph(trace, spec, PER_CHANNEL)
    chosen = read_manifest(manifest).images[:images]
    if len(chosen) < LEAST_IMAGES:
        raise UserError(
            f"calibration on {manifest}: {len(chosen)} image(s); int8 needs at least {LEAST_IMAGES}"
        )
    held_out = chosen[HELD_OUT]
    calibration = [image for image in chosen if image not in held_out]
    last, network, rest = _split(graph, trace)
    inner = extract(graph.model, network)
    convolutions = [node for node in inner.graph.node if node.op_type == "Conv"]
    placing = [node for node in find_positions(inner, inner.graph.node)[1] if node.op_type == "Conv"]
    placing_names = {node.name for node in placing}
    others = [node for node in convolutions[1:] if node.name not in placing_names]
    first, depthwise = convolutions[:1], [node for node in others if _is_depthwise(node, inner)]
    if len(others) == len(depthwise):
        raise UserError(
            f"{trace}: int8 quantises convolutions, and between its first and its last ones there is none "
            "(depthwise ones stay float32); use precision fp16, or quantise it where it was made"
        )
    if is_spoilt(inner, convolutions, graph.feeds(calibration)):
        kept = {"NaN or infinity in a convolution": network}
        limits: dict[str, tuple[float, float]] = {}
        _save(join(inner, graph.model, [*last, *rest]), graph, "fp32", out)
    else:
        kept = {"first convolution": first, "depthwise convolution": depthwise}
        kept |= {"last convolution before positions": placing}
        excluded = [node.name for node in first + depthwise + placing]
        converted, limits = _quantise(inner, excluded, graph.feeds(calibration))
        _save(join(converted, graph.model, [*last, *rest]), graph, "int8", out)
    kept |= {"last convolution of the head": last, "behind the last convolutions": rest}
    if limits:
        kept["not a convolution"] = [node for node in inner.graph.node if node.op_type != "Conv"]
    measured = measure(inner, limits, graph.feeds(held_out))
    saturated = (
        Saturation(name, found.largest, limits[name], found.share_outside)
        for name, found in measured.items()
        if found.share_outside > 0 and math.isfinite(found.largest)
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


def _split(
    graph: FloatGraph, path: str
) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto], list[onnx.NodeProto]]:
    """See ``split``."""
    last, network, rest = split(graph.model, graph.ends)
    if not last:
        raise UserError(
            f"{path}: no operator with weights lies before its outputs, so there is no network to convert; "
            "remove precision from the variant"
        )
    return last, network, rest


def _quantise(
    inner: onnx.ModelProto, excluded: list[str], feeds: Feeds
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
    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)


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


def _save(model: ir.Model, graph: FloatGraph, precision: str, out: str) -> None:
    model.metadata_props.update(graph.metadata | {PRECISION_KEY: precision})
    with replacing(out) as temporary:
        ir.save(model, temporary)
