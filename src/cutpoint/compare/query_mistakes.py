"""Mistakes in reading the tensors of a head that gives one box for each query."""

from collections.abc import Iterator

import numpy as np

from cutpoint.compare.mistake import Mistake, Outputs
from cutpoint.compare.recipe_mistakes import clip_mistakes, nms_mistakes, recipe_mistakes
from cutpoint.compare.shared_mistakes import logit_mistakes, size_mistakes
from cutpoint.records.head import HeadSpec, QueryHead
from cutpoint.records.image import Geometry, InputRecipe

# above all other logits, so that the other classes' share of a softmax is 0
ALWAYS = np.float32(1e4)


def query_mistakes(own: Mistake, head: QueryHead) -> Iterator[Mistake]:
    """The mistakes that a head of this kind leaves room for.

    Its post-processing is written by hand, since the networks that people export end before it. So the
    recipe's mistakes belong here.
    """
    text = "boxes read as corners, not as centre and size"
    yield own.named("corners", text, outputs=_as_corners)
    if own.input.divisor > 1:
        text = "boxes scaled by the padded size of the network input, not by the image's"
        yield own.named("padded_size", text, clip=_padded)
    yield from size_mistakes(own)
    yield from logit_mistakes(own, head)
    if head.score_activation == "softmax":
        text = "queries left out whose best class is the background"
        yield own.named("background_chosen", text, outputs=_without_empty)
    for name, words, change in [
        *clip_mistakes(head),
        *nms_mistakes(head),
        *recipe_mistakes(head, own.cut),
    ]:
        yield own.named(name, words, recipe=change)


def _padded(geometry: Geometry, recipe: InputRecipe) -> tuple[int, int]:
    return geometry.padded_height, geometry.padded_width


def _as_corners(outputs: Outputs, head: HeadSpec) -> Outputs:
    """Centre and size of the boxes whose corners are these four numbers."""
    low, high = np.split(outputs["cxcywh"], 2, axis=-1)
    return outputs | {"cxcywh": np.concatenate([(low + high) / 2, high - low], axis=-1)}


def _without_empty(outputs: Outputs, head: HeadSpec) -> Outputs:
    """No score for any class of a query whose background is best."""
    logits = outputs["logits"].copy()
    empty = logits.argmax(axis=-1) == logits.shape[-1] - 1
    logits[empty, -1] = ALWAYS
    return outputs | {"logits": logits}
