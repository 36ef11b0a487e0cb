"""In which steps two recipes differ, in words."""

from difflib import SequenceMatcher
from typing import Any

from cutpoint.recipes.checks import Step, complete_step


def step_changes(before: list[Step], after: list[Step]) -> list[str]:
    """Name each step that one recipe has and the other has not, or has elsewhere or with other parameters.

    Args:
        before, after: the steps in order.

    Returns:
        one entry for each step: ``threshold moved, on class → product``, ``best_class added``, ``cap left
        out``, ``nms iou_threshold 0.6 → 0.5``. Empty for recipes that are the same.
    """
    sides = [[complete_step(step) for step in steps] for steps in (before, after)]
    # hashable, and 0 as equal to 0.0
    keys = [[tuple(sorted(step.items())) for step in steps] for steps in sides]
    blocks = SequenceMatcher(None, *keys, autojunk=False).get_matching_blocks()
    kept = [(block.a + i, block.b + i) for block in blocks for i in range(block.size)]
    gone, new = (_others(steps, [pair[side] for pair in kept]) for side, steps in enumerate(sides))
    found = []
    for step, place in gone:
        twin = next((other for other in new if other[0]["step"] == step["step"]), None)
        if twin is None:
            found.append(f"{step['step']} left out")
        else:
            new.remove(twin)
            found.append(_words(step, twin[0], moved=place != twin[1]))
    return found + [f"{step['step']} added" for step, _ in new]


def _others(steps: list[Step], kept: list[int]) -> list[tuple[Step, int]]:
    """The steps that are not kept, each with the number of kept ones before it."""
    return [(step, sum(k < i for k in kept)) for i, step in enumerate(steps) if i not in kept]


def _words(before: Step, after: Step, *, moved: bool) -> str:
    parts = ["moved"] if moved else []
    parts += [
        f"{key} {_value(before[key])} → {_value(after[key])}" for key in before if before[key] != after[key]
    ]
    return f"{before['step']} {', '.join(parts)}"


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    return value if isinstance(value, str) else f"{value:g}"
