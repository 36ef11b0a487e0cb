"""One word for two variants: lossless, equivalent, different or inconclusive."""

import math
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

MARGIN = 0.001
CORNER_PX = 0.05
SCORE = 1e-4
# standard normal quantiles: of both intervals; what 80 % power adds, failing on one side or on either
Z95, Z90, POWER, POWER_BOTH = 1.960, 1.645, 0.842, 1.282


def lossless(
    reference: list[dict[str, Any]],
    variant: list[dict[str, Any]],
    *,
    corner_px: float = CORNER_PX,
    score: float = SCORE,
    score_thr: float | None = None,
    max_per_img: int | None = None,
) -> dict[str, Any]:
    """Whether every detection of both sides has a partner that is the same but for rounding.

    Args:
        reference, variant: COCO results, ``bbox`` ``[x, y, w, h]``, original-image pixels.
        corner_px: how far each coordinate of two corners may be apart, original-image pixels.
        score: how far the scores of partners may be apart.
        score_thr, max_per_img: where both recipes cut; null if they do not, or not alike. A detection that
            the other side lacks is a tie when its score is at most ``score`` above what the other side asked
            for: the threshold, or the last place of an image that is full.

    Returns:
        ``lossless``, ``pairs`` (one to one, same image and class, the most possible), ``ties``,
        ``unmatched_reference``, ``unmatched_variant`` (ties not counted), and ``tolerances``: ``corner_px``,
        ``score``.
    """
    sides = [_columns(reference), _columns(variant)]
    left, right = _pair(*sides, corner_px, score)
    free = [np.setdiff1d(np.arange(len(sides[i]["image"])), used) for i, used in enumerate((left, right))]
    cuts = score, score_thr, max_per_img
    tied = [_tied(sides[i], free[i], sides[1 - i], *cuts) for i in (0, 1)]
    unmatched = [len(rows) - ties for rows, ties in zip(free, tied, strict=True)]
    return {
        "lossless": not any(unmatched),
        "pairs": len(left),
        "ties": sum(tied),
        "unmatched_reference": unmatched[0],
        "unmatched_variant": unmatched[1],
        "tolerances": {"corner_px": corner_px, "score": score},
    }


def decide(is_lossless: bool, delta: dict[str, Any] | None, margin: float = MARGIN) -> dict[str, Any]:
    """The verdict.

    Args:
        is_lossless: from ``lossless``.
        delta: from ``bootstrap.delta``; null without annotations.
        margin: the largest difference in AP that does not matter, a fraction.

    Returns:
        ``verdict``: ``lossless``; else ``equivalent`` if the 90 % interval lies within -margin .. margin,
        which is two one-sided tests at 5 % each, even if the difference is not 0; else ``different`` if 0 is
        outside the 95 % interval; else ``inconclusive``.
        ``suspicious``: different and better than the reference: a conversion does not improve a model.
        ``images_to_decide``: of an inconclusive one, about how many images would decide with 80 % probability
        or more if the difference is what it seems, to two digits; null otherwise and without an interval.
        ``margin``: as given.
    """
    verdict = {"verdict": "inconclusive", "suspicious": False, "images_to_decide": None, "margin": margin}
    if is_lossless:
        return verdict | {"verdict": "lossless"}
    if delta is None or delta["delta_AP_ci95"] is None:
        return verdict
    low, high = delta["delta_AP_ci90"]
    if -margin < low and high < margin:
        return verdict | {"verdict": "equivalent"}
    low, high = delta["delta_AP_ci95"]
    if low > 0 or high < 0:
        return verdict | {"verdict": "different", "suspicious": low > 0}
    return verdict | {"images_to_decide": images_to_decide(delta, margin)}


def images_to_decide(delta: dict[str, Any], margin: float) -> int:
    """Images at which four data sets in five show the difference, or that it is within the margin: the fewer.

    The standard error falls with the root of the number of images.
    """
    size, error = abs(delta["delta_AP"]), delta["delta_AP_se"]
    ratios = [(Z95 + POWER) * error / size] if size else []
    if size < margin:
        ratios.append((Z90 + POWER_BOTH) * error / (margin - size))
    images = delta["images"] * min(ratios) ** 2
    step = 10 ** max(0, math.floor(math.log10(images)) - 1)
    return max(math.ceil(images / step) * step, delta["images"] + 1)


def _columns(results: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    boxes = np.array([r["bbox"] for r in results], dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return {
        "image": np.array([r["image_id"] for r in results], dtype=np.int64),
        "category": np.array([r["category_id"] for r in results], dtype=np.int64),
        "score": np.array([r["score"] for r in results], dtype=np.float64),
        "corners": boxes,
    }


def _pair(
    reference: dict[str, np.ndarray], variant: dict[str, np.ndarray], corner_px: float, score: float
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of partners, ``(P,)`` each."""
    shapes = len(reference["image"]), len(variant["image"])
    keys = [np.concatenate([reference[k], variant[k]]) for k in ("image", "category")]
    group = np.unique(np.stack(keys, axis=1), axis=0, return_inverse=True)[1].ravel()
    scores = np.concatenate([reference["score"], variant["score"]])
    # one key for group and score: groups lie further apart than any two scores
    key = group * (scores.max(initial=0) - scores.min(initial=0) + 1) + scores
    ours, theirs = key[: shapes[0]], key[shapes[0] :]
    order = np.argsort(theirs, kind="stable")
    # wider by more than the keys are rounded; the exact test follows
    reach = score + 4 * np.spacing(np.abs(key).max(initial=1))
    start = np.searchsorted(theirs[order], ours - reach, side="left")
    count = np.searchsorted(theirs[order], ours + reach, side="right") - start
    left = np.repeat(np.arange(shapes[0]), count)
    offset = np.arange(len(left)) - np.repeat(np.cumsum(count) - count, count)
    right = order[np.repeat(start, count) + offset]
    near = (
        (group[left] == group[shapes[0] + right])
        & (np.abs(reference["score"][left] - variant["score"][right]) <= score)
        & (np.abs(reference["corners"][left] - variant["corners"][right]) <= corner_px).all(axis=1)
    )
    left, right = left[near], right[near]
    graph = csr_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=shapes)
    partner = maximum_bipartite_matching(graph, perm_type="column")
    return np.flatnonzero(partner >= 0), partner[partner >= 0]


def _tied(
    side: dict[str, np.ndarray],
    rows: np.ndarray,
    other: dict[str, np.ndarray],
    score: float,
    score_thr: float | None,
    max_per_img: int | None,
) -> int:
    asked = np.full(len(rows), -math.inf if score_thr is None else score_thr)
    if max_per_img is not None and len(other["image"]):
        images, position, count = np.unique(other["image"], return_inverse=True, return_counts=True)
        lowest = np.full(len(images), math.inf)
        np.minimum.at(lowest, position, other["score"])
        bar = np.where(count >= max_per_img, lowest, -math.inf)
        here = np.searchsorted(images, side["image"][rows]).clip(max=len(images) - 1)
        asked = np.where(images[here] == side["image"][rows], np.maximum(asked, bar[here]), asked)
    return int((side["score"][rows] <= asked + score).sum())
