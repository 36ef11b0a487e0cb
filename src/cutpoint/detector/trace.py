"""Trace a model once per shape: one ONNX graph with the outputs of ``raw`` and ``decoded``."""

import contextlib
import logging
import math
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from typing import Any

import onnx
import onnx_ir as ir
import torch
from onnx_ir.passes import common as passes

from cutpoint.detector import operators
from cutpoint.detector.build import build_detector, load_config
from cutpoint.detector.cuts import Cuts
from cutpoint.detector.kinds import find_kind
from cutpoint.detector.trace_check import (
    Condition,
    Sides,
    Sizes,
    check_sides,
    check_whole,
    find_conditions,
    find_violated,
    recording,
)
from cutpoint.errors import UserError
from cutpoint.export.exporters import check_exporter
from cutpoint.files import replacing
from cutpoint.records.head import DenseHead, HeadSpec
from cutpoint.records.model import read_spec

DEFORMABLE_OPSET = 19
# The stride of the coarsest level of RPNs and of deformable transformers.
COARSEST = 64


def trace_model(
    *,
    config: str,
    checkpoint: str | None,
    spec: str,
    shape: str | list[int],
    out: str,
    opset: int = 20,
    exporter: str = "dynamo",
) -> None:
    """Export a model with every cut's outputs in one graph.

    Args:
        config: mmdet config.
        checkpoint: weights; null gives random ones.
        spec: ``spec.json``.
        shape: ``"dynamic"`` (batch, height and width free) or ``[height, width]`` (batch 1).
        out: ONNX file to write; input ``images`` ``(B, 3, H, W)`` float32, and ``image_sizes`` for heads that
            take them.
        opset: 18 to 22.
        exporter: ``dynamo``, or torch's older ``torchscript``: opset 18 to 20, no deformable convolution
            and no two-stage detector.

    Raises:
        UserError: a static shape is not a multiple of the model's divisor, the exporter does not write the
            opset or an operator, ONNX Runtime does not implement it, or the graph does not serve every input
            that was asked for.
    """
    model_spec = read_spec(spec)
    head, kind = model_spec.head, find_kind(model_spec, "the trace")
    check_exporter(head, opset, exporter)
    detector = build_detector(load_config(config), checkpoint)
    cuts = kind.cuts(detector, head).eval()
    dynamic = isinstance(shape, str)
    height, width = _example_size(head, model_spec.input.divisor) if isinstance(shape, str) else shape
    # with an example batch of 1 the exporter may bake it in
    example = {"images": torch.zeros(2 if dynamic else 1, 3, height, width)}
    if head.takes_sizes:
        sizes = torch.tensor([[height, width, 1.0, 1.0]])
        example["image_sizes"] = sizes.expand(len(example["images"]), 4).contiguous()
    multiple = max(model_spec.input.divisor, 1) if dynamic else None
    export = _by_dynamo if exporter == "dynamo" else _by_torchscript
    with _quiet(), torch.no_grad(), operators.exporting():
        try:
            model = export(cuts, example, multiple, opset)
        except torch.onnx.errors.UnsupportedOperatorError as error:
            raise UserError(f"exporter {exporter}, opset {opset}: {str(error).splitlines()[0]}") from error
        except RuntimeError as error:
            if dynamic:
                raise
            raise UserError(f"shape {height}x{width}: the model does not run on it ({error})") from error
    nonstandard = sorted({f"{node.domain}:{node.op_type}" for node in model.graph if node.domain})
    if nonstandard:
        raise UserError(
            f"exporter {exporter}: it writes {', '.join(nonstandard)}, not in the ONNX standard; use dynamo"
        )
    if opset < DEFORMABLE_OPSET and any(node.op_type == "DeformConv" for node in model.graph):
        raise UserError(f"opset {opset}: deformable convolutions need {DEFORMABLE_OPSET} or later")
    check_whole(model, exporter)
    passes.ClearMetadataAndDocStringPass()(model)
    with replacing(out) as temporary:
        ir.save(model, temporary)


def _by_dynamo(
    cuts: Cuts[Any], example: dict[str, torch.Tensor], multiple: int | None, opset: int
) -> ir.Model:
    shapes: dict[str, dict[int, Any]] | None = None
    if multiple:
        batch = torch.export.Dim("batch")
        shapes = {name: {0: batch} for name in example}
        shapes["images"] |= {2: _side("height", multiple), 3: _side("width", multiple)}
    with recording() as captured:
        program: Any = torch.onnx.export(
            cuts,
            tuple(example.values()),
            input_names=list(example),
            output_names=cuts.spec.output_names,
            dynamic_shapes=shapes,
            opset_version=opset,
            custom_translation_table=operators.TRANSLATIONS,
            dynamo=True,
            verbose=False,
        )
    conditions = find_conditions(captured[-1]) if multiple else []
    violated = find_violated(conditions, multiple) if multiple else []
    if violated and not _fails_itself(cuts, conditions, {size for _, size in violated}):
        raise UserError(
            f"exporter dynamo: the model's code takes another branch where {violated[0][0].text} does not "
            "hold, and the file would have one branch only. Use `shape: [height, width]`, a static shape"
        )
    program.optimize()
    model: ir.Model = program.model
    keep_constants(model.graph)
    check_sides(model, _wanted(example, multiple), "dynamo")
    return model


def keep_constants(graph: ir.Graph) -> None:
    """Give a graph the constants that its nodes take and it lacks.

    The optimiser of onnxscript 0.7 makes one Clip of two. If two such pairs have one input, it makes their
    limits under one name, and the graph gets only those of the first pair.
    """
    for node in graph.all_nodes():
        for value in node.inputs:
            made = value is not None and value.const_value is not None and value.producer() is None
            if value is not None and made and not value.is_initializer():
                graph.register_initializer(value)


def _by_torchscript(
    cuts: Cuts[Any], example: dict[str, torch.Tensor], multiple: int | None, opset: int
) -> ir.Model:
    """This exporter gives the sides of all levels the same names, so ONNX Runtime shares buffers wrongly."""
    written = BytesIO()
    axes: dict[str, Any] = {}
    if multiple:
        axes = {name: {0: "batch"} for name in example}
        axes["images"] |= {2: "height", 3: "width"}
    settings: dict[str, Any] = {"dynamic_axes": axes, "opset_version": opset, "dynamo": False}
    names = {"input_names": list(example), "output_names": cuts.spec.output_names}
    file: Any = written
    torch.onnx.export(cuts, tuple(example.values()), file, **names, **settings)
    model = onnx.load_from_string(written.getvalue())
    _forget_names(model)
    model = onnx.shape_inference.infer_shapes(model)
    _forget_names(model)
    result = ir.from_proto(model)
    for node in list(result.graph):
        # a weight that several levels share is behind Identity nodes
        source = node.inputs[0] if node.op_type == "Identity" else None
        if source is not None and source.is_initializer():
            node.outputs[0].replace_all_uses_with(source)
            result.graph.remove(node, safe=True)
    # this exporter names a side and does not know that it is a multiple
    check_sides(result, _wanted(example, 1 if multiple else None), "torchscript")
    return result


def _forget_names(model: onnx.ModelProto) -> None:
    for value in [*model.graph.output, *model.graph.value_info]:
        for side in value.type.tensor_type.shape.dim:
            side.ClearField("dim_param")


def _example_size(head: HeadSpec, divisor: int) -> tuple[int, int]:
    """Height and width: 3 x 4 cells of the coarsest level. The exporter takes a side of 1 for a constant."""
    multiple = max(divisor, 1)
    strides = head.strides if isinstance(head, DenseHead) else ((COARSEST, COARSEST),)
    coarsest = max(multiple, *(side for stride in strides for side in stride))
    height, width = (math.ceil(cells * coarsest / multiple) * multiple for cells in (3, 4))
    return height, width


def _fails_itself(cuts: Cuts[Any], conditions: Sequence[Condition], sizes: Iterable[Sizes]) -> bool:
    """Whether conditions hold on the sizes that the model takes, and it fails on the others as its file does.

    RTMDet's neck joins maps of neighbouring levels: sides are multiples of the coarsest stride, although its
    data preprocessor does not say so. SSD's last maps are empty for images that are much smaller than its
    own. ``sizes``: batch, height and width for which a condition does not hold.
    """
    if not isinstance(cuts.spec, DenseHead):
        return False
    coarsest = max(side for stride in cuts.spec.strides for side in stride)
    return not find_violated(conditions, coarsest) and all(_fails(cuts, size) for size in sizes)


def _fails(cuts: Cuts[Any], size: Sizes) -> bool:
    batch, height, width = size
    try:
        cuts(torch.zeros(batch, 3, height, width))
    except RuntimeError:
        return True
    return False


def _wanted(example: dict[str, torch.Tensor], multiple: int | None) -> dict[str, Sides]:
    """The sides of each input that the written file must have."""
    wanted: dict[str, Sides] = {name: tuple(value.shape) for name, value in example.items()}
    if multiple is None:
        return wanted
    height, width = (name if multiple == 1 else f"{multiple}*{name}" for name in ("height", "width"))
    wanted = {name: ("batch", *sides[1:]) for name, sides in wanted.items()}
    return wanted | {"images": ("batch", wanted["images"][1], height, width)}


def _side(name: str, multiple: int) -> torch.export.Dim:
    """A side that is a multiple of the divisor; the exported input says so."""
    return multiple * torch.export.Dim(name, min=1) if multiple > 1 else torch.export.Dim(name)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's messages out of the user's console, except errors."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        logger = logging.getLogger("torch.onnx")
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)
