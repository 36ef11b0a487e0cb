"""What a scene is made of: picture sizes, the things with their widths, and the mix per data set."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cutpoint.demo import sprites, vehicles

SIZES = [
    (400, 300),
    (300, 400),
    (416, 234),
    (352, 288),
    (480, 320),
    (320, 480),
    (360, 270),
    (270, 360),
    (448, 256),
    (384, 384),
    (426, 240),
    (288, 352),
]
"""``(width, height)`` of the pictures, pixels."""

# COCO name: how it is drawn, and its width in metres, which placing needs
SIDE_VIEW = {
    "car": (vehicles.car_side, 4.4),
    "bus": (vehicles.bus_side, 10.0),
    "truck": (vehicles.truck_side, 7.5),
    "motorcycle": (vehicles.motorcycle, 1.9),
    "bicycle": (vehicles.bicycle, 1.7),
}
END_VIEW = {
    "car": (vehicles.car_end, 1.8),
    "bus": (vehicles.bus_end, 2.5),
    "truck": (vehicles.truck_end, 2.5),
    "motorcycle": (vehicles.motorcycle, 1.9),
    "bicycle": (vehicles.bicycle_end, 0.6),
}
STANDING = {
    "person": (sprites.person, 0.6),
    "dog": (sprites.dog, 1.0),
    "bench": (sprites.bench, 1.8),
    "fire hydrant": (sprites.hydrant, 0.5),
    "parking meter": (sprites.parking_meter, 0.35),
    "traffic light": (sprites.traffic_light, 0.4),
    "stop sign": (sprites.stop_sign, 0.8),
    "umbrella": (sprites.umbrella, 1.2),
}
LOOK_ALIKES = [
    (sprites.mailbox, 0.5),
    (sprites.bin_, 0.6),
    (sprites.bollard, 0.3),
    (sprites.cone, 0.5),
    (sprites.other_sign, 0.8),
    (sprites.billboard, 1.9),
    (sprites.statue, 0.9),
    (sprites.tree, 1.8),
    (sprites.shrub, 1.6),
    (sprites.lamp_post, 1.2),
    (sprites.kiosk, 4.0),
]


@dataclass(frozen=True)
class Style:
    """What a set of scenes is made of.

    Attributes:
        layouts: probability of a street into the distance, a street across, a square.
        vehicles, people, fixtures, look_alikes: mean number of each on a busy scene.
        crowded: probability of a scene with three times as many people.
        empty: probability of a scene without any object.
        finest: pixels per metre of the farthest objects, in the finished picture.
        visible: an object less visible than this part is not annotated.
    """

    layouts: tuple[float, float, float]
    vehicles: float
    people: float
    fixtures: float
    look_alikes: float
    crowded: float = 0.15
    empty: float = 0.04
    finest: float = 13.0
    visible: float = 0.4


TRAINING = {
    "traffic": Style((0.5, 0.4, 0.1), vehicles=7, people=7, fixtures=4, look_alikes=6),
    "coco": Style((0.3, 0.35, 0.35), vehicles=6, people=7, fixtures=6, look_alikes=5),
}
# A detector of a million parameters learns from smaller and fuller scenes than it does well on.
SHOWN = {
    name: replace(style, people=5, crowded=0.08, finest=24.0, visible=0.6) for name, style in TRAINING.items()
}
