"""Two-stage detectors: their cuts, and mmdet's ``predict`` in two halves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from mmdet.models.roi_heads import TridentRoIHead
from mmdet.models.utils import empty_instances
from torch import Tensor, nn

from cutpoint.decode.rois import decode_proposals
from cutpoint.detector import coders
from cutpoint.detector.box_stages import class_logits, open_stages, stages
from cutpoint.detector.cuts import Cuts
from cutpoint.detector.deltas import Deltas, clip, clip_sides
from cutpoint.detector.halves import Halves, Metas
from cutpoint.detector.mmdet_types import Detector, Head
from cutpoint.detector.rpn import Proposals, live_rows
from cutpoint.records.head import RoiHead

ACTIVATIONS = {
    "sigmoid": torch.sigmoid,
    "softmax": lambda logits: logits.softmax(-1)[..., :-1],
}


class RoiCuts(Cuts[RoiHead]):
    """The cuts of a detector that scores proposals; a subclass says where they come from."""

    def __init__(self, detector: Detector, spec: RoiHead) -> None:
        super().__init__(detector, spec)
        self._refine = Deltas(spec.coder)

    def decode(self, raw: Mapping[str, Tensor], images: Tensor, image_sizes: Tensor | None) -> list[Tensor]:
        """``boxes`` ``(B, P, C, 4)`` or ``(B, P, 4)`` network pixels, not clipped; ``scores`` ``(B, P, C)``,
        activated, 0 in padding rows; ``priors`` ``(B, P)`` int64 if the proposals are selected.
        """
        spec = replace(self.spec, coder=self._refine.coder)
        boxes = decode_proposals(spec, raw["proposals"], raw["deltas"], torch)
        scores = ACTIVATIONS[self.spec.score_activation](raw["logits"])
        if not self.spec.selected:
            return [boxes, scores]
        live = live_rows(raw["proposal_count"], self.spec.proposals)
        return [boxes, torch.where(live[..., None], scores, 0.0), raw["priors"]]


class RpnCuts(RoiCuts):
    """The cuts of a detector whose proposals are the best anchors of an RPN.

    Source:
        ``StandardRoIHead.predict_bbox`` and ``CascadeRoIHead._refine_roi``, mmdet/models/roi_heads/, mmdet
        3.3.0. Here each image has a fixed number of rows, and those that are padding are zeros.
    """

    def __init__(self, detector: Detector, spec: RoiHead) -> None:
        super().__init__(detector, spec)
        self._propose = Proposals(detector.rpn_head)
        self._boxes = open_stages(detector.roi_head)
        self._heads = [head for head, _ in self._boxes.stages]
        self._coders = nn.ModuleList([Deltas(coders.delta(head)) for head in self._heads[:-1]])

    def raw(self, images: Tensor, image_sizes: Tensor | None) -> list[Tensor]:
        """``proposals`` ``(B, P, 4)``, ``priors`` ``(B, P)``, ``proposal_count`` ``(B,)``, ``logits``
        ``(B, P, C + 1)``, ``deltas`` ``(B, P, 4 C)`` or ``(B, P, 4)``; see docs/cuts.md.
        """
        assert image_sizes is not None
        sides = clip_sides(image_sizes)
        features = self.detector.extract_feat(images)
        boxes, priors, count = self._propose(*self.detector.rpn_head(features), sides)
        batch, rows = boxes.shape[0], self.spec.proposals
        live = live_rows(count, rows)[..., None]
        all_logits = []
        context = self._boxes.context(features)
        for number, head in enumerate(self._heads):
            found = self._boxes.run(number, features, boxes, context)
            logits, deltas = (values.reshape(batch, rows, -1) for values in found)
            all_logits.append(logits)
            if number < len(self._coders):
                boxes = self._coders[number](boxes, _one_class(head, logits, deltas))
                if head.bbox_coder.clip_border:
                    boxes = clip(boxes, sides)
                boxes = torch.where(live, boxes, 0.0)
        if self._coders:
            logits = sum(all_logits[1:], all_logits[0]) / len(all_logits)
        logits = class_logits(self._heads[-1], logits)
        return [boxes, priors, count, torch.where(live, logits, 0.0), torch.where(live, deltas, 0.0)]


def _one_class(head: Head, logits: Tensor, deltas: Tensor) -> Tensor:
    """``(B, P, 4)`` deltas of the best class; ``BBoxHead.regress_by_class``, bbox_heads/bbox_head.py."""
    if head.reg_class_agnostic:
        return deltas
    best = logits[..., : head.num_classes].argmax(-1)[..., None, None]
    by_class = deltas.reshape(*logits.shape[:2], head.num_classes, 4)
    return by_class.gather(2, best.expand(-1, -1, 1, 4))[:, :, 0]


class RoiHalves(Halves):
    """mmdet's ``predict`` of a two-stage detector, without its masks."""

    def first(self, data: dict[str, Any]) -> dict[str, Any] | None:
        """What the last box head's ``predict_by_feat`` takes; null if there is no proposal in any image."""
        detector, samples = self._detector, data["data_samples"]
        features = detector.extract_feat(data["inputs"])
        proposals = detector.rpn_head.predict(features, samples, rescale=False)
        metas = [sample.metainfo for sample in samples]
        roi_head, head = detector.roi_head, stages(detector.roi_head)[-1][0]
        taken: list[dict[str, Any]] = []

        def take(**arguments: Any) -> list[Any]:
            taken.append(arguments)
            return []

        head.predict_by_feat = take  # in front of the method of its class
        try:
            context = open_stages(roi_head).context(features)
            roi_head.predict_bbox(features, metas, proposals, rcnn_test_cfg=roi_head.test_cfg, **context)
        finally:
            del head.predict_by_feat
        return taken[0] if taken else None

    def tensors(self, outputs: dict[str, Any] | None, image: int) -> Iterable[tuple[str, Tensor]]:
        """Proposals, logits and deltas of the image's proposals, without padding."""
        if outputs is None:
            return ()
        names = {"proposals": "rois", "logits": "cls_scores", "deltas": "bbox_preds"}
        return ((name, outputs[key][image]) for name, key in names.items())

    def second(self, outputs: dict[str, Any] | None, metas: Sequence[Metas], image: int) -> Any:
        """``predict_by_feat`` of one image; a mask head scales the boxes behind it."""
        roi_head, meta = self._detector.roi_head, metas[image]
        if outputs is None:
            device = next(roi_head.parameters()).device
            return empty_instances([meta], device, task_type="bbox")[0]
        own = {key: outputs[key][image : image + 1] for key in ("rois", "cls_scores", "bbox_preds")}
        found = stages(roi_head)[-1][0].predict_by_feat(
            **own, batch_img_metas=[meta], rcnn_test_cfg=roi_head.test_cfg, rescale=not roi_head.with_mask
        )[0]
        if roi_head.with_mask:
            # FCNMaskHead._predict_by_feat_single, mask_heads/fcn_mask_head.py
            found.bboxes /= found.bboxes.new_tensor(meta["scale_factor"]).repeat(1, 2)
        if isinstance(roi_head, TridentRoIHead):
            return roi_head.merge_trident_bboxes([found])
        return found
