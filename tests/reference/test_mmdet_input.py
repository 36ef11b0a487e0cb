"""mmdet's test pipeline with its data preprocessor, and ``image.prepare``: the same tensors, bit for bit."""

import copy
import json
import re

import cv2
import numpy as np
import pytest
import torch
from image_files import KINDS, encode
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from PIL import Image

from cutpoint.data.headers import read_header
from cutpoint.data.image import clip_size, decode, prepare
from cutpoint.data.inputs import resolve_input
from cutpoint.detector import build
from cutpoint.detector.describe import describe_input
from cutpoint.errors import UserError
from cutpoint.records.image import InputRecipe, Pad
from cutpoint.records.json_file import as_record

LOAD, PACK = {"type": "LoadImageFromFile"}, {"type": "PackDetInputs"}
IMAGENET = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375], "bgr_to_rgb": True}
INPUTS = {
    "atss": (
        [{"type": "Resize", "scale": (1333, 800), "keep_ratio": True}],
        IMAGENET | {"pad_size_divisor": 32},
    ),
    "yolox": (
        [
            {"type": "Resize", "scale": (416, 416), "keep_ratio": True},
            {"type": "Pad", "pad_to_square": True, "pad_val": {"img": (114.0, 114.0, 114.0)}},
        ],
        {"pad_size_divisor": 32},
    ),
    "stretch": (
        [{"type": "Resize", "scale": (300, 172), "keep_ratio": False}],
        IMAGENET | {"pad_size_divisor": 1},
    ),
    "rtmdet": (
        [
            {"type": "Resize", "scale": (320, 256), "keep_ratio": True},
            {"type": "Pad", "size": (320, 288), "pad_val": {"img": (114, 114, 114)}},
        ],
        {"mean": [103.53, 116.28, 123.675], "std": [57.375, 57.12, 58.395], "pad_size_divisor": 32},
    ),
    "caffe": (
        [
            {"type": "Resize", "scale": (500, 333), "keep_ratio": True, "interpolation": "area"},
            {"type": "Pad", "size_divisor": 32},
        ],
        {"mean": [103.53, 116.28, 123.675], "std": [1.0, 1.0, 1.0], "pad_size_divisor": 64, "pad_value": 5},
    ),
}
SIZES = [(240, 333), (401, 97), (37, 61), (480, 640)]


def make_config(name):
    transforms, preprocessor = copy.deepcopy(INPUTS[name])
    return Config(
        {
            "model": {"data_preprocessor": {"type": "DetDataPreprocessor", **preprocessor}},
            "test_dataloader": {"dataset": {"pipeline": [LOAD, *transforms, PACK]}},
        }
    )


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """JPEG files: several odd sizes, one grey, one that EXIF turns by a quarter."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    paths = []
    for height, width in SIZES:
        grid = random.integers(0, 256, (height // 9 + 2, width // 9 + 2, 3), np.uint8)
        paths.append(folder / f"{height}x{width}.jpg")
        cv2.imwrite(str(paths[-1]), cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC))
    colour = Image.open(paths[0])
    colour.convert("L").save(folder / "grey.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    colour.save(folder / "turned.jpg", exif=exif)
    assert Image.open(folder / "grey.jpg").mode == "L"
    return [*paths, folder / "grey.jpg", folder / "turned.jpg"]


def run_mmdet(config, path):
    """``(1, 3, H, W)`` tensor and the metainfo that mmdet's ``predict`` sees."""
    build.register_all_modules(init_default_scope=True)
    pipeline = Compose(config.test_dataloader.dataset.pipeline)
    preprocessor = build.MODELS.build(config.model.data_preprocessor)
    data = preprocessor(pseudo_collate([pipeline({"img_path": str(path), "img_id": 1})]), training=False)
    return data["inputs"], data["data_samples"][0].metainfo


@pytest.mark.parametrize("name", INPUTS)
def test_tensors_are_bit_equal(photos, name):
    assert_bit_equal(make_config(name), photos)


OPTIONS = {
    "float32": ("atss", 0, {"to_float32": True}),
    "float32, padded": ("rtmdet", 0, {"to_float32": True}),
    "float32, stretched": ("stretch", 0, {"to_float32": True}),
    "local files": ("atss", 0, {"backend_args": {"backend": "local"}, "ignore_empty": True}),
    "a file client": ("atss", 0, {"file_client_args": {"backend": "disk"}, "imdecode_backend": None}),
    "one side": ("atss", 1, {"scale": 320}),
    "a list, stretched": ("stretch", 1, {"scale": [300, 172]}),
    "scale and factor": ("atss", 1, {"scale_factor": 2.0, "clip_object_border": False, "backend": None}),
    "pad with a whole number": ("yolox", 2, {"pad_val": 114}),
    "pad with a fraction": ("yolox", 2, {"pad_val": {"img": 114.0}}),
    "pad to a square of multiples": ("yolox", 2, {"size_divisor": 96}),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_of_a_step_are_bit_equal(photos, name):
    start, step, options = OPTIONS[name]
    config = make_config(start)
    config.test_dataloader.dataset.pipeline[step].update(options)
    assert_bit_equal(config, photos)


PREPROCESSORS = {
    "one value of all channels": {"mean": [127.5], "std": [128], "rgb_to_bgr": True},
    "whole numbers": {"mean": [0, 1, 2], "std": [255, 254, 253], "pad_size_divisor": 7},
    "what is of the training": {"pad_mask": True, "pad_seg": True, "batch_augments": None},
    "what moves the data": {"non_blocking": True, "boxtype2tensor": False},
}


@pytest.mark.parametrize("name", PREPROCESSORS)
def test_settings_of_the_data_preprocessor_are_bit_equal(photos, name):
    config = make_config("stretch")
    config.model.data_preprocessor = {"type": "mmdet.DetDataPreprocessor", **PREPROCESSORS[name]}
    assert_bit_equal(config, photos)


CROP = {
    "type": "RandomCenterCropPad",
    "ratios": None,
    "border": None,
    "mean": [1.0, 2.5, 3.0],
    "std": [1, 1, 1],
    "to_rgb": True,
    "test_mode": True,
    "test_pad_mode": ["logical_or", 31],
    "test_pad_add_pix": 1,
}


def make_crop_config(**changes):
    """CenterNet's pipeline: the image keeps its size and lies in the middle of a frame."""
    config = make_config("stretch")
    pack = PACK | {"meta_keys": ("ori_shape", "img_shape", "border")}
    config.test_dataloader.dataset.pipeline = [LOAD | {"to_float32": True}, CROP | changes, pack]
    return config


@pytest.mark.parametrize("ones", [31, 63])
def test_the_middle_of_a_frame_is_bit_equal(photos, ones):
    config = make_crop_config(test_pad_mode=["logical_or", ones])
    recipe = describe_input(config)
    assert (recipe.scale, recipe.divisor, recipe.place) == (None, ones + 1, "middle")
    assert recipe.pad == Pad(divisor=ones + 1, value=(3.0, 2.5, 1.0), beyond=True)  # BGR
    assert as_record(json.loads(json.dumps(recipe.to_dict())), InputRecipe, "a file") == recipe
    for path in photos:
        expected, meta = run_mmdet(config, path)
        tensor, found = prepare(decode(path), recipe)
        np.testing.assert_array_equal(tensor, expected.numpy(), err_msg=f"{path.name}")
        border = [found.top, found.top + found.height, found.left, found.left + found.width]
        assert border == meta["border"].tolist()
        assert clip_size(found, recipe) == meta["img_shape"][:2] == meta["batch_input_shape"]
    assert found.left > 0  # the turned photo


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"test_pad_mode": ["size_divisor", 32]},
            "test_pad_mode ('size_divisor', 32) with",
        ),
        ({"test_pad_mode": ["logical_or", 127], "test_pad_add_pix": 0}, "with test_pad_add_pix 0: only"),
        ({"test_pad_mode": ["logical_or", 30]}, "a power of 2 less 1"),
    ],
)
def test_another_frame_is_refused(changes, message):
    with pytest.raises(UserError, match=f"^test pipeline step RandomCenterCropPad: .*{re.escape(message)}"):
        describe_input(make_crop_config(**changes))
    config = make_crop_config()
    config.model.data_preprocessor.pad_size_divisor = 48
    with pytest.raises(UserError, match="pad_size_divisor 48 pads again what RandomCenterCropPad has padded"):
        describe_input(config)


def assert_bit_equal(config, photos):
    recipe = describe_input(config)
    assert as_record(json.loads(json.dumps(recipe.to_dict())), InputRecipe, "a file") == recipe
    for path in photos:
        expected, meta = run_mmdet(config, path)
        tensor, found = prepare(decode(path), recipe)
        assert expected.dtype == torch.float32
        np.testing.assert_array_equal(tensor, expected.numpy(), err_msg=f"{path.name}")
        assert (found.height, found.width) == meta["ori_shape"][:2]
        assert (found.scale_x, found.scale_y) == tuple(meta["scale_factor"])
        assert clip_size(found, recipe) == meta["img_shape"][:2]
        assert (found.padded_height, found.padded_width) == meta["batch_input_shape"]


NAMED = {
    "stretch": (
        [{"type": "Resize", "scale": (96, 64), "keep_ratio": False}],
        IMAGENET | {"pad_size_divisor": 32},
    ),
    "seed-unit": (
        [{"type": "Resize", "scale": (96, 64), "keep_ratio": False}],
        {"mean": [0.0] * 3, "std": [255.0] * 3, "bgr_to_rgb": True, "pad_size_divisor": 32},
    ),
    "seed-225": (
        [{"type": "Resize", "scale_factor": 1.0, "keep_ratio": False}],
        {
            "mean": [225 * share for share in (0.485, 0.456, 0.406)],
            "std": [225 * share for share in (0.229, 0.224, 0.225)],
            "bgr_to_rgb": True,
            "pad_size_divisor": 32,
        },
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_resolve_inputs_equal_a_pipeline_of_mmdets_that_does_the_same(photos, name):
    transforms, preprocessor = copy.deepcopy(NAMED[name])
    config = make_config("atss")
    config.model.data_preprocessor = {"type": "DetDataPreprocessor", **preprocessor}
    config.test_dataloader.dataset.pipeline = [LOAD, *transforms, PACK]
    recipe = resolve_input(name, describe_input(make_config("atss")), (64, 96))
    for path in photos[:2]:
        expected, meta = run_mmdet(config, path)
        tensor, found = prepare(decode(path), recipe)
        np.testing.assert_allclose(tensor, expected.numpy(), rtol=0, atol=2e-6)
        assert (found.scale_x, found.scale_y) == tuple(meta["scale_factor"])
        assert clip_size(found, recipe) == meta["img_shape"][:2]


def test_exif_turns_the_image(photos):
    assert decode(photos[0]).shape == (240, 333, 3)
    assert decode(photos[-1]).shape == (333, 240, 3)


def test_describe_reads_the_pipeline():
    recipe = describe_input(make_config("yolox"))
    assert recipe.pad == Pad(to_square=True, value=(114.0, 114.0, 114.0))
    assert (recipe.scale, recipe.keep_ratio, recipe.mean, recipe.bgr_to_rgb) == (
        (416, 416),
        True,
        None,
        False,
    )
    stretch = describe_input(make_config("stretch"))
    assert (stretch.scale, stretch.keep_ratio, stretch.bgr_to_rgb) == ((172, 300), False, True)
    # Pad.size is width, height in mmdet
    assert describe_input(make_config("rtmdet")).pad.size == (288, 320)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            {"type": "YOLOXHSVRandomAug"},
            "step 3, YOLOXHSVRandomAug: not supported here, where Pad or PackDetInputs may stand; Cutpoint",
        ),
        ({"type": "Normalize", "mean": [0.0], "std": [1.0]}, "step 3, Normalize: not supported"),
        ({"type": "Pad", "pad_to_square": True, "padding_mode": "edge"}, "Pad: padding_mode 'edge'"),
    ],
)
def test_an_unknown_transform_is_refused_by_name(step, message):
    config = make_config("atss")
    config.test_dataloader.dataset.pipeline.insert(2, step)
    with pytest.raises(UserError, match=message):
        describe_input(config)


def test_settings_that_cannot_be_reproduced_are_refused():
    config = make_config("atss")
    config.test_dataloader.dataset.pipeline[1].backend = "pillow"
    with pytest.raises(UserError, match="backend 'pillow'"):
        describe_input(config)
    config = make_config("atss")
    config.test_dataloader.dataset.pipeline.pop(1)
    with pytest.raises(UserError, match="step 2, PackDetInputs: not supported here, where Resize or Ran"):
        describe_input(config)
    config = make_config("atss")
    config.model.data_preprocessor.type = "BatchSyncRandomResize"
    with pytest.raises(
        UserError, match="data_preprocessor BatchSyncRandomResize: only mmdet's DetDataPreprocessor"
    ):
        describe_input(config)


# What people's folders hold besides JPEG photographs: mmdet's own loader reads them bit for bit the same.
@pytest.mark.parametrize("orientation", [None, 6])
@pytest.mark.parametrize(("form", "mode", "options"), KINDS)
def test_every_kind_of_image_is_bit_equal(tmp_path, form, mode, options, orientation):
    path = tmp_path / "photo.jpg"  # the content decides, not the name
    path.write_bytes(encode(form, mode, (60, 84), orientation=orientation, **options))
    assert_bit_equal(make_config("stretch"), [path])
    header = read_header(path)
    assert (header.height, header.width) == decode(path).shape[:2]


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_read(tmp_path, form):
    path = tmp_path / "frames.png"
    mode, options = ("P", {}) if form == "GIF" else ("RGB", {"lossless": True})
    path.write_bytes(encode(form, mode, (60, 84), frames=3, **options))
    assert_bit_equal(make_config("stretch"), [path])
    alone = tmp_path / "alone.png"
    alone.write_bytes(encode(form, mode, (60, 84), **options))
    np.testing.assert_array_equal(decode(path), decode(alone))


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (90, 1)])
def test_the_smallest_images_are_bit_equal(tmp_path, size):
    path = tmp_path / "small.png"
    path.write_bytes(encode("PNG", size=size))
    assert_bit_equal(make_config("stretch"), [path])
