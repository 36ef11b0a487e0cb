"""Sparse R-CNN: its cuts, and mmdet's ``predict`` in two halves. Its proposals are learned."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from torch import Tensor, nn

from cutpoint.detector import coders
from cutpoint.detector.box_stages import extract, stages
from cutpoint.detector.deltas import Deltas, clip, clip_sides
from cutpoint.detector.floors import pairs_floor
from cutpoint.detector.halves import Halves, Metas
from cutpoint.detector.imports import head_name
from cutpoint.detector.mmdet_types import Detector, Head
from cutpoint.detector.rois import RoiCuts
from cutpoint.errors import UserError
from cutpoint.records.head import RoiHead
from cutpoint.records.recipe import Step

HEADS = ("SparseRoIHead",)


class SparseCuts(RoiCuts):
    """The cuts of a detector with an ``EmbeddingRPNHead`` and a ``SparseRoIHead``.

    Source:
        ``EmbeddingRPNHead._decode_init_proposals``, mmdet/models/dense_heads/embedding_rpn_head.py, and
        ``SparseRoIHead.predict_bbox``, mmdet/models/roi_heads/sparse_roi_head.py, mmdet 3.3.0.
    """

    def __init__(self, detector: Detector, spec: RoiHead) -> None:
        super().__init__(detector, spec)
        self._stages = stages(detector.roi_head)
        self._coders = nn.ModuleList([Deltas(coders.delta(head)) for head, _ in self._stages[:-1]])

    def raw(self, images: Tensor, image_sizes: Tensor | None) -> list[Tensor]:
        """``proposals`` ``(B, P, 4)``, ``logits`` ``(B, P, C)`` and ``deltas`` ``(B, P, 4)``; see
        docs/cuts.md.
        """
        assert image_sizes is not None
        sides = clip_sides(image_sizes)
        features = self.detector.extract_feat(images)
        learned = self.detector.rpn_head
        centre, size = learned.init_proposal_bboxes.weight.split(2, dim=1)
        boxes = torch.cat([centre - 0.5 * size, centre + 0.5 * size], 1) * sides[:, None]
        state = learned.init_proposal_features.weight.expand(boxes.shape[0], -1, -1)
        for number, (head, extractor) in enumerate(self._stages):
            logits, deltas, state, _ = head(extract(extractor, features, boxes), state)
            if number < len(self._coders):
                boxes = self._coders[number](boxes, deltas)
                if head.bbox_coder.clip_border:
                    boxes = clip(boxes, sides)
        return [boxes, logits, deltas]


class SparseHalves(Halves):
    """mmdet's ``predict`` of Sparse R-CNN and of QueryInst, whose masks are not made."""

    def first(self, data: dict[str, Any]) -> dict[str, Any]:
        """What the last stage of ``SparseRoIHead._bbox_forward`` returns."""
        detector, samples = self._detector, data["data_samples"]
        features = detector.extract_feat(data["inputs"])
        learned = detector.rpn_head.predict(features, samples)
        metas = [sample.metainfo for sample in samples]
        results = {
            "detached_proposals": [one.bboxes for one in learned],
            "object_feats": torch.stack([one.features for one in learned]),
        }
        for stage in range(detector.roi_head.num_stages):
            rois = bbox2roi(results["detached_proposals"])
            results = detector.roi_head._bbox_forward(stage, features, rois, results["object_feats"], metas)
        return results

    def tensors(self, outputs: dict[str, Any], image: int) -> Iterable[tuple[str, Tensor]]:
        """Class logits, and the boxes after the last stage."""
        return [("logits", outputs["cls_score"][image]), ("boxes", outputs["detached_proposals"][image])]

    def second(self, outputs: dict[str, Any], metas: Sequence[Metas], image: int) -> Any:
        """``SparseRoIHead.predict_bbox`` of one image, whose only stage returns what ``first`` found."""
        head = self._detector.roi_head
        own = {
            name: outputs[name][image : image + 1]
            for name in ("cls_score", "object_feats", "attn_feats", "detached_proposals")
        }
        learned = [InstanceData(bboxes=own["detached_proposals"][0], features=own["object_feats"][0])]
        with _returning(head, own):
            found = head.predict_bbox(
                own["cls_score"], metas[image : image + 1], learned, head.test_cfg, rescale=True
            )
        return found[0]


@contextlib.contextmanager
def _returning(head: Head, results: dict[str, Any]) -> Iterator[None]:
    """Let each stage of a RoI head return these results."""
    head._bbox_forward = lambda *arguments: results
    try:
        yield
    finally:
        del head._bbox_forward


def describe_sparse(detector: Detector, candidate_floor: float | None) -> RoiHead:
    """Describe a built Sparse R-CNN or QueryInst.

    Args:
        detector: with its ``rpn_head`` and ``roi_head``.
        candidate_floor: how many pairs of an image are kept; null means the head's own ``max_per_img``.

    Raises:
        UserError: Cutpoint cannot reproduce a part of it, or ``candidate_floor`` is too small.
    """
    head = detector.roi_head
    last, _ = stages(head)[-1]
    clips = [one.bbox_coder.clip_border for one, _ in stages(head)]
    if len(set(clips)) > 1:
        raise UserError("roi_head.bbox_head: bbox_coder.clip_border must be the same in all stages")
    steps: list[Step] = [
        {"step": "max_per_img", "k": int(head.test_cfg.max_per_img)},
        {"step": "clip"},
        {"step": "rescale", "operation": "divide"},
    ]
    sigmoid = bool(last.loss_cls.use_sigmoid)
    return RoiHead(
        head=head_name(type(head), HEADS),
        num_classes=int(last.num_classes),
        raw_names=("proposals", "logits", "deltas"),
        floor=pairs_floor(int(head.test_cfg.max_per_img), candidate_floor),
        recipe=tuple(step for step in steps if clips[-1] or step["step"] != "clip"),
        proposals=int(detector.rpn_head.num_proposals),
        selected=False,
        score_activation="sigmoid" if sigmoid else "softmax",
        class_boxes=False,
        coder=coders.delta(last),
    )
