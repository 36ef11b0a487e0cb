"""The input recipe of an mmdet config: its test pipeline step by step, then its data preprocessor.

mmdet itself builds each step. If mmdet refuses a setting, its own message is shown. Everything else is read
from the built steps. Sources: mmcv/transforms/loading.py and processing.py, mmcv 2.1.0;
mmdet/datasets/transforms/ and mmdet/models/data_preprocessors/data_preprocessor.py, mmdet 3.3.0.
"""

from collections.abc import Sequence
from typing import Any

from mmdet.registry import MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.registry import Registry

from cutpoint.data.image import INTERPOLATIONS
from cutpoint.detector.build import model_config
from cutpoint.detector.testset import find_test_pipeline
from cutpoint.detector.typenames import full_name, own_name
from cutpoint.errors import UserError
from cutpoint.records.image import InputRecipe, Pad

# Which step may follow which; null is the start.
FOLLOWS = {
    None: ("LoadImageFromFile",),
    "LoadImageFromFile": ("Resize", "RandomCenterCropPad"),
    "Resize": ("Pad", "PackDetInputs"),
    "Pad": ("PackDetInputs",),
    "RandomCenterCropPad": ("PackDetInputs",),
    "PackDetInputs": (),
}
REPRODUCED = (
    "Cutpoint reproduces LoadImageFromFile, Resize, [Pad], PackDetInputs, each once and in this order "
    "(CenterNet: RandomCenterCropPad of test_mode in place of Resize and Pad), "
    "beside LoadAnnotations and RandomFlip of probability 0"
)
# What mmdet's `predict` and Cutpoint read from an image's metainfo.
META_KEYS = ("ori_shape", "img_shape", "scale_factor")
CROP_META_KEYS = ("ori_shape", "img_shape", "border")
LOCAL_FILES = ({"backend": "local"}, {"backend": "disk"})


def describe_input(config: Config) -> InputRecipe:
    """The input recipe ``mmdet``: the test pipeline's own steps and the data preprocessor.

    Raises:
        UserError: ``image.py`` does not reproduce a transform, their order, or a setting.
    """
    steps = {own_name(step["type"], TRANSFORMS): step for step in image_steps(find_test_pipeline(config))}
    made = {name: _make(f"test pipeline step {name}", step, TRANSFORMS) for name, step in steps.items()}
    if "RandomCenterCropPad" in made:
        _check_pack(made["PackDetInputs"], CROP_META_KEYS)
        return _describe_crop(config, made["LoadImageFromFile"], made["RandomCenterCropPad"])
    _check_pack(made["PackDetInputs"], META_KEYS)
    return InputRecipe(
        **_read_resize(made["Resize"]),
        **_read_preprocessor(config),
        pad=_read_pad(made["Pad"]) if "Pad" in made else None,
        to_float32=_reads_float32(made["LoadImageFromFile"]),
    )


def image_steps(pipeline: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A test pipeline without the steps that change neither image nor detections.

    Returns:
        the steps ``LoadImageFromFile``, ``Resize``, ``Pad`` if there is one, and ``PackDetInputs``; or
        ``LoadImageFromFile``, ``RandomCenterCropPad``, ``PackDetInputs``.

    Raises:
        UserError: another step or another order; the message has name and position.
    """
    steps: list[dict[str, Any]] = []
    last = None
    for position, step in enumerate(pipeline, 1):
        kind = step.get("type") if isinstance(step, dict) else repr(step)
        name = own_name(kind, TRANSFORMS)
        if name == "LoadAnnotations" or (name == "RandomFlip" and _never_flips(step)):
            continue
        if name not in FOLLOWS[last]:
            raise UserError(
                f"test pipeline step {position}, {full_name(kind, TRANSFORMS)}: not supported here, "
                f"where {' or '.join(FOLLOWS[last]) or 'nothing'} may stand; {REPRODUCED}"
            )
        steps.append(step)
        last = name
    if last != "PackDetInputs":
        raise UserError(f"test pipeline: {FOLLOWS[last][-1]} is missing; {REPRODUCED}")
    return steps


def _never_flips(step: dict[str, Any]) -> bool:
    """mmdet 2 called the probability ``flip_ratio``."""
    chance = step.get("prob", step.get("flip_ratio"))
    chances = chance if isinstance(chance, list | tuple) else [chance]
    return all(value == 0 and value is not None for value in chances)


def _make(where: str, settings: dict[str, Any], registry: Registry) -> Any:
    try:
        return registry.build(settings)
    except Exception as error:  # mmdet raises whatever it likes
        raise UserError(f"{where}: mmdet cannot make it ({error})") from error


def _reads_float32(load: Any) -> bool:
    where = "test pipeline step LoadImageFromFile"
    if load.color_type != "color":
        raise UserError(
            f"{where}: color_type {load.color_type!r} is not supported; Cutpoint reads images in colour and "
            "turns them as their EXIF says, since all models share the ground truth; set it to 'color'"
        )
    if load.imdecode_backend not in ("cv2", None):
        raise UserError(f"{where}: imdecode_backend {load.imdecode_backend!r}: only cv2 is supported")
    for key in ("backend_args", "file_client_args"):
        value = getattr(load, key)
        if value and value not in LOCAL_FILES:
            raise UserError(f"{where}: {key} {dict(value)}: only local files are supported; set it to None")
    return bool(load.to_float32)


def _read_resize(resize: Any) -> dict[str, Any]:
    where = "test pipeline step Resize"
    scale = resize.scale
    if scale is None:
        raise UserError(
            f"{where}: scale_factor is not supported; give it one `scale`, (width, height) in pixels"
        )
    pair = isinstance(scale, tuple if resize.keep_ratio else tuple | list) and len(scale) == 2
    if not pair or not all(isinstance(side, int) and side > 0 for side in scale):
        raise UserError(
            f"{where}: scale {scale}: only one tuple (width, height) in whole pixels is supported"
        )
    if resize.backend not in ("cv2", None):
        raise UserError(f"{where}: backend {resize.backend!r}: only cv2 is supported")
    if resize.interpolation not in INTERPOLATIONS:
        raise UserError(
            f"{where}: interpolation {resize.interpolation!r}: only {', '.join(INTERPOLATIONS)} are supported"
        )
    return {
        "scale": (scale[1], scale[0]),
        "keep_ratio": bool(resize.keep_ratio),
        "interpolation": resize.interpolation,
    }


def _describe_crop(config: Config, load: Any, crop: Any) -> InputRecipe:
    """The image keeps its size and lies in the middle of a frame; ``RandomCenterCropPad._test_aug``."""
    where = "test pipeline step RandomCenterCropPad"
    if not crop.test_mode:
        raise UserError(f"{where}: it crops at random; set test_mode to True")
    mode, ones = crop.test_pad_mode
    divisor = ones + 1
    if mode != "logical_or" or crop.test_pad_add_pix != 1 or ones < 1 or divisor & ones:
        raise UserError(
            f"{where}: test_pad_mode {(mode, ones)} with test_pad_add_pix {crop.test_pad_add_pix}: only "
            "('logical_or', a power of 2 less 1) with 1 is supported, which pads to multiples of that power"
        )
    if not _reads_float32(load):
        raise UserError("test pipeline step LoadImageFromFile: RandomCenterCropPad wants to_float32=True")
    read = _read_preprocessor(config)
    if divisor % max(read["divisor"], 1):
        raise UserError(
            f"data_preprocessor: pad_size_divisor {read['divisor']} pads again what {where.split()[-1]} has "
            f"padded to multiples of {divisor}; set it to 1"
        )
    return InputRecipe(
        scale=None,
        keep_ratio=True,
        interpolation="bilinear",
        pad=Pad(divisor=divisor, value=_three([float(mean) for mean in crop.mean]), beyond=True),
        **(read | {"divisor": divisor}),
        to_float32=True,
        place="middle",
    )


def _read_pad(pad: Any) -> Pad:
    where = "test pipeline step Pad"
    if pad.padding_mode != "constant":
        raise UserError(f"{where}: padding_mode {pad.padding_mode!r}: only constant is supported")
    value = pad.pad_val.get("img", 0)
    if isinstance(value, int):
        value = (value,) * 3
    elif isinstance(value, float):
        value = (value, 0, 0)  # mmcv repeats only whole numbers, and OpenCV fills up with zeros
    if not isinstance(value, tuple) or len(value) != 3:
        raise UserError(f"{where}: pad_val {value}: only one number or a tuple of three is supported")
    size = pad.size
    if size is not None and not (len(size) == 2 and all(isinstance(side, int) for side in size)):
        raise UserError(f"{where}: size {size}: only (width, height) in whole pixels is supported")
    return Pad(
        to_square=bool(pad.pad_to_square),
        size=(size[1], size[0]) if size is not None else None,
        divisor=pad.size_divisor,
        value=_three([float(v) for v in value]),
    )


def _check_pack(pack: Any, keys: Sequence[str]) -> None:
    for key in keys:
        if key not in pack.meta_keys:
            raise UserError(f"test pipeline step PackDetInputs: its meta_keys lack {key!r}; add it")


def _read_preprocessor(config: Config) -> dict[str, Any]:
    settings = model_config(config).get("data_preprocessor") or {}
    kind = settings.get("type")
    if own_name(kind, MODELS) != "DetDataPreprocessor":
        raise UserError(
            f"data_preprocessor {full_name(kind, MODELS)}: only mmdet's DetDataPreprocessor is supported"
        )
    _make("data_preprocessor DetDataPreprocessor", settings, MODELS)
    pad_value = settings.get("pad_value", 0)
    if not isinstance(pad_value, int | float):
        raise UserError(f"data_preprocessor: pad_value {pad_value}: only one number is supported")
    return {
        "bgr_to_rgb": bool(settings.get("bgr_to_rgb", False) or settings.get("rgb_to_bgr", False)),
        "mean": _channels(settings.get("mean")),
        "std": _channels(settings.get("std")),
        "divisor": int(settings.get("pad_size_divisor", 1)),
        "pad_value": float(pad_value),
    }


def _channels(values: Sequence[float] | None) -> tuple[float, float, float] | None:
    """A single value holds for all three channels."""
    if values is None:
        return None
    numbers = [float(value) for value in values]
    return _three(numbers * 3 if len(numbers) == 1 else numbers)


def _three(values: list[float]) -> tuple[float, float, float]:
    first, second, third = values
    return first, second, third
