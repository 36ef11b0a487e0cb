"""From a two-stage detector to a head specification.

What is reproduced here and in ``rpn`` and ``rois`` are methods of mmdet's classes. A class that changes one
of them does something else and is refused. One that changes only its training or its layers is served.
Sources: mmdet/models/detectors/two_stage.py and mmdet/models/roi_heads/, mmdet 3.3.0.
"""

from typing import Any

from mmcv.ops import RoIAlign
from mmdet.models.dense_heads import RPNHead
from mmdet.models.detectors import TridentFasterRCNN, TwoStageDetector
from mmdet.models.losses import CrossEntropyCustomLoss, SeesawLoss
from mmdet.models.roi_heads import (
    BaseRoIHead,
    CascadeRoIHead,
    DoubleHeadRoIHead,
    GenericRoIExtractor,
    HybridTaskCascadeRoIHead,
    PointRendRoIHead,
    SCNetRoIHead,
    SingleRoIExtractor,
    StandardRoIHead,
    TridentRoIHead,
)
from mmdet.models.roi_heads.bbox_heads import BBoxHead
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmdet.models.task_modules import AnchorGenerator
from torch import nn

from cutpoint.detector import coders
from cutpoint.detector.box_stages import is_sigmoid, stages
from cutpoint.detector.floors import threshold_floor
from cutpoint.detector.heads import nms_step
from cutpoint.detector.mmdet_types import Detector, Head
from cutpoint.errors import UserError
from cutpoint.records.head import RoiHead
from cutpoint.records.recipe import Step

# Of each class the methods that are reproduced.
_STANDARD = ("predict", "predict_bbox", "_bbox_forward", "predict_mask")
_CASCADE = (*_STANDARD, "_refine_roi")
METHODS: dict[type, tuple[str, ...]] = {
    TridentFasterRCNN: ("predict",),
    TwoStageDetector: ("predict",),
    RPNHead: ("predict", "predict_by_feat", "_predict_by_feat_single", "_bbox_post_process"),
    AnchorGenerator: ("single_level_grid_priors",),
    # what a RoI head does to masks leaves the boxes as they are, but for the mask head's scaling
    DoubleHeadRoIHead: _STANDARD,
    PointRendRoIHead: _STANDARD,
    TridentRoIHead: (*_STANDARD, "merge_trident_bboxes"),
    StandardRoIHead: _STANDARD,
    HybridTaskCascadeRoIHead: _CASCADE,
    SCNetRoIHead: _CASCADE,
    CascadeRoIHead: _CASCADE,
    GenericRoIExtractor: ("forward",),
    SingleRoIExtractor: ("forward", "map_roi_levels"),
    RoIAlign: ("forward",),
    BBoxHead: ("predict_by_feat", "_predict_by_feat_single", "regress_by_class"),
    FCNMaskHead: ("predict_by_feat", "_predict_by_feat_single"),
    SeesawLoss: ("get_activation",),
    CrossEntropyCustomLoss: ("get_activation",),
}
# Subclasses first: the first one that a part is decides.
ROI_HEADS = tuple(kind for kind in METHODS if issubclass(kind, BaseRoIHead))


def describe_rois(detector: Detector, candidate_floor: float | None) -> RoiHead:
    """Describe a built two-stage detector with an RPN.

    Args:
        detector: with its ``rpn_head`` and ``roi_head`` and their ``test_cfg``.
        candidate_floor: the floor of the candidates; null means the model's own ``score_thr``.

    Raises:
        UserError: Cutpoint cannot read a part of it, or cannot reproduce one of its settings.
    """
    _expect(detector, TridentFasterRCNN, TwoStageDetector)
    roi_head = detector.roi_head
    _check_rpn(detector.rpn_head)
    _expect(roi_head, *ROI_HEADS)
    if getattr(roi_head, "test_branch_idx", 0) == -1:
        raise UserError("roi_head.test_branch_idx -1: each image is three; name the branch that is tested")
    for head, extractor in stages(roi_head):
        _check_stage(head, extractor)
    masks = roi_head.with_mask
    for mask_head in _each(roi_head.mask_head) if masks else ():
        _expect(mask_head, FCNMaskHead)
    last, _ = stages(roi_head)[-1]
    recipe = _recipe(roi_head.test_cfg, last.bbox_coder.clip_border, masks)
    return RoiHead(
        head=type(roi_head).__name__,
        num_classes=last.num_classes,
        raw_names=("proposals", "priors", "proposal_count", "logits", "deltas"),
        floor=threshold_floor(recipe, candidate_floor),
        recipe=tuple(recipe),
        proposals=int(detector.rpn_head.test_cfg.max_per_img),
        selected=True,
        score_activation="sigmoid" if is_sigmoid(last) else "softmax",
        class_boxes=not last.reg_class_agnostic,
        coder=coders.delta(last),
    )


def _recipe(config: dict[str, Any], clips: bool, masks: bool) -> list[Step]:
    """``BBoxHead._predict_by_feat_single``; with masks ``BaseRoIHead.predict`` leaves the scale to the mask
    head, which divides the boxes that are left.
    """
    threshold = {
        "step": "threshold",
        "quantity": "class",
        "value": float(config["score_thr"]),
        "inclusive": False,
    }
    ranking: list[Step] = [nms_step(config, "test_cfg.rcnn")]
    if config.get("max_per_img", -1) > 0:
        ranking.append({"step": "max_per_img", "k": int(config["max_per_img"])})
    start: list[Step] = [threshold, *([{"step": "clip"}] if clips else [])]
    if masks:
        return [*start, *ranking, {"step": "rescale", "operation": "divide"}]
    return [*start, {"step": "rescale", "operation": "multiply"}, *ranking]


def _check_rpn(head: Head) -> None:
    _expect(head, RPNHead)
    _expect(head.prior_generator, AnchorGenerator)
    coders.delta(head)
    config = head.test_cfg
    nms_step(config, "test_cfg.rpn")
    if config.get("max_per_img", 0) < 1:
        raise UserError(f"test_cfg.rpn.max_per_img {config.get('max_per_img')}: it must be 1 or more")


def _check_stage(head: Head, extractor: Head) -> None:
    _expect(head, BBoxHead)
    coders.delta(head)
    name = type(head).__name__
    if not head.with_cls or not head.with_reg:
        raise UserError(f"{name} without classes or without boxes: Cutpoint reads both from it")
    if head.custom_cls_channels or head.custom_activation:
        _expect(head.loss_cls, SeesawLoss, CrossEntropyCustomLoss)
    _expect(extractor, SingleRoIExtractor, GenericRoIExtractor)
    for layer in extractor.roi_layers:
        _expect(layer, RoIAlign)
        height, width = layer.output_size
        if layer.pool_mode != "avg" or height != width:
            raise UserError(
                f"RoIAlign with pool_mode {layer.pool_mode!r} and output_size {(height, width)}: only 'avg' "
                "and as many bins along y as along x are supported"
            )


def _each(heads: Head) -> list[Head]:
    return list(heads) if isinstance(heads, nn.ModuleList) else [heads]


def _expect(part: Any, *known: type) -> None:
    """Refuse a part that is not one of mmdet's classes, or that changes what is reproduced."""
    base = next((kind for kind in known if isinstance(part, kind)), None)
    name = type(part).__name__
    if base is None:
        names = " and ".join(kind.__name__ for kind in known)
        raise UserError(f"{name}: not supported; two-stage detectors are served with {names} there")
    for method in METHODS[base]:
        if getattr(type(part), method) is not getattr(base, method):
            raise UserError(
                f"{name}: it changes {base.__name__}.{method}, which Cutpoint cannot reproduce; change only "
                "layers"
            )
