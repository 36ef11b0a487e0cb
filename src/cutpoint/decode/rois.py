"""The outputs of a RoI head to candidates: a pair is a proposal and a class."""

from types import ModuleType
from typing import Any

import numpy as np

from cutpoint.decode.boxes import refine_boxes
from cutpoint.decode.pairs import activated, finish_rows
from cutpoint.records.candidates import Candidates
from cutpoint.records.head import RoiHead


def from_rois(
    outputs: dict[str, np.ndarray], spec: RoiHead, image: int, clip: tuple[int, int] | None
) -> Candidates:
    """Candidates from the tensors of the ``raw`` cut.

    Args:
        outputs: ``proposals`` ``(B, P, 4)`` float32 network pixels, ``logits`` ``(B, P, C + 1)`` or
            ``(B, P, C)`` float32, ``deltas`` ``(B, P, 4 C)`` or ``(B, P, 4)`` float32; with ``spec.selected``
            ``priors`` ``(B, P)`` and ``proposal_count`` ``(B,)`` int64.
        spec: the head specification.
        image: index into the batch.
        clip: not used, because the proposals are clipped in the graph.

    Returns:
        the image's candidates; rows from ``proposal_count`` on give none.
    """
    count = int(outputs["proposal_count"][image]) if spec.selected else spec.proposals
    proposals, logits, deltas = (outputs[name][image][:count] for name in ("proposals", "logits", "deltas"))
    priors = outputs["priors"][image][:count] if spec.selected else np.arange(len(proposals))

    def boxes_of(row: np.ndarray, label: np.ndarray) -> np.ndarray:
        own = (
            deltas.reshape(len(deltas), spec.num_classes, 4)[row, label] if spec.class_boxes else deltas[row]
        )
        boxes: np.ndarray = refine_boxes(spec.coder, proposals[row], own)
        return boxes

    return finish_rows(priors, activated(logits, spec.score_activation), boxes_of, spec.floor)


def decode_proposals(spec: RoiHead, proposals: Any, deltas: Any, xp: ModuleType = np) -> Any:
    """Boxes of all proposals, not clipped: the output ``boxes`` of the cut ``decoded``.

    Args:
        spec: the head specification; its coder says how to read ``deltas``.
        proposals: ``(..., P, 4)`` float32 network pixels.
        deltas: ``(..., P, 4 C)`` float32, or ``(..., P, 4)`` if all classes share a box.
        xp: ``numpy`` or ``torch``, to match the arrays.

    Returns:
        ``(..., P, C, 4)`` float32 network pixels, or ``(..., P, 4)``.

    Source:
        ``BBoxHead._predict_by_feat_single``, mmdet/models/roi_heads/bbox_heads/bbox_head.py, mmdet 3.3.0.
    """
    if spec.class_boxes:
        proposals = proposals[..., None, :]
        deltas = deltas.reshape(*deltas.shape[:-1], spec.num_classes, 4)
    return refine_boxes(spec.coder, proposals, deltas, xp)
