"""The tensors of a dense head to candidates."""

from functools import lru_cache

import numpy as np

from cutpoint.decode.boxes import decode_boxes, level_priors
from cutpoint.decode.pairs import finish, sigmoid, softmax
from cutpoint.decode.peaks import least_of_best, local_maxima
from cutpoint.records.candidates import Candidates
from cutpoint.records.head import DenseHead, Part

# The cheap comparison of logits starts this far below logit(floor), so that rounding in the sigmoid cannot
# lose a pair. The exact comparison follows for the few pairs that pass. Close to 1 the sigmoid is too flat
# for this margin, so the border stays below.
LOGIT_MARGIN = 1e-3
HIGHEST_BORDER = 0.999
# If fewer than one cell in this many is needed, cells are gathered. Otherwise reading all in order is faster.
SPARSE = 12
SMALLEST = np.finfo(np.float32).tiny


def from_dense(
    outputs: dict[str, np.ndarray], spec: DenseHead, image: int, clip: tuple[int, int] | None
) -> Candidates:
    """Candidates from the tensors of the ``raw`` cut.

    Args:
        outputs: name (``DenseHead.raw_names``) to ``(B, channels, H, W)`` float32, as the head emits them.
        spec: the head specification.
        image: index into the batch.
        clip: not used, because the tensors are in network pixels.

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
        if spec.coder["type"] == "peaks":
            scores = local_maxima(scores[0], width, spec.coder["kernel"])[None]
            if spec.floor.pairs is not None:
                borders = least_of_best(scores[0], spec.floor.pairs)
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
            factor = sigmoid(factor)
    if spec.score_activation == "sigmoid":
        score = sigmoid(score)
    prior = level_start + cell * anchors + anchor
    return finish(level, prior, label, score, factor, boxes, spec.floor)


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
        score = softmax(scores[:, cell].T)[np.arange(len(cell)), label]
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
    factor = sigmoid(factor) if spec.factor_activation == "sigmoid" else factor
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
