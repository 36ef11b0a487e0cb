"""Draw what stands or walks: people, dogs, street furniture, and look-alikes that are no object."""

from __future__ import annotations

import numpy as np

from cutpoint.demo import vehicles
from cutpoint.demo.pen import Colour, Pen, shade

SKINS: list[Colour] = [(150, 180, 225), (110, 150, 200), (70, 100, 150), (50, 70, 105)]
HAIRS: list[Colour] = [(25, 25, 30), (40, 60, 90), (90, 150, 190), (150, 150, 150)]
STEEL: Colour = (105, 105, 105)
WOOD: Colour = (45, 80, 120)
WHITE_TEXT: Colour = (235, 235, 235)
STONE: Colour = (150, 155, 158)


def person(pen: Pen, rng: np.random.Generator, stone: bool = False, seated: bool = False) -> None:
    """Someone standing, walking, or (``seated``) riding; 1.1 to 1.9 m tall. ``stone``: a statue."""
    tall = rng.uniform(1.55, 1.9) if rng.random() < 0.85 else rng.uniform(1.0, 1.4)
    skin, hair = SKINS[rng.integers(4)], HAIRS[rng.integers(4)]
    shirt, trousers = vehicles.any_paint(rng), shade(vehicles.any_paint(rng), 0.7)
    if stone:
        skin = hair = shirt = trousers = shade(STONE, rng.uniform(0.6, 1.0))
    step, wide = rng.uniform(0, 0.16) * tall, rng.uniform(0.115, 0.16) * tall
    hip, neck = 0.48 * tall, 0.83 * tall
    lean = 0.12 * tall if seated else rng.normal(0, 0.01) * tall
    leg = 0.085 * tall
    if not seated:
        pen.shadow(0.22 * tall)
        pen.line([(-wide * 0.4, hip), (-step * 0.7, 0.24 * tall), (-step, 0.03)], leg, trousers)
        pen.line([(wide * 0.4, hip), (step * 0.9, 0.26 * tall), (step, 0.03)], leg, shade(trousers, 0.85))
        for foot in (-step, step):
            pen.rect(foot - 0.04 * tall, 0, foot + 0.07 * tall, 0.04 * tall, (35, 35, 40))
    else:
        pen.line([(0, hip), (0.2 * tall, 0.34 * tall), (0.13 * tall, 0.1 * tall)], leg, trousers)
    if not stone and rng.random() < 0.2:
        pen.poly(
            [(-wide, hip), (wide, hip), (wide * 1.4, 0.25 * tall), (-wide * 1.4, 0.25 * tall)],
            trousers,
        )
    pen.poly([(-wide * 0.8, hip), (wide * 0.8, hip), (wide + lean, neck), (-wide + lean, neck)], shirt)
    arm, swing = 0.06 * tall, rng.uniform(-0.1, 0.14) * tall
    if seated:
        pen.line([(lean, 0.78 * tall), (lean + 0.27 * tall, 0.6 * tall)], arm, shade(shirt, 0.8))
    else:
        for side in (-1, 1):
            hand = (side * (wide + 0.02 * tall) + swing * side, 0.46 * tall)
            pen.line([(side * wide + lean, 0.79 * tall), hand], arm, shade(shirt, 0.8))
            pen.oval(*hand, 0.03 * tall, 0.03 * tall, skin)
    pen.oval(lean * 1.2, 0.91 * tall, 0.062 * tall, 0.085 * tall, skin)
    if rng.random() < 0.8:
        pen.poly(
            [
                (lean * 1.2 + 0.066 * tall * np.cos(t), 0.925 * tall + 0.08 * tall * np.sin(t))
                for t in np.linspace(0, np.pi, 9)
            ],
            hair,
        )
    if not stone and not seated and rng.random() < 0.25:
        pen.rect(-wide - 0.07, 0.4 * tall, -wide + 0.12, 0.62 * tall, vehicles.any_paint(rng))


def umbrella(pen: Pen, rng: np.random.Generator) -> None:
    """An open umbrella held at 1.2 to 2.2 m; its foot point is the holder's."""
    paint, half = vehicles.any_paint(rng), rng.uniform(0.5, 0.65)
    pen.line([(0.18, 1.2), (0.18, 1.95)], 0.03, (60, 60, 60))
    turn = np.linspace(0, np.pi, 13)
    for k, start in enumerate(range(0, 12, 3)):
        arc = [(0.18 + half * np.cos(t), 1.85 + 0.38 * np.sin(t)) for t in turn[start : start + 4]]
        pen.poly([(0.18, 1.86), *arc], shade(paint, 1.0 if k % 2 else 0.8))


def dog(pen: Pen, rng: np.random.Generator) -> None:
    """A dog from the side, 0.5 to 0.8 m tall."""
    size = rng.uniform(0.8, 1.3)
    coat = [(40, 60, 95), (35, 35, 38), (150, 185, 205), (80, 120, 160)][rng.integers(4)]
    pen.shadow(0.45 * size)
    for u in (-0.33, -0.22, 0.2, 0.3):
        pen.line([(u * size, 0.32 * size), (u * size + 0.02, 0.0)], 0.08 * size, shade(coat, 0.85))
    pen.oval(0, 0.4 * size, 0.4 * size, 0.15 * size, coat)
    pen.line([(-0.36 * size, 0.45 * size), (-0.52 * size, 0.66 * size)], 0.06 * size, coat)
    pen.oval(0.44 * size, 0.58 * size, 0.14 * size, 0.12 * size, coat)
    pen.oval(0.57 * size, 0.54 * size, 0.1 * size, 0.06 * size, shade(coat, 0.8))
    pen.poly(
        [(0.36 * size, 0.66 * size), (0.34 * size, 0.5 * size), (0.43 * size, 0.62 * size)],
        shade(coat, 0.6),
    )


def bench(pen: Pen, rng: np.random.Generator) -> None:
    """A park bench, 1.4 to 2 m wide."""
    half, plank = rng.uniform(0.7, 1.0), shade(WOOD, rng.uniform(0.7, 1.4))
    pen.shadow(half)
    for u in (-half * 0.8, half * 0.8):
        pen.line([(u, 0), (u, 0.85)], 0.07, (50, 50, 50))
    for v in (0.42, 0.62, 0.78):
        pen.rect(-half, v, half, v + 0.1, plank)
    pen.rect(-half, 0.36, half, 0.46, shade(plank, 1.2))


def hydrant(pen: Pen, rng: np.random.Generator) -> None:
    """A fire hydrant, 0.8 m tall, red or yellow."""
    paint = [(40, 40, 200), (40, 190, 230), (60, 60, 180)][rng.integers(3)]
    pen.shadow(0.25)
    pen.rect(-0.2, 0, 0.2, 0.08, shade(paint, 0.7))
    pen.rect(-0.14, 0.06, 0.14, 0.58, paint)
    pen.rect(-0.27, 0.34, 0.27, 0.48, shade(paint, 0.8))
    pen.oval(0, 0.6, 0.17, 0.16, paint)
    pen.rect(-0.05, 0.72, 0.05, 0.82, shade(paint, 0.7))


def parking_meter(pen: Pen, rng: np.random.Generator) -> None:
    """A parking meter on its post, 1.4 m tall."""
    body = shade((120, 110, 95), rng.uniform(0.6, 1.3))
    pen.shadow(0.15)
    pen.rect(-0.045, 0, 0.045, 0.95, STEEL)
    pen.rect(-0.16, 0.92, 0.16, 1.25, body)
    pen.oval(0, 1.25, 0.16, 0.16, body)
    pen.rect(-0.1, 1.14, 0.1, 1.3, (190, 220, 215))
    pen.rect(-0.05, 1.0, 0.05, 1.06, (40, 40, 40))


def traffic_light(pen: Pen, rng: np.random.Generator) -> None:
    """Three lamps on a pole; only the housing is the object, the pole belongs to nobody."""
    top = rng.uniform(2.3, 3.6)
    pole = pen.another()
    pole.shadow(0.15)
    pole.rect(-0.06, 0, 0.06, top, STEEL)
    housing = (35, 38, 40) if rng.random() < 0.75 else (40, 150, 190)
    pen.rect(-0.19, top - 0.05, 0.19, top + 1.0, housing)
    lit = rng.integers(3)
    for k, lamp in enumerate([(60, 200, 60), (40, 190, 240), (40, 40, 230)]):
        pen.oval(0, top + 0.16 + 0.31 * k, 0.13, 0.13, lamp if k == lit else shade(lamp, 0.25))


def stop_sign(pen: Pen, rng: np.random.Generator) -> None:
    """A red octagon on a pole; only the plate is the object."""
    middle, radius = rng.uniform(1.9, 2.3), 0.4
    pole = pen.another()
    pole.shadow(0.12)
    pole.rect(-0.04, 0, 0.04, middle, STEEL)
    turn = np.arange(8) * np.pi / 4 + np.pi / 8
    octagon = np.stack([np.cos(turn), np.sin(turn)], 1)
    pen.poly(octagon * radius + [0, middle], (225, 225, 225))
    pen.poly(octagon * radius * 0.9 + [0, middle], (45, 35, 190))
    for k in range(4):
        left = -0.27 + 0.14 * k
        pen.rect(left, middle - 0.1, left + 0.1, middle + 0.1, WHITE_TEXT)
        pen.rect(left + 0.035, middle - 0.05, left + 0.065, middle + 0.05, (45, 35, 190))


def mailbox(pen: Pen, rng: np.random.Generator) -> None:
    """Look-alike of hydrants and meters."""
    paint = [(40, 40, 190), (150, 80, 30), (40, 190, 230)][rng.integers(3)]
    pen.shadow(0.25)
    pen.rect(-0.06, 0, 0.06, 0.6, STEEL)
    pen.rect(-0.22, 0.5, 0.22, 1.05, paint)
    pen.oval(0, 1.05, 0.22, 0.16, paint)
    pen.rect(-0.14, 0.9, 0.14, 0.95, (30, 30, 30))


def bin_(pen: Pen, rng: np.random.Generator) -> None:
    """A litter bin."""
    paint = shade([(70, 90, 60), (90, 90, 90), (40, 110, 60)][rng.integers(3)], rng.uniform(0.7, 1.3))
    pen.shadow(0.3)
    pen.poly([(-0.22, 0), (0.22, 0), (0.28, 0.85), (-0.28, 0.85)], paint)
    pen.rect(-0.31, 0.82, 0.31, 0.92, shade(paint, 0.6))


def bollard(pen: Pen, rng: np.random.Generator) -> None:
    """A short post, red and white or grey: look-alike of a hydrant."""
    paint = (50, 50, 190) if rng.random() < 0.4 else (90, 90, 90)
    pen.shadow(0.12)
    pen.rect(-0.11, 0, 0.11, 0.75, paint)
    pen.oval(0, 0.75, 0.11, 0.09, paint)
    pen.rect(-0.11, 0.5, 0.11, 0.62, (225, 225, 225))


def cone(pen: Pen, rng: np.random.Generator) -> None:
    """A traffic cone."""
    pen.shadow(0.25)
    pen.rect(-0.24, 0, 0.24, 0.06, (30, 70, 220))
    pen.poly([(-0.17, 0.05), (0.17, 0.05), (0.03, 0.7), (-0.03, 0.7)], (30, 90, 235))
    pen.poly([(-0.115, 0.28), (0.115, 0.28), (0.08, 0.42), (-0.08, 0.42)], (230, 230, 230))


def other_sign(pen: Pen, rng: np.random.Generator) -> None:
    """A round, square or triangular sign that is no stop sign."""
    middle = rng.uniform(1.9, 2.4)
    pen.shadow(0.12)
    pen.rect(-0.04, 0, 0.04, middle, STEEL)
    kind = rng.integers(3)
    if kind == 0:
        pen.oval(0, middle, 0.36, 0.36, (40, 40, 200))
        pen.oval(0, middle, 0.27, 0.27, (235, 235, 235))
    elif kind == 1:
        pen.poly([(-0.42, middle - 0.3), (0.42, middle - 0.3), (0, middle + 0.42)], (40, 40, 200))
        pen.poly([(-0.26, middle - 0.2), (0.26, middle - 0.2), (0, middle + 0.24)], (235, 235, 235))
    else:
        pen.rect(-0.34, middle - 0.34, 0.34, middle + 0.34, (170, 90, 30))
        pen.rect(-0.12, middle - 0.22, 0.12, middle + 0.22, (235, 235, 235))


def billboard(pen: Pen, rng: np.random.Generator) -> None:
    """An advertising board with a printed person or car: no object."""
    half, low, high = rng.uniform(0.6, 1.3), 0.4, rng.uniform(2.0, 2.5)
    pen.shadow(half)
    for u in (-half * 0.8, half * 0.8):
        pen.rect(u - 0.05, 0, u + 0.05, low, STEEL)
    pen.rect(-half, low, half, high, (60, 60, 60))
    pen.rect(-half + 0.08, low + 0.08, half - 0.08, high - 0.08, shade(vehicles.any_paint(rng), 1.5))
    poster = pen.another(0, low + 0.25, thing=pen.thing)
    draw = person if half < 0.9 else vehicles.car_side
    poster.scale *= 0.8 if half < 0.9 else half * 0.36
    poster.fade = min(1.0, poster.fade + 0.25)
    draw(poster, rng)
    pen.rect(-half * 0.7, high - 0.35, half * 0.5, high - 0.2, (235, 235, 235))


def statue(pen: Pen, rng: np.random.Generator) -> None:
    """A stone figure on a plinth."""
    pen.shadow(0.45)
    pen.rect(-0.4, 0, 0.4, 0.8, shade(STONE, 0.8))
    pen.rect(-0.46, 0.74, 0.46, 0.86, STONE)
    person(pen.another(0, 0.85, thing=pen.thing), rng, stone=True)


def tree(pen: Pen, rng: np.random.Generator) -> None:
    """A tree, 3 to 6 m tall."""
    tall, green = rng.uniform(3, 6), shade((50, 110, 60), rng.uniform(0.6, 1.3))
    pen.shadow(0.8)
    pen.line([(0, 0), (0, tall * 0.6)], 0.25, (45, 65, 85))
    for _ in range(9):
        u, v = rng.normal(0, 0.13 * tall), rng.normal(0.72, 0.09) * tall
        size = rng.uniform(0.11, 0.2) * tall
        pen.oval(u, v, size, size * 0.9, shade(green, rng.uniform(0.75, 1.25)))


def shrub(pen: Pen, rng: np.random.Generator) -> None:
    """A low bush in front of things."""
    green = shade((50, 105, 65), rng.uniform(0.6, 1.2))
    for _ in range(6):
        size = rng.uniform(0.25, 0.45)
        pen.oval(
            rng.normal(0, 0.5),
            rng.uniform(0.2, 0.6),
            size,
            size,
            shade(green, rng.uniform(0.7, 1.2)),
        )


def lamp_post(pen: Pen, rng: np.random.Generator) -> None:
    """A street lamp."""
    tall = rng.uniform(4, 6)
    pen.shadow(0.15)
    pen.line([(0, 0), (0, tall), (0.7, tall + 0.1)], 0.1, (80, 85, 80))
    pen.oval(0.75, tall + 0.05, 0.3, 0.1, (190, 220, 230))


def kiosk(pen: Pen, rng: np.random.Generator) -> None:
    """A booth or container: as big as a bus or a truck, without wheels."""
    half, high, paint = rng.uniform(1.2, 2.8), rng.uniform(2.2, 2.9), vehicles.any_paint(rng)
    pen.shadow(half)
    pen.rect(-half, 0, half, high, paint)
    if rng.random() < 0.5:
        pen.rect(-half * 0.8, 1.1, half * 0.5, high - 0.5, shade(vehicles.GLASS, 0.8))
        stripes = np.linspace(-half - 0.15, half + 0.15, 9)
        for k in range(8):
            colour = (225, 225, 225) if k % 2 else paint
            pen.rect(stripes[k], high - 0.45, stripes[k + 1], high, colour)
    else:
        for u in np.linspace(-half, half, 10)[1:-1]:
            pen.line([(u, 0.1), (u, high - 0.1)], 0.06, shade(paint, 0.75))
