"""Turn an image file into a network input, with the sizes that boxes need for the way back.

The arithmetic is that of mmdet's test pipeline and data preprocessor, operation by operation. Both make the
same tensors, bit by bit (a test checks this).
"""

import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from cutpoint.data.headers import BadImage, unreadable, why_no_image
from cutpoint.errors import UserError
from cutpoint.files import START_BYTES
from cutpoint.records.image import FLOAT_CHANNELS_FIRST, Geometry, InputRecipe, Pad, TensorForm

INTERPOLATIONS = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}


def decode(path: str | Path) -> np.ndarray:
    """Decode an image file to ``(H, W, 3)`` uint8, BGR, EXIF orientation applied.

    An image of which only a part can be read may pass: ``data.damage`` looks for these beforehand.

    Raises:
        BadImage: the file is missing, or OpenCV cannot read it as an image.
        UserError: the disk fails, or memory is too small for the image.

    Source:
        ``LoadImageFromFile``, mmcv/transforms/loading.py, mmcv 2.1.0 (backend cv2, flag color).
    """
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        image = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    except cv2.error as error:  # usually an image with more pixels than OpenCV takes
        if error.code == cv2.Error.StsNoMem:
            raise UserError(f"image {path}: memory is too small for its pixels ({error.err})") from error
        raise BadImage(path, f"OpenCV cannot decode it ({error.err})") from error
    if image is None:
        raise BadImage(path, why_no_image(content[:START_BYTES].tobytes()))
    return image


def prepare(
    image: np.ndarray,
    recipe: InputRecipe,
    shape: tuple[int, int] | None = None,
    empty: Callable[..., np.ndarray] = np.empty,
    form: TensorForm = FLOAT_CHANNELS_FIRST,
) -> tuple[np.ndarray, Geometry]:
    """Turn a decoded image into a network input.

    Args:
        image: ``(H, W, 3)`` uint8, BGR.
        recipe: the input recipe.
        shape: height and width that the tensor must have (a static export), or null.
        empty: makes an array from a shape and a type, as ``numpy.empty`` does.
        form: the tensor's type and axes.

    Returns:
        ``(1, 3, H', W')``, or ``(1, H', W', 3)`` with the channels last, in the type of ``form``, contiguous;
        and the geometry.

    Raises:
        UserError: the image is so thin that one side is 0 after the resize, or does not fit into ``shape``.

    Source:
        ``Resize`` and ``Pad`` of mmcv 2.1.0's transforms, then ``ImgDataPreprocessor.forward``,
        mmengine/model/base_model/data_preprocessor.py, mmengine 0.10.7.
    """
    height, width = image.shape[:2]
    (resized_height, resized_width), gain = fit_size(height, width, recipe)
    if recipe.to_float32:
        image = image.astype(np.float32)
    if (resized_height, resized_width) != (height, width):
        image = cv2.resize(
            image,
            (resized_width, resized_height),
            interpolation=INTERPOLATIONS[recipe.interpolation],
        )
    top = left = 0
    if recipe.pad is not None:
        image, top, left = _pad_pixels(image, recipe.pad, recipe.place)
    inner_height, inner_width = image.shape[:2]
    target = tensor_size(height, width, recipe, shape)
    tensor = empty((1, *target, 3) if form.channels_last else (1, 3, *target), dtype=form.dtype)
    planes = np.moveaxis(tensor[0], -1, 0) if form.channels_last else tensor[0]
    planes[:, inner_height:] = recipe.pad_value
    planes[:, :inner_height, inner_width:] = recipe.pad_value
    _normalise(image, recipe, out=planes[:, :inner_height, :inner_width])
    geometry = Geometry(
        height=height,
        width=width,
        resized_height=resized_height,
        resized_width=resized_width,
        padded_height=target[0],
        padded_width=target[1],
        scale_x=resized_width / width,
        scale_y=resized_height / height,
        left=left,
        top=top,
        gain=gain,
    )
    return tensor, geometry


def tensor_size(
    height: int, width: int, recipe: InputRecipe, shape: tuple[int, int] | None = None
) -> tuple[int, int]:
    """Height and width of the tensor that ``prepare`` makes of an image of ``height`` x ``width``.

    Raises:
        UserError: as ``prepare`` does.
    """
    inner = resized_size(height, width, recipe)
    if recipe.pad is not None:
        inner = _pad_size(*inner, recipe.pad)
    high, wide = (math.ceil(side / recipe.divisor) * recipe.divisor for side in inner)
    if shape is None:
        return high, wide
    if high > shape[0] or wide > shape[1]:
        raise UserError(
            f"an image of {height}x{width} becomes {high}x{wide}, which does not fit the file's fixed "
            f"shape {shape[0]}x{shape[1]}; take a file of a larger or free shape, or an `input` that resizes "
            "to it, as stretch does"
        )
    return shape


def resized_size(height: int, width: int, recipe: InputRecipe) -> tuple[int, int]:
    """Height and width after the resize step.

    Raises:
        UserError: one of them is 0; mmdet and OpenCV cannot resize to it.

    Source:
        ``rescale_size``, mmcv/image/geometric.py, mmcv 2.1.0: ``int(side * scale + 0.5)``. A letterbox:
        ``LetterBox.__call__``, ultralytics/data/augment.py, and ``BaseDataset.load_image``,
        ultralytics/data/base.py, ultralytics 8.4.190 (``even``, ``up``); ``preproc``,
        yolox/data/data_augment.py, YOLOX 0.3.0 (``down``).
    """
    return fit_size(height, width, recipe)[0]


def fit_size(height: int, width: int, recipe: InputRecipe) -> tuple[tuple[int, int], float | None]:
    """Height and width after the resize step, and ``Geometry.gain``.

    Raises:
        UserError: see ``resized_size``.
    """
    if recipe.scale is None:
        return (height, width), 1.0
    if not recipe.keep_ratio:
        return recipe.scale, None
    if recipe.fit == "frame":
        factor = min(recipe.scale[0] / height, recipe.scale[1] / width)
    else:
        long_side, short_side = max(recipe.scale), min(recipe.scale)
        factor = min(long_side / max(height, width), short_side / min(height, width))
    if not recipe.enlarge:
        factor = min(factor, 1.0)
    turn = ROUNDINGS[recipe.rounding]
    size = turn(height * factor), turn(width * factor)
    if recipe.fit == "frame":
        size = min(size[0], recipe.scale[0]), min(size[1], recipe.scale[1])
    if 0 in size:
        raise UserError(
            f"an image of {height}x{width} pixels (height x width) becomes {size[0]}x{size[1]}: it is "
            "too thin for the model's Resize; leave it out of the data set"
        )
    return size, factor


ROUNDINGS: dict[str, Callable[[float], int]] = {
    "half_up": lambda side: int(side + 0.5),
    "even": round,
    "down": int,
    "up": math.ceil,
}


def clip_size(geometry: Geometry, recipe: InputRecipe) -> tuple[int, int]:
    """Height and width that mmdet clips boxes to (``img_shape``); a ``Pad`` step overwrites them.

    Later padding by the data preprocessor or for a static export does not count.
    """
    if recipe.pad is None:
        return geometry.resized_height, geometry.resized_width
    return _pad_size(geometry.resized_height, geometry.resized_width, recipe.pad)


def image_sizes(geometry: Geometry, recipe: InputRecipe) -> np.ndarray:
    """A row of the input ``image_sizes``: ``(1, 4)`` float32 clip height, clip width, scale_y, scale_x."""
    return np.array([[*clip_size(geometry, recipe), geometry.scale_y, geometry.scale_x]], np.float32)


def _pad_size(height: int, width: int, pad: Pad) -> tuple[int, int]:
    """Height and width after a ``Pad`` step."""
    if pad.to_square:
        height = width = max(height, width)
    elif pad.size is not None:
        height, width = max(height, pad.size[0]), max(width, pad.size[1])
    if pad.divisor is not None:
        height, width = (
            (side // pad.divisor + 1 if pad.beyond else math.ceil(side / pad.divisor)) * pad.divisor
            for side in (height, width)
        )
    return height, width


def _pad_pixels(image: np.ndarray, pad: Pad, place: str) -> tuple[np.ndarray, int, int]:
    """The padded image, and how much padding lies above and left of it.

    Source of the centre: ``LetterBox.__call__``, ultralytics/data/augment.py, ultralytics 8.4.190; of the
    middle: ``RandomCenterCropPad._test_aug``, mmdet/datasets/transforms/transforms.py, mmdet 3.3.0.
    """
    inner_height, inner_width = image.shape[:2]
    height, width = _pad_size(inner_height, inner_width, pad)
    top, left = 0, 0
    if place == "centre":
        top = round((height - inner_height) / 2 - 0.1)
        left = round((width - inner_width) / 2 - 0.1)
    elif place == "middle":
        top, left = height // 2 - inner_height // 2, width // 2 - inner_width // 2
    bottom, right = height - inner_height - top, width - inner_width - left
    padded = cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_CONSTANT, value=pad.value)
    return padded, top, left


def _normalise(image: np.ndarray, recipe: InputRecipe, out: np.ndarray) -> None:
    """Write ``(h, w, 3)`` into ``(3, h, w)``; uint8 is looked up, since it has only 256 values."""
    planes = cv2.split(image)
    planes = planes[::-1] if recipe.bgr_to_rgb else planes
    if image.dtype == np.float32:
        values = out if out.dtype == np.float32 else np.empty(out.shape, np.float32)
        values[...] = planes
        _scale(values, recipe)
        if values is not out:
            out[...] = np.rint(values) if out.dtype == np.uint8 else values
        return
    table = np.repeat(np.arange(256, dtype=np.float32)[None], 3, axis=0)
    _scale(table[..., None], recipe)
    if out.dtype == np.float32 and out.strides[-1] == out.itemsize:
        for plane, values, into in zip(planes, table, out, strict=True):
            cv2.LUT(plane, values, into)
        return
    rounded = np.rint(table).astype(np.uint8) if out.dtype == np.uint8 else table.astype(out.dtype)
    for plane, values, into in zip(planes, rounded, out, strict=True):
        into[...] = values[plane]


def _scale(values: np.ndarray, recipe: InputRecipe) -> None:
    """Divide and normalise ``(3, h, w)`` float32 in place."""
    if recipe.divide_by is not None:
        values /= np.float32(recipe.divide_by)
    if recipe.mean is not None:
        values -= np.asarray(recipe.mean, dtype=np.float32)[:, None, None]
        values /= np.asarray(recipe.std, dtype=np.float32)[:, None, None]
