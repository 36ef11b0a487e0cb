"""A variant's detections beside the reference's: which the other side lacks and why, and what that costs."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from cutpoint.evaluate.error_types import CORRECT, ERRORS, IGNORED, judge
from cutpoint.iou import paired_iou
from cutpoint.matching import AGREEMENT_IOU, find_overlaps, group_rows, pair_overlaps
from cutpoint.records.autopsy import SIDES, AutopsyRow, read_autopsy
from cutpoint.records.detections import Results
from cutpoint.records.samples import Corners, DrawnDetection, DrawnObject, DrawnVariant, OtherSide
from cutpoint.records.truth import GroundTruth

# A score that is below the threshold by so little counts as above it: rounding makes no difference.
SLACK = 0.01
# what is said of a detection; the errors come last
JUDGEMENTS = ("", CORRECT, IGNORED, *ERRORS)
FIRST_ERROR = len(JUDGEMENTS) - len(ERRORS)
NO_ROWS = np.zeros(0, dtype=np.int64)
# an autopsy's row by image, category, score, x1 and y1 of the box
Cases = dict[tuple[float, ...], AutopsyRow]


@dataclass(frozen=True)
class Side:
    """All detections of a variant.

    Attributes:
        results: N detections.
        errors: ``(N,)`` int8, a place in ``JUDGEMENTS``; 0 below the threshold, and without ground truth.
        found: ``(N,)`` int64, the object that the detection finds (``correct``), or covers although its class
            or location is wrong: a row of the ground truth, or -1.
        rows: rows of each image, best score first.
    """

    results: Results
    errors: np.ndarray
    found: np.ndarray
    rows: dict[int, np.ndarray]

    def of_image(self, image_id: int, least: float) -> np.ndarray:
        """The rows of an image with at least this score, best first."""
        rows = self.rows.get(image_id, NO_ROWS)
        seen: np.ndarray = rows[self.results.score[rows] >= least]
        return seen

    def detections(self, rows: np.ndarray) -> tuple[DrawnDetection, ...]:
        """What is drawn of these rows."""
        own = self.results.take(rows)
        columns = own.corners, own.category_id.tolist(), own.score.tolist(), self.errors[rows].tolist()
        return tuple(
            DrawnDetection(rounded(corners), category, round(score, 4), JUDGEMENTS[error] or None)
            for corners, category, score, error in zip(*columns, strict=True)
        )


def read_side(results: Results, truth: GroundTruth | None, score_thr: float) -> Side:
    """Judge the detections at or above the threshold."""
    errors, found = np.zeros(len(results), dtype=np.int8), np.full(len(results), -1)
    order = np.argsort(-results.score, kind="stable")
    rows = {image: order[own] for image, own in group_rows(results.image_id[order]).items()}
    if truth is not None:
        # a detection's error does not depend on those with lower scores
        seen = np.flatnonzero(results.score >= score_thr - SLACK)
        judged = judge(truth, results.take(seen))
        seen = seen[judged.rows]
        for place, kind in enumerate(JUDGEMENTS):
            errors[seen[judged.kinds == kind]] = place
        found[seen] = np.append(np.flatnonzero(~truth.iscrowd), -1)[judged.truth]
    return Side(results, errors, found, rows)


class Compared:
    """A variant and the reference, detection by detection.

    A detection at or above the threshold is different if the other side has no partner for it (same class,
    IoU >= 0.9, one to one, at any score), or one whose score is below the threshold by more than ``SLACK``.

    Args:
        autopsy: path of the variant's autopsy.
    """

    def __init__(self, reference: Side, variant: Side, autopsy: str, score_thr: float) -> None:
        self.reference, self.variant, self.score_thr = reference, variant, score_thr
        ours, theirs = reference.results, variant.results
        pairs = pair_overlaps(find_overlaps(ours, theirs), AGREEMENT_IOU)
        iou = paired_iou(ours.corners[pairs.left], theirs.corners[pairs.right])
        self._partners = tuple(
            _partners(len(own), rows, other.score[others], iou)
            for own, rows, other, others in (
                (ours, pairs.left, theirs, pairs.right),
                (theirs, pairs.right, ours, pairs.left),
            )
        )
        self._cases: dict[str, Cases] = {side: {} for side in SIDES}
        for row in read_autopsy(autopsy):
            if row.score >= score_thr:
                self._cases[row.side][row.image_id, row.category_id, row.score, row.x1, row.y1] = row

    def differing(self) -> list[tuple[int, int, str]]:
        """Image, side (index in ``SIDES``) and cause of every detection that the other side lacks."""
        found = []
        for number, side in enumerate((self.reference, self.variant)):
            scores = self._partners[number][0]
            # no partner is nan, and not equal or above
            there = scores >= self.score_thr - SLACK
            for row in np.flatnonzero((side.results.score >= self.score_thr) & ~there):
                cause = self._other(number, int(row)).cause
                found.append((int(side.results.image_id[row]), number, cause or ""))
        return found

    def count_lost(self) -> Counter[int]:
        """By image: objects that only the reference finds, and false positives that only the variant has."""
        least = self.score_thr - SLACK
        right = JUDGEMENTS.index(CORRECT)
        finds = [
            set(side.found[(side.results.score >= thr) & (side.errors == right)].tolist())
            for side, thr in ((self.reference, self.score_thr), (self.variant, least))
        ]
        covering = self.reference.found >= 0
        images = self.reference.results.image_id[covering].tolist()
        owner = dict(zip(self.reference.found[covering].tolist(), images, strict=True))
        lost = Counter(owner[row] for row in finds[0] - finds[1])
        wrong = [
            Counter(
                side.results.image_id[(side.results.score >= thr) & (side.errors >= FIRST_ERROR)].tolist()
            )
            for side, thr in ((self.variant, self.score_thr), (self.reference, least))
        ]
        return lost + (wrong[0] - wrong[1])

    def draw(self, image_id: int, objects: np.ndarray, disagreement: int, lost: int | None) -> DrawnVariant:
        """The variant on an image; ``objects``: the rows of the ground truth there."""
        ours = self.reference.of_image(image_id, self.score_thr)
        theirs = self.variant.of_image(image_id, self.score_thr)
        covered = set(self.variant.found[theirs].tolist())
        return DrawnVariant(
            self.variant.detections(theirs),
            tuple(self._other(1, int(row)) for row in theirs),
            tuple(self._other(0, int(row)) for row in ours),
            tuple(place for place, row in enumerate(objects.tolist()) if row >= 0 and row not in covered),
            disagreement,
            lost,
        )

    def _other(self, number: int, row: int) -> OtherSide:
        """What the other side has for a detection of ``SIDES[number]``."""
        scores, ious = self._partners[number]
        if scores[row] >= 0:
            low = scores[row] < self.score_thr - SLACK
            return OtherSide(
                round(float(scores[row]), 4), round(float(ious[row]), 3), "low_score" if low else None
            )
        results = (self.reference, self.variant)[number].results
        key = (
            *(int(results.image_id[row]), int(results.category_id[row]), float(results.score[row])),
            *results.bbox[row, :2].tolist(),
        )
        case = self._cases[SIDES[number]].get(key)
        if case is None:
            return OtherSide(None, None, "not_followed")
        near = case.other_iou
        return OtherSide(None, None if near is None else round(near, 3), case.step)


def draw_objects(truth: GroundTruth, rows: np.ndarray) -> tuple[DrawnObject, ...]:
    """The boxes of ground truth in these rows."""
    corners = truth.corners
    return tuple(
        DrawnObject(rounded(corners[row]), int(truth.category_id[row]), bool(truth.iscrowd[row]))
        for row in rows
    )


def rounded(corners: np.ndarray) -> Corners:
    """Corners to a tenth of a pixel."""
    x1, y1, x2, y2 = (round(float(value), 1) for value in corners)
    return x1, y1, x2, y2


def _partners(
    count: int, rows: np.ndarray, scores: np.ndarray, iou: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """``(count,)`` score of each row's partner and IoU with it, nan without one."""
    columns = np.full((2, count), np.nan)
    columns[0, rows], columns[1, rows] = scores, iou
    return columns[0], columns[1]
