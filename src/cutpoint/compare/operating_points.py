"""A variant at each score threshold, the threshold that it needs, its errors, and the drift of its scores."""

import numpy as np

from cutpoint.evaluate.error_types import CORRECT, IGNORED, Judged, count_errors, judge
from cutpoint.matching import PAIR_IOU, find_overlaps, pair_overlaps
from cutpoint.records.detections import Results, read_results, refusal, refusal_of_pair
from cutpoint.records.operating_points import (
    OperatingPoints,
    Point,
    ScoreBin,
    write_operating_points,
)
from cutpoint.records.truth import read_truth

SCORE_THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
BINS = tuple(round(0.1 * step, 1) for step in range(10))


def measure_operating_points(*, truth: str | None, reference: str | None, variant: str, out: str) -> None:
    """Measure a variant at score thresholds, compared with the reference.

    Args:
        truth: JSON of ``truth.build_truth``; null without annotations: only the scores' drift is measured.
        reference: detections file; null for the reference itself.
        variant: detections file.
        out: JSON file to write, see ``records.operating_points.OperatingPoints``; ``score_thr`` is the
            highest of the thresholds with the reference's best F1.
    """
    ours = theirs = judged = base = None
    refused = refusal_of_pair(reference, variant) if reference else refusal(variant)
    if refused is None:
        ours = read_results(variant)
        theirs = read_results(reference) if reference else None
        if truth:
            annotated = read_truth(truth)
            judged = judge(annotated, ours)
            base = judge(annotated, theirs) if theirs is not None else None
    score_thr = _best_threshold(base or judged) if judged else None
    errors, before = (count_errors(side, score_thr or 0) if side else None for side in (judged, base))
    points = OperatingPoints(
        score_thr=score_thr,
        points=trace_points(judged, base or judged) if judged else None,
        errors=errors,
        error_changes={kind: n - before[kind] for kind, n in errors.items()} if errors and before else None,
        scores=bin_scores(judged, theirs, ours),
        refused=refused,
    )
    write_operating_points(out, points)


def _best_threshold(reference: Judged) -> float:
    """The highest threshold among those with the best F1."""
    return max((point.f1 or 0, point.score_thr) for point in trace_points(reference))[1]


def trace_points(judged: Judged, reference: Judged | None = None) -> tuple[Point, ...]:
    """The values at each threshold; for the reference itself, ``regains_at`` is the lowest score there."""
    correct = np.sort(judged.scores[judged.kinds == CORRECT])[::-1]
    points = []
    for threshold in SCORE_THRESHOLDS:
        kept = judged.scores >= threshold
        right, ignored = (int(np.count_nonzero(judged.kinds[kept] == kind)) for kind in (CORRECT, IGNORED))
        total, boxes = int(np.count_nonzero(kept)), judged.boxes
        regains_at = None
        if reference:
            wanted = np.count_nonzero(reference.scores[reference.kinds == CORRECT] >= threshold)
            regains_at = float(correct[wanted - 1]) if 0 < wanted <= len(correct) else None
        point = Point(
            score_thr=threshold,
            precision=right / (total - ignored) if total > ignored else None,
            recall=right / boxes if boxes else None,
            f1=2 * right / (total - ignored + boxes) if boxes else None,
            boxes_per_image=total / judged.images,
            regains_at=regains_at,
        )
        points.append(point)
    return tuple(points)


def bin_scores(
    judged: Judged | None, reference: Results | None, variant: Results | None
) -> tuple[ScoreBin, ...]:
    """The calibration of the scores, and their drift from the reference's.

    Args:
        judged: the variant judged by the ground truth; null without ground truth.
        reference, variant: detections. The reference's are null for itself; both are null if one is refused.
    """
    bins = [ScoreBin(low, *[None] * 5) for low in BINS]
    if judged:
        known = judged.kinds != IGNORED
        scores, right = judged.scores[known], judged.kinds[known] == CORRECT
        for number, here in enumerate(_masks(scores)):
            bins[number].detections = int(np.count_nonzero(here))
            if here.any():
                bins[number].mean_score = float(scores[here].mean())
                bins[number].correct = float(right[here].mean())
    if reference is not None and variant is not None:
        pairs = pair_overlaps(find_overlaps(reference, variant), PAIR_IOU)
        before, after = reference.score[pairs.left], variant.score[pairs.right]
        for number, here in enumerate(_masks(before)):
            bins[number].pairs = int(np.count_nonzero(here))
            bins[number].drift = float((after - before)[here].mean()) if here.any() else None
    return tuple(bins)


def _masks(scores: np.ndarray) -> list[np.ndarray]:
    """A mask for each bin; a score of 1 belongs to the last."""
    number = np.searchsorted(BINS, scores, side="right") - 1
    return [number == index for index in range(len(BINS))]
