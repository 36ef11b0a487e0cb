"""What the kinds of heads share: activations, and the exact floor of the pairs."""

import numpy as np

from cutpoint.ordering import ascending
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
    return Candidates(
        level=level[index].astype(np.int8),
        prior=prior[index].astype(np.int32),
        label=label[index].astype(np.int16),
        score=score[index],
        factor=factor[index],
        boxes=take_boxes(boxes, index),
    )


def sigmoid(logits: np.ndarray) -> np.ndarray:
    probabilities: np.ndarray = np.float32(1) / (np.float32(1) + np.exp(-logits))
    return probabilities


def softmax(logits: np.ndarray) -> np.ndarray:
    """Sum over axis 1 one by one, so that a row does not depend on the number of other rows."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: np.ndarray = powers / np.add.accumulate(powers, axis=1)[:, -1:]
    return probabilities
