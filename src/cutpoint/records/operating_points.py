"""What a variant does at score thresholds, its errors, and the drift of its scores."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cutpoint.records.json_file import read_record, write_record

# the kinds of errors by their names in files of format 1
OLD_ERRORS = {"place": "localization"}


@dataclass(frozen=True)
class Point:
    """The detections with at least ``score_thr``, as of ``operating_points.trace_points``."""

    score_thr: float
    precision: float | None
    recall: float | None
    f1: float | None
    boxes_per_image: float
    regains_at: float | None


class ScoreBin(msgspec.Struct, frozen=True):
    """A bin of scores, a tenth wide, as of ``operating_points.bin_scores``.

    ``low``: its lower end (``from`` in the file). The next three are of the variant's scores, the last two of
    the reference's.
    """

    low: float = msgspec.field(name="from")
    detections: int | None = None
    mean_score: float | None = None
    correct: float | None = None
    pairs: int | None = None
    drift: float | None = None


@dataclass(frozen=True)
class OperatingPoints:
    """``results/operating_points/{dataset}/{model}/{variant}.json``.

    Attributes:
        score_thr: that of the points at which the reference's F1 is highest; null, as all to
            ``error_changes``, without ground truth.
        points: one a threshold, ascending.
        errors: at ``score_thr`` the number of boxes by kind, see ``error_types.count_errors``.
        error_changes: the same minus the reference's; null for the reference itself.
        scores: ten bins.
        refused: why all the rest is null: the variant or the reference is refused; else null.
    """

    score_thr: float | None
    points: tuple[Point, ...] | None
    errors: dict[str, int] | None
    error_changes: dict[str, int] | None
    scores: tuple[ScoreBin, ...]
    refused: str | None

    @property
    def best(self) -> Point | None:
        """The point at ``score_thr``; null without ground truth."""
        return next((point for point in self.points or () if point.score_thr == self.score_thr), None)


def read_operating_points(path: str | Path) -> OperatingPoints:
    """Read the operating points of a variant.

    Raises:
        UserError: the file is not one of them.
    """
    return read_record(path, OperatingPoints, _upgrade)


def write_operating_points(path: str | Path, points: OperatingPoints) -> None:
    """Write the operating points of a variant, whole or not at all."""
    write_record(path, points)


def _upgrade(content: dict[str, Any], number: int) -> dict[str, Any]:
    renamed = {}
    for key in ("errors", "error_changes"):
        counts = content.get(key)
        if isinstance(counts, dict):
            renamed[key] = {OLD_ERRORS.get(kind, kind): count for kind, count in counts.items()}
    return content | renamed
