"""summary.csv for people: one Markdown table for each data set and model."""

from collections.abc import Sequence

from tabulate import tabulate

from cutpoint.records.summary import Column, SummaryRow, by_evaluation, shown_columns
from cutpoint.summary.warnings import warnings
from cutpoint.summary.words import cell_text, is_number

INTRODUCTION = (
    "AP as a fraction; delta AP = variant - reference (the row without one), its interval of a paired "
    "bootstrap over images; latency of the whole path from file to detections. Empty = not applicable; a "
    "column that is empty everywhere is left out."
)


def as_markdown(summary: Sequence[SummaryRow]) -> str:
    """All tables. Warnings come before the numbers of each."""
    parts = ["# Summary", INTRODUCTION]
    for rows in by_evaluation(summary):
        shown = [column for column in shown_columns("markdown") if _is_shown(column, rows)]
        parts.append(f"## {rows[0].dataset}, {rows[0].model}: {rows[0].images} images")
        parts += warnings(rows)
        parts.append(
            tabulate(
                [[_cell(column, row) for column in shown] for row in rows],
                headers=[column.markdown for column in shown],
                tablefmt="pipe",
                disable_numparse=True,
                colalign=["right" if is_number(column.style) else "left" for column in shown],
            )
        )
    return "\n\n".join(parts) + "\n"


def _is_shown(column: Column, rows: Sequence[SummaryRow]) -> bool:
    if column.only_where_some:
        return any(getattr(row, column.name) for row in rows)
    return any(cell_text(column, row, column.style) for row in rows)


def _cell(column: Column, row: SummaryRow) -> str:
    """The text with ``|`` escaped, because it would end a cell."""
    return cell_text(column, row, column.style).replace("|", "\\|")
