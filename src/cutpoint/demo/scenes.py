"""Lay out one street scene: what stands where, what hides what, and the boxes that remain visible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from cutpoint.demo import backdrop, sprites, vehicles
from cutpoint.demo.backdrop import View
from cutpoint.demo.catalogue import END_VIEW, LOOK_ALIKES, SIDE_VIEW, SIZES, STANDING, Style
from cutpoint.demo.pen import Canvas, Pen

OVERSAMPLING = 2
# by layout
PLACES = ("avenue", "crossing", "square")
MIN_SIDE, MIN_INSIDE = 6.0, 0.25

# scale far and near, metres left and right
Zone = tuple[float, float, float, float]


@dataclass(frozen=True)
class SceneObject:
    """One annotated object.

    Attributes:
        name: COCO category name.
        box: ``x, y, width, height`` of the visible part, pixels of the picture, inside it.
        crowd: stands for a whole group.
    """

    name: str
    box: tuple[float, float, float, float]
    crowd: bool = False


@dataclass(frozen=True)
class Scene:
    """A picture, ``(H, W, 3)`` uint8 BGR, and its objects.

    ``light``: ``day`` or ``dusk``. ``place``: one of ``PLACES``.
    """

    image: np.ndarray
    objects: list[SceneObject]
    light: str
    place: str


@dataclass
class _Item:
    scale: float
    side: float
    width: float
    parts: list = field(default_factory=list)


def make_scene(seed: int | list[int], style: Style, empty: bool | None = None) -> Scene:
    """Draw one scene.

    Args:
        seed: entropy of ``numpy.random.default_rng``; the same seed gives the same bytes.
        style: what the scene is made of.
        empty: force a scene without (True) or with (False) objects; None leaves it to chance.
    """
    rng = np.random.default_rng(seed)
    width, height = SIZES[rng.integers(len(SIZES))]
    bare = rng.random() < style.empty
    bare = bare if empty is None else empty
    size = (height * OVERSAMPLING, width * OVERSAMPLING)
    tone = rng.uniform(185, 225)
    canvas = Canvas(
        np.full((*size, 3), 128, np.uint8),
        np.zeros(size, np.int16),
        (tone + 8, tone, tone - 6 + rng.uniform(-8, 10)),
    )
    layout = rng.choice(3, p=style.layouts)
    view, zones = _draw_place(canvas, layout, style.finest * OVERSAMPLING, rng)
    drawn = _populate(canvas, view, zones, style, layout, bare, rng)
    objects = _visible_objects(canvas, drawn, style.visible)
    image = cv2.resize(canvas.image, (width, height), interpolation=cv2.INTER_AREA)
    picture, dusk = backdrop.photograph(image, rng)
    return Scene(picture, objects, "dusk" if dusk else "day", PLACES[layout])


def _draw_place(
    canvas: Canvas, layout: int, finest: float, rng: np.random.Generator
) -> tuple[View, dict[str, list[Zone]]]:
    """Draw the backdrop; return the view and, for roads and walks, ``(near, far, left, right)``."""
    height, width = canvas.owner.shape
    view = View(
        horizon=height * rng.uniform(0.25, 0.45),
        vanish=width * rng.uniform(0.25, 0.75),
        camera=rng.uniform(1.5, 2.6),
    )
    nearest = (height * 1.04 - view.horizon) / view.camera
    reach = width / 2 / finest
    backdrop.draw_sky(canvas, view, rng)
    tint = tuple(rng.normal(0, 8, 3))
    ground = backdrop.GRASS if rng.random() < 0.3 else backdrop.PAVING
    ground = tuple(np.clip(np.add(ground, tint), 0, 255))
    asphalt = tuple(np.clip(np.add(backdrop.ASPHALT, tint), 0, 255))
    if layout == 0:
        half, lanes = rng.uniform(3.2, 6.5), int(rng.integers(2, 5))
        backdrop.draw_houses(canvas, view, view.row(finest * 0.6), rng, gap=0.3)
        backdrop.draw_ground(canvas, view.row(finest * 0.6), ground, rng)
        backdrop.draw_side_walls(canvas, view, half + rng.uniform(4, 9), rng)
        backdrop.draw_street(canvas, view, half, lanes, asphalt)
        road = (finest, nearest, -half + 1, half - 1)
        walk = (finest, nearest, half + 0.5, half + 4)
        return view, {"road": [road], "walk": [walk, (*walk[:2], -walk[3], -walk[2])]}
    back = min(rng.uniform(1.0, 1.8) * finest, 0.35 * nearest)
    backdrop.draw_houses(canvas, view, view.row(back), rng)
    backdrop.draw_ground(canvas, view.row(back), ground, rng)
    if layout == 2:
        square = (back * 1.08, nearest, -reach, reach)
        return view, {"road": [square], "walk": [square]}
    near_kerb = min(nearest * rng.uniform(0.5, 0.85), back * 6)
    far_kerb = min(back * rng.uniform(1.15, 1.6), near_kerb * 0.7)
    top, bottom = view.row(far_kerb), view.row(near_kerb)
    backdrop.fill(canvas, 0, top - 0.2 * far_kerb, width, bottom + 0.2 * near_kerb, (165, 168, 170))
    backdrop.fill(canvas, 0, top, width, bottom, asphalt)
    middle = (top + bottom) / 2
    dash = 2.5 * (far_kerb + near_kerb) / 2
    for left in np.arange(-dash * rng.random(), width, 2 * dash):
        backdrop.fill(canvas, left, middle - dash / 40, left + dash, middle + dash / 40, (215,) * 3)
    road = (far_kerb * 1.05, near_kerb * 0.97, -reach, reach)
    walks = [(back * 1.05, far_kerb, -reach, reach), (near_kerb, nearest, -reach, reach)]
    return view, {"road": [road], "walk": walks}


def _populate(
    canvas: Canvas,
    view: View,
    zones: dict[str, list[Zone]],
    style: Style,
    layout: int,
    bare: bool,
    rng: np.random.Generator,
) -> list[dict]:
    """Place and draw all things, far ones first; return ``[name, pen, crowd key, area]`` lists."""
    busy = rng.uniform(0.35, 1.3)
    crowded = rng.random() < style.crowded
    facing = END_VIEW if layout == 0 else SIDE_VIEW
    items: list[_Item] = []

    def place(zone: str, width: float, parts: list, widest: float = 0.9) -> None:
        for _ in range(12):
            far, near, left, right = zones[zone][rng.integers(len(zones[zone]))]
            scale = far * (near / far) ** rng.random() ** 0.7
            picture = canvas.owner.shape[1] / scale
            low = max(left, -view.vanish / scale - width * 0.3)
            high = min(right, picture - view.vanish / scale + width * 0.3)
            if low >= high or width > widest * picture:
                continue
            side = rng.uniform(low, high)
            if not any(
                abs(side - other.side) < (width + other.width) * 0.4
                and abs(np.log(scale / other.scale)) < 0.12
                for other in items
            ):
                items.append(_Item(scale, side, width, parts))
                return

    if not bare:
        for _ in range(rng.poisson(style.vehicles * busy * (0.3 if layout == 2 else 1))):
            name = rng.choice(["car", "bus", "truck", "motorcycle"], p=[0.62, 0.12, 0.15, 0.11])
            looks = facing if rng.random() < 0.85 else SIDE_VIEW
            draw, width = looks[name]
            parts = [(name, draw, 0.0, 0.0)]
            if name == "motorcycle" and rng.random() < 0.5:
                parts.append(("person", _rider, -0.25, 0.35))
            place("road", width, parts)
        for _ in range(rng.poisson(style.people * busy * (3 if crowded else 1))):
            _place_people(place, rng)
        for _ in range(rng.poisson(style.people * 0.35 * busy)):
            draw, width = (facing if rng.random() < 0.7 else SIDE_VIEW)["bicycle"]
            parts = [("bicycle", draw, 0.0, 0.0)]
            if rng.random() < 0.65:
                rider = (-0.2, 0.42) if draw is vehicles.bicycle else (0.0, 0.3)
                parts.append(("person", _rider, *rider))
            place("road" if rng.random() < 0.5 else "walk", width, parts)
        for _ in range(rng.poisson(style.fixtures * busy)):
            name = rng.choice(list(STANDING)[1:7])
            draw, width = STANDING[name]
            place("walk", width, [(name, draw, 0.0, 0.0)])
        if rng.random() < 0.22:
            _place_group(place, rng)
    for _ in range(rng.poisson(style.look_alikes * busy)):
        draw, width = LOOK_ALIKES[rng.integers(len(LOOK_ALIKES))]
        place("walk", width, [(None, draw, 0.0, 0.0)], widest=0.3)
    return _draw_items(canvas, view, items, rng)


def _rider(pen: Pen, rng: np.random.Generator) -> None:
    sprites.person(pen, rng, seated=True)


def _place_people(place: Callable[..., None], rng: np.random.Generator) -> None:
    parts: list[tuple[str, Any, float, float]] = [("person", sprites.person, 0.0, 0.0)]
    if rng.random() < 0.12:
        parts.append(("umbrella", sprites.umbrella, 0.0, 0.0))
    elif rng.random() < 0.3:
        parts.append(("person", sprites.person, rng.uniform(0.35, 0.7), 0.0))
    place("road" if rng.random() < 0.15 else "walk", 0.7, parts)


def _place_group(place: Callable[..., None], rng: np.random.Generator) -> None:
    """A group too dense to count: one crowd annotation."""
    name = "person" if rng.random() < 0.75 else "bicycle"
    draw = sprites.person if name == "person" else vehicles.bicycle
    count = int(rng.integers(7, 14))
    offsets = np.sort(rng.uniform(0, count * 0.26, count) - count * 0.13)
    parts = [("crowd " + name, draw, u, rng.uniform(-0.06, 0.06)) for u in offsets]
    place("walk", count * 0.26, parts)


def _draw_items(canvas: Canvas, view: View, items: list[_Item], rng: np.random.Generator) -> list[dict]:
    drawn = []
    for number, item in enumerate(sorted(items, key=lambda one: one.scale)):
        foot = (view.column(item.side, item.scale), view.row(item.scale))
        fade = float(np.clip(0.42 - item.scale / 70, 0.0, 0.42))
        first = Pen(canvas, foot, item.scale, bool(rng.random() < 0.5), fade)
        for k, (name, draw, u, v) in enumerate(item.parts):
            pen = first if k == 0 else first.another(u, v)
            if name and name.startswith("crowd") and k:
                pen.mirror = bool(rng.random() < 0.5)
            draw(pen, rng)
            if name is None:
                continue
            crowd = name.startswith("crowd")
            drawn.append(
                {
                    "name": name.removeprefix("crowd "),
                    "pen": pen,
                    "group": number if crowd else None,
                    "area": int((canvas.owner == pen.thing).sum()),
                }
            )
    return drawn


def _visible_objects(canvas: Canvas, drawn: list[dict], visible: float) -> list[SceneObject]:
    objects: list[SceneObject] = []
    groups: dict[tuple[Any, str], list[np.ndarray]] = {}
    for thing in drawn:
        box, seen = _visible_box(canvas, thing)
        if box is None:
            continue
        if thing["group"] is not None:
            groups.setdefault((thing["group"], thing["name"]), []).append(box)
        elif seen >= visible and min(box[2:] - box[:2]) >= MIN_SIDE:
            objects.append(SceneObject(thing["name"], _xywh(box)))
    for (_, name), members in groups.items():
        boxes = np.array(members)
        box = np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])
        if len(boxes) >= 3 and min(box[2:] - box[:2]) >= MIN_SIDE:
            objects.append(SceneObject(name, _xywh(box), crowd=True))
    return objects


def _visible_box(canvas: Canvas, thing: dict) -> tuple[np.ndarray | None, float]:
    """Box of the visible pixels, and which part of the in-picture pixels they are."""
    height, width = canvas.owner.shape
    x1, y1, x2, y2 = thing["pen"].extent
    left, top = max(0, int(x1) - 2), max(0, int(y1) - 2)
    right, bottom = min(width, int(x2) + 3), min(height, int(y2) + 3)
    if left >= right or top >= bottom:
        return None, 0.0
    inside = (min(x2, width) - max(x1, 0)) * (min(y2, height) - max(y1, 0))
    if inside < MIN_INSIDE * (x2 - x1) * (y2 - y1):
        return None, 0.0
    mask = canvas.owner[top:bottom, left:right] == thing["pen"].thing
    count = int(mask.sum())
    if count == 0:
        return None, 0.0
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    box = np.array([left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1], float)
    return box / OVERSAMPLING, count / max(1, thing["area"])


def _xywh(box: np.ndarray) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(value) for value in box)
    return x1, y1, x2 - x1, y2 - y1
