"""Each variant on each slice of its data set, one row per variant and slice."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.csv_table import read_rows, write_rows


@dataclass(frozen=True, kw_only=True)
class SliceRow:
    """A line of ``results/tables/per_slice.csv``: a slice of a data set, of one variant.

    AP values and ``AR100`` are fractions, and null without ground truth. ``different``: from the reference,
    with a false discovery rate of 5 % over a variant's slices. ``images_with_objects`` and ``objects`` (boxes
    without crowds) are null without ground truth.
    """

    dataset: str
    model: str
    variant: str
    name: str
    value: str
    images: int
    images_with_objects: int | None
    objects: int | None
    AP: float | None
    AP50: float | None
    AR100: float | None
    delta_AP: float | None
    delta_AP_lo: float | None
    delta_AP_hi: float | None
    different: bool | None
    agreement: float | None


def read_per_slice(path: str | Path) -> list[SliceRow]:
    """Read per_slice.csv.

    Raises:
        UserError: the file is not one.
    """
    return read_rows(path, SliceRow)


def write_per_slice(path: str | Path, rows: list[SliceRow]) -> None:
    """Write per_slice.csv, completely or not at all."""
    write_rows(path, SliceRow, rows)
