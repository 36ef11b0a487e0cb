"""A variant at each score threshold, and what threshold it needs; its errors, and the drift of its scores."""

from typing import Any

import numpy as np

from cutpoint.evaluate.error_types import CORRECT, IGNORED, Judged, count_errors, judge
from cutpoint.files import write_json
from cutpoint.matching import PAIR_IOU, find_overlaps, pair_overlaps
from cutpoint.records.detections import Results, make_results, read_results, refusal, refusal_of_pair
from cutpoint.records.truth import read_truth

SCORE_THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
BINS = tuple(round(0.1 * step, 1) for step in range(10))


def measure_operating_points(*, truth: str | None, reference: str | None, variant: str, out: str) -> None:
    """Write what a variant does at score thresholds, beside the reference.

    Args:
        truth: JSON of ``truth.build_truth``; null without annotations: only the scores' drift is measured.
        reference: detections file; null for the reference itself.
        variant: detections file.
        out: JSON file to write. ``points``: see ``trace_points``; ``score_thr``: the one of them at which the
            reference's F1 is highest (the highest of equals); ``errors``: at it, see ``count_errors``;
            ``error_changes``: the same minus the reference's; ``scores``: see ``bin_scores``. Null without a
            reference or ground truth. ``refused``: null, or why all the rest is null: the variant or
            the reference is refused.
    """
    found: dict[str, Any] = dict.fromkeys(("score_thr", "points", "errors", "error_changes"))
    refused = refusal_of_pair(reference, variant) if reference else refusal(variant)
    if refused is not None:
        write_json(out, {**found, "scores": bin_scores(None, None, make_results([])), "refused": refused})
        return
    ours = read_results(variant)
    theirs = read_results(reference) if reference else None
    judged = None
    if truth:
        annotated = read_truth(truth)
        judged = judge(annotated, ours)
        base = judge(annotated, theirs) if theirs is not None else None
        best = [(point["f1"] or 0, point["score_thr"]) for point in trace_points(base or judged)]
        found["score_thr"] = max(best)[1]
        found["points"] = trace_points(judged, base or judged)
        found["errors"] = count_errors(judged, found["score_thr"])
        if base:
            before = count_errors(base, found["score_thr"])
            found["error_changes"] = {kind: n - before[kind] for kind, n in found["errors"].items()}
    write_json(out, {**found, "scores": bin_scores(judged, theirs, ours), "refused": None})


def trace_points(judged: Judged, reference: Judged | None = None) -> list[dict[str, Any]]:
    """What remains at each threshold: detections with at least this score.

    Returns:
        ``score_thr``; ``precision``: correct / (correct + wrong), at IoU 0.5 (null without either);
        ``recall``: correct / boxes to find; ``f1``: their harmonic mean, 2 correct / (correct + wrong + boxes
        to find) (both null without boxes to find); ``boxes_per_image``, ignored ones included;
        ``regains_at``: the highest threshold at which the recall is at least the reference's at
        ``score_thr``, null where none is, or where that recall is 0; of the reference itself the lowest score
        of what it finds there, which the others are read against.
    """
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
        points.append(
            {
                "score_thr": threshold,
                "precision": right / (total - ignored) if total > ignored else None,
                "recall": right / boxes if boxes else None,
                "f1": 2 * right / (total - ignored + boxes) if boxes else None,
                "boxes_per_image": total / judged.images,
                "regains_at": regains_at,
            }
        )
    return points


def bin_scores(judged: Judged | None, reference: Results | None, variant: Results) -> list[dict[str, Any]]:
    """Whether scores mean what they say, and how they drift from the reference's, in tenths.

    Returns:
        ``from``, the lower end of the tenth. By the variant's score: ``detections`` that are right or wrong,
        their ``mean_score``, the share that is ``correct`` (null without ground truth, or without
        detections). By the reference's score: ``pairs`` of the same image and class at IoU 0.5, and
        ``drift``, the mean of the variant's score - the reference's (null without a reference, or pairs).
    """
    rows: list[dict[str, Any]] = [
        {"from": low} | dict.fromkeys(("detections", "mean_score", "correct", "pairs", "drift"))
        for low in BINS
    ]
    if judged:
        known = judged.kinds != IGNORED
        scores, right = judged.scores[known], judged.kinds[known] == CORRECT
        for row, here in zip(rows, _bins(scores), strict=True):
            row["detections"] = int(np.count_nonzero(here))
            if here.any():
                row |= {"mean_score": float(scores[here].mean()), "correct": float(right[here].mean())}
    if reference is not None:
        pairs = pair_overlaps(find_overlaps(reference, variant), PAIR_IOU)
        before, after = reference.score[pairs.left], variant.score[pairs.right]
        for row, here in zip(rows, _bins(before), strict=True):
            row["pairs"] = int(np.count_nonzero(here))
            row["drift"] = float((after - before)[here].mean()) if here.any() else None
    return rows


def _bins(scores: np.ndarray) -> list[np.ndarray]:
    """A mask for each tenth; a score of 1 belongs to the last."""
    number = np.searchsorted(BINS, scores, side="right") - 1
    return [number == index for index in range(len(BINS))]
