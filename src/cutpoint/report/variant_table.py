"""The page's main table: a row for each variant of a data set and model, cell by cell."""

from collections.abc import Sequence
from typing import Any

from cutpoint.records.summary import COLUMNS, OF_DETECTIONS, OF_TIMES, Column, SummaryRow, shown_columns
from cutpoint.summary.flags import doubts
from cutpoint.summary.words import cell_text, is_number


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
    return {
        "shared": shared,
        "heads": [{"text": column.page, "number": is_number(_style(column))} for column in columns],
        "lines": [
            {
                "variant": row.variant,
                "cells": [_cell(column, row) for column in columns],
                "notes": row.notes or "",
                "reference": row.is_reference,
                "doubtful": bool(doubts(row, (*OF_DETECTIONS, *OF_TIMES))),
            }
            for row in rows
        ],
    }


def _style(column: Column) -> str:
    return column.page_style or column.style


def _text(column: Column, row: SummaryRow) -> str:
    return cell_text(column, row, _style(column))


def _cell(column: Column, row: SummaryRow) -> dict[str, Any]:
    """A cell of the main table: its text, and below it the interval and the reason for doubt."""
    text = _text(column, row)
    below = COLUMNS[column.below] if column.below else None
    return {
        "text": text,
        "number": is_number(_style(column)),
        "below": cell_text(below, row, below.style) if below else "",
        "doubt": ", ".join(doubts(row, column.doubted_by)) if column.marked and text else "",
    }
