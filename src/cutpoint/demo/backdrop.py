"""The view behind the objects, and what the camera does to the finished picture."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

from cutpoint.demo.pen import Canvas, Colour, blend, shade

WALLS: list[Colour] = [
    (90, 110, 150),
    (150, 170, 190),
    (110, 120, 125),
    (80, 95, 130),
    (170, 180, 185),
    (120, 140, 160),
]
ASPHALT: Colour = (88, 86, 84)
PAVING: Colour = (150, 152, 155)
GRASS: Colour = (70, 125, 90)


@dataclass(frozen=True)
class View:
    """A camera looking over flat ground.

    Attributes:
        horizon: row of the horizon, canvas pixels.
        vanish: column of the vanishing point, canvas pixels.
        camera: height of the camera above the ground, metres.
    """

    horizon: float
    vanish: float
    camera: float

    def row(self, scale: float) -> float:
        """Row of the ground where a metre is ``scale`` pixels."""
        return self.horizon + self.camera * scale

    def column(self, side: float, scale: float) -> float:
        """Column of a point ``side`` metres right of the camera, where a metre is ``scale`` pixels."""
        return self.vanish + side * scale


def draw_sky(canvas: Canvas, view: View, rng: np.random.Generator) -> None:
    """Fill the sky with a gradient and a few clouds."""
    height, width = canvas.owner.shape
    top = np.array([(215, 165, 110), (190, 180, 175), (150, 170, 215)][rng.integers(3)], float)
    bottom = np.array(canvas.haze, float)
    rows = max(1, min(height, int(view.horizon) + 2))
    ramp = np.linspace(0, 1, rows)[:, None]
    canvas.image[:rows] = (top * (1 - ramp) + bottom * ramp)[:, None].astype(np.uint8)
    for _ in range(int(rng.integers(0, 5))):
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, view.horizon * 0.6)))
        axes = (int(rng.uniform(0.05, 0.16) * width), int(rng.uniform(0.01, 0.03) * height) + 1)
        cv2.ellipse(canvas.image, centre, axes, 0, 0, 360, (238, 238, 238), -1)


def draw_houses(canvas: Canvas, view: View, base: float, rng: np.random.Generator, gap: float = 0.12) -> None:
    """A row of house fronts facing the camera, standing on row ``base``."""
    width = canvas.owner.shape[1]
    scale = max(2.0, (base - view.horizon) / view.camera)
    left = -rng.uniform(0, 8) * scale
    while left < width:
        wide, tall = rng.uniform(6, 14) * scale, rng.uniform(4, 13) * scale
        if rng.random() > gap:
            _house(canvas, left, base, wide, tall, scale, rng)
        left += wide


def _house(
    canvas: Canvas,
    left: float,
    base: float,
    wide: float,
    tall: float,
    scale: float,
    rng: np.random.Generator,
) -> None:
    wall = shade(WALLS[rng.integers(len(WALLS))], rng.uniform(0.6, 1.15))
    fade = float(np.clip(0.5 - scale / 60, 0.0, 0.45))

    def mix(colour: Colour) -> Colour:
        return blend(colour, canvas.haze, fade)

    fill(canvas, left, base - tall, left + wide, base, mix(wall))
    glass, lit = shade((105, 85, 65), rng.uniform(0.5, 1.2)), (130, 200, 230)
    step_x, step_y = rng.uniform(1.6, 2.6) * scale, rng.uniform(2.4, 3.0) * scale
    if step_x < 4:
        return
    for y in np.arange(base - 1.0 * scale - step_y, base - tall + 0.4 * scale, -step_y):
        for x in np.arange(left + 0.4 * scale, left + wide - 1.2 * scale, step_x):
            colour = lit if rng.random() < 0.12 else glass
            fill(canvas, x, y - 1.2 * scale, x + 0.9 * scale, y, mix(colour))
    if rng.random() < 0.5:
        sign = shade(WALLS[rng.integers(len(WALLS))], rng.uniform(0.4, 1.4))
        fill(
            canvas,
            left + 0.5 * scale,
            base - 3 * scale,
            left + wide * 0.7,
            base - 2.4 * scale,
            sign,
        )
        fill(
            canvas,
            left + 0.5 * scale,
            base - 2.3 * scale,
            left + wide * 0.7,
            base - 0.5 * scale,
            glass,
        )
    fill(canvas, left + wide * 0.78, base - 2.1 * scale, left + wide * 0.9, base, shade(wall, 0.5))


def draw_side_walls(canvas: Canvas, view: View, side: float, rng: np.random.Generator) -> None:
    """Houses along a street that runs into the distance, ``side`` metres left and right of it."""
    for sign in (-1, 1):
        scale = 3.0
        while scale < 90:
            deeper, tall = scale * rng.uniform(1.25, 1.8), rng.uniform(4, 12)
            if rng.random() < 0.85:
                wall = shade(WALLS[rng.integers(len(WALLS))], rng.uniform(0.55, 1.1))
                _wall(canvas, view, sign * side, scale, deeper, tall, wall, rng)
            scale = deeper


def _wall(
    canvas: Canvas,
    view: View,
    side: float,
    far: float,
    near: float,
    tall: float,
    wall: Colour,
    rng: np.random.Generator,
) -> None:
    def corner(scale: float, up: float) -> tuple[float, float]:
        return view.column(side, scale), view.row(scale) - up * scale

    _polygon(canvas, [corner(far, 0), corner(near, 0), corner(near, tall), corner(far, tall)], wall)
    glass = shade((105, 85, 65), rng.uniform(0.5, 1.2))
    edges = 1 / np.linspace(1 / far, 1 / near, int(rng.integers(4, 9)))
    for up in np.arange(1.2, tall - 1.0, 2.8):
        for a, b in itertools.pairwise(edges):
            a, b = a + (b - a) * 0.25, b - (b - a) * 0.25
            _polygon(
                canvas,
                [corner(a, up), corner(b, up), corner(b, up + 1.2), corner(a, up + 1.2)],
                glass,
            )


def draw_ground(canvas: Canvas, row: float, colour: Colour, rng: np.random.Generator) -> None:
    """Fill everything below ``row`` with a slightly uneven colour."""
    height = canvas.owner.shape[0]
    top = int(np.clip(row, 0, height))
    if top >= height:
        return
    ramp = np.linspace(0.86, 1.06, height - top)[:, None, None]
    canvas.image[top:] = np.clip(np.array(colour) * ramp, 0, 255).astype(np.uint8)
    patches = int(rng.integers(2, 9))
    width = canvas.owner.shape[1]
    for _ in range(patches):
        y = rng.uniform(top, height)
        axes = (int(rng.uniform(0.02, 0.12) * width), int(rng.uniform(0.004, 0.02) * height) + 1)
        tone = shade(colour, rng.uniform(0.8, 1.12))
        cv2.ellipse(canvas.image, (int(rng.uniform(0, width)), int(y)), axes, 0, 0, 360, tone, -1)


def draw_street(canvas: Canvas, view: View, half: float, lanes: int, colour: Colour) -> None:
    """A road running to the vanishing point, ``half`` metres wide on each side."""
    far, near = 1.2, 400.0

    def strip(left: float, right: float, a: float, b: float, ink: Colour) -> None:
        corners = [(left, a), (right, a), (right, b), (left, b)]
        _polygon(canvas, [(view.column(u, s), view.row(s)) for u, s in corners], ink)

    strip(-half, half, far, near, colour)
    for edge in (-half, half):
        strip(edge - 0.15, edge + 0.15, far, near, (175, 178, 180))
    depths = 1 / np.arange(0.004, 0.25, 0.004)
    for lane in range(1, lanes):
        u = -half + 2 * half * lane / lanes
        for a, b in zip(depths[1::2], depths[::2], strict=False):
            strip(u - 0.07, u + 0.07, a, b, (215, 215, 215))


def fill(canvas: Canvas, x1: float, y1: float, x2: float, y2: float, colour: Colour) -> None:
    """Fill an upright rectangle of canvas pixels."""
    cv2.rectangle(canvas.image, (int(x1), int(y1)), (int(x2), int(y2)), colour, -1)


def _polygon(canvas: Canvas, corners: ArrayLike, colour: Colour) -> None:
    pixels = np.clip(np.array(corners), -20000, 20000)
    cv2.fillPoly(canvas.image, [np.round(pixels * 16).astype(np.int32)], colour, shift=4)


def photograph(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """Light, colour cast, blur and sensor noise on a finished picture.

    Args:
        image: ``(H, W, 3)`` uint8, BGR.
        rng: the scene's generator.

    Returns:
        ``(H, W, 3)`` uint8, BGR; whether it is dusk.
    """
    height, width = image.shape[:2]
    picture: np.ndarray = image.astype(np.float32)
    cloud = rng.normal(1.0, 0.1, (6, 8)).astype(np.float32)
    picture *= cv2.resize(cloud, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    picture *= rng.uniform(0.9, 1.1, 3).astype(np.float32)
    contrast, bright = rng.uniform(0.75, 1.15), rng.normal(0, 12)
    dusk = rng.random() < 0.15
    if dusk:
        contrast, bright = rng.uniform(0.45, 0.65), rng.uniform(-20, 0)
    picture = (picture - 128) * np.float32(contrast) + np.float32(128 + bright)
    if contrast < 0.66:
        picture -= 30
    blur = rng.random()
    if blur < 0.35:
        picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 1.0)))
    elif blur < 0.45:
        length = int(rng.integers(2, 5))
        picture = cv2.blur(picture, (length, 1))
    noise = rng.normal(0, rng.uniform(1.5, 9), (height, width, 1))
    colour_noise = rng.normal(0, rng.uniform(0.5, 3), (height, width, 3))
    return np.clip(np.rint(picture + noise + colour_noise), 0, 255).astype(np.uint8), dusk
