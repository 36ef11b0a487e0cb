"""The main numbers for a terminal and a pull request: for each data set and model an answer and a table."""

import textwrap
from collections.abc import Sequence

from tabulate import tabulate

from cutpoint.printable import markdown_text
from cutpoint.records.recommendation import Recommendation
from cutpoint.records.summary import (
    OF_DETECTIONS,
    OF_TIMES,
    Column,
    SummaryRow,
    by_evaluation,
    shown_columns,
)
from cutpoint.summary.advice import RULE, headline
from cutpoint.summary.flags import doubts
from cutpoint.summary.warnings import warnings
from cutpoint.summary.words import cell_text, is_number

LEGEND = (
    "AP and agreement are fractions. ΔAP: variant - reference, with the interval of a paired bootstrap over "
    "images. p50: median time from file to detections. Doubtful: why numbers of the row are. Everything else "
    "is in summary.csv and in the report."
)
WIDTH = 118


def as_markdown(
    summary: Sequence[SummaryRow],
    advice: Sequence[Recommendation],
    annotations: Sequence[Sequence[str]] = (),
) -> str:
    """All tables. The answer and the warnings come before the numbers of each, and the annotations after.

    Args:
        summary: all rows.
        advice: the recommendation for each data set and model, in the order of the rows.
        annotations: for each of them what was lost, filled in or is odd in the ground truth; may be empty.
    """
    parts = ["# Cutpoint"]
    told = annotations or [()] * len(advice)
    for rows, own, notes in zip(by_evaluation(summary), advice, told, strict=True):
        said = headline(own)
        parts.append(f"## {rows[0].dataset}, {rows[0].model}: {rows[0].images} images")
        parts.append(_wrap(f"**{said[:1].upper()}{said[1:]}.**"))
        listed = [_wrap(f"- {text}", "  ") for text in dict.fromkeys([*own.reasons, *warnings(rows)])]
        parts += ["\n".join(listed)] if listed else []
        parts.append(_table(rows))
        if notes:
            lines = "\n".join(_wrap(f"- {note}", "  ") for note in notes)
            parts.append(f"Annotations of {markdown_text(rows[0].dataset)}:\n\n{lines}")
    return "\n\n".join([*parts, _wrap(LEGEND), _wrap(RULE)]) + "\n"


def _table(rows: Sequence[SummaryRow]) -> str:
    shown = [column for column in shown_columns("markdown") if _is_shown(column, rows)]
    lines = [[_cell(column, row) for column in shown] for row in rows]
    flags = [", ".join(dict.fromkeys(doubts(row, (*OF_DETECTIONS, *OF_TIMES)))) for row in rows]
    heads = [column.markdown for column in shown]
    sides = ["right" if is_number(column.style) else "left" for column in shown]
    if any(flags):
        lines = [[*line, markdown_text(text)] for line, text in zip(lines, flags, strict=True)]
        heads, sides = [*heads, "doubtful"], [*sides, "left"]
    return tabulate(lines, headers=heads, tablefmt="pipe", disable_numparse=True, colalign=sides)


def _is_shown(column: Column, rows: Sequence[SummaryRow]) -> bool:
    if column.only_where_some:
        return any(getattr(row, column.name) for row in rows)
    return any(cell_text(column, row, column.style) for row in rows)


def _cell(column: Column, row: SummaryRow) -> str:
    text = markdown_text(cell_text(column, row, column.style))
    return f"{text} (reference)" if column.name == "variant" and row.is_reference else text


def _wrap(text: str, indent: str = "") -> str:
    """The text in lines that a terminal shows whole; they are one paragraph in Markdown."""
    return textwrap.fill(markdown_text(text), WIDTH, subsequent_indent=indent, break_long_words=False)
