"""A data set and model: its rows of the tables, and what its files say."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from cutpoint.records.comparison import Comparison, SliceDelta, read_comparison
from cutpoint.records.ladder import Ladder, read_ladder
from cutpoint.records.latency import Latency, read_latency
from cutpoint.records.operating_points import OperatingPoints, read_operating_points
from cutpoint.records.per_class import ClassRow
from cutpoint.records.recommendation import Recommendation, read_recommendations
from cutpoint.records.slices import read_slices
from cutpoint.records.summary import SummaryRow
from cutpoint.records.timing import read_samples
from cutpoint.report.section import Entry

T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """One evaluation. Files are read when they are asked for, and once.

    Attributes:
        rows: its rows of summary.csv, in table order; at least one.
        classes: its rows of per_class.csv.
        entries: ``{dataset, model, variant, path}`` of its files, by kind; see
            ``plan.tables.report_entries``.
    """

    rows: list[SummaryRow]
    classes: list[ClassRow]
    entries: dict[str, list[Entry]]

    @property
    def dataset(self) -> str:
        return self.rows[0].dataset

    @property
    def model(self) -> str:
        return self.rows[0].model

    @property
    def title(self) -> str:
        return f"{self.dataset}, {self.model}"

    @property
    def reference(self) -> SummaryRow:
        return next(row for row in self.rows if row.is_reference)

    @property
    def labelled(self) -> bool:
        """Whether there is ground truth: a class with ground truth is listed also for a refused variant."""
        return bool(self.classes) or any(row.AP is not None for row in self.rows)

    @cached_property
    def comparisons(self) -> dict[str, Comparison]:
        """By variant; without the reference."""
        return self._read("comparisons", read_comparison)

    @cached_property
    def slices(self) -> dict[str, tuple[SliceDelta, ...]]:
        """Each variant on the slices of the data set, by variant; empty without slices."""
        return {name: one.per_slice for name, one in self.comparisons.items() if one.per_slice}

    @cached_property
    def image_slices(self) -> dict[int, dict[str, str]]:
        """The value of each name that slices have, by image id."""
        paths = [entry["path"] for entry in self.entries.get("slices", [])]
        return read_slices(paths[0]) if paths else {}

    @cached_property
    def points(self) -> dict[str, OperatingPoints]:
        """By variant."""
        return self._read("points", read_operating_points)

    @cached_property
    def latencies(self) -> dict[str, Latency]:
        """By variant; without results files."""
        return self._read("latencies", read_latency)

    @cached_property
    def samples(self) -> dict[str, np.ndarray]:
        """The samples of the latency from file to detections, ms, by variant."""
        paths = [entry["path"] for entry in self.entries.get("timings", [])]
        table = read_samples(paths[0])[0] if paths else None
        return (
            {}
            if table is None
            else {str(name): own["total"].to_numpy() for name, own in table.groupby("variant")}
        )

    @cached_property
    def ladder(self) -> Ladder | None:
        paths = [entry["path"] for entry in self.entries.get("ladders", [])]
        return read_ladder(paths[0]) if paths else None

    @cached_property
    def recommendation(self) -> Recommendation | None:
        paths = [entry["path"] for entry in self.entries.get("recommendations", [])]
        every = read_recommendations(paths[0]) if paths else ()
        return next((one for one in every if (one.dataset, one.model) == (self.dataset, self.model)), None)

    def _read(self, kind: str, reader: Callable[[str], T]) -> dict[str, T]:
        return {entry["variant"]: reader(entry["path"]) for entry in self.entries.get(kind, [])}


def groups(
    rows: list[list[SummaryRow]], classes: list[ClassRow], entries: dict[str, list[Entry]]
) -> list[Group]:
    """A group for each list of rows; ``classes`` and ``entries`` are those of all."""
    return [_group(own, classes, entries) for own in rows]


def _group(rows: list[SummaryRow], classes: list[ClassRow], entries: dict[str, list[Entry]]) -> Group:
    key = rows[0].dataset, rows[0].model
    return Group(
        rows,
        [line for line in classes if (line.dataset, line.model) == key],
        {
            kind: [entry for entry in listed if (entry.get("dataset"), entry["model"]) == key]
            for kind, listed in entries.items()
        },
    )
