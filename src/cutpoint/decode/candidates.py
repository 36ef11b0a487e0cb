"""Head tensors in, candidates out: every (location, class) pair above the floor, with its box."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from cutpoint.decode.boxes import decode_boxes, level_priors
from cutpoint.ordering import ascending
from cutpoint.records.candidates import Candidates, take_boxes
from cutpoint.records.model import DenseHead, Floor, HeadSpec, Part
from cutpoint.records.onnx_model import PADDING_LABEL

# The cheap comparison of logits starts this far below logit(floor), so that rounding in the sigmoid cannot
# lose a pair. The exact comparison follows for the few pairs that pass. Close to 1 the sigmoid is too flat
# for this margin, so the border stays below.
LOGIT_MARGIN = 1e-3
HIGHEST_BORDER = 0.999
# If fewer than one cell in this many is needed, cells are gathered. Otherwise reading all in order is faster.
SPARSE = 12
SMALLEST = np.finfo(np.float32).tiny


def from_raw(outputs: dict[str, np.ndarray], spec: DenseHead, image: int = 0) -> Candidates:
    """Candidates from the tensors of the ``raw`` cut.

    Args:
        outputs: name (``DenseHead.raw_names``) to ``(B, channels, H, W)`` float32, as the head emits them.
        spec: the head specification.
        image: index into the batch.

    Returns:
        the image's candidates.
    """
    factors = _all_priors(outputs, spec.factor, spec, image) if spec.factor else None
    borders, gather = _borders(spec, factors)
    places: list[tuple[int, ...]] = []
    found: list[tuple[np.ndarray, ...]] = []
    start = 0
    for level in range(spec.levels):
        width = outputs[f"{spec.score.tensor}_{level}"].shape[3]
        anchors = spec.anchors_per_cell(level)
        scores = _read(outputs, spec.score, level, anchors, image)
        parts = [_read(outputs, part, level, anchors, image) for part in spec.box]
        cells = scores.shape[2]
        for anchor in range(anchors):
            border = borders if borders.ndim == 0 else borders[start : start + cells]
            label, cell, score = _reaching(scores[anchor], border, gather, spec.score_activation)
            if len(cell) or not found:  # at least one: it gives the shapes if there is no pair
                found.append((label, cell, score, *(part[anchor].take(cell, axis=1) for part in parts)))
                places.append((level, anchor, width, anchors, start, start - anchor * cells))
            start += cells
    counts = [len(columns[0]) for columns in found]
    label, cell, score, *parts = (np.concatenate(c, axis=-1) for c in zip(*found, strict=True))
    level, anchor, width, anchors, start, level_start = np.array(places).repeat(counts, axis=0).T
    y = cell // width
    values = np.concatenate(parts).T  # column by column in memory, which is faster
    if values.shape[1] > 4:  # but those are summed row by row
        values = np.ascontiguousarray(values)
    priors = level_priors(spec, level, y, cell - y * width, anchor)
    boxes, factor = decode_boxes(spec, level, priors, values)
    if factor is None:
        factor = np.ones(len(cell), np.float32) if factors is None else factors.take(start + cell)
        if spec.factor and spec.factor_activation == "sigmoid":
            factor = _sigmoid(factor)
    if spec.score_activation == "sigmoid":
        score = _sigmoid(score)
    prior = level_start + cell * anchors + anchor
    return _finish(level, prior, label, score, factor, boxes, spec.floor)


def from_decoded(outputs: dict[str, np.ndarray], spec: HeadSpec, image: int = 0) -> Candidates:
    """Candidates from the tensors of the ``decoded`` cut.

    Args:
        outputs: ``boxes`` ``(B, N, 4)`` float32 network pixels, ``scores`` ``(B, N, C)`` float32 activated,
            ``factors`` ``(B, N)`` float32 for heads that have one, ``level_counts`` ``(L,)`` int64. Without
            ``factors``, a head with a factor gives fused scores: class x factor, or its root if the head's
            own recipe takes the root.
        spec: the head specification.
        image: index into the batch.

    Returns:
        the image's candidates. With fused scores, ``score`` is the product and ``factor`` is 1 (with the root
        both are the root, so that their product is the product), and the floor applies to the product.
    """
    scores = outputs["scores"][image]
    fused = spec.has_factor and "factors" not in outputs
    factors = outputs["factors"][image] if spec.has_factor and not fused else None
    floor = np.float32(spec.floor.value)
    rows = None
    if factors is not None and spec.floor.quantity == "product":
        # the product of a pair reaches the floor only if both parts do
        rows = np.flatnonzero(factors >= floor)
        scores = scores[rows]
    # flat, since numpy finds the few true ones of a flat array much faster
    index = np.flatnonzero(scores >= floor)
    row, label = np.divmod(index, scores.shape[1])
    prior = row if rows is None else rows[row]
    score = scores.reshape(-1)[index]
    level = np.searchsorted(np.cumsum(outputs["level_counts"]), prior, side="right")
    factor = np.ones(len(prior), np.float32) if factors is None else factors[prior]
    boxes = outputs["boxes"][image][prior]
    if not fused:
        return _finish(level, prior, label, score, factor, boxes, spec.floor)
    factor = score if spec.takes_root else factor
    return _finish(level, prior, label, score, factor, boxes, replace(spec.floor, quantity="product"))


def rows_of(outputs: dict[str, np.ndarray], image: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows of one image that an ``e2e`` graph counts, without padding.

    Args:
        outputs: ``boxes`` ``(B, K, 4)`` float32, ``scores`` ``(B, K)`` float32, ``labels`` ``(B, K)`` int64,
            ``count`` ``(B,)`` int64.
        image: index into the batch.

    Returns:
        boxes ``(N, 4)``, scores ``(N,)``, labels ``(N,)``.
    """
    count = int(outputs["count"][image])
    boxes, scores, labels = (outputs[name][image, :count] for name in ("boxes", "scores", "labels"))
    padding = (labels == PADDING_LABEL) & (scores <= 0)
    if padding.any():  # the count of an external file may include it
        boxes, scores, labels = boxes[~padding], scores[~padding], labels[~padding]
    return boxes, scores, labels


def from_rows(outputs: dict[str, np.ndarray], spec: HeadSpec, image: int = 0) -> Candidates:
    """Candidates from the rows of an external file that ends in detections.

    Args:
        outputs: see ``rows_of``; boxes in network pixels.
        spec: the head specification.
        image: index into the batch.

    Returns:
        the image's candidates: ``prior`` is the row, ``level`` 0, ``factor`` 1.
    """
    boxes, scores, labels = rows_of(outputs, image)
    prior = np.arange(len(scores))
    ones = np.ones(len(scores), np.float32)
    return _finish(np.zeros_like(prior), prior, labels, scores, ones, boxes, spec.floor)


def passes(values: np.ndarray, threshold: float, inclusive: bool) -> np.ndarray:
    """Compare float32 values with a threshold, in float32 as torch does."""
    border = np.float32(threshold)
    passed: np.ndarray = values >= border if inclusive else values > border
    return passed


def _read(outputs: dict[str, np.ndarray], part: Part, level: int, anchors: int, image: int) -> np.ndarray:
    """A part of a level's tensor, ``(anchors, channels, cells)``."""
    value = outputs[f"{part.tensor}_{level}"][image]
    channels, height, width = value.shape
    rows: np.ndarray = value.reshape(anchors, channels // anchors, height * width)
    return rows[:, part.start : part.stop]


def _all_priors(outputs: dict[str, np.ndarray], part: Part, spec: DenseHead, image: int) -> np.ndarray:
    """``(P,)`` values of a part of one channel, in the order level, anchor, cell."""
    levels = (_read(outputs, part, n, spec.anchors_per_cell(n), image) for n in range(spec.levels))
    return np.concatenate([values.reshape(-1) for values in levels])


def _reaching(
    scores: np.ndarray, border: np.ndarray, gather: bool, activation: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Label, cell and score before the activation, for the pairs of one anchor that reach the border.

    ``scores`` is ``(C, cells)``, before the activation. ``border`` is one number, or one per cell; infinity
    excludes the cell. With ``gather`` only the other cells are read.
    """
    cells = None
    if gather:
        cells = np.flatnonzero(border < np.inf)
        scores, border = scores.take(cells, axis=1), border.take(cells)
    # after a softmax a class has at most the score that it has against the background only
    most = scores[:-1] - scores[-1] if activation == "softmax" else scores
    # flat, since numpy finds the few true ones of a flat array much faster
    index = np.flatnonzero(most >= border)
    label = index // max(scores.shape[1], 1)
    cell = index - label * scores.shape[1]
    if activation == "softmax":
        score = _softmax(scores[:, cell].T)[np.arange(len(cell)), label]
    else:
        score = scores.take(index)
    return label, cell if cells is None else cells.take(cell), score


def _borders(spec: DenseHead, factors: np.ndarray | None) -> tuple[np.ndarray, bool]:
    """The class score before its activation that a pair needs to reach the floor, float32.

    One number, or ``(P,)`` with infinity if the factor is already too small; and whether there are so many of
    these that the rest is better gathered. ``factors`` ``(P,)`` are before their activation.
    """
    floor = spec.floor.value
    if spec.floor.quantity != "product" or factors is None:
        return _border(floor, spec.score_activation), False
    # both parts of the product must reach the floor, and the factor is known
    borders = np.full(factors.shape, np.inf, np.float32)
    inside = np.flatnonzero(factors >= _border(floor, spec.factor_activation))
    factor = factors.take(inside)
    factor = _sigmoid(factor) if spec.factor_activation == "sigmoid" else factor
    borders[inside] = _before(floor / np.clip(factor, SMALLEST, 1), spec.score_activation)
    return borders, len(inside) * SPARSE < len(factors)


@lru_cache
def _border(floor: float, activation: str) -> np.ndarray:
    """``_before`` for one floor."""
    return _before(np.array(floor), activation)


def _before(floors: np.ndarray, activation: str) -> np.ndarray:
    """Values before an activation that are certainly not above the floors after it, float32."""
    if activation == "none":
        return np.asarray(floors * (1 - 1e-6), np.float32)
    floors = np.minimum(floors, HIGHEST_BORDER)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(floors / (1 - floors)) - LOGIT_MARGIN, np.float32)


def _finish(
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


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    probabilities: np.ndarray = np.float32(1) / (np.float32(1) + np.exp(-logits))
    return probabilities


def _softmax(logits: np.ndarray) -> np.ndarray:
    """Sum over axis 1 one by one, so that a row does not depend on the number of other rows."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: np.ndarray = powers / np.add.accumulate(powers, axis=1)[:, -1:]
    return probabilities
