"""pycocotools' numbers from matches, without a dict for each box: for data sets that it has no memory for."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools.cocoeval import COCOeval, Params

from cutpoint.evaluate.matches import ClassMatches
from cutpoint.matching import rank_in_group


@dataclass(frozen=True)
class Curves:
    """What ``COCOeval.accumulate`` keeps in ``eval``, for K categories; -1 without objects.

    Attributes:
        precision: ``(10, 101, K, 4, 3)`` float64, by IoU threshold, recall, category, area range, maxDets.
        recall: ``(10, K, 4, 3)`` float64.
        scores: as ``precision``, the score at which the recall is reached; 0 where it is not.
    """

    precision: np.ndarray
    recall: np.ndarray
    scores: np.ndarray

    def summarize(self) -> np.ndarray:
        """COCO's twelve numbers, by pycocotools; -1 without objects."""
        evaluation = COCOeval(iouType="bbox")
        evaluation.eval = vars(self)
        with contextlib.redirect_stdout(io.StringIO()):
            # pycocotools prints
            evaluation.summarize()
        numbers: np.ndarray = evaluation.stats
        return numbers


def accumulate(matches: Sequence[ClassMatches]) -> Curves:
    """Precision and recall, equal to pycocotools' to the last bit.

    Args:
        matches: K classes, from ``match_images``.

    Source:
        ``COCOeval.accumulate``, pycocotools 2.0.11. Sums are of whole numbers, and the divisions are its own.
    """
    settings = Params("bbox")
    shape = len(settings.iouThrs), len(settings.recThrs), len(matches), len(settings.areaRng)
    precision = np.full((*shape, len(settings.maxDets)), -1.0)
    scores, recall = precision.copy(), precision[:, 0].copy()
    for k, own in enumerate(matches):
        rank = rank_in_group(own.images)
        for m, most in enumerate(settings.maxDets):
            kept = np.flatnonzero(rank < most)
            found = own.scores[kept]
            for area, positives in enumerate(own.positives.sum(axis=1).tolist()):
                if positives:
                    right = np.cumsum(own.correct[area][:, kept], axis=1).astype(float)
                    counted = np.cumsum(own.counted[area][:, kept], axis=1)
                    for t, (tp, fp) in enumerate(zip(right, counted - right, strict=True)):
                        reached, curve = tp / positives, tp / (fp + tp + np.spacing(1))
                        recall[t, k, area, m] = reached[-1] if len(kept) else 0
                        curve = np.maximum.accumulate(curve[::-1])[::-1]
                        at = np.searchsorted(reached, settings.recThrs, side="left")
                        precision[t, :, k, area, m] = np.append(curve, 0)[at]
                        scores[t, :, k, area, m] = np.append(found, 0)[at]
    return Curves(precision, recall, scores)
