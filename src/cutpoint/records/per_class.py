"""AP of each category, one row a variant and category."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.csv_table import read_rows, write_rows


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """A line of ``results/tables/per_class.csv``: a category that has ground truth, of one variant.

    AP and its kin are fractions. ``different``: from the reference, with the false discovery rate over a
    variant's classes and sizes at 5 %. ``ground_truths``: boxes, crowds not counted.
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


def read_per_class(path: str | Path) -> list[ClassRow]:
    """Read per_class.csv.

    Raises:
        UserError: the file is not one.
    """
    return read_rows(path, ClassRow)


def write_per_class(path: str | Path, rows: list[ClassRow]) -> None:
    """Write per_class.csv, whole or not at all."""
    write_rows(path, ClassRow, rows)
