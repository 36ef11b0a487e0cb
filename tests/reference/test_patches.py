"""mmdet's heads, patched, against mmdet's own."""

import copy

import numpy as np
import onnxruntime
import pytest
import torch
from mmdet.models.dense_heads import (
    RTMDetInsHead,
    RTMDetInsSepBNHead,
    SSDHead,
    TOODHead,
    VFNetHead,
)
from mmengine.config import ConfigDict
from torch import nn
from torch._dynamo.exc import UserError

from cutpoint.detector import deform, patches
from cutpoint.detector.build import build_detector, load_config


class Detector(nn.Module):
    def __init__(self, head):
        super().__init__()
        self.bbox_head = head

    def forward(self, features):
        (classes,), (boxes,) = self.bbox_head([features])
        return classes, boxes


def randomised(head: nn.Module) -> Detector:
    generator = torch.Generator().manual_seed(0)
    for parameter in head.parameters():
        parameter.requires_grad_(False)
        if parameter.dim() == 4:
            deviation = parameter[0].numel() ** -0.5
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * deviation)
    return Detector(head).eval()


def tood(anchor_type: str) -> Detector:
    head = TOODHead(
        num_classes=3,
        in_channels=32,
        feat_channels=32,
        stacked_convs=1,
        anchor_type=anchor_type,
        anchor_generator={
            "type": "AnchorGenerator",
            "strides": [8],
            "ratios": [1.0],
            "octave_base_scale": 8,
            "scales_per_octave": 1,
        },
        bbox_coder={
            "type": "DeltaXYWHBBoxCoder",
            "target_means": [0.0] * 4,
            "target_stds": [0.1, 0.1, 0.2, 0.2],
        },
        initial_loss_cls={"type": "FocalLoss", "use_sigmoid": True, "activated": True},
        loss_cls={"type": "QualityFocalLoss", "use_sigmoid": True, "activated": True},
        loss_bbox={"type": "GIoULoss"},
    )
    return randomised(head)


def noise(batch: int, height: int = 6, width: int = 8) -> torch.Tensor:
    return torch.randn(batch, 32, height, width, generator=torch.Generator().manual_seed(batch))


ANCHOR_TYPES = ["anchor_free", "anchor_based"]


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("anchor_type", ANCHOR_TYPES)
def test_tood_is_what_it_was_and_images_are_independent(anchor_type, batch):
    detector = tood(anchor_type)
    features = noise(batch)
    original = detector(features)
    patches.apply(detector)
    patched = detector(features)
    for before, after in zip(original, patched, strict=True):
        assert torch.equal(before, after)
    for image in range(batch):
        alone = detector(features[image : image + 1])
        for whole, single in zip(patched, alone, strict=True):
            torch.testing.assert_close(whole[image], single[0], atol=1e-5, rtol=1e-5)
    assert patched[1].std() > 0.5


DYNAMIC = {"features": {0: torch.export.Dim("batch"), 2: torch.export.Dim("h"), 3: torch.export.Dim("w")}}


def test_tood_exports_with_a_free_batch(tmp_path):
    detector = tood("anchor_free")
    patches.apply(detector)
    path = tmp_path / "tood.onnx"
    with deform.exporting(), torch.no_grad():
        program = torch.onnx.export(
            detector,
            (noise(2),),
            input_names=["features"],
            dynamic_shapes=DYNAMIC,
            opset_version=20,
            custom_translation_table=deform.TRANSLATIONS,
            dynamo=True,
            verbose=False,
        )
    program.save(str(path))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for shape in ((1, 6, 8), (3, 10, 13)):
        features = noise(*shape)
        outputs = session.run(None, {"features": features.numpy()})
        for got, expected in zip(outputs, detector(features), strict=True):
            np.testing.assert_allclose(got, expected.numpy(), atol=1e-4, rtol=1e-4)


def test_mmdets_own_tood_does_not_export():
    """When this fails, mmdet is mended and the patch can go."""
    with (
        pytest.raises(UserError, match=r"Constraints violated \(batch\)"),
        deform.exporting(),
        torch.no_grad(),
    ):
        torch.export.export(tood("anchor_free"), (noise(2),), dynamic_shapes=DYNAMIC, strict=False)


def test_changed_source_of_tood_is_noticed(monkeypatch):
    monkeypatch.setattr(patches, "BAKED_BATCH", "torch.cat([other for _ in range(b)])")
    patches._tood_forward.cache_clear()
    with pytest.raises(RuntimeError, match="forward has changed"):
        patches.apply(tood("anchor_free"))


@pytest.mark.parametrize("stride", [8, 16])
def test_vfnets_offsets_are_bit_equal(stride):
    head = VFNetHead(num_classes=3, in_channels=8, feat_channels=8, stacked_convs=1, norm_cfg=None)
    boxes = torch.randn(2, 4, 5, 7, generator=torch.Generator().manual_seed(0)).exp() * stride
    original = head.star_dcn_offset(boxes, 0.1, stride)
    patches.apply(Detector(head))
    patched = head.star_dcn_offset(boxes, 0.1, stride)
    assert patched.shape == (2, 18, 5, 7)
    assert torch.equal(patched, original)
    assert len(patched[0, :, 0, 0].unique()) == 5  # the four sides and 0


def test_ssd_predicts():
    config = load_config("mmdet::ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py")
    torch.manual_seed(0)
    detector = build_detector(config, None)
    assert isinstance(detector.bbox_head, SSDHead)
    with torch.no_grad():
        levels = detector(torch.randn(1, 3, 320, 320), mode="tensor")
        levels = [[3 * torch.randn_like(level) for level in kind] for kind in levels]
        meta = [{"img_shape": (320, 320), "scale_factor": (1.0, 1.0), "ori_shape": (320, 320)}]
        (found,) = detector.bbox_head.predict_by_feat(*levels, batch_img_metas=meta, rescale=True)
        assert len(found) > 0
        assert torch.isfinite(found.bboxes).all()
        del detector.bbox_head.loss_cls
        # when this fails, mmdet is mended and the patch can go
        with pytest.raises(AttributeError, match="loss_cls"):
            detector.bbox_head.predict_by_feat(*levels, batch_img_metas=meta, rescale=True)


@pytest.mark.parametrize("kind", [RTMDetInsHead, RTMDetInsSepBNHead])
def test_rtmdet_ins_gives_the_boxes_that_come_with_its_masks(kind):
    plain = kind(
        num_classes=3,
        in_channels=32,
        feat_channels=32,
        stacked_convs=1,
        anchor_generator={"type": "MlvlPointGenerator", "offset": 0, "strides": [8, 16]},
        bbox_coder={"type": "DistancePointBBoxCoder"},
        loss_cls={"type": "QualityFocalLoss", "use_sigmoid": True},
        loss_bbox={"type": "GIoULoss"},
        test_cfg=ConfigDict(
            nms_pre=60,
            min_bbox_size=0,
            score_thr=0.05,
            nms={"type": "nms", "iou_threshold": 0.6},
            max_per_img=100,
            mask_thr_binary=0.5,
        ),
    )
    randomised(plain)
    for part in plain.rtm_reg.modules():
        if isinstance(part, nn.Conv2d):
            part.bias.fill_(2.0)  # distances above 0
    patched = copy.deepcopy(plain)
    patches.apply(Detector(patched))
    features = (3 * noise(2, 12, 16), 3 * noise(2, 6, 8))
    metas = [
        {"img_shape": shape, "ori_shape": (180, 250), "scale_factor": (0.5, 0.5)}
        for shape in ((96, 128), (80, 100))
    ]
    with torch.no_grad():
        whole, boxes = plain(features), patched(features)
        assert (len(whole), len(boxes)) == (4, 2)
        theirs = plain.predict_by_feat(*whole, batch_img_metas=metas, rescale=True)
        ours = patched.predict_by_feat(*boxes, batch_img_metas=metas, rescale=True)
    for image, (expected, found) in enumerate(zip(theirs, ours, strict=True)):
        assert len(expected) > 20, image
        assert {"masks"} == set(expected.keys()) - set(found.keys()) - {"kernels", "priors"}
        for key in ("bboxes", "scores", "labels"):
            assert torch.equal(found[key], expected[key])
    assert patched.state_dict().keys() == plain.state_dict().keys()  # checkpoints have the mask branch


@pytest.mark.parametrize(
    "config", ["ld/ld_r18-gflv1-r101_fpn_1x_coco", "lad/lad_r50-paa-r101_fpn_2xb8_coco_1x"]
)
def test_of_a_distillation_only_the_student_is_built(config):
    config = load_config(f"mmdet::{config}.py")
    assert config.model.teacher_ckpt.startswith("http")
    detector = build_detector(config, None)
    assert type(detector).__name__ == "SingleStageDetector"
    assert not hasattr(detector, "teacher_model")
    assert type(detector.bbox_head).__name__ == config.model.bbox_head.type
    assert config.model.type != "SingleStageDetector"  # the config stays as it is
