"""Which recipes are sound: the vocabulary of steps, and what the candidates of a store can serve."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from cutpoint.errors import UserError
from cutpoint.records.model import Floor
from cutpoint.records.recipe import Step

NUMBER, COUNT, SWITCH, COUNT_OR_NULL = "a number", "a whole number", "true or false", "a whole number or null"
KINDS = {
    NUMBER: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    COUNT: lambda value: isinstance(value, int) and not isinstance(value, bool),
    SWITCH: lambda value: isinstance(value, bool),
    COUNT_OR_NULL: lambda value: value is None or (isinstance(value, int) and not isinstance(value, bool)),
}

# Of each step its parameters: a kind of value, or the values that are allowed.
PARAMETERS: dict[str, dict[str, str | tuple[Any, ...]]] = {
    "best_class": {},
    "threshold": {"quantity": ("class", "factor", "product"), "value": NUMBER, "inclusive": SWITCH},
    "top_k": {"k": COUNT, "unit": ("pair", "location"), "per": ("level", "image")},
    "clip": {"to": ("image", "tensor"), "border": NUMBER},
    "rescale": {"operation": ("multiply", "divide")},
    "multiply_factor": {"root": SWITCH},
    "min_size": {"value": NUMBER},
    "nms": {
        "iou_threshold": NUMBER,
        "space": ("shifted", "per_class", "agnostic"),
        "max_per_class": COUNT_OR_NULL,
        "offset": (0, 1),
        "reading": ("xyxy", "cxcywh"),
        "intersection": ("sides", "product"),
    },
    "max_per_img": {"k": COUNT},
    "score_voting": {"iou_threshold": NUMBER, "variance": NUMBER},
}

# What a step is taken to mean where its definition is silent; the other parameters must be given.
DEFAULTS: dict[str, Step] = {
    "threshold": {"inclusive": False},
    "top_k": {"unit": "pair", "per": "level"},
    "clip": {"to": "image", "border": 0},
    "rescale": {"operation": "multiply"},
    "multiply_factor": {"root": False},
    "nms": {
        "space": "shifted",
        "max_per_class": None,
        "offset": 0,
        "reading": "xyxy",
        "intersection": "sides",
    },
    "score_voting": {"iou_threshold": 0.01, "variance": 0.025},
}


def complete_step(step: Mapping[str, Any]) -> Step:
    """A step with every parameter that has a default."""
    return {**DEFAULTS.get(step["step"], {}), **step}


def check_steps(steps: Any) -> None:
    """Refuse what is no list of steps.

    Raises:
        UserError: names the step and the parameter, and what was perhaps meant.
    """
    if not isinstance(steps, list | tuple) or not steps:
        raise UserError("recipe steps: give a list of `{step: NAME, parameter: value}`")
    for number, step in enumerate(steps, start=1):
        where = f"recipe step {number}"
        if not isinstance(step, Mapping) or not isinstance(step.get("step"), str):
            raise UserError(f"{where}: give `{{step: NAME, parameter: value}}`, not {step!r}")
        known(where, step["step"], PARAMETERS)
        where, parameters = f"{where} ({step['step']})", PARAMETERS[step["step"]]
        for name in step.keys() - {"step"}:
            known(f"{where}: parameter", name, parameters)
        missing = parameters.keys() - complete_step(step).keys()
        if missing:
            raise UserError(f"{where}: {', '.join(sorted(missing))} is missing")
        for name, value in complete_step(step).items():
            kind = parameters.get(name)
            if isinstance(kind, tuple) and (isinstance(value, bool) or value not in kind):
                raise UserError(f"{where}: {name} {value!r}: one of {', '.join(map(str, kind))} is expected")
            if isinstance(kind, str) and not KINDS[kind](value):
                raise UserError(f"{where}: {name} {value!r}: {kind} is expected")
        if step.get("max_per_class") is not None and step.get("space") != "per_class":
            raise UserError(f"{where}: max_per_class needs `space: per_class`")


def known(where: str, name: str, names: Iterable[str]) -> None:
    """Refuse a name that is not among those known, with the nearest of them."""
    names = list(names)
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UserError(f"{where} {name!r}: unknown; known: {', '.join(names) or 'none'}{hint}")


def check_served(steps: Iterable[Step], floor: Floor, scores: str = "class") -> None:
    """Refuse a recipe that could keep pairs which are not among the candidates.

    Args:
        steps: the recipe's steps, complete.
        floor: the candidates' floor.
        scores: ``fused`` where the candidates hold class score x factor alone.

    Raises:
        UserError: the recipe's threshold is missing, on another quantity, or below the floor; or the recipe
            asks for a factor that a fused store has not.
    """
    steps = list(steps)
    if scores == "fused":
        floor = replace(floor, quantity="product")
        if any(step["step"] == "threshold" and step["quantity"] == "factor" for step in steps):
            raise UserError("recipe thresholds the factor: `scores: fused` has only class score x factor")
    floor_text = f"candidates end at {floor.quantity} score {floor.value:g}"
    mend = "raise the recipe's score_thr or lower models.<model>.candidate_floor"
    demands = pair_demands(steps)
    if not demands:
        raise UserError(f"recipe without a threshold: {floor_text}; {mend}")
    # product <= class score: a threshold on the product is at least as strict as one on the class score
    usable = [t for t in demands if floor.quantity == "class" or t.quantity == "product"]
    if not usable:
        if scores == "fused":
            mend = "export with `scores: class`, or choose a recipe that thresholds class score x factor"
        raise UserError(f"recipe thresholds the class score: {floor_text}; {mend}")
    best = max(usable, key=lambda t: t.value)
    looser = best.value == floor.value and best.inclusive > floor.inclusive
    if best.value < floor.value or looser:
        raise UserError(f"recipe threshold {best.value:g}: {floor_text}; {mend}")


def pair_demands(steps: Iterable[Step]) -> list[Floor]:
    """What a recipe demands of a pair's class score or product before it can matter, in order.

    A pair below a demand changes nothing of the result: what ranks pairs ranks it below all that pass. Hence
    a threshold on the product behind a step that ranks by class score demands that much of the class score
    alone. (Choosing a location's best class ranks alike by both: the factor is the location's.)
    """
    steps = list(steps)
    if any(step["step"] == "score_voting" for step in steps):  # pairs that NMS removed count there
        steps = steps[: next((i for i, step in enumerate(steps) if step["step"] == "nms"), None)]
    found, root, multiplied, by_class = [], False, False, False
    for step in steps:
        if step["step"] == "multiply_factor":
            root, multiplied = step["root"], True
        elif step["step"] in ("top_k", "nms", "max_per_img"):
            by_class |= not multiplied
        elif step["step"] == "threshold" and step["quantity"] != "factor":
            on = "product" if (multiplied or step["quantity"] == "product") and not by_class else "class"
            if root:
                # on the root of the product, whose rounding must not lose a pair
                found.append(Floor(on, step["value"] ** 2 * (1 - 1e-6), inclusive=True))
            else:
                found.append(Floor(on, step["value"], step["inclusive"]))
    return found
