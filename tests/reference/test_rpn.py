"""The proposals of an RPN against mmdet's own, over the settings that configs have."""

from typing import Any

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import ConfigDict

from cutpoint.detector.rpn import NO_PRIOR, Proposals

SIZES = [(24, 32), (12, 16), (6, 8)]
STRIDES = [8, 16, 32]
# height and width of the two images in a batch that is padded to 192 x 256
SIDES = [(192, 256), (150, 201)]


def build(coder: dict[str, Any], loss: dict[str, Any], settings: dict[str, Any]) -> Any:
    register_all_modules(init_default_scope=True)
    test_cfg = {
        "nms_pre": 60,
        "max_per_img": 80,
        "nms": {"type": "nms", "iou_threshold": 0.6},
        "min_bbox_size": 0,
    }
    head = MODELS.build(
        {
            "type": "RPNHead",
            "in_channels": 8,
            "feat_channels": 8,
            "anchor_generator": {
                "type": "AnchorGenerator",
                "scales": [3],
                "ratios": [0.5, 1.0, 2.0],
                "strides": STRIDES,
            },
            "bbox_coder": {"type": "DeltaXYWHBBoxCoder", **coder},
            "loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": True, **loss},
            "test_cfg": ConfigDict(test_cfg | settings),
        }
    )
    return head.eval()


@pytest.mark.parametrize(
    ("coder", "loss", "settings"),
    [
        ({}, {}, {}),
        ({"target_means": [0.1, -0.2, 0.0, 0.3], "target_stds": [0.5, 0.4, 0.3, 0.2]}, {}, {}),
        ({"clip_border": False}, {}, {}),
        ({}, {"use_sigmoid": False}, {}),
        ({}, {}, {"nms_pre": -1}),
        ({}, {}, {"nms_pre": 100000, "max_per_img": 2000}),
        ({}, {}, {"min_bbox_size": 20}),
        ({}, {}, {"min_bbox_size": -1}),
        ({"add_ctr_clamp": True, "ctr_clamp": 4}, {}, {}),
    ],
    ids=["plain", "coder", "unclipped", "softmax", "all", "few", "large", "any", "clamped"],
)
@torch.no_grad()
def test_as_mmdet(coder, loss, settings):
    head = build(coder, loss, settings)
    random = torch.Generator().manual_seed(0)
    maps = [
        [torch.randn(2, 3 * channels, *size, generator=random) for size in SIZES]
        for channels in (head.cls_out_channels, 4)
    ]
    sides = torch.tensor([[width, height, width, height] for height, width in SIDES]).float()
    boxes, priors, count = Proposals(head)(*maps, sides)
    metas = [{"img_shape": side} for side in SIDES]
    expected = head.predict_by_feat(*maps, batch_img_metas=metas, rescale=False)
    for image, theirs in enumerate(expected):
        live = int(count[image])
        assert live == len(theirs) > 20
        torch.testing.assert_close(boxes[image, :live], theirs.bboxes, rtol=0, atol=0)
        assert not boxes[image, live:].any()
        assert (priors[image, live:] == NO_PRIOR).all()
        # the anchor's score is that of the proposal
        scores = torch.cat(
            [level[image].permute(1, 2, 0).reshape(-1, head.cls_out_channels) for level in maps[0]]
        )
        scores = scores.sigmoid()[:, 0] if head.use_sigmoid_cls else scores.softmax(-1)[:, 0]
        torch.testing.assert_close(scores[priors[image, :live]], theirs.scores)
