"""Sparse R-CNN and QueryInst of mmdet's zoo with random weights that give each step something to do."""

from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from zoo_models import SEED, limit_sides, prepare, save_model

from cutpoint.detector.build import build_detector, load_config

SPARSE_ZOO = {
    "sparse_rcnn": "sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco",
    "queryinst": "queryinst/queryinst_r50_fpn_1x_coco",
}
# QueryInst of mmdet asks for as many detections as proposals.
STAGES, PROPOSALS, MAX_PER_IMG, CHANNELS = 2, 60, 60, 64
# Deviations of the last layers' weights, with which scores and boxes vary.
DEVIATIONS = {"fc_cls": 0.3, "fc_reg": 0.05}


def sparse_config(name: str, narrow: bool = True) -> Config:
    """The zoo config with smaller images and fewer stages and proposals; ``narrow``: with fewer channels."""
    config = load_config(f"mmdet::{SPARSE_ZOO[name]}.py")
    model = config.model
    model.train_cfg = None
    limit_sides(config.test_dataloader.dataset.pipeline)
    roi_head = model.roi_head
    roi_head.num_stages, roi_head.stage_loss_weights = STAGES, [1] * STAGES
    roi_head.bbox_head = roi_head.bbox_head[:STAGES]
    if "mask_head" in roi_head:
        roi_head.mask_head = roi_head.mask_head[:STAGES]
    model.rpn_head.num_proposals, model.test_cfg.rcnn.max_per_img = PROPOSALS, MAX_PER_IMG
    if narrow:
        model.backbone.depth, model.backbone.base_channels = 18, 16
        model.neck.in_channels, model.neck.out_channels = [16, 32, 64, 128], CHANNELS
        model.rpn_head.proposal_feature_channel = roi_head.proposal_feature_channel = CHANNELS
        for extractor in ("bbox_roi_extractor", "mask_roi_extractor"):
            if extractor in roi_head:
                roi_head[extractor].out_channels = CHANNELS
        for head in roi_head.bbox_head:
            head.in_channels, head.feedforward_channels = CHANNELS, 2 * CHANNELS
        for head in roi_head.get("mask_head", []):
            head.in_channels = head.conv_out_channels = CHANNELS
        for head in (*roi_head.bbox_head, *roi_head.get("mask_head", [])):
            conv = head.dynamic_conv_cfg
            conv.in_channels = conv.out_channels = CHANNELS
            conv.feat_channels = CHANNELS // 4
    return config


def build_sparse_model(name: str, narrow: bool, images: Sequence[str], folder: Path) -> tuple[str, str]:
    """Write a config and a checkpoint; arguments and return as ``zoo_models.build_zoo_model``."""
    config = sparse_config(name, narrow)
    torch.manual_seed(SEED)
    MMLogger.get_current_instance().setLevel("WARNING")  # a line a tensor otherwise
    detector = build_detector(config, None)
    with torch.no_grad():
        inputs = [prepare(detector, config.test_dataloader.dataset.pipeline, path) for path in images]
        calibrate(detector, torch.cat([image for image in inputs if image.shape == inputs[0].shape]))
        for head in detector.roi_head.bbox_head:
            for layer, deviation in DEVIATIONS.items():
                nn.init.normal_(getattr(head, layer).weight, std=deviation)
        nn.init.uniform_(detector.rpn_head.init_proposal_bboxes.weight, 0.2, 0.8)
        nn.init.normal_(detector.rpn_head.init_proposal_features.weight)
    return save_model(name, config, detector, folder)


def calibrate(detector: nn.Module, images: torch.Tensor) -> None:
    """Give normalisation layers the statistics of these images."""
    layers = [module for module in detector.backbone.modules() if isinstance(module, _BatchNorm)]
    for layer in layers:
        layer.momentum = 1.0
        layer.train()
    detector.extract_feat(images)
    detector.eval()
