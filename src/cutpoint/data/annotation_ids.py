"""Ids of COCO annotations that other tools write as text (``"7"``) or as fractions (``7.0``)."""

from collections.abc import Sequence
from typing import Any

from cutpoint.data.annotation_model import MODEL
from cutpoint.errors import show

# float64 has every whole number up to this
EXACT = 2**53
# digits of the largest id
LONGEST = 19


def with_whole_ids(content: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Make ids whole numbers where all ids of a key are written in one other way that has one meaning.

    Text is changed if it is a number as Python writes it: ``"7"``, and not ``"07"`` or ``"+7"``, which could
    be other ids. Ids in several ways, and all others, stay as they are.

    Args:
        content: annotations whose three lists have objects; not changed.

    Returns:
        the content, with copies of the entries that differ, and a note for each key.
    """
    notes = []
    for name, fields in MODEL.items():
        entries = content[name]
        for field in fields:
            if not field.key.endswith("id"):
                continue
            values = [entry.get(field.key) for entry in entries]
            kinds = set(map(type, values)) - {type(None)}
            if kinds != {str} and kinds != {float}:
                continue
            whole = whole_numbers(values)
            if whole is None:
                continue
            entries = [{**e, field.key: n} for e, n in zip(entries, whole, strict=True)]
            first = next(value for value in values if value is not None)
            how = "in quotes" if isinstance(first, str) else "as fractions"
            notes.append(f"{field.key} of {name} written {how}, first {show(first)}: read as whole numbers")
        content = {**content, name: entries}
    return content, notes


def whole_numbers(values: Sequence[Any]) -> list[int | None] | None:
    """The whole numbers that texts, or fractions, stand for; null stays. Null if one has no such meaning."""
    whole = [None if value is None else whole_number(value) for value in values]
    return None if any(n is None and v is not None for n, v in zip(whole, values, strict=True)) else whole


def whole_number(value: str | float) -> int | None:
    """The whole number that ``"7"`` or ``7.0`` stands for; null for ``"07"``, ``7.5`` and all others."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and 0 <= value <= EXACT else None
    return int(value) if len(value) <= LONGEST and value.isascii() and _is_plain(value) else None


def _is_plain(text: str) -> bool:
    return text.isdigit() and (text == "0" or not text.startswith("0"))
