"""Outputs of a cut in, candidates out: every (location, class) pair above the floor, with its box."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from cutpoint.decode.dense import from_dense
from cutpoint.decode.pairs import finish, finish_rows
from cutpoint.decode.queries import from_queries
from cutpoint.decode.rois import from_rois
from cutpoint.errors import UserError
from cutpoint.records.candidates import Candidates
from cutpoint.records.head import DenseHead, HeadSpec, QueryHead, RoiHead
from cutpoint.records.onnx_model import PADDING_LABEL

Reader = Callable[[dict[str, np.ndarray], Any, int, tuple[int, int] | None], Candidates]
# How the cut `raw` of each kind is read.
READERS: dict[type[HeadSpec], Reader] = {
    DenseHead: from_dense,
    RoiHead: from_rois,
    QueryHead: from_queries,
}


def from_raw(
    outputs: dict[str, np.ndarray], spec: HeadSpec, image: int = 0, clip: tuple[int, int] | None = None
) -> Candidates:
    """Candidates from the tensors of the ``raw`` cut.

    Args:
        outputs: name (``HeadSpec.raw_names``) to array, see docs/cuts.md.
        spec: the head specification.
        image: index into the batch.
        clip: height and width of the image in the network input without padding, see
            ``data.image.clip_size``; heads of queries need it.

    Returns:
        the image's candidates.

    Raises:
        UserError: this kind of head has no cut ``raw``.
    """
    if type(spec) not in READERS:
        raise UserError(f"{spec.head}, a head of the kind {spec.kind!r}, has no cut raw; use another cut")
    return READERS[type(spec)](outputs, spec, image, clip)


def from_decoded(outputs: dict[str, np.ndarray], spec: HeadSpec, image: int = 0) -> Candidates:
    """Candidates from the tensors of the ``decoded`` cut.

    Args:
        outputs: ``boxes`` ``(B, N, 4)`` or ``(B, N, C, 4)`` float32 network pixels, ``scores`` ``(B, N, C)``
            float32 activated, ``factors`` ``(B, N)`` float32 for heads that have one; ``level_counts``
            ``(L,)`` int64, or for heads of rois and queries ``priors`` ``(B, N)`` int64 unless rows are
            learned. Without ``factors``, a head with a factor gives fused scores: class x factor, or its root
            if the head's own recipe takes the root.
        spec: the head specification.
        image: index into the batch.

    Returns:
        the image's candidates. With fused scores, ``score`` is the product and ``factor`` is 1 (with the root
        both are the root, so that their product is the product), and the floor applies to the product.
    """
    scores = outputs["scores"][image]
    if isinstance(spec, RoiHead | QueryHead):
        boxes, by_class = outputs["boxes"][image], outputs["boxes"].ndim == 4
        priors = outputs["priors"][image] if spec.selected else np.arange(len(scores))
        return finish_rows(
            priors, scores, lambda row, label: boxes[row, label] if by_class else boxes[row], spec.floor
        )
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
        return finish(level, prior, label, score, factor, boxes, spec.floor)
    factor = score if spec.takes_root else factor
    return finish(level, prior, label, score, factor, boxes, replace(spec.floor, quantity="product"))


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
    return finish(np.zeros_like(prior), prior, labels, scores, ones, boxes, spec.floor)
