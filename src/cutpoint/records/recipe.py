"""The steps of a recipe in files and configs, ``{"step": name, parameter: value}``; and their older names."""

from collections.abc import Mapping
from typing import Any

Step = dict[str, Any]

# The words of format 1 and of its configs. YAML reads an unquoted ``on`` as true.
OLD_STEPS = {"cap": "max_per_img"}
OLD_PARAMETERS: dict[str, dict[str | bool, str]] = {
    "threshold": {"on": "quantity", True: "quantity"},
    "nms": {"per_class_cap": "max_per_class"},
}


def upgrade_step(step: Mapping[Any, Any]) -> Step:
    """A step with today's names instead of older ones."""
    parameters = old_parameters(step)
    upgraded = {parameters.get(key, key): value for key, value in step.items()}
    return upgraded | {"step": OLD_STEPS[step["step"]]} if has_old_name(step) else upgraded


def has_old_name(step: Mapping[Any, Any]) -> bool:
    """Whether the step itself has an older name."""
    name = step.get("step")
    return isinstance(name, str) and name in OLD_STEPS


def old_parameters(step: Mapping[Any, Any]) -> dict[str | bool, str]:
    """The older names among a step's parameters, each with today's name, unless both are given."""
    name = step.get("step")
    old = OLD_PARAMETERS.get(name, {}) if isinstance(name, str) else {}
    return {key: new for key, new in old.items() if key in step and new not in step}


def upgrade_definition(definition: Any) -> Any:
    """A definition (a name, ``{base: ...}`` or ``{steps: [...]}``) with today's names in its steps."""
    if isinstance(definition, Mapping) and "steps" in definition:
        return {**definition, "steps": [upgrade_step(step) for step in definition["steps"]]}
    return definition
