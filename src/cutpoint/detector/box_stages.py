"""The box branch of mmdet's RoI heads: what each stage computes for its boxes.

Source: ``_bbox_forward`` of the heads in mmdet/models/roi_heads/, mmdet 3.3.0.
"""

from collections.abc import Sequence
from functools import cache

import torch
from mmdet.models.losses import CrossEntropyCustomLoss, SeesawLoss
from mmdet.models.roi_heads import (
    DoubleHeadRoIHead,
    GenericRoIExtractor,
    HybridTaskCascadeRoIHead,
    SCNetRoIHead,
)
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from cutpoint.detector.mmdet_types import Head
from cutpoint.detector.roi_align import multi_level_roi_align


def stages(roi_head: Head) -> list[tuple[Head, Head]]:
    """Box head and RoI extractor of each stage."""
    heads, extractors = roi_head.bbox_head, roi_head.bbox_roi_extractor
    if not isinstance(heads, nn.ModuleList):
        return [(heads, extractors)]
    return list(zip(heads, extractors, strict=True))


class BoxStages:
    """The stages of a RoI head; a subclass for each RoI head that adds to the pooled features."""

    def __init__(self, roi_head: Head) -> None:
        self.roi_head = roi_head
        self.stages = stages(roi_head)

    def context(self, features: Sequence[Tensor]) -> dict[str, Tensor]:
        """What all boxes share beside the features, as keywords of mmdet's ``predict_bbox``."""
        return {}

    def run(
        self, number: int, features: Sequence[Tensor], boxes: Tensor, context: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Class logits and deltas of one stage.

        Args:
            number: of the stage.
            features: of each level ``(B, C, H, W)``.
            boxes: ``(B, P, 4)`` network pixels.
            context: see ``context``.

        Returns:
            ``(B * P, channels)`` each.
        """
        head, extractor = self.stages[number]
        logits, deltas = head(self._shared(extract(extractor, features, boxes)))
        return logits, deltas

    def _shared(self, pooled: Tensor) -> Tensor:
        if self.roi_head.with_shared_head:
            pooled = self.roi_head.shared_head(pooled)
        return pooled


class DoubleHeadStages(BoxStages):
    """``DoubleHeadRoIHead``: the deltas come from larger boxes than the classes."""

    def run(
        self, number: int, features: Sequence[Tensor], boxes: Tensor, context: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """See ``BoxStages.run``."""
        head, extractor = self.stages[number]
        larger = self.roi_head.reg_roi_scale_factor
        pooled = (extract(extractor, features, boxes, factor) for factor in (None, larger))
        logits, deltas = head(*map(self._shared, pooled))
        return logits, deltas


class ContextStages(BoxStages):
    """``HybridTaskCascadeRoIHead``, ``SCNetRoIHead``: a semantic map and a vector of the image are added."""

    def context(self, features: Sequence[Tensor]) -> dict[str, Tensor]:
        """``semantic_feat`` ``(B, C, H, W)`` and ``glbctx_feat`` ``(B, C, 1, 1)`` of heads that have them."""
        found = {}
        if self.roi_head.with_semantic and "bbox" in getattr(self.roi_head, "semantic_fusion", ("bbox",)):
            _, found["semantic_feat"] = self.roi_head.semantic_head(features)
        if getattr(self.roi_head, "with_glbctx", False):
            _, found["glbctx_feat"] = self.roi_head.glbctx_head(features)
        return found

    def run(
        self, number: int, features: Sequence[Tensor], boxes: Tensor, context: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """See ``BoxStages.run``."""
        head, extractor = self.stages[number]
        pooled = extract(extractor, features, boxes)
        if "semantic_feat" in context:
            added = extract(self.roi_head.semantic_roi_extractor, [context["semantic_feat"]], boxes)
            pooled = pooled + adaptive_avg_pool2d(added, (pooled.shape[-2], pooled.shape[-1]))
        if "glbctx_feat" in context:
            pooled = pooled + context["glbctx_feat"].repeat_interleave(boxes.shape[1], 0)
        logits, deltas = head(pooled)
        return logits, deltas


STAGES: dict[str, type[BoxStages]] = {
    DoubleHeadRoIHead.__name__: DoubleHeadStages,
    HybridTaskCascadeRoIHead.__name__: ContextStages,
    SCNetRoIHead.__name__: ContextStages,
}


def class_logits(head: Head, logits: Tensor) -> Tensor:
    """Logits whose softmax or sigmoid is the class score, from what a box head emits, ``(..., channels)``.

    With a ``SeesawLoss`` the last two channels are a softmax of their own: object and background. Both
    softmaxes become one over classes and background. A sigmoid has no background.

    Source:
        ``SeesawLoss.get_activation``, mmdet/models/losses/seesaw_loss.py, mmdet 3.3.0.
    """
    if not isinstance(head.loss_cls, SeesawLoss):
        return logits
    classes, whether = logits[..., :-2], logits[..., -2:].log_softmax(-1)
    return torch.cat([classes.log_softmax(-1) + whether[..., :1], whether[..., 1:]], -1)


def is_sigmoid(head: Head) -> bool:
    """Whether class scores are sigmoids; of the others the last logit is the background."""
    return isinstance(head.loss_cls, CrossEntropyCustomLoss) and bool(head.loss_cls.use_sigmoid)


def open_stages(roi_head: Head) -> BoxStages:
    """The stages of a RoI head; a class of the user's own is read as the one that it extends."""
    names = (kind.__name__ for kind in type(roi_head).__mro__)
    return next((STAGES[name] for name in names if name in STAGES), BoxStages)(roi_head)


def extract(
    extractor: Head, features: Sequence[Tensor], boxes: Tensor, factor: float | None = None
) -> Tensor:
    """The features in each box.

    Args:
        extractor: a ``SingleRoIExtractor`` or a ``GenericRoIExtractor`` with ``RoIAlign`` layers.
        features: of each level ``(B, C, H, W)``.
        boxes: ``(B, P, 4)`` network pixels.
        factor: by which the boxes are enlarged around their centres; null leaves them.

    Returns:
        ``(B * P, C, bins, bins)``: from the level that suits the box's size, or the sum over all levels.

    Source:
        ``forward``, ``roi_rescale`` and ``map_roi_levels`` of the extractors in
        mmdet/models/roi_heads/roi_extractors/, mmdet 3.3.0.
    """
    batch, rows, _ = boxes.shape
    image = torch.arange(batch, dtype=boxes.dtype, device=boxes.device)[:, None].expand(batch, rows)
    rois = torch.cat([image.reshape(-1, 1), boxes.reshape(-1, 4)], 1)
    used = list(features[: extractor.num_inputs])
    levels = _levels(extractor, rois)
    if factor is not None:
        rois = extractor.roi_rescale(rois, factor)
    if not isinstance(extractor, GenericRoIExtractor) or len(used) == 1:
        return _pool(used, list(extractor.roi_layers), rois, levels)
    pooled = [
        _pool([one], [layer], rois, torch.zeros_like(levels))
        for one, layer in zip(used, extractor.roi_layers, strict=True)
    ]
    if extractor.with_pre:
        pooled = [extractor.pre_module(one) for one in pooled]
    whole = sum(pooled[1:], pooled[0]) if extractor.aggregation == "sum" else torch.cat(pooled, 1)
    return extractor.post_module(whole) if extractor.with_post else whole


def _levels(extractor: Head, rois: Tensor) -> Tensor:
    """``(R,)`` int64, the level that suits the size of each RoI."""
    side = torch.sqrt((rois[:, 3] - rois[:, 1]) * (rois[:, 4] - rois[:, 2]))
    size = side / getattr(extractor, "finest_scale", 1) + 1e-6
    level = torch.zeros_like(size, dtype=torch.int64)
    for above in range(1, extractor.num_inputs):
        level = level + (size >= _least_size(above)).long()
    return level


@cache
def _least_size(level: int) -> float:
    """The least float32 whose binary logarithm torch rounds to ``level`` or more.

    mmdet rounds the logarithm down. Runtimes differ in its last bit, but not in a comparison.
    """
    size = torch.tensor(2.0**level)
    while True:
        below = torch.nextafter(size, torch.tensor(0.0))
        if torch.log2(below) < level:
            return float(size)
        size = below


def _pool(features: list[Tensor], layers: Sequence[Head], rois: Tensor, levels: Tensor) -> Tensor:
    """``(R, C, bins, bins)``; ``layers`` are the ``RoIAlign`` of each level."""
    scales = [float(layer.spatial_scale) for layer in layers]
    bins, sampling, aligned = layers[0].output_size[0], layers[0].sampling_ratio, layers[0].aligned
    pooled: Tensor = multi_level_roi_align(features, rois, levels, bins, scales, sampling, aligned)
    return pooled
