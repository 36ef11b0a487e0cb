"""Mistakes in reading the tensors of a head with priors at every cell."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cutpoint.compare.mistake import Mistake, Outputs
from cutpoint.compare.shared_mistakes import SIGMOID_TWICE, sigmoid, stds_mistakes, without_factor
from cutpoint.records.head import DenseHead, HeadSpec, Part


def dense_mistakes(own: Mistake, head: DenseHead) -> Iterator[Mistake]:
    """The mistakes that a head of this kind leaves room for."""
    if head.coder.get("from_point", True):  # the only boxes without a prior are corners from the origin
        yield own.named("half_pixel", "priors half a stride off", head=_shift_priors(head))
    yield from stds_mistakes(own, head)
    if head.factor is not None:
        yield from without_factor(own, replace(head, factor=None))
    if head.score_activation == "sigmoid":
        yield own.named("double_sigmoid", SIGMOID_TWICE, outputs=_activate)


def _shift_priors(own: DenseHead) -> DenseHead:
    """Priors shifted by half a stride, to the other usual place: the cell's corner or its centre."""
    if own.anchors is None:
        return replace(own, point_offset=0.0 if own.point_offset else 0.5)
    levels = []
    for stride, level in zip(own.strides, own.anchors, strict=True):
        x1, y1, x2, y2 = level[0]
        sign = -1 if max(abs(x1 + x2) / stride[0], abs(y1 + y2) / stride[1]) > 0.5 else 1
        shift = np.array([*stride, *stride]) * 0.5 * sign
        levels.append(tuple(tuple((np.array(anchor) + shift).tolist()) for anchor in level))
    return replace(own, anchors=tuple(levels))


def _activate(outputs: Outputs, head: HeadSpec) -> Outputs:
    """The raw tensors with the sigmoid of the class scores instead of their logits."""
    assert isinstance(head, DenseHead)
    changed = dict(outputs)
    for level in range(head.levels):
        name = f"{head.score.tensor}_{level}"
        changed[name] = _sigmoid_of_part(outputs[name], head.score, head.anchors_per_cell(level))
    return changed


def _sigmoid_of_part(tensor: np.ndarray, part: Part, anchors: int) -> np.ndarray:
    batch, channels, height, width = tensor.shape
    copy: np.ndarray = tensor.reshape(batch, anchors, channels // anchors, height, width).copy()
    chosen = copy[:, :, part.start : part.stop]
    copy[:, :, part.start : part.stop] = sigmoid(chosen)
    return copy.reshape(tensor.shape)
