"""A table of variants and numbers, as the page shows it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class NumberRow:
    """A variant and its cells, as text; empty where they do not apply."""

    variant: str
    cells: Sequence[str]


@dataclass(frozen=True)
class NumberTable:
    """Rows of cells below ``heads``; ``caption`` explains them.

    ``picks``: for each head the filter of the gallery (key and value) that its cells lead to, or null.
    """

    caption: str
    heads: Sequence[str]
    rows: Sequence[NumberRow]
    picks: Sequence[tuple[str, str] | None] = ()
