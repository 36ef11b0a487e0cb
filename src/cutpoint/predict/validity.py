"""Find invalid outputs: NaN, infinity, a label that the model does not have."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from cutpoint.errors import UserError
from cutpoint.predict.pipeline import Pipeline
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections, Refused
from cutpoint.records.head import DenseHead, Part
from cutpoint.records.image import Geometry
from cutpoint.records.model import ModelSpec, dense_head


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
    wanted: dict[str, tuple[int | None, ...]] = {}
    rows: int | None = None
    if cut == "raw":
        head = dense_head(spec, "the cut raw")
        for name in head.raw_names:
            tensor, _, level = name.rpartition("_")
            each = max(part.stop for part in _parts(head) if part.tensor == tensor)
            wanted[name] = (None, each * head.anchors_per_cell(int(level)), None, None)
    else:
        rows = outputs["boxes"].shape[1] if outputs["boxes"].ndim > 1 else None
        wanted["boxes"] = (None, rows, 4)
        if cut == "decoded":
            wanted |= {"scores": (None, rows, spec.head.num_classes), "factors": (None, rows)}
        else:
            wanted |= {"scores": (None, rows), "labels": (None, rows), "count": (None,)}
    for name, sides in wanted.items():
        if name not in outputs:
            continue
        shape = outputs[name].shape
        if len(shape) != len(sides) or any(w not in (None, got) for w, got in zip(sides, shape, strict=True)):
            text = ", ".join("any" if side is None else str(side) for side in sides)
            return f"output {name} has shape {shape}, ({text}) is needed: it is not as outputs describes it"
        if image >= shape[0]:
            return f"output {name} has shape {shape} for {image + 1} images or more; use batch 1"
    if cut == "decoded" and outputs["level_counts"].sum() != rows:
        return (
            f"output boxes has {rows} rows, {spec.head.head} has {outputs['level_counts'].sum()} priors at "
            "this size: it is not as outputs describes it"
        )
    return None


def _parts(head: DenseHead) -> list[Part]:
    return [head.score, *head.box, *([head.factor] if head.factor else [])]


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
