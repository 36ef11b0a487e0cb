"""CVAT for images 1.1: one XML file, an ``image`` element for each image, with its shapes.

Source: docs.cvat.ai/docs/other/xml_format. A shape that is no box becomes the box around it. CVAT has no
crowd flag of its own; an attribute ``is_crowd`` or ``iscrowd`` is read as one.
"""

import math
from pathlib import Path
from xml.etree.ElementTree import Element

from cutpoint.data.annotation_model import is_name
from cutpoint.data.file_names import find_fault
from cutpoint.errors import UserError
from cutpoint.formats.areas import mask_area, polygon_area
from cutpoint.formats.content import NO_LIST, Box, Content, Source, Tally
from cutpoint.formats.files import as_number, as_size
from cutpoint.formats.xml_file import iterate_xml

Corners = tuple[float, float, float, float]
FILE = "annotations.xml"
CROWDS = {"is_crowd", "iscrowd"}
# attributes of each shape that has a box
NUMBERS = {
    "box": ("xtl", "ytl", "xbr", "ybr"),
    "ellipse": ("cx", "cy", "rx", "ry"),
    "mask": ("left", "top", "width", "height"),
}
# shapes without a box
OTHERS = ("polyline", "points", "tag", "cuboid", "skeleton")


def list_files(source: Source) -> list[Path]:
    """The file that the conversion reads.

    Raises:
        UserError: it is not there.
    """
    given = source.annotations
    path = given / FILE if given.is_dir() else given
    if not path.is_file():
        raise UserError(f"no file {FILE} in this folder; name the XML file itself")
    return [path]


def read(source: Source, tally: Tally) -> Content:
    """Read a data set; its images are those of the file.

    Raises:
        UserError: the file is not CVAT's for images.
    """
    (path,) = list_files(source)
    images: list[str] = []
    boxes: list[Box] = []
    sizes: dict[str, tuple[int, int]] = {}
    listed: list[str] = []
    try:
        for element in iterate_xml(path, "annotations"):
            if element.tag == "meta":
                listed = _read_labels(element)
            elif element.tag == "track":
                raise UserError("is CVAT for video (it has tracks); export it as CVAT for images")
            elif element.tag == "image":
                name = _read_image(element, f"{path}, image {len(images) + 1}", sizes, tally)
                images.append(name or "")
                boxes += _read_shapes(element, name, path, tally) if name else []
    except UserError as error:
        raise UserError(f"{path} {error}") from error
    # where the attribute is used, it is said of the boxes that have it
    if not any(box.is_crowd for box in boxes):
        tally.lose_flags(len(boxes))
    for box in boxes:
        if listed and box.category not in listed:
            mend = "add it to the labels of meta, or correct it"
            tally.problem("label that meta does not list", box.place, mend, box.category)
    categories = listed or sorted({box.category for box in boxes})
    if not listed:
        tally.lose(NO_LIST, "those of the boxes are used", count=len(categories))
    return Content(tuple(filter(None, images)), tuple(categories), tuple(boxes), sizes)


def _read_labels(meta: Element) -> list[str]:
    """The names in their order, without the parts of skeletons."""
    labels = [label for label in meta.iter("label") if label.find("parent") is None]
    names = [(label.findtext("name") or "").strip() for label in labels]
    return [name for name in dict.fromkeys(names) if name]


def _read_image(element: Element, place: str, sizes: dict[str, tuple[int, int]], tally: Tally) -> str | None:
    name = element.get("name")
    if not name:
        tally.problem("image without a name", place, "name its file")
        return None
    fault = find_fault(name)
    if fault:
        tally.problem(f"name {fault.what}", place, fault.mend, name)
        return None
    size = as_size([element.get(side) for side in ("width", "height")], place, tally)
    if size is None:
        return None
    sizes[name] = size
    return name


def _read_shapes(element: Element, image: str, path: Path, tally: Tally) -> list[Box]:
    boxes = []
    for number, shape in enumerate(element, start=1):
        place = f"{path}, {image}, {shape.tag} at {number}"
        if shape.tag in OTHERS:
            tally.lose(f"{shape.tag}, which has no box", "left out", place)
            continue
        if shape.tag not in NUMBERS and shape.tag != "polygon":
            tally.problem(
                "shape that CVAT 1.1 does not have", place, "export it as CVAT for images 1.1", shape.tag
            )
            continue
        name = shape.get("label")
        if not is_name(name) or name is None:
            tally.problem("shape whose label is no short text", place, "name its class", name)
            continue
        corners, area = _read_shape(shape)
        if corners is None:
            tally.problem("shape with numbers that are missing, or not finite", place, "correct them")
            continue
        if shape.tag != "box":
            tally.lose(shape.tag, f"the box around it is used, with the {shape.tag}'s area", place)
        elif (as_number(shape.get("rotation", "0")) or 0) != 0:
            tally.lose("box that is turned", "the upright box around it is used, with its own area", place)
        is_crowd = any(
            attribute.get("name") in CROWDS and (attribute.text or "").strip().lower() in ("true", "1")
            for attribute in shape.findall("attribute")
        )
        boxes.append(Box(image, name, corners, place, is_crowd, area))
    return boxes


def _read_shape(shape: Element) -> tuple[Corners | None, float | None]:
    """The upright box around a shape, null if it cannot be read; and its own area, null for the box's."""
    angle = as_number(shape.get("rotation", "0"))
    if shape.tag == "polygon":
        return _around(shape.get("points", ""))
    texts = [shape.get(key, "") for key in NUMBERS[shape.tag]]
    numbers = [number for number in map(as_number, texts) if number is not None]
    if len(numbers) != 4 or angle is None:
        return None, None
    a, b, c, d = numbers
    if shape.tag == "mask":
        return (a, b, a + c, b + d), mask_area(shape.get("rle", ""), c, d)
    if shape.tag == "box" and angle == 0:
        return (a, b, c, d), None
    centre = (a, b, c, d) if shape.tag == "ellipse" else _centred(a, b, c, d)
    area = abs(centre[2] * centre[3]) * (math.pi if shape.tag == "ellipse" else 4)
    return _turned(centre, angle, is_ellipse=shape.tag == "ellipse"), area


def _turned(centre: Corners, angle: float, is_ellipse: bool) -> Corners:
    """The upright box around a turned box or ellipse: its centre, and half of width and height."""
    x, y, half_width, half_height = centre
    if angle == 0:
        return x - half_width, y - half_height, x + half_width, y + half_height
    cos, sin = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    if is_ellipse:
        wide, high = (
            math.hypot(half_width * cos, half_height * sin),
            math.hypot(half_width * sin, half_height * cos),
        )
    else:
        wide, high = half_width * cos + half_height * sin, half_width * sin + half_height * cos
    return x - wide, y - high, x + wide, y + high


def _centred(x1: float, y1: float, x2: float, y2: float) -> Corners:
    """Centre, and half of width and height."""
    return (x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / 2, (y2 - y1) / 2


def _around(points: str) -> tuple[Corners | None, float | None]:
    """The box around ``x,y;x,y;...``, null if it is not three points or more; and the area inside."""
    pairs = [point.split(",") for point in points.split(";")]
    if len(pairs) < 3 or any(len(pair) != 2 for pair in pairs):
        return None, None
    xs, ys = ([as_number(pair[side].strip()) for pair in pairs] for side in (0, 1))
    known_x, known_y = [x for x in xs if x is not None], [y for y in ys if y is not None]
    if len(known_x) != len(xs) or len(known_y) != len(ys):
        return None, None
    return (min(known_x), min(known_y), max(known_x), max(known_y)), polygon_area(known_x, known_y)
