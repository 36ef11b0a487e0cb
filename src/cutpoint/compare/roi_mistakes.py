"""Mistakes in reading the tensors of a head that scores proposals."""

from collections.abc import Iterator

import numpy as np

from cutpoint.compare.mistake import Mistake, Outputs
from cutpoint.compare.recipe_mistakes import clip_mistakes, recipe_mistakes
from cutpoint.compare.shared_mistakes import logit_mistakes, size_mistakes, stds_mistakes
from cutpoint.records.head import HeadSpec, RoiHead


def roi_mistakes(own: Mistake, head: RoiHead) -> Iterator[Mistake]:
    """The mistakes that a head of this kind leaves room for.

    Its post-processing is written by hand, since the networks that people export end before it. So the
    recipe's mistakes belong here.
    """
    yield from stds_mistakes(own, head)
    if head.class_boxes and head.num_classes > 1:
        text = "box deltas read as four rows of all classes, not class by class"
        yield own.named("deltas_by_side", text, outputs=_deltas_by_side)
    yield from size_mistakes(own)
    yield from logit_mistakes(own, head)
    for name, words, change in [*clip_mistakes(head), *recipe_mistakes(head, own.cut)]:
        yield own.named(name, words, recipe=change)


def _deltas_by_side(outputs: Outputs, head: HeadSpec) -> Outputs:
    """``(B, P, 4 C)`` read as 4 times C instead of C times 4."""
    deltas = outputs["deltas"]
    read = deltas.reshape(*deltas.shape[:2], 4, -1).swapaxes(2, 3)
    return outputs | {"deltas": np.ascontiguousarray(read).reshape(deltas.shape)}
