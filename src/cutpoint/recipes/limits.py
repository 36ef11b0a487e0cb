"""The limits of what a recipe keeps: the lowest score, and the number of detections."""

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from cutpoint.recipes.bases import steps_of
from cutpoint.recipes.steps.ranks import MaxPerImg
from cutpoint.recipes.steps.step import LeastScore, Step
from cutpoint.records.model import HeadSpec

Definition = str | Mapping[str, Any]


class Limits(TypedDict):
    """The score above which detections are kept, and the most detections per image; null if unknown."""

    score_thr: float | None
    max_per_img: int | None


def common_limits(first: Definition | None, second: Definition | None, head: HeadSpec) -> Limits:
    """The limits that two recipes share for a head; a limit that differs is null.

    Args:
        first, second: as ``bases.steps_of`` takes it; null if unknown.
        head: the head specification.
    """
    ours, theirs = (_limits(definition, head) for definition in (first, second))
    return {
        "score_thr": ours["score_thr"] if ours["score_thr"] == theirs["score_thr"] else None,
        "max_per_img": ours["max_per_img"] if ours["max_per_img"] == theirs["max_per_img"] else None,
    }


def _limits(definition: Definition | None, head: HeadSpec) -> Limits:
    steps = steps_of(definition, head) if definition else ()
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
