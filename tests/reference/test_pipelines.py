"""Which test pipelines are reproduced, however they are written; mmdet's own classes judge."""

import copy
import re
import struct
import zlib
from pathlib import Path

import cv2
import mmcv.ops
import mmcv.transforms
import mmdet.datasets
import mmdet.datasets.transforms
import mmdet.models
import numpy as np
import pytest
from mmengine.config import Config, ConfigDict
from mmengine.dataset import ClassBalancedDataset
from models import SMALL_ATSS

from cutpoint.data.image import decode, prepare
from cutpoint.detector import testset
from cutpoint.detector.build import build_detector, load_config, without_downloads
from cutpoint.detector.classes import find_class_names
from cutpoint.detector.describe import describe_model, refuse_unsupported
from cutpoint.detector.describe_input import describe_input
from cutpoint.detector.heads import describe_head
from cutpoint.detector.reference import MmdetPipeline, open_pytorch
from cutpoint.detector.trace import trace_model
from cutpoint.errors import UserError
from cutpoint.files import read_json

LOAD, RESIZE = {"type": "LoadImageFromFile"}, {"type": "Resize", "scale": (96, 64), "keep_ratio": True}
PAD, PACK = {"type": "Pad", "size_divisor": 32}, {"type": "PackDetInputs"}
BOXES = {"type": "LoadAnnotations", "with_bbox": True}
PLAIN = [LOAD, RESIZE, PAD, PACK]


def make_config(pipeline, **preprocessor):
    return Config(
        {
            "model": {"data_preprocessor": {"type": "DetDataPreprocessor", **preprocessor}},
            "test_dataloader": {"dataset": {"type": "CocoDataset", "pipeline": copy.deepcopy(pipeline)}},
        }
    )


class Resize(mmdet.datasets.transforms.Resize):
    """A user's own, which bears the name of mmdet's."""


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        ([LOAD, RESIZE, RESIZE, PACK], "step 3, Resize: not supported here, where Pad or PackDetInputs may"),
        ([LOAD, RESIZE, PAD, PAD, PACK], "step 4, Pad: not supported here, where PackDetInputs may stand"),
        (
            [LOAD, PAD, RESIZE, PACK],
            "step 2, Pad: not supported here, where Resize or RandomCenterCropPad",
        ),
        (
            [LOAD, BOXES, PAD, PACK],
            "step 3, Pad: not supported here, where Resize or RandomCenterCropPad",
        ),
        ([RESIZE, LOAD, PACK], "step 1, Resize: not supported here, where LoadImageFromFile may stand"),
        ([LOAD, RESIZE, PACK, PAD], "step 4, Pad: not supported here, where nothing may stand"),
        ([LOAD, {"type": "FixScaleResize", "scale": (9, 9)}, PACK], "step 2, FixScaleResize: not supported"),
        ([LOAD, RESIZE, {"type": "Normalize", "mean": [0], "std": [1]}, PACK], "step 3, Normalize: not"),
        ([LOAD, {"type": "TestTimeAug", "transforms": []}], "step 2, TestTimeAug: not supported"),
        ([LOAD, {"type": "MultiScaleFlipAug"}], "step 2, MultiScaleFlipAug: not supported"),
        ([LOAD, RESIZE, {"type": "RandomFlip", "prob": 0.5}, PACK], "step 3, RandomFlip: not supported"),
        ([LOAD, RESIZE, {"type": "RandomFlip", "prob": [0.0, 0.1]}, PACK], "step 3, RandomFlip: not"),
        ([LOAD, RESIZE, {"type": "RandomFlip"}, PACK], "step 3, RandomFlip: not supported"),
        ([{"type": "mmyolo.LoadImageFromFile"}, RESIZE, PACK], r"step 1, mmyolo\.LoadImageFromFile \(which"),
        ([LOAD, {**RESIZE, "type": Resize}, PACK], r"step 2, test_pipelines\.Resize: not supported"),
        ([LOAD, {"scale": (9, 9)}, PACK], r"step 2, None \(which mmdet does not know\): not supported"),
        ([LOAD, "Resize", PACK], r"step 2, 'Resize' \(which mmdet does not know\): not"),
        ([LOAD, RESIZE], "test pipeline: PackDetInputs is missing"),
    ],
)
def test_what_is_not_reproduced_in_order_is_refused_by_name(pipeline, said):
    with pytest.raises(UserError, match=said):
        describe_input(make_config(pipeline))


@pytest.mark.parametrize(
    ("step", "options", "said"),
    [
        (0, {"color_type": "grayscale"}, "LoadImageFromFile: color_type 'grayscale' is not supported"),
        (0, {"color_type": "unchanged"}, "LoadImageFromFile: color_type 'unchanged'"),
        (0, {"color_type": "color_ignore_orientation"}, "color_type 'color_ignore_orientation'"),
        (0, {"imdecode_backend": "pillow"}, "imdecode_backend 'pillow': only cv2"),
        (0, {"backend_args": {"backend": "petrel"}}, "backend_args {'backend': 'petrel'}: only local files"),
        (0, {"file_client_args": {"backend": "lmdb", "db_path": "x"}}, "file_client_args {'backend': 'lmdb'"),
        (0, {"colour": "grey"}, "LoadImageFromFile: mmdet cannot make it .*'colour'"),
        (1, {"scale": None, "scale_factor": 0.5}, "Resize: scale_factor is not supported"),
        (1, {"scale": [(320, 320), (480, 480)]}, r"Resize: scale \[\(320, 320\), \(480, 480\)\]: only one"),
        (1, {"scale": [96, 64]}, r"Resize: scale \[96, 64\]: only one tuple"),
        (1, {"scale": (96.5, 64)}, r"Resize: scale \(96.5, 64\): only one tuple .* whole pixels"),
        (1, {"scale": None}, "Resize: mmdet cannot make it"),
        (1, {"backend": "pillow"}, "Resize: backend 'pillow': only cv2"),
        (1, {"interpolation": "box"}, "Resize: interpolation 'box': only nearest"),
        (1, {"to_multiple": 32}, "Resize: mmdet cannot make it .*'to_multiple'"),
        (2, {"padding_mode": "reflect"}, "Pad: padding_mode 'reflect'"),
        (2, {"pad_val": {"img": [1, 2, 3]}}, r"Pad: pad_val \[1, 2, 3\]: only one number or a tuple"),
        (2, {"pad_val": 114.0}, "Pad: mmdet cannot make it"),
        (2, {"size": (64, 64)}, "Pad: mmdet cannot make it"),
        (
            3,
            {"meta_keys": ("img_id", "ori_shape", "img_shape")},
            "PackDetInputs: its meta_keys lack 'scale_f",
        ),
    ],
)
def test_options_that_are_not_reproduced_are_refused_by_name(step, options, said):
    pipeline = copy.deepcopy(PLAIN)
    pipeline[step].update(options)
    with pytest.raises(UserError, match=said):
        describe_input(make_config(pipeline))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"mean": [1.0, 2.0], "std": [1.0, 2.0]}, "mmdet cannot make it .*1 or 3 values"),
        ({"mean": [1.0]}, "mmdet cannot make it .*mean and std should be both"),
        ({"bgr_to_rgb": True, "rgb_to_bgr": True}, "mmdet cannot make it .*cannot be set to True"),
        ({"size_divisor": 32}, "mmdet cannot make it .*'size_divisor'"),
        ({"pad_value": [1, 2, 3]}, r"pad_value \[1, 2, 3\]: only one number"),
        ({"type": "mmdet.BatchFixedSizePad"}, "data_preprocessor BatchFixedSizePad: only"),
        ({"type": "ImgDataPreprocessor"}, "data_preprocessor ImgDataPreprocessor: only"),
        (
            {"type": "YOLOv5DetDataPreprocessor"},
            r"YOLOv5DetDataPreprocessor \(which mmdet does not know\)",
        ),
    ],
)
def test_a_data_preprocessor_that_is_not_reproduced_is_refused_by_name(settings, said):
    with pytest.raises(UserError, match=said):
        describe_input(make_config(PLAIN, **settings))


TRANSFORMS = mmdet.datasets.transforms
FLIPS = ({"prob": 0.0}, {"prob": 0}, {"prob": [0.0, 0.0], "direction": ["horizontal", "vertical"]})


@pytest.mark.parametrize(
    "pipeline",
    [
        *([LOAD, RESIZE, {"type": "RandomFlip", **flip}, PAD, PACK] for flip in FLIPS),
        [BOXES, *PLAIN],
        [LOAD, BOXES, RESIZE, BOXES, PAD, BOXES, PACK],
        [LOAD, *({**step, "type": "mmdet." + step["type"]} for step in PLAIN[1:])],
        [{**LOAD, "type": "mmcv.LoadImageFromFile"}, {**RESIZE, "type": "mmcv.Resize"}, PAD, PACK],
        [
            {**LOAD, "type": mmcv.transforms.LoadImageFromFile},
            {"type": TRANSFORMS.RandomFlip, "prob": 0.0},
            {**RESIZE, "type": TRANSFORMS.Resize},
            {**PAD, "type": TRANSFORMS.Pad},
            {**BOXES, "type": TRANSFORMS.LoadAnnotations},
            {**PACK, "type": TRANSFORMS.PackDetInputs},
        ],
    ],
)
def test_steps_that_change_nothing_and_other_ways_to_write_them(pipeline, atss, tmp_path):
    assert describe_input(make_config(pipeline)) == describe_input(make_config(PLAIN))
    photo = str(tmp_path / "photo.png")
    cv2.imwrite(photo, np.random.default_rng(0).integers(0, 256, (50, 71, 3), np.uint8))
    plain, other = (MmdetPipeline(atss.detector, steps, atss.spec, "cpu") for steps in (PLAIN, pipeline))
    (expected, sizes), (found, found_sizes) = (side.prepare(side.decode(photo)) for side in (plain, other))
    np.testing.assert_array_equal(found[0]["inputs"], expected[0]["inputs"])
    assert sizes == found_sizes


def coco(**changes):
    return {"type": "CocoDataset", "metainfo": {"classes": ("a", "b")}, "pipeline": PLAIN, **changes}


def repeated(inner):
    return {"type": "RepeatDataset", "times": 1, "dataset": inner}


def joined(*inner):
    return {"type": "ConcatDataset", "datasets": list(inner)}


@pytest.mark.parametrize(
    "dataset",
    [
        joined(coco(), coco()),
        repeated(coco()),
        {"type": ClassBalancedDataset, "oversample_thr": 0.1, "dataset": coco()},
        {"type": "mmdet.MultiImageMixDataset", "pipeline": [], "dataset": coco()},
        joined(repeated(coco()), joined(coco())),
        repeated(coco(type=mmdet.datasets.CocoDataset)),
    ],
)
def test_the_data_set_below_its_wrappers_counts(dataset):
    loaders = {"dataset": dataset}
    for config in (Config({"test_dataloader": loaders}), Config({"test_dataloader": [loaders, loaders]})):
        assert testset.find_test_pipeline(config) == PLAIN
        assert find_class_names("m", config, None, 2) == ["a", "b"]


@pytest.mark.parametrize(
    ("loader", "said"),
    [
        (
            {"dataset": joined(coco(), coco(pipeline=[LOAD, RESIZE, PACK]))},
            "2 data sets differ in `pipeline`",
        ),
        ({"dataset": joined(coco(), coco(metainfo={"classes": ("b", "a")}))}, "2 data sets differ in `metai"),
        ([{"dataset": coco()}, {"dataset": coco(pipeline=[LOAD, PACK])}], "2 data sets differ in `pipeline`"),
        ({"dataset": coco(pipeline=None)}, "its dataset has no pipeline"),
        ({"dataset": joined()}, "it has no dataset"),
        ({"batch_size": 1}, "it has no dataset"),
        ([], "it has no dataset"),
        (None, "it has no dataset"),
        ({"dataset": {"type": "Own", "dataset": coco()}}, "data set Own holds others under `dataset`"),
        (
            {"dataset": {"type": "MultiImageMixDataset", "pipeline": [PAD], "dataset": coco()}},
            "MultiImageMixDataset has a pipeline of its own",
        ),
    ],
)
def test_data_sets_that_leave_the_pipeline_open_are_one_message(loader, said):
    with pytest.raises(UserError, match=f"test_dataloader: .*{said}"):
        testset.find_test_pipeline(Config({"test_dataloader": loader}))


PURE_MODEL = """
from mmdet.models.backbones import ResNet
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.models.dense_heads import ATSSHead
from mmdet.models.detectors import ATSS
from mmdet.models.losses import CrossEntropyLoss, FocalLoss, GIoULoss
from mmdet.models.necks import FPN
from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
from mmdet.models.task_modules.prior_generators import AnchorGenerator
from mmengine.model import PretrainedInit
from torch.nn import BatchNorm2d

MODEL
"""
PURE_DATA = """
from mmengine.config import read_base

with read_base():
    from .pure_model import *

from mmcv.transforms import LoadImageFromFile
from mmdet.datasets import CocoDataset
from mmdet.datasets.transforms import LoadAnnotations, PackDetInputs, Resize

default_scope = None
model.backbone.update(init_cfg=dict(type=PretrainedInit, checkpoint="torchvision://resnet18"))
DATA
"""


@pytest.fixture(scope="module")
def pure_config(tmp_path_factory) -> str:
    """``SMALL_ATSS`` in mmengine's pure-Python form: the same settings, classes in place of names."""
    folder = tmp_path_factory.mktemp("pure")
    text = re.sub(r'type="(BN)"', "type=BatchNorm2d", SMALL_ATSS)
    text = re.sub(r'type="((?!nms)\w+)"', r"type=\1", text)
    model, data = text.split("test_dataloader =")
    (folder / "__init__.py").touch()
    (folder / "pure_model.py").write_text(PURE_MODEL.replace("MODEL", model))
    (folder / "pure.py").write_text(PURE_DATA.replace("DATA", f"test_dataloader ={data}"))
    return str(folder / "pure.py")


def test_a_pure_python_config_is_the_same_detector(pure_config, atss, tmp_path):
    spec, trace = str(tmp_path / "spec.json"), str(tmp_path / "trace.onnx")
    describe_model(
        model="tested", config=pure_config, checkpoint=atss.checkpoint, candidate_floor=None, out=spec
    )
    assert read_json(spec) == read_json(atss.spec_file)
    config = load_config(pure_config)
    assert config.model.type is mmdet.models.ATSS
    photo = str(tmp_path / "photo.png")
    cv2.imwrite(photo, np.random.default_rng(0).integers(0, 256, (50, 71, 3), np.uint8))
    plain = MmdetPipeline(atss.detector, atss.pipeline, atss.spec, "cpu")
    pure = open_pytorch(pure_config, atss.checkpoint, atss.spec, "e2e", "cpu", None)
    expected, found = detections(plain, photo), detections(pure, photo)
    assert len(expected) > 0
    for name in ("boxes", "scores", "labels"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    trace_model(config=pure_config, checkpoint=atss.checkpoint, spec=spec, shape=[64, 96], out=trace)
    assert Path(trace).stat().st_size > 0


def detections(pipeline, path):
    data, (geometry,) = pipeline.batch([pipeline.prepare(pipeline.decode(path))])
    return pipeline.read(pipeline.infer(data, geometry), geometry)


def test_classes_and_scopes_name_what_is_refused():
    for kind in ("mmdet.GridRCNN", mmdet.models.GridRCNN):
        with pytest.raises(UserError, match="model m: detector GridRCNN is not supported"):
            refuse_unsupported("m", Config({"model": {"type": kind}}))


def test_a_detector_that_mmdet_cannot_build_is_one_message():
    with pytest.raises(UserError, match=r"model ATTS: mmdet has no class 'ATTS'.*did you mean 'ATSS'\?"):
        build_detector(Config({"model": {"type": "ATTS"}}), None)


def test_a_data_preprocessor_beside_the_model_is_its_own(atss):
    config = copy.deepcopy(atss.config)
    config.data_preprocessor = config.model.pop("data_preprocessor")
    assert describe_input(config) == atss.spec.input
    own = build_detector(config, atss.checkpoint).data_preprocessor
    assert (type(own).__name__, own.pad_size_divisor) == ("DetDataPreprocessor", 32)
    assert "data_preprocessor" not in config.model


def test_no_form_of_init_cfg_fetches_weights():
    fetching = [{"type": "Pretrained", "checkpoint": "x"}, {"type": "mmengine.PretrainedInit"}]
    normal = {"type": "Normal", "layer": "Conv2d"}
    model = ConfigDict(a={"init_cfg": fetching[0]}, b=[{"init_cfg": [*fetching, normal]}], init_cfg=normal)
    assert without_downloads(model) == {
        "a": {"init_cfg": None},
        "b": [{"init_cfg": [normal]}],
        "init_cfg": normal,
    }


@pytest.mark.parametrize("kind", ["nms", mmcv.ops.nms])
def test_nms_keys_at_their_default_are_accepted(atss, kind):
    head = copy.deepcopy(atss.detector.bbox_head)
    spelt = {"class_agnostic": False, "max_num": -1, "split_thr": 10000, "offset": 0, "score_threshold": 0.0}
    head.test_cfg.nms = ConfigDict(type=kind, iou_threshold=0.6, **spelt)
    assert describe_head(head, None) == describe_head(atss.detector.bbox_head, None)


@pytest.mark.parametrize(
    ("nms", "said"),
    [
        ({"iou_threshold": 0.6, "class_agnostic": True}, "nms.class_agnostic True: not supported; only its"),
        ({"iou_threshold": 0.6, "max_num": 10}, "nms.max_num 10: not supported; only its default, -1, is al"),
        ({"iou_threshold": 0.6, "split_thr": 10}, "nms.split_thr 10: not supported"),
        ({"iou_threshold": 0.6, "sigma": 0.5}, "nms.sigma 0.5: not supported; remove it"),
        ({"type": "soft_nms", "iou_threshold": 0.6}, "only type 'nms'"),
        ({"type": "nms"}, "only type 'nms' with an iou_threshold"),
        (None, "test_cfg.nms None: only type 'nms'"),
    ],
)
def test_another_nms_is_refused_by_its_key(atss, nms, said):
    head = copy.deepcopy(atss.detector.bbox_head)
    head.test_cfg.nms = nms
    with pytest.raises(UserError, match=said):
        describe_head(head, None)


@pytest.mark.parametrize(("height", "width"), [(2, 2000), (3000, 3)])
def test_an_image_too_thin_to_resize_is_one_message_on_both_sides(atss, tmp_path, height, width):
    path = str(tmp_path / "thin.png")
    cv2.imwrite(path, np.zeros((height, width, 3), np.uint8))
    said = rf"image of {height}x{width} pixels .* becomes (0x256|256x0).*too thin"
    with pytest.raises(UserError, match=said):
        prepare(decode(path), atss.spec.input)
    pipeline = MmdetPipeline(atss.detector, atss.pipeline, atss.spec, "cpu")
    with pytest.raises(UserError, match=said):
        pipeline.prepare(pipeline.decode(path))


@pytest.mark.parametrize("options", [{}, {"ignore_empty": True}])
@pytest.mark.parametrize("content", ["huge", "empty", "text"])
def test_a_file_that_opencv_refuses_is_one_message_on_both_sides(atss, tmp_path, content, options):
    path = tmp_path / "image.png"
    path.write_bytes({"huge": huge_png(), "empty": b"", "text": b"no image"}[content])
    with pytest.raises(UserError, match=f"image {path}: "):
        decode(path)
    pipeline = MmdetPipeline(atss.detector, [{**LOAD, **options}, RESIZE, PACK], atss.spec, "cpu")
    with pytest.raises(UserError, match=f"image {path}: mmdet cannot load it"):
        pipeline.decode(str(path))


def huge_png() -> bytes:
    """Says 2^15 x 2^16 pixels, twice OpenCV's limit of 2^30, which it checks before the content."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2**16, 2**15, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
