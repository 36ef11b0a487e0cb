"""The config, checked against its schema and completed with the schema's defaults."""

import copy
import math
import re
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from cutpoint.errors import Gathered, UserError, suggest

TYPES = {"null": "null", "object": "a mapping", "array": "a list", "string": "text"}
# The only mapping whose keys are numbers: the ids of classes.
NUMBERED = re.compile(r"models\.[^.]+\.classes")


def complete_config(config: dict[str, Any], schema_path: str | Path) -> dict[str, Any]:
    """Return a copy of ``config`` with the schema's defaults filled in.

    Raises:
        UserError: the schema does not allow something in it; each message names the key.
    """
    schema = yaml.safe_load(Path(schema_path).read_text(encoding="utf-8"))
    found = Gathered()
    _check_values(config, "", found)
    found.stop()  # jsonschema compares keys as text
    validator = jsonschema.Draft202012Validator(schema)
    explained: set[tuple[str | int, ...]] = set()
    for error in sorted(validator.iter_errors(config), key=_rank):
        inner = _innermost(error)
        place = tuple(inner.absolute_path)
        if inner.validator == "additionalProperties":
            explained.add(place)
        elif inner.validator in ("required", "dependentRequired") and place in explained:
            continue  # the key is there, misspelt
        for message in _describe(inner):
            with found.one():
                raise UserError(message)
    found.stop()
    complete = copy.deepcopy(config)
    _fill(complete, schema, schema["$defs"])
    return complete


def check_unique_keys(path: str | Path) -> None:
    """Refuse a YAML file in which one mapping has a key twice: YAML would silently drop the first.

    Raises:
        UserError: names the key and its line.
    """
    root = yaml.compose(Path(path).read_text(encoding="utf-8"), yaml.SafeLoader)
    found, nodes = Gathered(), [root] if root else []
    while nodes:
        node = nodes.pop(0)
        if isinstance(node, yaml.SequenceNode):
            nodes.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                with found.one():
                    if key.value in seen:
                        raise UserError(
                            f"{path}, line {key.start_mark.line + 1}: the key {key.value!r} appears twice "
                            "in one mapping; rename or remove one of them"
                        )
                seen.add(key.value)
                nodes.append(value)
    found.stop()


def _check_values(node: Any, where: str, found: Gathered) -> None:
    """Refuse what the schema cannot tell: keys that are not text, and NaN, which is in every range.

    YAML reads ``1:`` as a number and ``on:`` as a truth value.
    """
    if isinstance(node, dict):
        for key, value in node.items():
            number = isinstance(key, int) and not isinstance(key, bool)
            with found.one():
                if not isinstance(key, str) and not (number and NUMBERED.fullmatch(where)):
                    why = " (YAML reads on, off, yes and no as truth values)" if isinstance(key, bool) else ""
                    raise UserError(
                        f"{where or 'top level'}: the name {key!r} must be text; put it in quotes{why}"
                    )
            _check_values(value, f"{where}.{key}" if where else str(key), found)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            _check_values(value, f"{where}[{index}]", found)
    elif isinstance(node, float) and not math.isfinite(node):
        with found.one():
            raise UserError(f"{where}: {node} is not a finite number; write one")


def _rank(error: jsonschema.ValidationError) -> tuple[bool, int, list[str]]:
    """Misspelt keys come first (they explain a missing required key), then the outermost error."""
    return (
        error.validator != "additionalProperties",
        len(error.absolute_path),
        [str(part) for part in error.absolute_path],
    )


def _innermost(error: jsonschema.ValidationError) -> jsonschema.ValidationError:
    """The error of the ``anyOf`` alternative that has the value's own type, and of those inside it."""
    for branch in error.context or []:
        inside = branch.instance is not error.instance
        other_kind = branch.validator == "enum" and isinstance(branch.instance, dict | list)
        if inside or (branch.validator not in ("type", "const") and not other_kind):
            return _innermost(branch)
    return error


def _describe(error: jsonschema.ValidationError) -> list[str]:
    """What is wrong; several messages for several keys of one mapping."""
    where = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path
    ).lstrip(".")
    value: Any = error.instance
    rule: Any = error.validator_value
    schema: Any = error.schema
    shown = "null" if value is None else repr(value)
    prefix = f"{where}: " if where else ""
    match error.validator:
        case "additionalProperties":
            known = schema["properties"]
            strange = [key for key in value if key not in known]
            return [f"{prefix}unknown key {key!r}{suggest(key, known)}" for key in strange]
        case "required":
            missing = [key for key in rule if key not in value]
            return [f"{prefix}the key {key!r} is missing; add it" for key in missing]
        case "dependentRequired":
            key, others = next((k, v) for k, v in rule.items() if k in value and not set(v) <= set(value))
            return [f"{prefix}the key {others[0]!r} is missing, which {key} needs; add it"]
        case "enum" if "propertyNames" in error.absolute_schema_path:
            return [f"{prefix}{schema['description']}; remove {value!r}"]
        case "enum":
            words = ["null" if word is None else str(word) for word in rule]
            return [f"{prefix}{shown} is not allowed{suggest(str(value), words)}"]
        case "type":
            kinds = [rule] if isinstance(rule, str) else rule
            allowed = (TYPES.get(kind, f"a{'n' if kind[0] in 'aio' else ''} {kind}") for kind in kinds)
            return [f"{prefix}{shown} must be {' or '.join(allowed)}"]
        case "pattern" if "[.]" in rule:
            return [f"{prefix}{shown:.120} is not a dotted module name"]
        case "pattern" if re.match(r"\^\[A-Z", rule):
            return [f"{prefix}the name {value!r:.120} may have letters, digits, _ and - only, at most 100"]
        case "not":
            return [
                f"{prefix}{shown} is a name of Cutpoint's own and cannot be redefined; choose another name"
            ]
        case "anyOf":
            return [f"{prefix}{shown} is not allowed. {schema['description']}"]
        case "minProperties" | "minItems":
            return [f"{prefix}{shown} has too few entries; write at least {rule}"]
        case "maxProperties":
            return [f"{prefix}{schema['description']}; remove the other keys"]
        case "uniqueItems":
            return [f"{prefix}a name appears twice in {value!r}"]
        case _:
            return [f"{prefix}{error.message}"]


def _fill(node: Any, schema: dict[str, Any], defs: dict[str, Any]) -> None:
    if "$ref" in schema:
        schema = defs[schema["$ref"].removeprefix("#/$defs/")]
    for branch in schema.get("anyOf", ()):
        _fill(node, branch, defs)
    if isinstance(node, dict):
        properties = schema.get("properties", {})
        for key, part in properties.items():
            if "default" in part:
                node.setdefault(key, copy.deepcopy(part["default"]))
        others = schema.get("additionalProperties") or {}
        for key, value in node.items():
            _fill(value, properties.get(key, others), defs)
    elif isinstance(node, list):
        for value in node:
            _fill(value, schema.get("items", {}), defs)
