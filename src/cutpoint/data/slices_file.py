"""Read the lines of a CSV file of slices, as spreadsheets and scripts write it."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TextIO

from cutpoint.errors import UserError, show
from cutpoint.files import START_BYTES, name_packed

COLUMNS = ("image", "name", "value")
# what separates columns: spreadsheets write semicolons where a comma is the decimal point
DELIMITERS = ",;\t"
# characters of a line: more is another file
LONGEST_LINE = 100_000


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file, its text without spaces around it."""

    number: int
    image: str
    name: str
    value: str


def read_lines(path: str, where: str) -> Iterator[Line]:
    """The lines below the head, one by one; without empty ones. A cell may be empty.

    Args:
        path: the file.
        where: begins the messages: config key and path.

    Raises:
        UserError: the file cannot be read as a table with the columns ``COLUMNS``; or a quotation mark is not
            closed, which would take the next lines into a cell.
    """
    _check_file(path, where)
    number = 0
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = _physical_lines(file, where)
            head = next(lines, "")
            delimiter = max(DELIMITERS, key=head.count)
            # strict: a quotation mark inside a quoted cell is not guessed at
            reader = csv.reader(chain([head], lines), delimiter=delimiter, strict=True)
            places = _find_columns([_clean(cell).lower() for cell in next(reader, [])], where)
            number = reader.line_num + 1
            for row in reader:
                cells = [_clean(row[place]) if place < len(row) else "" for place in places]
                if all(cells) or any(map(_clean, row)):  # spreadsheets end a table with empty lines
                    yield Line(reader.line_num, *cells)
                number = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: not UTF-8 text; in a spreadsheet, save it as CSV UTF-8") from error
    except csv.Error as error:
        raise UserError(
            f"{where}, line {number}: quotation marks that do not fit ({error}); close them, and write one "
            'in a quoted cell twice ("")'
        ) from error


def _check_file(path: str, where: str) -> None:
    if Path(path).exists() and not Path(path).is_file():
        raise UserError(f"{where}: is no file, but a folder, a pipe, a socket or a device; name a CSV file")
    try:
        with open(path, "rb") as file:
            start = file.read(START_BYTES)
    except OSError as error:
        raise UserError(f"{where}: cannot be read ({error.strerror})") from error
    if start.startswith(b"PK"):
        raise UserError(f"{where}: it is a spreadsheet file or a zip archive; save it as CSV UTF-8")
    packed = name_packed(start)
    if packed:
        raise UserError(f"{where}: {packed}")


def _physical_lines(file: TextIO, where: str) -> Iterator[str]:
    """The lines of the file, each read in bounded memory."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise UserError(
                f"{where}, line {number}: has {LONGEST_LINE} characters or more; it is not a file of slices"
            )
        yield line


def _find_columns(names: list[str], where: str) -> list[int]:
    """The position of each of the columns."""
    missing = [repr(column) for column in COLUMNS if column not in names]
    if missing:
        are = "columns {} are" if len(missing) > 1 else "column {} is"
        raise UserError(
            f"{where}: the {are.format(', '.join(missing))} missing; the first line must name the columns "
            f"{', '.join(COLUMNS)}, and names {show(names).strip('[]')}"
        )
    twice = next((column for column in COLUMNS if names.count(column) > 1), None)
    if twice:
        raise UserError(f"{where}: has the column {twice!r} more than once; keep one")
    return [names.index(column) for column in COLUMNS]


def _clean(cell: str) -> str:
    return " ".join(cell.split())
