"""What is no dense detector is refused by name; a user's own classes are found."""

import sys

import pytest

from cutpoint.detector.describe import describe_model
from cutpoint.detector.heads import HEADS
from cutpoint.detector.imports import head_name, import_modules
from cutpoint.errors import UserError


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            "grid_rcnn/grid-rcnn_r50_fpn_gn-head_2x_coco",
            "detector GridRCNN is not supported: a second head moves its boxes",
        ),
        (
            "ms_rcnn/ms-rcnn_r50-caffe_fpn_1x_coco",
            "detector MaskScoringRCNN is not .* masks change the scores",
        ),
        ("guided_anchoring/ga-faster-rcnn_r50_fpn_1x_coco", "RPN GARPNHead is not supported"),
        ("cascade_rpn/cascade-rpn_faster-rcnn_r50-caffe_fpn_1x_coco", "RPN CascadeRPNHead is not supported"),
        (
            "sabl/sabl-faster-rcnn_r50_fpn_1x_coco",
            "box head SABLHead is not supported: it reads boxes from buckets",
        ),
        ("dcn/faster-rcnn_r50_fpn_dpool_1x_coco", "RoI layer DeformRoIPoolPack .*: the ONNX standard has no"),
        (
            "faster_rcnn/faster-rcnn_r50_fpn_soft-nms_1x_coco",
            "NMS soft_nms is not supported: Soft-NMS lowers",
        ),
        ("yolact/yolact_r50_1xb8-55e_coco", "detector YOLACT is not supported: it runs Fast NMS"),
        (
            "glip/glip_atss_swin-t_a_fpn_dyhead_pretrain_obj365",
            "detector GLIP is not supported: it takes a text",
        ),
    ],
)
def test_refused_by_name_before_the_weights_are_read(config, said, tmp_path):
    with pytest.raises(UserError, match=rf"model mine: {said}"):
        describe_model(
            model="mine",
            config=f"mmdet::{config}.py",
            checkpoint="nowhere.pth",
            candidate_floor=None,
            out=str(tmp_path / "spec.json"),
        )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def test_a_users_own_head_is_registered(folder):
    from mmdet.registry import MODELS

    (folder / "own_heads").mkdir()
    (folder / "own_heads/atss.py").write_text(
        "from mmdet.models.dense_heads import ATSSHead\n"
        "from mmdet.registry import MODELS\n\n\n"
        "@MODELS.register_module()\nclass OwnATSSHead(ATSSHead):\n    pass\n"
    )
    assert MODELS.get("OwnATSSHead") is None
    import_modules(["own_heads.atss"])
    assert MODELS.get("OwnATSSHead").__module__ == "own_heads.atss"


def test_a_module_that_cannot_be_imported_is_one_message(folder):
    with pytest.raises(UserError, match=r"imports: module 'own_nothing' cannot be imported \(ModuleNotFound"):
        import_modules(["own_nothing"])
    (folder / "own_broken.py").write_text("1 / 0\n")
    with pytest.raises(
        UserError, match=r"module 'own_broken' cannot .* \(ZeroDivisionError: division by zero"
    ):
        import_modules(["own_broken"])


def test_a_users_own_head_is_read_as_the_one_that_it_extends(folder):
    from mmdet.models.dense_heads import ATSSHead, CondInstBboxHead, FCOSHead

    wider = type("WiderATSSHead", (ATSSHead,), {"_init_layers": lambda self: None})
    assert head_name(wider, HEADS) == "ATSSHead"
    other = type("OtherATSSHead", (wider,), {"_bbox_post_process": lambda self: None})
    with pytest.raises(UserError, match=r"head OtherATSSHead: it changes ATSSHead\._bbox_post_process"):
        head_name(other, HEADS)
    # mmdet's own classes are known by their own name or not at all
    assert issubclass(CondInstBboxHead, FCOSHead)
    with pytest.raises(UserError, match="head CondInstBboxHead: not supported"):
        head_name(CondInstBboxHead, HEADS)
    with pytest.raises(UserError, match="head Linear: not supported"):
        head_name(type("Linear", (), {}), HEADS)
