"""Two-stage detectors of mmdet's zoo with random weights that give each step something to do.

As ``zoo_models``: convolutions and linear layers with a bias are rescaled in one pass, and the class scores
get one shift with which so many pairs of an image pass the threshold.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from zoo_models import SEED, SIZES, limit_sides, prepare, save_model

from cutpoint.detector.box_stages import open_stages
from cutpoint.detector.build import build_detector, load_config

ROI_ZOO = {
    "faster_rcnn": "faster_rcnn/faster-rcnn_r50_fpn_1x_coco",
    "cascade_rcnn": "cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco",
    "mask_rcnn": "mask_rcnn/mask-rcnn_r50_fpn_1x_coco",
    "htc": "htc/htc_r50_fpn_1x_coco",
}
# Anchors of a level that go into the RPN's NMS, and proposals of an image: few, so that RoIAlign is fast.
NMS_PRE, PROPOSALS, MAX_PER_IMG = 200, 150, 100
# Pairs of an image above the threshold: a few for each proposal.
CANDIDATES = 450
CHANNELS, HIDDEN = 64, 128
# Deviations of what the last layers emit; the classes' means are moved until enough pairs pass.
DEVIATIONS = {"rpn_cls": 2.0, "rpn_reg": 0.4, "fc_cls": 2.0, "fc_reg": 1.0}


def roi_config(name: str, narrow: bool = True) -> Config:
    """The zoo config with smaller images and fewer proposals; ``narrow``: also with fewer channels."""
    config = load_config(f"mmdet::{ROI_ZOO[name]}.py")
    model = config.model
    model.test_cfg.rpn.nms_pre, model.test_cfg.rpn.max_per_img = NMS_PRE, PROPOSALS
    model.test_cfg.rcnn.max_per_img = MAX_PER_IMG
    limit_sides(config.test_dataloader.dataset.pipeline)
    if narrow:
        model.backbone.depth, model.backbone.base_channels = 18, 16
        model.neck.in_channels, model.neck.out_channels = [16, 32, 64, 128], CHANNELS
        model.rpn_head.in_channels = model.rpn_head.feat_channels = CHANNELS
        _narrow(model.roi_head)
    return config


def _narrow(settings: Any) -> None:
    """Fewer channels in each part of a RoI head."""
    if isinstance(settings, list):
        for part in settings:
            _narrow(part)
    elif isinstance(settings, dict):
        for key, value in settings.items():
            if key in ("in_channels", "out_channels", "conv_out_channels"):
                settings[key] = CHANNELS
            elif key == "fc_out_channels":
                settings[key] = HIDDEN
            else:
                _narrow(value)


def build_roi_model(
    name: str, narrow: bool, images: Sequence[str], folder: Path, candidates: int = CANDIDATES
) -> tuple[str, str]:
    """Write a config and a checkpoint; arguments and return as ``zoo_models.build_zoo_model``."""
    config = roi_config(name, narrow)
    torch.manual_seed(SEED)
    MMLogger.get_current_instance().setLevel("WARNING")  # a line a tensor otherwise
    detector = build_detector(config, None)
    pipeline = config.test_dataloader.dataset.pipeline
    with torch.no_grad():
        inputs = [prepare(detector, pipeline, path) for path in images]
        spread(detector, torch.cat([image for image in inputs if image.shape == inputs[0].shape]))
        shift_classes(detector, inputs[: len(SIZES)], candidates)
    return save_model(name, config, detector, folder)


def spread(detector: nn.Module, images: Tensor) -> None:
    """Rescale normalisation layers, convolutions and linear layers in the order of one forward pass."""
    done: set[nn.Module] = set()
    names = {module: name.rpartition(".")[2] for name, module in detector.named_modules()}

    def rescale(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor | None:
        if layer in done:  # shared between levels: the finest, which comes first, decides
            return None
        done.add(layer)
        deviation = DEVIATIONS.get(names[layer], 1.0)
        axes = (0, *range(2, output.dim()))
        found = output.std(axes)
        factor = deviation / found.clamp(min=0.05 * found.median())
        layer.bias.sub_(output.mean(axes)).mul_(factor)
        layer.weight.mul_(factor.reshape(-1, *[1] * (layer.weight.dim() - 1)))
        return layer.forward(*inputs)

    hooks = []
    for name, module in detector.named_modules():
        if isinstance(module, _BatchNorm):
            module.momentum = 1.0  # the statistics of this batch
            module.train()
            module.weight.fill_(1.0)  # a residual branch starts at 0
            module.bias.fill_(1.0)  # more linear: a deep random network would amplify rounding
        elif isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None and "mask" not in name:
            hooks.append(module.register_forward_hook(rescale))
    outputs(detector, images)
    for hook in hooks:
        hook.remove()
    detector.eval()


def outputs(detector: nn.Module, images: Tensor) -> list[Tensor]:
    """Run mmdet's RPN and RoI head: ``(R, C + 1)`` logits of each image, as ``predict_by_feat`` gets them."""
    sizes = {"img_shape": tuple(images.shape[2:]), "scale_factor": (1.0, 1.0)}
    metas = [sizes] * len(images)
    features = detector.extract_feat(images)
    maps = detector.rpn_head(features)
    proposals = detector.rpn_head.predict_by_feat(*maps, batch_img_metas=metas, rescale=False)
    heads = detector.roi_head.bbox_head
    last = heads[-1] if isinstance(heads, nn.ModuleList) else heads
    taken: list[Tensor] = []
    last.predict_by_feat = lambda cls_scores, **rest: taken.extend(cls_scores)
    try:
        context = open_stages(detector.roi_head).context(features)
        config = detector.roi_head.test_cfg
        detector.roi_head.predict_bbox(features, metas, proposals, rcnn_test_cfg=config, **context)
    finally:
        del last.predict_by_feat
    return taken


def shift_classes(detector: nn.Module, images: Sequence[Tensor], candidates: int) -> None:
    """Find the shift of the background with which the images have so many candidates, on average."""
    heads = detector.roi_head.bbox_head
    heads = list(heads) if isinstance(heads, nn.ModuleList) else [heads]
    logits = [outputs(detector, image)[0] for image in images]
    threshold = detector.roi_head.test_cfg.score_thr
    low, high = -20.0, 20.0
    for _ in range(30):
        middle = (low + high) / 2
        found = np.mean([count_pairs(rows, middle, threshold) for rows in logits])
        low, high = (middle, high) if found > candidates else (low, middle)
    if abs(found / candidates - 1) > 0.1:
        raise ValueError(f"{found:.0f} candidates an image with the best shift of the background, {low:.1f}")
    for head in heads:
        head.fc_cls.bias[-1] += low


def count_pairs(logits: Tensor, shift: float, threshold: float) -> int:
    """Pairs above the threshold if the background's logit were so much higher."""
    moved = torch.cat([logits[:, :-1], logits[:, -1:] + shift], 1)
    return int((moved.softmax(-1)[:, :-1] > threshold).sum())
