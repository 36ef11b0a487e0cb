"""What is read from a built two-stage detector, and what is refused in it."""

import pytest
from mmdet.models.roi_heads import StandardRoIHead
from roi_models import MAX_PER_IMG, PROPOSALS, roi_config

from cutpoint.detector.build import build_detector
from cutpoint.detector.describe_rois import describe_rois
from cutpoint.errors import UserError


@pytest.fixture(scope="module")
def built():
    return build_detector(roi_config("faster_rcnn"), None)


def test_faster_rcnn(built):
    head = describe_rois(built, None)
    assert (head.head, head.num_classes, head.proposals) == ("StandardRoIHead", 80, PROPOSALS)
    assert (head.selected, head.class_boxes, head.score_activation) == (True, True, "softmax")
    assert head.coder["stds"] == [0.1, 0.1, 0.2, 0.2]
    assert [step["step"] for step in head.recipe] == ["threshold", "clip", "rescale", "nms", "max_per_img"]
    assert head.recipe[2] == {"step": "rescale", "operation": "multiply"}
    assert head.recipe[4] == {"step": "max_per_img", "k": MAX_PER_IMG}
    assert (head.floor.value, head.floor.inclusive, head.floor.pairs) == (0.05, False, None)
    assert describe_rois(built, 0.01).floor.value == 0.01
    with pytest.raises(UserError, match=r"candidate_floor 0\.1 lies above the model's own score_thr 0\.05"):
        describe_rois(built, 0.1)


def test_masks_move_the_scale_behind_the_cap():
    """``BaseRoIHead.predict`` leaves it to the mask head, which divides."""
    head = describe_rois(build_detector(roi_config("mask_rcnn"), None), None)
    assert [step["step"] for step in head.recipe] == ["threshold", "clip", "nms", "max_per_img", "rescale"]
    assert head.recipe[-1] == {"step": "rescale", "operation": "divide"}


def test_a_cascade_is_read_at_its_last_stage():
    head = describe_rois(build_detector(roi_config("cascade_rcnn"), None), None)
    assert (head.head, head.class_boxes) == ("CascadeRoIHead", False)
    assert head.coder["stds"] == [0.033, 0.033, 0.067, 0.067]


def test_a_coder_that_does_not_clip_gives_no_clip(built, monkeypatch):
    monkeypatch.setattr(built.roi_head.bbox_head.bbox_coder, "clip_border", False)
    assert "clip" not in {step["step"] for step in describe_rois(built, None).recipe}


def test_no_cap_without_a_positive_one(built, monkeypatch):
    monkeypatch.setitem(built.roi_head.test_cfg, "max_per_img", -1)
    assert describe_rois(built, None).recipe[-1]["step"] == "nms"


def test_a_users_own_class_is_served_if_it_changes_only_the_training(built, monkeypatch):
    own = type("OwnRoIHead", (StandardRoIHead,), {"loss": lambda self: None})
    monkeypatch.setattr(built.roi_head, "__class__", own)
    assert describe_rois(built, None).head == "OwnRoIHead"
    changed = type("OwnRoIHead", (StandardRoIHead,), {"predict_bbox": lambda self: None})
    monkeypatch.setattr(built.roi_head, "__class__", changed)
    with pytest.raises(UserError, match=r"OwnRoIHead: it changes StandardRoIHead\.predict_bbox, which"):
        describe_rois(built, None)


@pytest.mark.parametrize(
    ("where", "key", "value", "said"),
    [
        ("rpn", "max_per_img", 0, r"test_cfg\.rpn\.max_per_img 0: it must be 1 or more"),
        ("rpn", "nms", {"type": "soft_nms"}, r"test_cfg\.rpn\.nms .*soft_nms.*: only type 'nms'"),
        ("rcnn", "nms", {"type": "soft_nms", "iou_threshold": 0.5}, r"test_cfg\.rcnn\.nms .*only type 'nms'"),
        (
            "rcnn",
            "nms",
            {"iou_threshold": 0.5, "class_agnostic": True},
            r"test_cfg\.rcnn\.nms\.class_agnostic",
        ),
    ],
)
def test_a_setting_that_is_not_reproduced_is_refused(built, monkeypatch, where, key, value, said):
    part = built.rpn_head if where == "rpn" else built.roi_head
    monkeypatch.setitem(part.test_cfg, key, value)
    with pytest.raises(UserError, match=said):
        describe_rois(built, None)


@pytest.mark.parametrize(("key", "value"), [("pool_mode", "max"), ("output_size", (7, 14))])
def test_a_pooling_that_is_not_reproduced_is_refused(built, monkeypatch, key, value):
    monkeypatch.setattr(built.roi_head.bbox_roi_extractor.roi_layers[1], key, value)
    with pytest.raises(UserError, match=r"RoIAlign with pool_mode '(avg|max)' and output_size .* supported"):
        describe_rois(built, None)
