"""How an image becomes a network input, and its sizes on the way."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Pad:
    """A ``Pad`` step of the test pipeline: raw pixels, right and bottom, before normalisation."""

    to_square: bool = False
    size: tuple[int, int] | None = None  # height, width
    divisor: int | None = None
    value: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class InputRecipe:
    """How an image becomes a tensor. Sizes in pixels; ``mean`` and ``std`` are for the swapped channels."""

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

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values; ``to_float32`` only if it is true, so that older files keep their digest."""
        values = asdict(self)
        if not self.to_float32:
            del values["to_float32"]
        return values


@dataclass(frozen=True)
class Geometry:
    """The sizes of one image in pixels; scale = resized / original, per axis after rounding."""

    height: int
    width: int
    resized_height: int
    resized_width: int
    padded_height: int
    padded_width: int
    scale_x: float
    scale_y: float
