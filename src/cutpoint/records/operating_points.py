"""A variant at score thresholds, its errors, and the drift of its scores."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cutpoint.records.json_file import read_record, write_record

# the names of error types in files of format 1
OLD_ERRORS = {"place": "localization"}


@dataclass(frozen=True)
class Point:
    """The detections with at least ``score_thr``.

    Attributes:
        precision: correct / (correct + wrong), at IoU 0.5; null without either.
        recall: correct / boxes to find; null without boxes to find.
        f1: their harmonic mean, 2 correct / (correct + wrong + boxes to find); null like the recall.
        boxes_per_image: detections, including ignored ones.
        regains_at: the highest threshold at which the recall is at least the reference's at ``score_thr``;
            null if there is none, or if that recall is 0. For the reference itself: the lowest score among
            its correct detections there, to compare the others with.
    """

    score_thr: float
    precision: float | None
    recall: float | None
    f1: float | None
    boxes_per_image: float
    regains_at: float | None


class ScoreBin(msgspec.Struct):
    """A bin of scores, 0.1 wide.

    Attributes:
        low: its lower end; ``from`` in the file.
        detections: number of the variant's detections that are right or wrong, by the variant's scores; null
            without ground truth.
        mean_score: their mean score; null without detections.
        correct: the fraction of them that is right; null without detections.
        pairs: number of pairs at IoU 0.5 in the same image and class, by the reference's score; null without
            a reference.
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
        score_thr: the point with the reference's highest F1. It and all below up to ``error_changes`` are
            null without ground truth.
        points: one per threshold, ascending.
        errors: the number of boxes by error type at ``score_thr``, see ``error_types.count_errors``.
        error_changes: the same minus the reference's; null for the reference itself.
        scores: ten bins.
        refused: why the variant or the reference is refused; then the rest is null. Otherwise null.
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
    """Write the operating points of a variant, completely or not at all."""
    write_record(path, points)


def _upgrade(content: dict[str, Any], number: int) -> dict[str, Any]:
    renamed = {}
    for key in ("errors", "error_changes"):
        counts = content.get(key)
        if isinstance(counts, dict):
            renamed[key] = {OLD_ERRORS.get(kind, kind): count for kind, count in counts.items()}
    return content | renamed
