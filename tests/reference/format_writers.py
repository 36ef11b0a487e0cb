"""Write one data set in each format, as its tools do, and say in steps what a format makes of its boxes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

Numbers = tuple[float, float, float, float]


@dataclass(frozen=True)
class Box:
    """A true box: ``x, y, width, height`` in pixels."""

    image: str
    category: str
    bbox: Numbers
    area: float
    is_crowd: bool = False


@dataclass(frozen=True)
class DataSet:
    """``images``: name to width and height. ``categories``: in the order of the file."""

    images: dict[str, tuple[int, int]]
    categories: tuple[str, ...]
    boxes: tuple[Box, ...]

    def of(self, image: str) -> list[Box]:
        return [box for box in self.boxes if box.image == image]


Step = tuple[str, Callable[[DataSet], DataSet]]


def corners(box: Box) -> Numbers:
    x, y, width, height = box.bbox
    return x, y, x + width, y + height


def each(change: Callable[[Box, DataSet], Box]) -> Callable[[DataSet], DataSet]:
    return lambda data: replace(data, boxes=tuple(change(box, data) for box in data.boxes))


def with_corners(box: Box, sides: Sequence[float]) -> Box:
    x1, y1, x2, y2 = sides
    return replace(box, bbox=(x1, y1, x2 - x1, y2 - y1))


def as_yolo(box: Box, data: DataSet) -> Box:
    """To six decimals of the image's size."""
    (x, y, w, h), (width, height) = box.bbox, data.images[box.image]
    near = (x + w / 2) / width, (y + h / 2) / height, w / width, h / height
    cx, cy, w, h = (round(number, 6) for number in near)
    return replace(box, bbox=((cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height))


def regions_of_each_class(data: DataSet) -> DataSet:
    found = sorted({box.category for box in data.boxes if not box.is_crowd})
    objects = [box for box in data.boxes if not box.is_crowd]
    crowds = [replace(box, category=name) for box in data.boxes if box.is_crowd for name in found]
    return replace(data, boxes=(*objects, *crowds))


NO_CROWDS: Step = ("crowds count as objects", each(lambda box, _: replace(box, is_crowd=False)))
BOX_AREA: Step = ("area of the box", each(lambda box, _: replace(box, area=box.bbox[2] * box.bbox[3])))
WHOLE: Step = ("corners in whole pixels", each(lambda box, _: with_corners(box, [*map(round, corners(box))])))
HUNDREDTHS: Step = (
    "corners in hundredths of a pixel",
    each(lambda box, _: with_corners(box, [round(side, 2) for side in corners(box)])),
)
MILLIONTHS: Step = ("six decimals of the image's size", each(as_yolo))
REGIONS: Step = ("crowds are regions without a class", regions_of_each_class)


def write_yolo(folder: Path, data: DataSet) -> str:
    numbers = {name: number for number, name in enumerate(data.categories)}
    for image, (width, height) in data.images.items():
        lines = []
        for box in data.of(image):
            x, y, w, h = box.bbox
            shares = (x + w / 2) / width, (y + h / 2) / height, w / width, h / height
            lines.append(f"{numbers[box.category]} " + " ".join(f"{share:.6f}" for share in shares))
        (folder / Path(image).with_suffix(".txt").name).write_text("\n".join(lines))
    (folder / "data.yaml").write_text(json.dumps({"names": list(data.categories)}))
    return str(folder)


def write_voc(folder: Path, data: DataSet) -> str:
    for image, (width, height) in data.images.items():
        objects = ""
        for box in data.of(image):
            sides = zip(("xmin", "ymin", "xmax", "ymax"), map(round, corners(box)), strict=True)
            objects += (
                f"<object><name>{escape(box.category)}</name><difficult>{int(box.is_crowd)}</difficult><bndbox>"
                + "".join(f"<{side}>{value}</{side}>" for side, value in sides)
                + "</bndbox></object>"
            )
        size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
        text = f"<annotation><filename>{image}</filename>{size}{objects}</annotation>"
        (folder / Path(image).with_suffix(".xml").name).write_text(text)
    return str(folder)


def write_kitti(folder: Path, data: DataSet) -> str:
    for image in data.images:
        lines = []
        for box in data.of(image):
            name = "DontCare" if box.is_crowd else box.category
            sides = " ".join(f"{side:.2f}" for side in corners(box))
            lines.append(f"{name} 0.00 0 -10 {sides} -1 -1 -1 -1000 -1000 -1000 -10")
        (folder / Path(image).with_suffix(".txt").name).write_text("\n".join(lines))
    return str(folder)


def write_bdd100k(folder: Path, data: DataSet) -> str:
    frames = []
    for image in data.images:
        labels = []
        for box in data.of(image):
            x1, y1, x2, y2 = corners(box)
            sides = {"x1": x1, "y1": y1, "x2": x2 - 1, "y2": y2 - 1}
            labels.append({"category": box.category, "attributes": {"crowd": box.is_crowd}, "box2d": sides})
        frames.append({"name": image, "labels": labels})
    (folder / "det.json").write_text(json.dumps(frames))
    return str(folder / "det.json")


def write_cvat(folder: Path, data: DataSet) -> str:
    def draw(box: Box) -> str:
        sides = zip(("xtl", "ytl", "xbr", "ybr"), corners(box), strict=True)
        places = " ".join(f'{side}="{value:.2f}"' for side, value in sides)
        return f'<box label={quoteattr(box.category)} occluded="0" {places} z_order="0"/>'

    return write_cvat_shapes(folder, data, draw)


def write_cvat_shapes(folder: Path, data: DataSet, draw: Callable[[Box], str]) -> str:
    """``draw``: the XML of an object."""
    labels = "".join(f"<label><name>{escape(name)}</name></label>" for name in data.categories)
    text = f"<annotations><meta><task><labels>{labels}</labels></task></meta>"
    for number, (image, (width, height)) in enumerate(data.images.items()):
        text += f'<image id="{number}" name={quoteattr(image)} width="{width}" height="{height}">'
        text += "".join(map(draw, data.of(image)))
        text += "</image>"
    (folder / "annotations.xml").write_text(f"{text}</annotations>")
    return str(folder / "annotations.xml")


def notched(box: Box) -> list[tuple[float, float]]:
    """A polygon in hundredths of a pixel that fills its box as much as the object does: with a notch."""
    x, y, w, h = box.bbox
    empty = min(max(1 - box.area / (w * h), 0), 0.95)
    side = (1 - max(empty, 0.8)) / 2
    depth = empty / (1 - 2 * side)
    across = ((0, 0), (side, 0), (side, depth), (1 - side, depth), (1 - side, 0), (1, 0), (1, 1), (0, 1))
    return [(round(x + a * w, 2), round(y + b * h, 2)) for a, b in across]


def as_polygon(box: Box, data: DataSet) -> Box:
    """The box around it, and its area: the whole less the notch."""
    points = notched(box)
    (x1, y1), (x2, y2) = points[0], points[6]
    notch = (points[3][0] - points[2][0]) * (points[2][1] - y1)
    return replace(with_corners(box, (x1, y1, x2, y2)), area=(x2 - x1) * (y2 - y1) - notch)


POLYGONS: Step = ("polygons in hundredths of a pixel, with their area", each(as_polygon))


def write_cvat_polygons(folder: Path, data: DataSet) -> str:
    def draw(box: Box) -> str:
        points = ";".join(f"{x:.2f},{y:.2f}" for x, y in notched(box))
        return f'<polygon label={quoteattr(box.category)} occluded="0" points="{points}" z_order="0"/>'

    return write_cvat_shapes(folder, data, draw)


# how a data set is written, and what that makes of its boxes
FORMATS: dict[str, tuple[Callable[[Path, DataSet], str], tuple[Step, ...]]] = {
    "yolo": (write_yolo, (NO_CROWDS, MILLIONTHS, BOX_AREA)),
    "voc": (write_voc, (WHOLE, BOX_AREA)),
    "kitti": (write_kitti, (REGIONS, HUNDREDTHS, BOX_AREA)),
    "bdd100k": (write_bdd100k, (BOX_AREA,)),
    "cvat": (write_cvat, (NO_CROWDS, HUNDREDTHS, BOX_AREA)),
    "cvat with polygons": (write_cvat_polygons, (NO_CROWDS, POLYGONS)),
}
