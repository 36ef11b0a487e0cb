"""Numbers in words, the same in tables, figures and the page."""

from collections.abc import Callable, Iterable
from typing import Any

from cutpoint.records.summary import Column, SummaryRow


def fixed(digits: int) -> Callable[[float | None], str]:
    """Return a formatter with ``digits`` decimals that shows a missing value as empty."""
    return lambda value: "" if value is None else f"{value:.{digits}f}"


def signed(value: float | None) -> str:
    """Format an AP difference (fraction) with its sign; one that rounds to zero has none."""
    if value is None:
        return ""
    text = f"{value:+.4f}"
    return "0.0000" if float(text) == 0 else text


def count(value: int | None) -> str:
    """A count as text; empty for 0 and for a missing value."""
    return str(value) if value else ""


def interval(low: float | None, high: float | None) -> str:
    """Format the interval of an AP difference (fractions); empty if it is missing."""
    return "" if low is None else f"{signed(low)} to {signed(high)}"


# The styles of columns that are not a number format.
STYLES: dict[str, Callable[[Any], str]] = {"signed": signed, "count": count}


def cell_text(column: Column, row: SummaryRow, style: str) -> str:
    """A cell for people; empty if the value is missing."""
    value = getattr(row, column.name)
    if style == "interval":
        return interval(row.delta_AP_lo, row.delta_AP_hi)
    if value is None:
        return ""
    return STYLES[style](value) if style in STYLES else format(value, style) if style else str(value)


def is_number(style: str) -> bool:
    """Whether cells of a style are numbers, which are aligned to the right."""
    return style not in ("", "interval")


def join(names: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    names = list(names)
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
