"""What each key of COCO annotations must be. Keys that are not here are not looked at; ``bbox`` is apart."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cutpoint.data.file_names import has_control

# ids are kept as int64
ID_LIMIT = 2**63
SIZE_LIMIT = 2**31
# pixels that no image has; the areas of boxes up to it are far from the end of float64
FURTHEST = 1e15
# characters of a category's name
LONGEST_NAME = 500


@dataclass(frozen=True)
class Field:
    """A key of the entries of a list.

    Attributes:
        key: its name.
        is_right: whether a value that is not null can be scored as it is meant.
        mend: what the value is, for messages.
        required: whether it may be missing or null.
        plain: whether all values are right, told from their types and extremes in a fraction of the time;
            false if that does not tell.
    """

    key: str
    is_right: Callable[[Any], bool]
    mend: str
    required: bool = True
    plain: Callable[[list[Any]], bool] = lambda values: False


def is_id(value: Any) -> bool:
    """Whether a JSON value is an id."""
    return type(value) is int and 0 <= value < ID_LIMIT


def is_size(value: Any) -> bool:
    """Whether a JSON value is a number of pixels, as a whole number or a fraction such as 100.0."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 1 <= value < SIZE_LIMIT and value % 1 == 0


def is_finite(value: Any) -> bool:
    """Whether a JSON value is a finite number of float64."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def is_name(value: Any) -> bool:
    """Whether a value is the name of a class or category: short text in one line."""
    return isinstance(value, str) and 0 < len(value.strip()) <= LONGEST_NAME and not has_control(value)


def _are_ids(values: list[Any]) -> bool:
    return set(map(type, values)) == {int} and min(values) >= 0 and max(values) < ID_LIMIT


def _are_areas(values: list[Any]) -> bool:
    if not set(map(type, values)) <= {int, float} or not min(values) >= 0:
        return False
    try:
        return math.isfinite(sum(values))  # a sum with NaN is NaN
    except OverflowError:
        return False


def _are_marks(values: list[Any]) -> bool:
    return set(map(type, values)) <= {int} and set(values) <= {0, 1}


_IDS = "ids are whole numbers from 0 to 2^63 - 1, not in quotes"
_PIXELS = "it is a whole number of pixels, 1 or more"


def _id(key: str) -> Field:
    return Field(key, is_id, _IDS, plain=_are_ids)


MODEL = {
    "images": (
        _id("id"),
        Field("file_name", lambda v: isinstance(v, str) and v != "", "it is the file's name as text"),
        Field("height", is_size, _PIXELS),
        Field("width", is_size, _PIXELS),
    ),
    "categories": (
        _id("id"),
        Field("name", is_name, f"it is text of at most {LONGEST_NAME} characters in one line"),
    ),
    "annotations": (
        _id("id"),
        _id("image_id"),
        _id("category_id"),
        Field(
            "area",
            # VIA writes [] for points
            lambda value: value == [] or (is_finite(value) and value >= 0),
            "it is a number of square pixels; or leave it out",
            required=False,
            plain=_are_areas,
        ),
        Field(
            "iscrowd",
            lambda value: not isinstance(value, str | list | dict) and value in (0, 1),
            "it is 0 or 1, not in quotes",
            required=False,
            plain=_are_marks,
        ),
    ),
}
