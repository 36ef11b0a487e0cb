"""How an image becomes a network input, and its sizes on the way."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal


@dataclass(frozen=True)
class Pad:
    """Padding with raw pixels before normalisation: right and bottom, or around, see ``place``.

    ``beyond``: a side that is a multiple of ``divisor`` already is padded to the next one.
    """

    to_square: bool = False
    size: tuple[int, int] | None = None  # height, width
    divisor: int | None = None
    value: tuple[float, float, float] = (0.0, 0.0, 0.0)
    beyond: bool = False


@dataclass(frozen=True)
class InputRecipe:
    """How an image becomes a tensor. Sizes in pixels; ``mean`` and ``std`` are for the swapped channels.

    ``fit``: with ``keep_ratio``, the image is made as large as possible with its long and short sides within
    those of ``scale`` (``sides``, mmdet), or with its height and width within them (``frame``, a letterbox).
    ``rounding``: of the resized sides: half up, half to even, down or up (never above ``scale``).
    ``enlarge``: whether smaller images are enlarged. ``place``: where the image lies in ``pad``: top left, in
    the centre (a letterbox), or with the pixel ``side // 2`` of the one on that of the other (``middle``).
    """

    scale: tuple[int, int] | None  # height, width of the resize target; null keeps the image's own size
    keep_ratio: bool
    interpolation: str
    pad: Pad | None
    bgr_to_rgb: bool
    mean: tuple[float, float, float] | None
    std: tuple[float, float, float] | None
    divisor: int  # the tensor's sides are padded to multiples of this, after normalisation
    pad_value: float
    divide_by: float | None = None  # every pixel, before mean and std
    to_float32: bool = False  # before the resize, whose values are then not rounded
    fit: Literal["sides", "frame"] = "sides"
    rounding: Literal["half_up", "even", "down", "up"] = "half_up"
    enlarge: bool = True
    place: Literal["corner", "centre", "middle"] = "corner"

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values; later keys only with another value, so that older files keep their digest."""
        values = asdict(self)
        for field in fields(self):
            if field.name in LATER_KEYS and values[field.name] == field.default:
                del values[field.name]
        if self.pad is not None and not self.pad.beyond:
            del values["pad"]["beyond"]
        return values


# keys that older specifications do not have
LATER_KEYS = ("to_float32", "fit", "rounding", "enlarge", "place")


@dataclass(frozen=True)
class TensorForm:
    """What a network takes: the type of its input's values, and whether the channels are its last axis."""

    dtype: Literal["float32", "float16", "uint8"] = "float32"
    channels_last: bool = False


FLOAT_CHANNELS_FIRST = TensorForm()


@dataclass(frozen=True)
class Geometry:
    """The sizes of one image in pixels; scale = resized / original, per axis after rounding.

    ``left``, ``top``: pixels of padding before the image. ``gain``: the one factor of the resize before
    rounding; null if the sides have different factors or it is unknown.
    """

    height: int
    width: int
    resized_height: int
    resized_width: int
    padded_height: int
    padded_width: int
    scale_x: float
    scale_y: float
    left: int = 0
    top: int = 0
    gain: float | None = None
