"""Backbones and necks of mmdet's zoo under a dense head, with random weights as in ``zoo_models``.

A config of a dense detector keeps its head. Of others, backbone and neck stand under RetinaNet's head with
one anchor for each cell.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from zoo_models import MAX_PER_IMG, NMS_PRE, OUTPUTS, limit_sides, write_model

from cutpoint.detector.build import load_config

RETINANET = "retinanet/retinanet_r50_fpn_1x_coco"
CHANNELS = 64  # of a narrow neck and head
R18, R50 = [16, 32, 64, 128], [64, 128, 256, 512]  # channels of the stages with 16 base channels
# The strides of necks that begin at the finest level, as two-stage detectors have them.
FINE = (4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Body:
    """A config of the zoo.

    ``outputs``: which of ``OUTPUTS`` its own head has; null for RetinaNet's head.
    ``narrow``: makes ``model`` narrower, in place.
    ``strides``: of the levels, for RetinaNet's head.
    """

    config: str
    narrow: Callable[[ConfigDict], None]
    outputs: str | None = None
    strides: Sequence[int] = (8, 16, 32, 64, 128)


def _resnet(depth: int = 50, **settings: Any) -> Callable[[ConfigDict], None]:
    """16 base channels; more settings of the backbone."""

    def narrow(model: ConfigDict) -> None:
        model.backbone.update(depth=depth, base_channels=16, **settings)
        _necks(model)[0].in_channels = R18 if depth == 18 else R50

    return narrow


def _stages(channels: Sequence[int], **settings: Any) -> Callable[[ConfigDict], None]:
    """Settings of the backbone, which then gives so many channels to the neck."""

    def narrow(model: ConfigDict) -> None:
        model.backbone.update(settings)
        _necks(model)[0].in_channels = list(channels)

    return narrow


def _hrnet(model: ConfigDict) -> None:
    extra, channels = model.backbone.extra, (8, 16, 32, 64)
    extra.stage1.num_blocks = (1,)
    for number in (2, 3, 4):
        extra[f"stage{number}"].update(
            num_modules=1, num_blocks=(1,) * number, num_channels=channels[:number]
        )
    model.neck.in_channels = list(channels)


def _nas_fpn(model: ConfigDict) -> None:
    _resnet(18)(model)
    model.neck.stack_times = 2


def _fpg(model: ConfigDict) -> None:
    _resnet(18)(model)
    model.neck.update(inter_channels=CHANNELS, stack_times=4, paths=["bu"] * 4)


def _dyhead(model: ConfigDict) -> None:
    _resnet(18)(model)
    model.neck[1].num_blocks = 2


def _rfp(model: ConfigDict) -> None:
    _resnet()(model)
    model.neck.rfp_backbone.update(base_channels=16, rfp_inplanes=CHANNELS)
    model.neck.aspp_out_channels = CHANNELS // 4


BODIES = {
    "swin": Body(
        "swin/retinanet_swin-t-p4-w7_fpn_1x_coco",
        _stages([48, 96, 192], embed_dims=24, depths=[1, 2, 1, 1], num_heads=[1, 2, 4, 8]),
        "retina",
    ),
    "pvt": Body(
        "pvt/retinanet_pvt-t_fpn_1x_coco",
        _stages(R18, embed_dims=16, num_heads=[1, 2, 4, 8], num_layers=[1, 1, 1, 1]),
        "retina",
    ),
    "pvtv2": Body(
        "pvt/retinanet_pvtv2-b0_fpn_1x_coco",
        _stages(R18, embed_dims=16, num_heads=[1, 2, 4, 8], num_layers=[1, 1, 1, 1]),
        "retina",
    ),
    "efficientnet": Body(
        "efficientnet/retinanet_effb3_fpn_8xb4-crop896-1x_coco", _stages([40, 112, 320], arch="b0"), "retina"
    ),
    "regnet": Body(
        "regnet/retinanet_regnetx-800MF_fpn_1x_coco",
        _stages([32, 64, 160, 384], arch="regnetx_400mf"),
        "retina",
    ),
    "resnext": Body("retinanet/retinanet_x101-32x4d_fpn_1x_coco", _resnet(groups=4, base_width=4), "retina"),
    "res2net": Body("res2net/faster-rcnn_res2net-101_fpn_2x_coco", _resnet(base_width=6), strides=FINE),
    "resnest": Body(
        "resnest/faster-rcnn_s50_fpn_syncbn-backbone+head_ms-range-1x_coco",
        _resnet(stem_channels=16),
        strides=FINE,
    ),
    "hrnet": Body("hrnet/fcos_hrnetv2p-w18-gn-head_4xb4-1x_coco", _hrnet, "fcos"),
    "weight_standardised": Body(
        "gn+ws/faster-rcnn_r50_fpn_gn-ws-all_1x_coco",
        _resnet(norm_cfg={"type": "GN", "num_groups": 8}),
        strides=FINE,
    ),
    "context_block": Body(
        "gcnet/mask-rcnn_r50-gcb-r4-c3-c5_fpn_1x_coco",
        _resnet(),
        strides=FINE,
    ),
    "attention_1111": Body(
        "empirical_attention/faster-rcnn_r50-attn1111_fpn_1x_coco", _resnet(), strides=FINE
    ),
    "attention_0010": Body(
        "empirical_attention/faster-rcnn_r50-attn0010-dcn_fpn_1x_coco", _resnet(), strides=FINE
    ),
    "switchable_atrous": Body("detectors/cascade-rcnn_r50-sac_1x_coco", _resnet(), strides=FINE),
    "recursive_fpn": Body("detectors/cascade-rcnn_r50-rfp_1x_coco", _rfp, strides=FINE),
    "nas_fpn": Body("nas_fpn/retinanet_r50_nasfpn_crop640-50e_coco", _nas_fpn, "retina"),
    "fpg": Body("fpg/retinanet_r50_fpg_crop640_50e_coco", _fpg, "retina"),
    "pafpn": Body("pafpn/faster-rcnn_r50_pafpn_1x_coco", _resnet(18), strides=FINE),
    "balanced_fpn": Body("libra_rcnn/libra-retinanet_r50_fpn_1x_coco", _resnet(18), "retina"),
    "carafe": Body("carafe/faster-rcnn_r50_fpn-carafe_1x_coco", _resnet(18), strides=FINE),
    "dyhead": Body("dyhead/atss_r50_fpn_dyhead_1x_coco", _dyhead, "atss"),
}


def body_config(name: str, narrow: bool = True) -> Config:
    """The config with smaller images and top-k.

    Args:
        name: a key of ``BODIES``.
        narrow: with ``Body.narrow``, and a neck and a head of ``CHANNELS``.
    """
    body = BODIES[name]
    config = load_config(f"mmdet::{body.config}.py")
    if body.outputs is None:
        source, config = config.model, load_config(f"mmdet::{RETINANET}.py")
        config.model.backbone, config.model.neck = source.backbone, source.neck
        generator = config.model.bbox_head.anchor_generator
        generator.update(strides=list(body.strides), ratios=[1.0], scales_per_octave=1)
    model = config.model
    model.test_cfg.update(nms_pre=NMS_PRE, max_per_img=MAX_PER_IMG)
    limit_sides(config.test_dataloader.dataset.pipeline)
    if narrow:
        body.narrow(model)
        for neck in _necks(model):
            neck["in_channels" if neck.type == "BFP" else "out_channels"] = CHANNELS
            if neck.type == "DyHead":
                neck.in_channels = CHANNELS
        model.bbox_head.update(in_channels=CHANNELS, feat_channels=CHANNELS, stacked_convs=1)
    return config


def build_body_model(name: str, narrow: bool, images: Sequence[str], folder: Path) -> tuple[str, str]:
    """Write a config and a checkpoint; arguments and return as ``zoo_models.build_zoo_model``."""
    outputs = OUTPUTS[BODIES[name].outputs or "retina"]
    return write_model(name, body_config(name, narrow), outputs, images, folder)


def _necks(model: ConfigDict) -> list[ConfigDict]:
    return model.neck if isinstance(model.neck, list) else [model.neck]
