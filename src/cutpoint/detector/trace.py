"""Trace a model once per shape: one ONNX graph with the outputs of ``raw`` and ``decoded``."""

import contextlib
import logging
import math
import sys
import warnings
from collections.abc import Iterator

import torch

from cutpoint.detector.build import build_detector, load_config
from cutpoint.detector.cuts import Cuts
from cutpoint.errors import UserError
from cutpoint.files import read_json, replacing
from cutpoint.headspec import ModelSpec

OPSET = 20


def trace_model(*, config: str, checkpoint: str | None, spec: str, shape: str | list[int], out: str) -> None:
    """Export a model with every cut's outputs in one graph.

    Args:
        config: mmdet config.
        checkpoint: weights; null gives random ones.
        spec: ``spec.json``.
        shape: ``"dynamic"`` (batch, height and width free) or ``[height, width]`` (batch 1).
        out: ONNX file to write; input ``images`` ``(B, 3, H, W)`` float32.

    Raises:
        UserError: a static shape that is no multiple of the model's divisor.
    """
    model_spec = ModelSpec.from_dict(read_json(spec))
    detector = build_detector(load_config(config), checkpoint)
    cuts = Cuts(detector, model_spec.head).eval()
    dynamic = shape == "dynamic"
    divisor = model_spec.input.divisor
    if dynamic:
        multiple = max(divisor, 1)
        # The exporter takes a side of 1 for a constant, so the coarsest level has 3 x 4 cells.
        coarsest = max(multiple, *(side for stride in model_spec.head.strides for side in stride))
        height, width = (math.ceil(cells * coarsest / multiple) * multiple for cells in (3, 4))
        sides = {2: _side("height", multiple), 3: _side("width", multiple)}
        dynamic_shapes = {"images": {0: torch.export.Dim("batch"), **sides}}
        # with an example batch of 1 the exporter may bake it in
        example = torch.zeros(2, 3, height, width)
    else:
        height, width = shape
        dynamic_shapes = None
        example = torch.zeros(1, 3, height, width)
    with _quiet(), torch.no_grad():
        try:
            program = torch.onnx.export(
                cuts,
                (example,),
                input_names=["images"],
                output_names=[*model_spec.head.raw_names, *model_spec.head.decoded_names],
                dynamic_shapes=dynamic_shapes,
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        except RuntimeError as error:
            if dynamic:
                raise
            raise UserError(f"shape {height}x{width}: the model does not run on it ({error})") from error
    program.optimize()
    with replacing(out) as temporary:
        program.save(str(temporary), external_data=False)


def _side(name: str, multiple: int) -> torch.export.Dim:
    """A side that is a multiple of the divisor; the exported input says so."""
    return multiple * torch.export.Dim(name, min=1) if multiple > 1 else torch.export.Dim(name)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's chatter out of the user's console; errors stay."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        logger = logging.getLogger("torch.onnx")
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)
