"""Draw shapes given in metres, and remember which pixel belongs to which object."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import ArrayLike

Colour = tuple[float, float, float]
FRACTION_BITS = 4


@dataclass
class Canvas:
    """A picture under way.

    Attributes:
        image: ``(H, W, 3)`` uint8, BGR.
        owner: ``(H, W)`` int16, the number of the thing drawn last at each pixel, 0 is the backdrop.
        haze: BGR colour that far things fade into.
        things: how many numbers were given out.
    """

    image: np.ndarray
    owner: np.ndarray
    haze: Colour
    things: int = 0

    def new_thing(self) -> int:
        """Return a fresh number for ``owner``."""
        self.things += 1
        return self.things


@dataclass
class Pen:
    """Draws one thing standing on the ground.

    Coordinates are metres: ``u`` to the right of the foot point, ``v`` up from the ground.

    Attributes:
        foot: ``(x, y)`` of the foot point, canvas pixels.
        scale: pixels per metre.
        mirror: draw left and right exchanged.
        fade: 0 (near) to 1 (gone in the haze).
        extent: ``x1, y1, x2, y2`` of all that was drawn, canvas pixels, not clipped to the canvas.
    """

    canvas: Canvas
    foot: tuple[float, float]
    scale: float
    mirror: bool = False
    fade: float = 0.0
    thing: int = 0
    extent: list[float] = field(default_factory=lambda: [np.inf, np.inf, -np.inf, -np.inf])

    def __post_init__(self) -> None:
        self.thing = self.thing or self.canvas.new_thing()

    def another(self, u: float = 0.0, v: float = 0.0, thing: int = 0) -> Pen:
        """A pen for another thing at the same distance, its foot moved by ``u, v`` metres."""
        x, y = self.foot
        step = -u if self.mirror else u
        foot = (x + step * self.scale, y - v * self.scale)
        return Pen(self.canvas, foot, self.scale, self.mirror, self.fade, thing)

    def poly(self, points: ArrayLike, colour: Colour) -> None:
        """Fill a polygon of ``(u, v)`` points."""
        pixels = self._pixels(points)
        self._grow(pixels, 0)
        fixed = np.round(pixels * (1 << FRACTION_BITS)).astype(np.int32)
        ink = blend(colour, self.canvas.haze, self.fade)
        cv2.fillPoly(self.canvas.image, [fixed], ink, shift=FRACTION_BITS)
        cv2.fillPoly(self.canvas.owner, [fixed], self.thing, shift=FRACTION_BITS)

    def rect(self, u1: float, v1: float, u2: float, v2: float, colour: Colour) -> None:
        """Fill an upright rectangle."""
        self.poly([(u1, v1), (u2, v1), (u2, v2), (u1, v2)], colour)

    def oval(self, u: float, v: float, radius_u: float, radius_v: float, colour: Colour) -> None:
        """Fill an ellipse."""
        turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        self.poly(np.stack([u + radius_u * np.cos(turn), v + radius_v * np.sin(turn)], 1), colour)

    def ring(self, u: float, v: float, radius: float, width: float, colour: Colour) -> None:
        """Draw a circle line of ``width`` metres."""
        turn = np.linspace(0, 2 * np.pi, 25)
        self.line(np.stack([u + radius * np.cos(turn), v + radius * np.sin(turn)], 1), width, colour)

    def line(self, points: ArrayLike, width: float, colour: Colour) -> None:
        """Draw an open line of ``width`` metres."""
        pixels = self._pixels(points)
        thick = max(1, round(width * self.scale))
        self._grow(pixels, thick / 2)
        fixed = [np.round(pixels * (1 << FRACTION_BITS)).astype(np.int32)]
        ink = blend(colour, self.canvas.haze, self.fade)
        cv2.polylines(self.canvas.image, fixed, False, ink, thick, shift=FRACTION_BITS)
        cv2.polylines(self.canvas.owner, fixed, False, self.thing, thick, shift=FRACTION_BITS)

    def shadow(self, half_width: float) -> None:
        """Darken the ground under the thing; the shadow belongs to nobody."""
        x, y = self.foot
        half_x, half_y = half_width * self.scale * 1.08, max(1.0, half_width * self.scale * 0.16)
        height, width = self.canvas.owner.shape
        x1, x2 = max(0, int(x - half_x)), min(width, int(x + half_x) + 1)
        y1, y2 = max(0, int(y - half_y)), min(height, int(y + half_y) + 1)
        if x1 >= x2 or y1 >= y2:
            return
        rows, columns = np.mgrid[y1:y2, x1:x2]
        inside = ((columns - x) / half_x) ** 2 + ((rows - y) / half_y) ** 2 < 1
        patch = self.canvas.image[y1:y2, x1:x2]
        patch[inside] = (patch[inside] * (0.55 + 0.3 * self.fade)).astype(np.uint8)

    def _pixels(self, points: ArrayLike) -> np.ndarray:
        placed = np.asarray(points, dtype=np.float64) * self.scale
        sign = -1.0 if self.mirror else 1.0
        return np.stack([self.foot[0] + sign * placed[:, 0], self.foot[1] - placed[:, 1]], 1)

    def _grow(self, pixels: np.ndarray, margin: float) -> None:
        low, high = pixels.min(0) - margin, pixels.max(0) + margin
        box = self.extent
        self.extent = [
            min(box[0], low[0]),
            min(box[1], low[1]),
            max(box[2], high[0]),
            max(box[3], high[1]),
        ]


def blend(colour: Colour, haze: Colour, fade: float) -> Colour:
    """A BGR colour seen through haze: ``fade`` 0 is the colour itself, 1 the haze."""
    blue, green, red = (float(c * (1 - fade) + h * fade) for c, h in zip(colour, haze, strict=True))
    return blue, green, red


def shade(colour: Colour, factor: float) -> Colour:
    """A lighter or darker version of a BGR colour."""
    blue, green, red = (float(min(255, max(0, c * factor))) for c in colour)
    return blue, green, red
