"""Mistakes in reading what an external file gives."""

from collections.abc import Iterator
from dataclasses import replace

from cutpoint.compare.mistake import Mistake, Outputs
from cutpoint.compare.shared_mistakes import SIGMOID_TWICE, logits_of, sigmoid, without_factor
from cutpoint.records.head import ExternalHead, HeadSpec


def external_mistakes(own: Mistake, head: ExternalHead) -> Iterator[Mistake]:
    """The mistakes that a file without an mmdet model leaves room for."""
    yield from without_factor(own, replace(head, factor=False))
    yield own.named("double_sigmoid", SIGMOID_TWICE, outputs=_sigmoid_of_scores)
    yield own.named("no_sigmoid", "sigmoid of the class scores left out", outputs=_logits_of_scores)


def _sigmoid_of_scores(outputs: Outputs, head: HeadSpec) -> Outputs:
    """The outputs of ``decoded`` or ``e2e`` with the sigmoid of their scores."""
    return outputs | {"scores": sigmoid(outputs["scores"])}


def _logits_of_scores(outputs: Outputs, head: HeadSpec) -> Outputs:
    """The outputs of ``decoded`` or ``e2e`` with the scores that the sigmoid turns into theirs."""
    return outputs | {"scores": logits_of(outputs["scores"])}
