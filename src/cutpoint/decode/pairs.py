"""What the kinds of heads share: activations, and the exact floor of the pairs."""

from collections.abc import Callable

import numpy as np

from cutpoint.ordering import ascending, best_first
from cutpoint.records.candidates import Candidates, take_boxes
from cutpoint.records.head import Floor


def passes(values: np.ndarray, threshold: float, inclusive: bool) -> np.ndarray:
    """Compare float32 values with a threshold, in float32 as torch does."""
    border = np.float32(threshold)
    passed: np.ndarray = values >= border if inclusive else values > border
    return passed


def finish(
    level: np.ndarray,
    prior: np.ndarray,
    label: np.ndarray,
    score: np.ndarray,
    factor: np.ndarray,
    boxes: np.ndarray,
    floor: Floor,
) -> Candidates:
    """Apply the exact floor and sort the rows; equal priors have ascending labels."""
    value = score * factor if floor.quantity == "product" else score
    index = np.flatnonzero(passes(value, floor.value, floor.inclusive))
    index = index[ascending(prior[index])]
    if floor.pairs is not None:
        index = index[_best(value[index], prior[index], floor.pairs)]
    return Candidates(
        level=level[index].astype(np.int8),
        prior=prior[index].astype(np.int32),
        label=label[index].astype(np.int16),
        score=score[index],
        factor=factor[index],
        boxes=take_boxes(boxes, index),
    )


def finish_rows(
    priors: np.ndarray,
    scores: np.ndarray,
    boxes_of: Callable[[np.ndarray, np.ndarray], np.ndarray],
    floor: Floor,
) -> Candidates:
    """``finish`` for rows that are on no level and have no factor.

    Args:
        priors: ``(N,)`` integers, where each row comes from; -1 in padding rows, which give no candidates.
        scores: ``(N, C)`` float32, after the activation.
        boxes_of: from row and label, ``(K,)`` int64 each, to boxes ``(K, 4)`` float32, network pixels.
        floor: the candidates' floor.
    """
    rows = np.flatnonzero(priors >= 0)
    rows = rows[ascending(priors[rows])]
    scores = scores[rows]
    passed = passes(scores, floor.value, floor.inclusive)
    if floor.pairs is not None:
        passed &= _likely(scores, floor.pairs)
    index = np.flatnonzero(passed)
    score, row = scores.reshape(-1)[index], index // scores.shape[1]
    if floor.pairs is not None:
        chosen = _best(score, row, floor.pairs)
        index, score, row = index[chosen], score[chosen], row[chosen]
    label, row = index % scores.shape[1], rows[row]
    return Candidates(
        level=np.zeros(len(row), np.int8),
        prior=priors[row].astype(np.int32),
        label=label.astype(np.int16),
        score=score,
        factor=np.ones(len(row), np.float32),
        boxes=boxes_of(row, label),
    )


def _likely(scores: np.ndarray, most: int) -> np.ndarray:
    """Mask of ``(N, C)`` scores with all that ``_best`` can choose, so that few are left to sort."""
    highest = scores.max(axis=1, keepdims=True)
    of_rows = (scores == highest) & (highest >= _least_of(highest, most))
    likely: np.ndarray = (scores >= _least_of(scores, most)) | of_rows
    return likely


def _least_of(values: np.ndarray, most: int) -> np.float32:
    """The least of the ``most`` highest values."""
    if values.size <= most:
        return np.float32(-np.inf)
    least: np.float32 = np.partition(values.reshape(-1), -most)[-most]
    return least


def _best(values: np.ndarray, places: np.ndarray, most: int) -> np.ndarray:
    """Of pairs in the order of candidates, the ``most`` best ones, and the best one of as many best places.

    Of equal values the first is the better one, as in the steps that rank. ``(K,)`` int64, ascending.
    """
    order = best_first(values)
    _, first = np.unique(places[order], return_index=True)
    return np.union1d(order[:most], order[np.sort(first)[:most]])


def activated(logits: np.ndarray, activation: str) -> np.ndarray:
    """Class scores ``(N, C)`` of logits; ``softmax`` drops the last one, the background."""
    return softmax(logits)[:, :-1] if activation == "softmax" else sigmoid(logits)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    probabilities: np.ndarray = np.float32(1) / (np.float32(1) + np.exp(-logits))
    return probabilities


def softmax(logits: np.ndarray) -> np.ndarray:
    """Sum over axis 1 one by one, so that a row does not depend on the number of other rows."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: np.ndarray = powers / np.add.accumulate(powers, axis=1)[:, -1:]
    return probabilities
