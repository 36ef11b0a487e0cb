"""Find invalid outputs: NaN, infinity, a label that the model does not have."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from cutpoint.errors import UserError
from cutpoint.predict.pipeline import Pipeline
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections, Refused
from cutpoint.records.head import BATCH, Shape
from cutpoint.records.image import Geometry
from cutpoint.records.model import ModelSpec

ROWS = (BATCH, "rows")
E2E: dict[str, Shape] = {"boxes": (*ROWS, 4), "scores": ROWS, "labels": ROWS, "count": (BATCH,)}


def read_valid(pipeline: Pipeline, outputs: Any, geometry: Geometry, image: int) -> Candidates | Detections:
    """``pipeline.read`` for an image of the batch, with a check of its outputs before and its rows after.

    Raises:
        Refused: NaN, infinity, or an invalid label: ``cls_0 has NaN``.
        UserError: outputs have other shapes than the cut; an external file need not state its shapes.
    """
    if isinstance(outputs, dict):
        wrong = find_misshapen(pipeline.cut, outputs, pipeline.spec, image)
        if wrong:
            raise UserError(wrong)
    problem = find_invalid(pipeline.tensors(outputs, image))
    if problem is None and pipeline.cut == "e2e" and isinstance(outputs, dict):
        problem = _find_count(int(outputs["count"][image]), outputs["scores"].shape[1])
    if problem is None:
        rows = pipeline.read(outputs, geometry, image)
        if isinstance(rows, Candidates):
            # finite logits may be decoded to infinity
            problem = find_invalid((("the decoded boxes", rows.boxes), ("the scores", rows.score)))
            problem = problem or _find_label(rows.label, len(pipeline.spec.classes))
        else:
            problem = find_invalid((("boxes", rows.boxes), ("scores", rows.scores)))
            problem = problem or _find_label(rows.labels, len(pipeline.spec.classes))
    if problem:
        raise Refused(problem)
    return rows


def find_misshapen(cut: str, outputs: dict[str, np.ndarray], spec: ModelSpec, image: int = 0) -> str | None:
    """Name the first output that has not the shape that cut and head ask for; null if all have it.

    Args:
        cut, outputs, spec: from a pipeline that gives arrays by name.
        image: index into the batch, which must exist.
    """
    lengths: dict[str, int] = {}

    def known(side: int | str | None) -> int | None:
        return lengths.get(side) if isinstance(side, str) else side

    for name, sides in (E2E if cut == "e2e" else spec.head.shapes(cut)).items():
        if name not in outputs:
            continue
        shape = outputs[name].shape
        fits = len(shape) == len(sides)
        if not fits or any(known(side) not in (None, got) for side, got in zip(sides, shape, strict=True)):
            text = ", ".join(str(known(side) or "any") for side in sides)
            return f"output {name} has shape {shape}, ({text}) is needed: it is not as outputs describes it"
        if sides[0] == BATCH and image >= shape[0]:
            return f"output {name} has shape {shape} for {image + 1} images or more; use batch 1"
        named = zip(sides, shape, strict=True)
        lengths |= {side: got for side, got in named if isinstance(side, str) and side != BATCH}
    if cut == "decoded" and "level_counts" in outputs:
        rows, priors = outputs["boxes"].shape[1], outputs["level_counts"].sum()
        if priors != rows:
            return (
                f"output boxes has {rows} rows, {spec.head.head} has {priors} priors at this size: it is not "
                "as outputs describes it"
            )
    return None


def find_invalid(tensors: Iterable[tuple[str, Any]]) -> str | None:
    """Name the first tensor that is not finite: ``cls_0 has NaN``; null if all are finite.

    Args:
        tensors: name and numpy array or torch tensor, on any device.
    """
    for name, values in tensors:
        # one pass: with NaN or infinity a sum is not finite; only then the values themselves are read
        with np.errstate(over="ignore", invalid="ignore"):
            if math.isfinite(float(values.sum())):
                continue
        if bool((values != values).any()):
            return f"{name} has NaN"
        if bool((abs(values) == math.inf).any()):
            return f"{name} has infinity"
    return None


def _find_count(count: int, rows: int) -> str | None:
    return None if 0 <= count <= rows else f"count has {count}, of {rows} rows"


def _find_label(labels: np.ndarray, classes: int) -> str | None:
    """The error in the labels of counted detections, or null."""
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if not len(outside):
        return None
    return (
        f"labels has {labels[outside[0]]} (the model's {classes} classes are 0 to {classes - 1}: "
        "outputs.label.offset says where a file's labels start)"
    )
