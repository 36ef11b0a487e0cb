"""The limits of what a recipe keeps: the lowest score, and the number of detections."""

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from cutpoint.recipes.bases import steps_of
from cutpoint.recipes.steps.ranks import MaxPerImg
from cutpoint.recipes.steps.step import LeastScore, Step
from cutpoint.records.head import HeadSpec

Definition = str | Mapping[str, Any]
Known = tuple[Definition, HeadSpec]


class Limits(TypedDict):
    """The score above which detections are kept, and the most detections per image; null if unknown."""

    score_thr: float | None
    max_per_img: int | None


def common_limits(first: Known | None, second: Known | None) -> Limits:
    """The limits that two recipes share; a limit that differs is null.

    Args:
        first, second: a recipe as ``bases.steps_of`` takes it, with its head; null if unknown.
    """
    ours, theirs = _limits(first), _limits(second)
    return {
        "score_thr": ours["score_thr"] if ours["score_thr"] == theirs["score_thr"] else None,
        "max_per_img": ours["max_per_img"] if ours["max_per_img"] == theirs["max_per_img"] else None,
    }


def _limits(known: Known | None) -> Limits:
    if known is None:
        return {"score_thr": None, "max_per_img": None}
    definition, head = known
    steps = steps_of(definition, head)
    most = next((step.k for step in steps if isinstance(step, MaxPerImg)), None)
    return {"score_thr": least_score(steps, head), "max_per_img": most}


def least_score(steps: Iterable[Step], head: HeadSpec) -> float | None:
    """The score above which a recipe keeps detections; null if it thresholds another quantity.

    A threshold on the class score gives no limit for class score x factor, which the score becomes later.
    """
    least = LeastScore(multiplied=not head.has_factor)
    for step in steps:
        least = step.least_score(least)
    return least.score
