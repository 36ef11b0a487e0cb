"""AP of each category, one row per variant and category."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.csv_table import read_rows, write_rows


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """A line of ``results/tables/per_class.csv``: a category that has ground truth, of one variant.

    AP values are fractions. ``different``: from the reference, with a false discovery rate of 5 % over a
    variant's classes and sizes. ``ground_truths``: number of boxes, without crowds. ``evaluator``: who
    computed AP, see ``Metrics``; null in older files.
    """

    dataset: str
    model: str
    variant: str
    category_id: int
    name: str
    AP: float | None
    AP50: float | None
    delta_AP: float | None
    delta_AP_lo: float | None
    delta_AP_hi: float | None
    different: bool | None
    ground_truths: int
    evaluator: str | None


def read_per_class(path: str | Path) -> list[ClassRow]:
    """Read per_class.csv.

    Raises:
        UserError: the file is not one.
    """
    return read_rows(path, ClassRow, lambda cells: {"evaluator": "", **cells})


def write_per_class(path: str | Path, rows: list[ClassRow]) -> None:
    """Write per_class.csv, completely or not at all."""
    write_rows(path, ClassRow, rows)
