"""What is served is read from a config: parts by name, classes of the user by what they extend."""

import pytest
from mmdet.models import ATSS, YOLACT, ATSSHead, ResNet
from mmdet.models.dense_heads import CornerHead
from mmengine.config import Config
from torch import nn

from cutpoint.detector.support import SLOTS, find_refusal


def judge(**model):
    return find_refusal(Config({"model": {"type": "ATSS", **model}}))


@pytest.mark.parametrize("kind", ["ATSS", "mmdet.ATSS", ATSS])
def test_a_served_detector_is_known_by_name_scope_and_class(kind):
    assert judge(type=kind, bbox_head={"type": "ATSSHead"}, backbone={"type": "ResNet"}) is None


@pytest.mark.parametrize("kind", ["YOLACT", "mmdet.YOLACT", YOLACT])
def test_a_refused_one_too(kind):
    assert (
        judge(type=kind)
        == "detector YOLACT is not supported: it runs Fast NMS, and Cutpoint has no such step"
    )


def test_every_part_of_a_list_is_looked_at():
    heads = [{"type": "Shared2FCBBoxHead"}, {"type": "SABLHead"}]
    assert judge(roi_head={"bbox_head": heads}).startswith("box head SABLHead is not supported: it reads")
    assert judge(roi_head={"bbox_head": heads[:1]}) is None
    assert judge(test_cfg={"rcnn": {"nms": {"type": "soft_nms"}}}).startswith("NMS soft_nms is not supported")
    assert judge(test_cfg={"rcnn": {"nms": {"iou_threshold": 0.5}}}) is None


def test_a_users_class_counts_as_what_it_extends():
    assert judge(bbox_head={"type": type("OwnATSSHead", (ATSSHead,), {})}) is None
    refused = judge(bbox_head={"type": type("OwnCorners", (CornerHead,), {})})
    assert refused.startswith("head OwnCorners is not supported: its boxes are pairs of corners")
    assert judge(backbone={"type": type("OwnResNet", (ResNet,), {})}) is None


def test_a_users_class_of_nothing_is_let_through_where_only_the_graph_decides():
    own = type("OwnNet", (nn.Module,), {})
    assert judge(backbone={"type": own}) is None
    assert judge(neck=[{"type": "FPN"}, {"type": own}]) is None
    assert judge(bbox_head={"type": own}) == "head OwnNet is not supported: it is unknown"


def test_what_mmdet_does_not_know_is_left_to_building():
    assert judge(bbox_head={"type": "ATSSHaed"}) is None


def test_no_name_is_both_served_and_refused():
    for slot in SLOTS:
        assert not slot.served & slot.refused.keys(), slot.path
