"""Numbers in words, the same in tables, figures and the page."""

from collections.abc import Callable, Iterable
from typing import Any

from cutpoint.records.metrics import PYCOCOTOOLS
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


def signed_ms(value: float | None) -> str:
    """Format a difference of times (ms) with its sign."""
    return "" if value is None else f"{value:+.2f}"


# The styles of columns that are not a number format.
STYLES: dict[str, Callable[[Any], str]] = {
    "signed": signed,
    "signed_ms": signed_ms,
    "count": count,
    "samples": "n = {}".format,
    "evaluator": lambda name: "" if name == PYCOCOTOOLS else name,
}
# The styles of both limits of the intervals, whose columns end with ``_lo`` and ``_hi``.
LIMITS = {"delta_AP": signed, "latency_delta_ms": signed_ms}


def cell_text(column: Column, row: SummaryRow, style: str) -> str:
    """A cell for people; empty if the value is missing."""
    value = getattr(row, column.name)
    if style == "interval":
        name = column.name.removesuffix("_lo")
        low, high = (LIMITS[name](getattr(row, f"{name}{end}")) for end in ("_lo", "_hi"))
        return f"{low} to {high}" if low else ""
    if value is None:
        return ""
    return STYLES[style](value) if style in STYLES else format(value, style) if style else str(value)


def is_number(style: str) -> bool:
    """Whether cells of a style are numbers, which are aligned to the right."""
    return style not in ("", "interval", "evaluator")


def join(names: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    names = list(names)
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def few(names: Iterable[str], most: int = 6) -> str:
    """As ``join``; of more than ``most`` names the first ones, and how many follow."""
    names = list(names)
    return join(names) if len(names) <= most else join([*names[: most - 1], f"{len(names) - most + 1} more"])
