"""hypothesis strategies for records: any dataclass of plain values from its types."""

import types
import typing
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Literal

import msgspec
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec.structs import fields as struct_fields

# what JSON and Parquet hold exactly
INTEGERS = st.integers(-(2**53), 2**53)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@dataclass(frozen=True)
class Plain:
    """Strategies for the values of a file format: the texts it holds, also inside lists."""

    texts: SearchStrategy[str]
    parts: SearchStrategy[str]


TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
JSON = Plain(TEXTS, TEXTS)


@cache
def records(kind: type, plain: Plain = JSON) -> SearchStrategy[Any]:
    """Any value of a dataclass."""
    hints = typing.get_type_hints(kind)
    made = {
        field.name: columns(field.metadata["type"], hints[field.name])
        if "type" in field.metadata
        else values(hints[field.name], plain)
        for field in fields(kind)
        if field.init
    }
    return st.builds(kind, **made)


def values(hint: Any, plain: Plain = JSON) -> SearchStrategy[Any]:
    """Any value of a type as records have it."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if is_dataclass(hint):
        return records(hint, plain)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return st.builds(hint, **{field.name: values(field.type, plain) for field in struct_fields(hint)})
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(values(part, plain) for part in parts))
    if origin is Literal:
        return st.sampled_from(parts)
    if origin is tuple and parts[-1] is Ellipsis:
        inner = plain.parts if parts[0] is str else values(parts[0], plain)
        return st.lists(inner, max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*(values(part, plain) for part in parts))
    if origin is list:
        return st.lists(values(parts[0], plain), max_size=3)
    if origin is dict:
        return st.dictionaries(values(parts[0], plain), values(parts[1], plain), max_size=3)
    if hint is Any:
        leaf = st.none() | st.booleans() | INTEGERS | FLOATS | plain.texts
        return st.recursive(leaf, lambda inner: st.lists(inner, max_size=2), max_leaves=3)
    known = {str: plain.texts, int: INTEGERS, float: FLOATS, bool: st.booleans(), type(None): st.none()}
    return known[hint]


def columns(kind: str, hint: Any) -> SearchStrategy[Any]:
    """Any value of a Parquet column; null only where the type says so."""
    if kind == "string":
        found: SearchStrategy[Any] = JSON.texts
    elif kind.startswith("int"):
        limit = 2 ** (int(kind.removeprefix("int")) - 1)
        found = st.integers(-limit, limit - 1)
    else:
        found = FLOATS
    return found | st.none() if type(None) in typing.get_args(hint) else found
