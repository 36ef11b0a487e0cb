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
    """The detections with at least ``score_thr``.

    Attributes:
        precision: correct / (correct + wrong), at IoU 0.5; null without either.
        recall: correct / boxes to find; null without boxes to find.
        f1: their harmonic mean, 2 correct / (correct + wrong + boxes to find); null as the recall.
        boxes_per_image: detections, ignored ones included.
        regains_at: the highest threshold at which the recall is at least the reference's at ``score_thr``;
            null where none is, or where that recall is 0. Of the reference itself the lowest score of what it
            finds there, which the others are read against.
    """

    score_thr: float
    precision: float | None
    recall: float | None
    f1: float | None
    boxes_per_image: float
    regains_at: float | None


class ScoreBin(msgspec.Struct):
    """A bin of scores, a tenth wide.

    Attributes:
        low: its lower end; ``from`` in the file.
        detections: of the variant, by its scores, that are right or wrong; null without ground truth.
        mean_score: theirs; null without detections.
        correct: the fraction of them that is right; null likewise.
        pairs: of the same image and class at IoU 0.5, by the reference's score; null without a reference.
        drift: the mean of the variant's score - the reference's; null without pairs.
    """

    low: float = msgspec.field(name="from")
    detections: int | None
    mean_score: float | None
    correct: float | None
    pairs: int | None
    drift: float | None


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
