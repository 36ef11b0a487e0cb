"""Read steps from configs and files, ``{"step": name, parameter: value}``, and write them back."""

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, fields
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from cutpoint.errors import UserError, suggest
from cutpoint.recipes.steps import STEPS
from cutpoint.recipes.steps.step import Step
from cutpoint.records import recipe as written

# The values that a field of each type takes, in words.
WORDS: dict[Any, str] = {
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    int | None: "a whole number or null",
}


def read_steps(content: Any, where: str = "recipe") -> tuple[Step, ...]:
    """Read a recipe's steps.

    Args:
        content: a list of ``{"step": name, parameter: value}``; parameters with a default may be left out.
        where: begins the message of an error.

    Raises:
        UserError: names the step and the parameter, and a similar name that exists.
    """
    if not isinstance(content, list | tuple) or not content:
        raise UserError(f"{where} steps: give a list of `{{step: NAME, parameter: value}}`")
    return tuple(read_step(step, f"{where} step {number}") for number, step in enumerate(content, start=1))


def read_step(content: Any, where: str) -> Step:
    """Read one step; arguments and errors as in ``read_steps``."""
    if not isinstance(content, Mapping) or not isinstance(content.get("step"), str):
        raise UserError(f"{where}: give `{{step: NAME, parameter: value}}`, not {content!r}")
    name = content["step"]
    if name not in STEPS:
        raise UserError(f"{where} {name!r}: unknown{suggest(name, STEPS)}")
    where, kind = f"{where} ({name})", STEPS[name]
    types, required = _parameters(kind)
    values = {key: value for key, value in content.items() if key != "step"}
    for key in values:
        if key not in types:
            raise UserError(f"{where}: parameter {key!r}: unknown{suggest(str(key), types)}")
    missing = required - values.keys()
    if missing:
        raise UserError(f"{where}: {', '.join(sorted(missing))} is missing")
    step = kind(**{key: _checked(value, types[key], f"{where}: {key}") for key, value in values.items()})
    problem = step.problem()
    if problem:
        raise UserError(f"{where}: {problem}")
    return step


def write_steps(steps: Iterable[Step]) -> list[written.Step]:
    """The inverse of ``read_steps``, with every parameter."""
    return [{"step": step.name, **asdict(step)} for step in steps]


@cache
def _parameters(kind: type[Step]) -> tuple[dict[str, Any], frozenset[str]]:
    """The type of each parameter, and the names of those that must be given."""
    hints = get_type_hints(kind)
    own = fields(kind)
    required = frozenset(field.name for field in own if field.default is MISSING)
    return {field.name: hints[field.name] for field in own}, required


def _checked(value: Any, kind: Any, where: str) -> Any:
    if get_origin(kind) is Literal:
        if isinstance(value, bool) or value not in get_args(kind):
            raise UserError(f"{where} {value!r}: one of {', '.join(map(str, get_args(kind)))} is expected")
        return value
    allowed = get_args(kind) or (kind,)
    fits = isinstance(value, (*allowed, int) if kind is float else allowed)
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise UserError(f"{where} {value!r}: {WORDS[kind]} is expected")
    if kind is not float:
        return value
    # an integer of YAML may be larger than any float
    number = float(value) if abs(value) <= sys.float_info.max else math.inf
    if not math.isfinite(number):
        raise UserError(f"{where} {value!r}: a finite number is expected")
    return number
