"""The page's main table: a row for each variant of a data set and model, cell by cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cutpoint.records.summary import COLUMNS, OF_DETECTIONS, OF_TIMES, Column, SummaryRow, shown_columns
from cutpoint.summary.flags import doubts
from cutpoint.summary.words import cell_text, is_number

# What stands below a cell's number, in words for the exported CSV.
BELOW = {"interval": "95 % interval", "samples": "samples"}


@dataclass(frozen=True)
class Cell:
    """A cell of the main table.

    Attributes:
        text: as people read it.
        number: whether it stands to the right.
        sort: the number in full precision, by which the table is sorted; null for text.
        below: the interval, or the number of samples; ``below_name`` says which.
        doubt: why the number is doubtful.
        bar: CSS properties of the bar: fractions of the cell's width; empty without a bar.
        bar_kind: see ``records.summary.Column``.
    """

    text: str
    number: bool
    sort: float | None
    below: str
    below_name: str
    doubt: str
    bar: str
    bar_kind: str


def variant_table(rows: Sequence[SummaryRow]) -> dict[str, Any]:
    """What the variants share, the heads of the other columns, and the lines.

    Columns that are empty for a data set and model are left out. A text column with a single value is shown
    once, above the table.

    Args:
        rows: the rows of one data set and model.
    """
    shared, columns = [], []
    for column in shown_columns("page"):
        texts = [text for row in rows if (text := _text(column, row))]
        if texts and not _style(column) and len(rows) > 1 and len(set(texts)) == 1:
            shared.append(f"{column.page} {texts[0]}")
        elif texts:
            columns.append(column)
    reference = next((row for row in rows if row.is_reference), None)
    scales = {column.name: _scale(column, rows) for column in columns if column.bar}
    return {
        "shared": shared,
        "heads": [
            {
                "key": column.name,
                "text": column.page,
                "number": is_number(_style(column)),
                "extra": column.extra,
                "explained": column.compared or is_number(_style(column)),
            }
            for column in columns
        ],
        "lines": [
            {
                "variant": row.variant,
                "cells": [_cell(column, row, reference, scales) for column in columns],
                "notes": row.notes or "",
                "reference": row.is_reference,
                "lossless": row.verdict == "lossless",
                "doubtful": bool(doubts(row, (*OF_DETECTIONS, *OF_TIMES))),
            }
            for row in sorted(rows, key=lambda row: not row.is_reference)
        ],
    }


def _style(column: Column) -> str:
    return column.page_style or column.style


def _text(column: Column, row: SummaryRow) -> str:
    return cell_text(column, row, _style(column))


def _scale(column: Column, rows: Sequence[SummaryRow]) -> float:
    """The largest absolute value that bars of a column show; 1 if all are 0."""
    names = [column.name]
    if column.bar == "difference":
        names += [f"{column.name}_lo", f"{column.name}_hi"]
    values = [abs(value) for row in rows for name in names if (value := getattr(row, name)) is not None]
    return max(values, default=0.0) or 1.0


def _cell(column: Column, row: SummaryRow, reference: SummaryRow | None, scales: dict[str, float]) -> Cell:
    text, number, value = _text(column, row), is_number(_style(column)), getattr(row, column.name)
    below = COLUMNS[column.below] if column.below else None
    return Cell(
        text=text,
        number=number,
        sort=value if number and text else None,
        below=cell_text(below, row, below.style) if below and text else "",
        below_name=BELOW[below.style] if below else "",
        doubt=", ".join(_doubts(column, row, reference)) if column.marked and text else "",
        bar=_bar(column, row, scales[column.name]) if column.bar and text else "",
        bar_kind=column.bar,
    )


def _doubts(column: Column, row: SummaryRow, reference: SummaryRow | None) -> list[str]:
    """The words of the row's flags; a difference of times depends on the reference's flags too."""
    words = doubts(row, column.doubted_by)
    if column.compared and column.doubted_by == OF_TIMES and reference is not None:
        words += [f"reference {word}" for word in doubts(reference, OF_TIMES)]
    return words


def _bar(column: Column, row: SummaryRow, scale: float) -> str:
    value = getattr(row, column.name)
    if column.bar == "from_zero":
        return f"--at:{max(value, 0.0) / scale:.3f}"
    low, high = (getattr(row, f"{column.name}{end}") for end in ("_lo", "_hi"))
    limits = (low, high) if low is not None else (value, value)
    places = zip(("low", "at", "high"), (limits[0], value, limits[1]), strict=True)
    return ";".join(f"--{name}:{0.5 + 0.5 * place / scale:.3f}" for name, place in places)
