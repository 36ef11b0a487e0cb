"""Head tensors in, candidates out: every (location, class) pair above the floor, with its box."""

from dataclasses import dataclass, fields

import numpy as np

from cutpoint.boxes import decode_boxes, level_priors
from cutpoint.headspec import HeadSpec, Part

# How far below logit(floor) the cheap comparison of logits starts, so that rounding in the sigmoid cannot
# lose a pair; the exact comparison follows on the few that pass. Close to 1 the sigmoid is too flat for that
# margin, so the border stays below.
LOGIT_MARGIN = 1e-3
HIGHEST_BORDER = 0.999


@dataclass
class Candidates:
    """Candidates of one image, ordered by prior, then label.

    Attributes:
        level: ``(N,)`` int8, feature level.
        prior: ``(N,)`` int32, flat index over the levels; row-major y, x, anchor.
        label: ``(N,)`` int16, model class, 0-based.
        score: ``(N,)`` float32, activated class score.
        factor: ``(N,)`` float32, activated factor; 1 for heads without one.
        boxes: ``(N, 4)`` float32, ``x1, y1, x2, y2``, network pixels, not clipped.
    """

    level: np.ndarray
    prior: np.ndarray
    label: np.ndarray
    score: np.ndarray
    factor: np.ndarray
    boxes: np.ndarray

    def __len__(self) -> int:
        return len(self.score)

    def take(self, index: np.ndarray) -> "Candidates":
        """The chosen rows: a boolean mask or integer indices."""
        return Candidates(**{field.name: getattr(self, field.name)[index] for field in fields(self)})


def from_raw(outputs: dict[str, np.ndarray], spec: HeadSpec, image: int = 0) -> Candidates:
    """Candidates from the tensors of the ``raw`` cut.

    Args:
        outputs: name (``HeadSpec.raw_names``) to ``(B, channels, H, W)`` float32, as the head emits them.
        spec: the head specification.
        image: index into the batch.

    Returns:
        the image's candidates.
    """
    parts, offset = [], 0
    for level in range(spec.levels):
        width = outputs[f"{spec.score.tensor}_{level}"].shape[3]
        anchors = spec.anchors_per_cell(level)
        scores = _read(outputs, spec.score, level, anchors, image)
        factors = _read(outputs, spec.factor, level, anchors, image)[:, 0] if spec.factor else None
        cells = scores.shape[2]
        if spec.score_activation == "softmax":
            scores = _softmax(scores)[:, :-1]
        anchor, label, cell = _above_floor(scores, factors, spec)
        y, x = np.divmod(cell, width)
        values = [_read(outputs, part, level, anchors, image)[anchor, :, cell] for part in spec.box]
        priors = level_priors(spec, level, y, x, anchor)
        boxes, confidence = decode_boxes(spec, level, priors, np.concatenate(values, axis=1))
        score = scores[anchor, label, cell]
        if factors is not None:
            confidence = factors[anchor, cell]
            confidence = _sigmoid(confidence) if spec.factor_activation == "sigmoid" else confidence
        part = Candidates(
            level=np.full(len(cell), level, dtype=np.int8),
            prior=(offset + cell * anchors + anchor).astype(np.int32),
            label=label.astype(np.int16),
            score=_sigmoid(score) if spec.score_activation == "sigmoid" else score,
            factor=np.ones(len(cell), np.float32) if confidence is None else confidence,
            boxes=boxes,
        )
        parts.append(_finish(part, spec.floor))
        offset += cells * anchors
    return Candidates(
        **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Candidates)}
    )


def from_decoded(outputs: dict[str, np.ndarray], spec: HeadSpec, image: int = 0) -> Candidates:
    """Candidates from the tensors of the ``decoded`` cut.

    Args:
        outputs: ``boxes`` ``(B, N, 4)`` float32 network pixels, ``scores`` ``(B, N, C)`` float32 activated,
            ``factors`` ``(B, N)`` float32 for heads that have one, ``level_counts`` ``(L,)`` int64. Without
            ``factors`` a head that has one gives fused scores: class x factor, or its root where the head's
            own recipe takes it.
        spec: the head specification.
        image: index into the batch.

    Returns:
        the image's candidates. From fused scores ``score`` is the product and ``factor`` 1 (of the root both
        are the root, so that their product is the product), and the floor is on the product.
    """
    scores = outputs["scores"][image]
    fused = spec.has_factor and "factors" not in outputs
    factors = outputs["factors"][image] if spec.has_factor and not fused else None
    floor = np.float32(spec.floor["value"])
    if fused:
        prior, label = np.nonzero(scores >= floor)
    elif spec.floor["on"] == "product" and factors is not None:
        # the pair's product cannot reach the floor unless both its parts do
        rows = np.flatnonzero(factors >= floor)
        row, label = np.nonzero(scores[rows] >= floor)
        prior = rows[row]
    else:
        prior, label = np.nonzero(scores >= floor)
    borders = np.cumsum(outputs["level_counts"])
    part = Candidates(
        level=np.searchsorted(borders, prior, side="right").astype(np.int8),
        prior=prior.astype(np.int32),
        label=label.astype(np.int16),
        score=scores[prior, label],
        factor=np.ones(len(prior), np.float32) if factors is None else factors[prior],
        boxes=outputs["boxes"][image][prior],
    )
    if not fused:
        return _finish(part, spec.floor)
    if spec.takes_root:
        part.factor = part.score
    return _finish(part, spec.floor | {"on": "product"})


def passes(values: np.ndarray, threshold: float, inclusive: bool) -> np.ndarray:
    """Compare float32 values with a threshold, in float32 as torch does."""
    threshold = np.float32(threshold)
    return values >= threshold if inclusive else values > threshold


def _read(outputs: dict[str, np.ndarray], part: Part, level: int, anchors: int, image: int) -> np.ndarray:
    """A part of a level's tensor, ``(anchors, channels, cells)``."""
    value = outputs[f"{part.tensor}_{level}"][image]
    channels, height, width = value.shape
    return value.reshape(anchors, channels // anchors, height * width)[:, part.start : part.stop]


def _above_floor(
    scores: np.ndarray, factors: np.ndarray | None, spec: HeadSpec
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Anchor, label, cell of pairs that may pass the floor; ``scores`` ``(A, C, cells)`` before a sigmoid."""
    value = spec.floor["value"]
    low = _border(value, spec.score_activation)
    if spec.floor["on"] == "product" and factors is not None:
        anchor, cell = np.nonzero(factors >= _border(value, spec.factor_activation))
        row, label = np.nonzero(scores[anchor, :, cell] >= low)
        return anchor[row], label, cell[row]
    return np.nonzero(scores >= low)


def _border(floor: float, activation: str) -> float:
    if activation == "sigmoid":
        return _logit(min(floor, HIGHEST_BORDER)) - LOGIT_MARGIN
    return floor * (1 - 1e-6)


def _finish(candidates: Candidates, floor: dict) -> Candidates:
    """Apply the exact floor and put the rows in order."""
    value = candidates.score
    if floor["on"] == "product":
        value = value * candidates.factor
    index = np.flatnonzero(passes(value, floor["value"], floor["inclusive"]))
    order = np.lexsort((candidates.label[index], candidates.prior[index]))
    return candidates.take(index[order])


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return np.float32(1) / (np.float32(1) + np.exp(-logits))


def _softmax(logits: np.ndarray) -> np.ndarray:
    """Over axis 1."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _logit(probability: float) -> float:
    if probability <= 0:
        return -np.inf
    return float(np.log(probability / (1 - probability)))
