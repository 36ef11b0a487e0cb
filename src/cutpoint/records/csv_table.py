"""CSV files as dataclasses, one per line, with the fields as columns in their order.

A field is text, a number, ``True`` or ``False``, and may be null (the empty cell). A list of texts is one
cell, with ``"; "`` between its parts. A text that a spreadsheet would run as a formula gets an apostrophe in
front, which spreadsheets do not show and which is taken away here when it is read. Numbers stay as they are.
"""

import csv
import re
import typing
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, TextIO, TypeVar

from cutpoint.errors import UserError
from cutpoint.files import replacing

SEPARATOR = "; "
# Spreadsheets run a cell that begins so. A tab or a line end in front of the sign is skipped by some.
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
Row = TypeVar("Row")
Cells = dict[str, str]
UpgradeRow = Callable[[Cells], Cells]


@cache
def kind_of(kind: type, column: str) -> type:
    """The type of a dataclass's field without null: ``str``, ``int``, ``float``, ``bool`` or ``tuple``."""
    hint = typing.get_type_hints(kind)[column]
    (found,) = {part for part in (typing.get_args(hint) or (hint,)) if part not in (NoneType, Ellipsis)}
    return tuple if typing.get_origin(hint) is tuple else found


def may_be_null(kind: type, column: str) -> bool:
    """Whether a dataclass's field may be null."""
    return NoneType in typing.get_args(typing.get_type_hints(kind)[column])


def write_rows(path: str | Path, kind: type[Row], rows: Iterable[Row]) -> None:
    """Write dataclasses as CSV, completely or not at all; numbers in full precision.

    Raises:
        ValueError: a part of a list has the separator in it.
    """
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(_Lines(file), lineterminator="\n\r")
        writer.writerow(names)
        writer.writerows([_cell(getattr(row, name)) for name in names] for row in rows)


def read_rows(path: str | Path, kind: type[Row], upgrade: UpgradeRow | None = None) -> list[Row]:
    """Read a CSV file as dataclasses. Columns that the dataclass does not have are left out.

    Args:
        path: the file.
        kind: the dataclass.
        upgrade: turns the cells of a line of an older version into today's, and does not change others.

    Raises:
        UserError: the file or a column is missing, or a cell has another type.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); make it again") from error
    return [
        _as_row(f"{path}: line {number}", kind, upgrade(cells) if upgrade else cells)
        for number, cells in enumerate(lines, start=2)
    ]


class _Lines:
    """A file of lines that end in a newline alone.

    The writer quotes what its line end has, and a carriage return in a text must be quoted too.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> int:
        """Write a line without the carriage return at its end."""
        return self._file.write(line.removesuffix("\r"))


def _as_row(where: str, kind: type[Row], cells: Cells) -> Row:
    return kind(**{field.name: _value(where, kind, field.name, cells) for field in fields(kind)})  # type: ignore[arg-type]


def _value(where: str, kind: type, column: str, cells: Cells) -> Any:
    text, wanted = cells.get(column), kind_of(kind, column)
    if text is None:
        raise UserError(f"{where}: column {column} is missing; remove the file to make it again")
    if wanted is tuple:
        return tuple(_text(text).split(SEPARATOR)) if text else ()
    if not text and may_be_null(kind, column):
        return None
    if wanted is str:
        return _text(text)
    try:
        return {"True": True, "False": False}[text] if wanted is bool else wanted(text)
    except (KeyError, ValueError) as error:
        raise UserError(
            f"{where}: {column}: expected {wanted.__name__}, got {text!r}; remove the file to make it again"
        ) from error


def harmless(value: Any) -> Any:
    """A text that begins as a formula does (``=``, ``+``, ``-``, ``@``), with an apostrophe in front of it.

    A text that begins with an apostrophe gets one too, so that none is lost. Other values, and texts that are
    numbers, are returned as they are.
    """
    formula = isinstance(value, str) and value.startswith(FORMULA) and not NUMBER.fullmatch(value)
    return f"'{value}" if formula else value


def _text(cell: str) -> str:
    """The text of ``harmless``."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


def _cell(value: Any) -> Any:
    if not isinstance(value, tuple):
        return harmless(value)
    if any(SEPARATOR in part for part in value):
        raise ValueError(f"a part of {value} has {SEPARATOR!r} in it")
    return harmless(SEPARATOR.join(value))
