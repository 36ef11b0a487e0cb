"""The outputs of a query head to candidates: a pair is a query and a class."""

from types import ModuleType
from typing import Any

import numpy as np

from cutpoint.decode.pairs import activated, finish_rows
from cutpoint.records.candidates import Candidates
from cutpoint.records.head import QueryHead


def from_queries(
    outputs: dict[str, np.ndarray], spec: QueryHead, image: int, clip: tuple[int, int] | None
) -> Candidates:
    """Candidates from the tensors of the ``raw`` cut.

    Args:
        outputs: ``logits`` ``(B, Q, C)`` or ``(B, Q, C + 1)`` float32, ``cxcywh`` ``(B, Q, 4)`` float32
            fractions of the image; with ``spec.selected`` ``priors`` ``(B, Q)`` int64.
        spec: the head specification.
        image: index into the batch.
        clip: height and width of the image in the network input, without padding; see
            ``data.image.clip_size``.

    Returns:
        the image's candidates.

    Raises:
        ValueError: ``clip`` is null.
    """
    if clip is None:
        raise ValueError("the boxes of queries are fractions of the image: its size is needed")
    fractions = outputs["cxcywh"][image]
    priors = outputs["priors"][image] if spec.selected else np.arange(len(fractions))
    sides = np.array([clip[1], clip[0]], np.float32)
    scores = activated(outputs["logits"][image], spec.score_activation)
    return finish_rows(priors, scores, lambda row, label: decode_queries(fractions[row], sides), spec.floor)


def decode_queries(cxcywh: Any, sides: Any, xp: ModuleType = np) -> Any:
    """Boxes of queries, not clipped: the output ``boxes`` of the cut ``decoded``.

    Args:
        cxcywh: ``(..., Q, 4)`` float32, centre x, centre y, width, height as fractions of the image.
        sides: float32, its last axis the image's width and height in network pixels without padding; the
            axes before it fit those of ``cxcywh``.
        xp: ``numpy`` or ``torch``, to match the arrays.

    Returns:
        ``(..., Q, 4)`` float32 ``x1, y1, x2, y2``, network pixels.

    Source:
        ``bbox_cxcywh_to_xyxy``, mmdet/structures/bbox/transforms.py, and ``_predict_by_feat_single``,
        mmdet/models/dense_heads/detr_head.py, mmdet 3.3.0.
    """
    centre, half = cxcywh[..., :2], cxcywh[..., 2:] * 0.5
    return xp.concatenate([(centre - half) * sides, (centre + half) * sides], axis=-1)
