"""Draw what rolls: cars, vans, buses, trucks, motorcycles, bicycles. Each stands on its foot point."""

from __future__ import annotations

import numpy as np

from cutpoint.demo.pen import Colour, Pen, shade

GLASS: Colour = (120, 95, 70)
TYRE: Colour = (30, 30, 32)
RIM: Colour = (150, 150, 150)
WHITE: Colour = (235, 235, 235)
HEADLIGHT: Colour = (215, 245, 250)
TAILLIGHT: Colour = (30, 30, 200)
PAINTS: list[Colour] = [
    (40, 40, 170),
    (140, 70, 30),
    (60, 60, 62),
    (205, 205, 205),
    (170, 165, 160),
    (60, 110, 50),
    (30, 170, 220),
    (90, 60, 40),
    (120, 140, 60),
    (40, 90, 200),
]


def any_paint(rng: np.random.Generator) -> Colour:
    """A paint with a random tint."""
    paint = np.array(PAINTS[rng.integers(len(PAINTS))], dtype=float)
    blue, green, red = (float(c) for c in np.clip(paint + rng.normal(0, 18, 3), 15, 245))
    return blue, green, red


def _wheel(pen: Pen, u: float, radius: float) -> None:
    pen.oval(u, radius, radius, radius, TYRE)
    pen.oval(u, radius, radius * 0.55, radius * 0.55, RIM)


def car_side(pen: Pen, rng: np.random.Generator) -> None:
    """A saloon, hatchback or van from the side, 3.6 to 5 m long."""
    paint = any_paint(rng)
    half, top = rng.uniform(1.8, 2.4), rng.uniform(1.4, 1.65)
    shape = rng.choice(["saloon", "hatch", "van"], p=[0.45, 0.35, 0.2])
    if shape == "van":
        top *= 1.3
    rear, front = {"saloon": (-0.62, 0.38), "hatch": (-0.95, 0.35), "van": (-1.0, 0.62)}[shape]
    belt = 0.9
    roof = [(half * (rear + 0.12), top), (half * (front - 0.22), top)]
    pen.shadow(half)
    pen.poly(
        [
            (-half, 0.3),
            (-half, belt * 0.95),
            (half * rear, belt),
            *roof,
            (half * (front + 0.08), belt),
            (half * 0.95, belt * 0.8),
            (half, 0.55),
            (half, 0.3),
        ],
        paint,
    )
    middle = half * (rear + front) / 2
    glass = shade(GLASS, rng.uniform(0.6, 1.3))
    pen.poly(
        [
            (half * (rear + 0.07), belt),
            (roof[0][0] + 0.07, top - 0.09),
            (middle - 0.04, top - 0.09),
            (middle - 0.04, belt),
        ],
        glass,
    )
    pen.poly(
        [
            (middle + 0.04, belt),
            (middle + 0.04, top - 0.09),
            (roof[1][0] - 0.04, top - 0.09),
            (half * front, belt),
        ],
        glass,
    )
    pen.line([(middle, 0.35), (middle, belt)], 0.03, shade(paint, 0.6))
    pen.line([(-half, 0.36), (half, 0.36)], 0.1, shade(paint, 0.55))
    pen.rect(half - 0.2, 0.58, half - 0.02, 0.72, HEADLIGHT)
    pen.rect(-half + 0.02, 0.62, -half + 0.18, 0.8, TAILLIGHT)
    for u in (-0.62, 0.62):
        _wheel(pen, half * u, 0.33)
    if rng.random() < 0.12:
        pen.rect(middle - 0.2, top, middle + 0.2, top + 0.14, (60, 210, 240))


def car_end(pen: Pen, rng: np.random.Generator) -> None:
    """A car from the front or the back, about 1.8 m wide."""
    paint = any_paint(rng)
    half, top = rng.uniform(0.84, 0.98), rng.uniform(1.4, 1.8)
    belt, rear = 0.92, rng.random() < 0.5
    pen.shadow(half)
    for side in (-1, 1):
        pen.rect(side * half * 0.95, 0, side * half * 0.66, 0.4, TYRE)
    pen.poly([(-half * 0.9, belt), (-half * 0.7, top), (half * 0.7, top), (half * 0.9, belt)], paint)
    pen.poly(
        [
            (-half * 0.8, belt),
            (-half * 0.64, top - 0.1),
            (half * 0.64, top - 0.1),
            (half * 0.8, belt),
        ],
        shade(GLASS, rng.uniform(0.6, 1.4)),
    )
    pen.rect(-half, 0.25, half, belt, paint)
    pen.rect(-half, 0.22, half, 0.42, shade(paint, 0.55))
    lamp = TAILLIGHT if rear else HEADLIGHT
    for side in (-1, 1):
        pen.rect(side * half * 0.97, 0.62, side * half * 0.62, 0.8, lamp)
    if not rear:
        pen.rect(-half * 0.5, 0.5, half * 0.5, 0.7, (40, 40, 40))
    pen.rect(-0.25, 0.36, 0.25, 0.48, WHITE)


def bus_side(pen: Pen, rng: np.random.Generator) -> None:
    """A bus from the side, 8 to 12 m long."""
    paint, half, top = any_paint(rng), rng.uniform(4.0, 5.8), rng.uniform(2.8, 3.2)
    pen.shadow(half)
    pen.rect(-half, 0.35, half, top, paint)
    pen.rect(-half, 0.35, half, 0.9, shade(paint, rng.uniform(0.5, 1.5)))
    count = int(rng.integers(6, 9))
    for left in np.linspace(-half + 0.2, half - 2 * half / count, count):
        pen.rect(left, 1.45, left + 2 * half / count - 0.28, top - 0.4, shade(GLASS, 0.9))
    for door in (half - 1.5, -0.3):
        pen.rect(door, 0.4, door + 0.95, top - 0.45, (60, 55, 50))
        pen.line([(door + 0.47, 0.4), (door + 0.47, top - 0.45)], 0.05, paint)
    pen.rect(half - 0.15, 0.6, half, 0.85, HEADLIGHT)
    for u in (-0.6, 0.62):
        _wheel(pen, half * u, 0.48)


def bus_end(pen: Pen, rng: np.random.Generator) -> None:
    """A bus from the front or the back."""
    paint, half, top = any_paint(rng), rng.uniform(1.2, 1.3), rng.uniform(2.8, 3.3)
    front = rng.random() < 0.6
    pen.shadow(half)
    for side in (-1, 1):
        pen.rect(side * half * 0.95, 0, side * half * 0.7, 0.5, TYRE)
    pen.rect(-half, 0.3, half, top, paint)
    pen.rect(-half * 0.92, 1.25 if front else 1.7, half * 0.92, top - 0.5, shade(GLASS, 0.8))
    pen.rect(-half * 0.7, top - 0.42, half * 0.7, top - 0.12, (30, 30, 30))
    pen.rect(-half * 0.5, top - 0.34, half * 0.5, top - 0.2, (40, 170, 250))
    for side in (-1, 1):
        pen.rect(side * half * 0.95, 0.65, side * half * 0.65, 0.85, HEADLIGHT if front else TAILLIGHT)
    pen.rect(-half, 0.3, half, 0.5, shade(paint, 0.6))


def truck_side(pen: Pen, rng: np.random.Generator) -> None:
    """A lorry from the side: cab, and a box, tank or flat bed."""
    paint, box = any_paint(rng), any_paint(rng)
    half, top = rng.uniform(2.8, 4.4), rng.uniform(2.6, 3.5)
    cab = half - 1.7
    pen.shadow(half)
    pen.rect(-half, 0.5, half, 0.75, (50, 50, 50))
    kind = rng.choice(["box", "tank", "flat"], p=[0.6, 0.2, 0.2])
    if kind == "box":
        pen.rect(-half, 0.75, cab - 0.15, top, box)
        for u in np.linspace(-half, cab - 0.15, int(rng.integers(2, 6)))[1:-1]:
            pen.line([(u, 0.75), (u, top)], 0.05, shade(box, 0.8))
    elif kind == "tank":
        pen.oval((cab - half) / 2, 1.5, (cab + half) / 2 - 0.1, 0.8, box)
    else:
        pen.rect(-half, 0.75, cab - 0.15, 1.3, box)
        pen.oval((cab - half) / 2, 1.3, (cab + half) / 2 - 0.3, 0.5, (60, 90, 120))
    pen.poly([(cab, 0.45), (cab, 2.45), (half - 0.5, 2.45), (half, 1.5), (half, 0.45)], paint)
    pen.poly([(cab + 0.5, 1.5), (cab + 0.5, 2.25), (half - 0.55, 2.25), (half - 0.15, 1.5)], GLASS)
    pen.rect(half - 0.15, 0.7, half, 0.9, HEADLIGHT)
    for u in (-half * 0.75, -half * 0.45, half - 0.9):
        _wheel(pen, u, 0.47)


def truck_end(pen: Pen, rng: np.random.Generator) -> None:
    """A lorry from the front (cab before its box) or the back (doors)."""
    paint, box = any_paint(rng), any_paint(rng)
    half, top = rng.uniform(1.1, 1.3), rng.uniform(2.8, 3.6)
    pen.shadow(half)
    for side in (-1, 1):
        pen.rect(side * half * 0.97, 0, side * half * 0.62, 0.7, TYRE)
    pen.rect(-half, 0.8, half, top, box)
    if rng.random() < 0.5:
        pen.rect(-half * 0.88, 0.35, half * 0.88, 2.4, paint)
        pen.rect(-half * 0.78, 1.45, half * 0.78, 2.25, GLASS)
        pen.rect(-half * 0.5, 0.75, half * 0.5, 1.2, shade(paint, 0.5))
        lamp = HEADLIGHT
    else:
        pen.line([(0, 0.85), (0, top - 0.1)], 0.06, shade(box, 0.55))
        pen.rect(-half, 0.55, half, 0.8, (45, 45, 45))
        lamp = TAILLIGHT
    for side in (-1, 1):
        pen.rect(side * half * 0.85, 0.55, side * half * 0.6, 0.72, lamp)


def motorcycle(pen: Pen, rng: np.random.Generator) -> None:
    """A motorcycle from the side, 2 m long."""
    paint = any_paint(rng)
    pen.shadow(0.9)
    for u in (-0.68, 0.68):
        pen.oval(u, 0.31, 0.31, 0.31, TYRE)
        pen.oval(u, 0.31, 0.15, 0.15, RIM)
    pen.poly([(-0.5, 0.3), (-0.55, 0.55), (0.3, 0.6), (0.45, 0.3)], (70, 70, 75))
    pen.poly([(-0.15, 0.6), (-0.05, 0.92), (0.35, 0.92), (0.45, 0.6)], paint)
    pen.poly([(-0.95, 0.82), (-0.7, 0.68), (0.0, 0.66), (-0.1, 0.82)], (35, 35, 40))
    pen.line([(0.68, 0.31), (0.38, 1.08), (0.22, 1.1)], 0.08, (90, 90, 90))
    pen.oval(0.52, 0.86, 0.11, 0.11, HEADLIGHT)
    pen.line([(-0.9, 0.28), (0.0, 0.28)], 0.09, RIM)


def bicycle(pen: Pen, rng: np.random.Generator) -> None:
    """A bicycle from the side, 1.7 m long."""
    paint, spokes = any_paint(rng), (120, 120, 120)
    pen.shadow(0.7)
    for u in (-0.52, 0.52):
        pen.ring(u, 0.34, 0.31, 0.06, TYRE)
        for turn in rng.uniform(0, np.pi) + np.arange(3) * np.pi / 3:
            du, dv = 0.3 * np.cos(turn), 0.3 * np.sin(turn)
            pen.line([(u - du, 0.34 - dv), (u + du, 0.34 + dv)], 0.012, spokes)
    pen.line([(-0.52, 0.34), (-0.2, 0.8), (0.38, 0.82), (-0.05, 0.34), (-0.52, 0.34)], 0.055, paint)
    pen.line([(-0.05, 0.34), (-0.24, 0.92)], 0.055, paint)
    pen.line([(0.52, 0.34), (0.36, 1.0), (0.5, 1.04)], 0.055, paint)
    pen.rect(-0.37, 0.91, -0.12, 0.98, (30, 30, 30))
    if rng.random() < 0.3:
        pen.rect(0.4, 0.75, 0.72, 0.98, (70, 110, 150))


def bicycle_end(pen: Pen, rng: np.random.Generator) -> None:
    """A bicycle from the front."""
    paint = any_paint(rng)
    pen.shadow(0.25)
    pen.oval(0, 0.34, 0.05, 0.34, TYRE)
    pen.line([(0, 0.6), (0, 1.02)], 0.06, paint)
    pen.line([(-0.3, 1.05), (0, 1.0), (0.3, 1.05)], 0.05, (60, 60, 60))
    pen.oval(0, 0.85, 0.07, 0.07, HEADLIGHT)
