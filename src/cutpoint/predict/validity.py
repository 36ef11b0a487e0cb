"""Outputs of which no number may be made: NaN, infinity, a label that the model does not have."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from cutpoint.data.detections import Refused
from cutpoint.data.image import Geometry
from cutpoint.postprocessing.candidates import Candidates
from cutpoint.postprocessing.recipes import Detections
from cutpoint.predict.pipeline import Pipeline


def read_valid(pipeline: Pipeline, outputs: Any, geometry: Geometry, image: int) -> Candidates | Detections:
    """``pipeline.read`` of an image of the batch, its outputs looked through before and its rows behind.

    Raises:
        Refused: NaN, infinity, or a label that is none: ``cls_0 has NaN``.
    """
    problem = find_invalid(pipeline.tensors(outputs, image))
    if problem is None:
        rows = pipeline.read(outputs, geometry, image)
        if isinstance(rows, Candidates):
            # finite logits may be decoded to infinity
            problem = find_invalid((("the decoded boxes", rows.boxes),))
        else:
            problem = find_invalid((("boxes", rows.boxes), ("scores", rows.scores)))
            problem = problem or _find_label(rows.labels, len(pipeline.spec.classes))
    if problem:
        raise Refused(problem)
    return rows


def find_invalid(tensors: Iterable[tuple[str, Any]]) -> str | None:
    """Name the first tensor that is not finite: ``cls_0 has NaN``; null where all are.

    Args:
        tensors: name and numpy array or torch tensor, on any device.
    """
    for name, values in tensors:
        # one pass: no NaN or infinity leaves a sum finite; only a sum that is not asks the values themselves
        with np.errstate(over="ignore", invalid="ignore"):
            if math.isfinite(float(values.sum())):
                continue
        if bool((values != values).any()):
            return f"{name} has NaN"
        if bool((abs(values) == math.inf).any()):
            return f"{name} has infinity"
    return None


def _find_label(labels: np.ndarray, classes: int) -> str | None:
    """What is wrong with the labels of counted detections."""
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if not len(outside):
        return None
    return (
        f"a detection has label {labels[outside[0]]}, the model has {classes} classes, 0 to {classes - 1} "
        "(outputs.label.offset says where a file's labels start)"
    )
