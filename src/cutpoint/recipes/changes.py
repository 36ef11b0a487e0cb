"""The steps in which two recipes differ, in words."""

from collections.abc import Sequence
from dataclasses import asdict
from difflib import SequenceMatcher
from typing import Any

from cutpoint.recipes.steps.step import Step


def step_changes(before: Sequence[Step], after: Sequence[Step]) -> list[str]:
    """Name each step that only one recipe has, or that both have at another place or with other parameters.

    Args:
        before, after: the steps in order.

    Returns:
        one entry for each step: ``threshold moved, quantity class → product``, ``best_class added``,
        ``max_per_img left out``, ``nms iou_threshold 0.6 → 0.5``. Empty for recipes that are the same.
    """
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    kept = [(block.a + i, block.b + i) for block in blocks for i in range(block.size)]
    gone = _others(before, [a for a, _ in kept])
    new = _others(after, [b for _, b in kept])
    lines = []
    for step, place in gone:
        twin = next((other for other in new if type(other[0]) is type(step)), None)
        if twin is None:
            lines.append(f"{step.name} left out")
        else:
            new.remove(twin)
            lines.append(_words(step, twin[0], moved=place != twin[1]))
    return lines + [f"{step.name} added" for step, _ in new]


def _others(steps: Sequence[Step], kept: list[int]) -> list[tuple[Step, int]]:
    """The steps that are not kept, each with the number of kept steps before it."""
    return [(step, sum(k < i for k in kept)) for i, step in enumerate(steps) if i not in kept]


def _words(before: Step, after: Step, *, moved: bool) -> str:
    parts = ["moved"] if moved else []
    ours, theirs = asdict(before), asdict(after)
    parts += [
        f"{key} {_value(ours[key])} → {_value(theirs[key])}" for key in ours if ours[key] != theirs[key]
    ]
    return f"{before.name} {', '.join(parts)}"


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    return value if isinstance(value, str) else f"{value:g}"
