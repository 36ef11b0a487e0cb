"""The box branch of mmdet's RoI heads, alone: our stages against ``_bbox_forward``, bit by bit."""

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox2roi

from cutpoint.detector.box_stages import class_logits, is_sigmoid, open_stages

CHANNELS, CLASSES = 8, 3
LAYER = {"type": "RoIAlign", "output_size": 7, "sampling_ratio": 0}
EXTRACTOR = {
    "type": "SingleRoIExtractor",
    "roi_layer": LAYER,
    "out_channels": CHANNELS,
    "featmap_strides": [4, 8, 16, 32],
}
ATTENTION = {
    "type": "GeneralizedAttention",
    "in_channels": CHANNELS,
    "spatial_range": -1,
    "num_heads": 2,
    "attention_type": "0100",
    "kv_stride": 2,
}
GENERIC = EXTRACTOR | {
    "type": "GenericRoIExtractor",
    "aggregation": "sum",
    "pre_cfg": {
        "type": "ConvModule",
        "in_channels": CHANNELS,
        "out_channels": CHANNELS,
        "kernel_size": 5,
        "padding": 2,
        "inplace": False,
    },
    "post_cfg": ATTENTION,
}
CODER = {
    "type": "DeltaXYWHBBoxCoder",
    "target_means": [0.0, 0.0, 0.0, 0.0],
    "target_stds": [0.1, 0.1, 0.2, 0.2],
}
HEAD = {
    "type": "Shared2FCBBoxHead",
    "in_channels": CHANNELS,
    "fc_out_channels": 16,
    "roi_feat_size": 7,
    "num_classes": CLASSES,
    "bbox_coder": CODER,
}
CASCADE = {"num_stages": 2, "stage_loss_weights": [1, 1], "bbox_head": [HEAD, HEAD]}
SEMANTIC = {
    "semantic_roi_extractor": EXTRACTOR | {"roi_layer": LAYER | {"output_size": 14}, "featmap_strides": [8]},
    "semantic_head": {
        "type": "FusedSemanticHead",
        "num_ins": 4,
        "fusion_level": 1,
        "num_convs": 1,
        "in_channels": CHANNELS,
        "conv_out_channels": CHANNELS,
        "num_classes": 5,
    },
}
CONTEXT = {
    "type": "GlobalContextHead",
    "num_convs": 1,
    "in_channels": CHANNELS,
    "conv_out_channels": CHANNELS,
    "num_classes": CLASSES,
}
MASKS = {
    "type": "SCNetMaskHead",
    "num_convs": 1,
    "in_channels": CHANNELS,
    "conv_out_channels": CHANNELS,
    "num_classes": CLASSES,
}
DOUBLE = HEAD | {
    "type": "DoubleConvFCBBoxHead",
    "num_convs": 1,
    "num_fcs": 1,
    "conv_out_channels": 16,
}
ROI_HEADS = {
    "standard": {"type": "StandardRoIHead", "bbox_head": HEAD},
    "shared head": {
        "type": "StandardRoIHead",
        "bbox_roi_extractor": EXTRACTOR
        | {"roi_layer": LAYER | {"output_size": 14}, "featmap_strides": [16], "out_channels": 64},
        "shared_head": {"type": "ResLayer", "depth": 18, "stage": 1},
        "bbox_head": {
            "type": "BBoxHead",
            "in_channels": 128,
            "roi_feat_size": 7,
            "num_classes": CLASSES,
            "bbox_coder": CODER,
            "with_avg_pool": True,
        },
    },
    "not aligned": {
        "type": "StandardRoIHead",
        "bbox_head": HEAD,
        "bbox_roi_extractor": EXTRACTOR | {"roi_layer": LAYER | {"aligned": False, "sampling_ratio": 2}},
    },
    "double": {"type": "DoubleHeadRoIHead", "reg_roi_scale_factor": 1.3, "bbox_head": DOUBLE},
    "generic": {"type": "StandardRoIHead", "bbox_head": HEAD, "bbox_roi_extractor": GENERIC},
    "cascade": {"type": "CascadeRoIHead"} | CASCADE,
    "htc": {"type": "HybridTaskCascadeRoIHead"} | CASCADE | SEMANTIC,
    "htc, masks only": {"type": "HybridTaskCascadeRoIHead", "semantic_fusion": ("mask",)}
    | CASCADE
    | SEMANTIC,
    "htc without semantics": {"type": "HybridTaskCascadeRoIHead"} | CASCADE,
    "scnet": {
        "type": "SCNetRoIHead",
        "glbctx_head": CONTEXT,
        "mask_head": MASKS,
        "mask_roi_extractor": EXTRACTOR,
    }
    | CASCADE
    | SEMANTIC
    | {"bbox_head": [HEAD | {"type": "SCNetBBoxHead", "num_shared_fcs": 2}] * 2},
}


def build(settings):
    torch.manual_seed(0)
    head = MODELS.build({"bbox_roi_extractor": EXTRACTOR, "test_cfg": {}} | settings).eval()
    for parameter in head.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    return head


def make_inputs(images=2, boxes=40, channels=CHANNELS):
    generator = torch.Generator().manual_seed(1)
    features = [torch.randn(images, channels, 96 // k, 128 // k, generator=generator) for k in (1, 2, 4, 8)]
    corner = torch.rand(images, boxes, 2, generator=generator) * torch.tensor([380.0, 280.0])
    sides = torch.exp(torch.rand(images, boxes, 2, generator=generator) * 6)
    return features, torch.cat([corner, corner + sides], 2)


@torch.no_grad()
@pytest.mark.parametrize("name", ROI_HEADS)
def test_each_stage_equals_mmdets(name):
    head = build(ROI_HEADS[name])
    features, boxes = make_inputs(channels=64 if name == "shared head" else CHANNELS)
    stages = open_stages(head)
    context = stages.context(features)
    for number in range(len(stages.stages)):
        which = (number,) if len(stages.stages) > 1 else ()
        expected = head._bbox_forward(*which, features, bbox2roi(list(boxes)), **context)
        logits, deltas = stages.run(number, features, boxes, context)
        assert torch.equal(logits, expected["cls_score"])
        assert torch.equal(deltas, expected["bbox_pred"])
        assert logits.std() > 0.01
    assert set(context) == {
        "htc": {"semantic_feat"},
        "scnet": {"semantic_feat", "glbctx_feat"},
    }.get(name, set())


@torch.no_grad()
def test_what_is_added_matters():
    """Else the comparison would pass without it."""
    head = build(ROI_HEADS["scnet"])
    features, boxes = make_inputs()
    stages = open_stages(head)
    context = stages.context(features)
    whole, _ = stages.run(0, features, boxes, context)
    for left_out in context:
        less = {name: value for name, value in context.items() if name != left_out}
        assert not torch.allclose(stages.run(0, features, boxes, less)[0], whole, atol=1e-2)


def test_seesaw_logits_are_those_of_its_two_softmaxes():
    head = build({"type": "StandardRoIHead", "bbox_head": HEAD | {"loss_cls": SEESAW}}).bbox_head
    emitted = torch.randn(5, CLASSES + 2, generator=torch.Generator().manual_seed(0)) * 3
    logits = class_logits(head, emitted)
    assert logits.shape == (5, CLASSES + 1)
    torch.testing.assert_close(logits.softmax(-1), head.loss_cls.get_activation(emitted), atol=1e-6, rtol=0)
    assert not is_sigmoid(head)


SEESAW = {"type": "SeesawLoss", "p": 0.8, "q": 2.0, "num_classes": CLASSES}


@pytest.mark.parametrize(("sigmoid", "channels"), [(True, CLASSES), (False, CLASSES + 1)])
def test_a_custom_cross_entropy_is_a_sigmoid_or_a_softmax(sigmoid, channels):
    loss = {"type": "CrossEntropyCustomLoss", "num_classes": CLASSES, "use_sigmoid": sigmoid}
    head = build({"type": "StandardRoIHead", "bbox_head": HEAD | {"loss_cls": loss}}).bbox_head
    emitted = torch.randn(5, channels, generator=torch.Generator().manual_seed(0))
    assert is_sigmoid(head) is sigmoid
    logits = class_logits(head, emitted)
    scores = logits.sigmoid() if sigmoid else logits.softmax(-1)[:, :-1]
    assert torch.equal(scores, head.loss_cls.get_activation(emitted)[:, :-1])
