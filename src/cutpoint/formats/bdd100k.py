"""BDD100K's detection labels (Scalabel): JSON, a list of frames with ``name`` and ``labels``.

A label has ``category`` and ``box2d`` (``x1, y1, x2, y2``, whose last pixel belongs to the box), and
``attributes`` of which ``crowd`` and ``ignored`` make it a crowd. So Scalabel's own converter writes it
(``scalabel/label/to_coco.py``, ``transforms.box2d_to_bbox``: width = x2 - x1 + 1). The labels of 2018 have a
file for each image, with ``frames`` and ``objects``. BDD100K's own evaluation ignores the boxes of three more
categories (``bdd100k/configs/det.toml``, ``ignore_mapping``).
"""

from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from cutpoint.data.annotation_model import FURTHEST, is_finite, is_name
from cutpoint.data.file_names import find_fault
from cutpoint.errors import UserError
from cutpoint.formats.content import NO_LIST, Box, Content, Source, Tally
from cutpoint.formats.files import LARGEST_WHOLE, by_stem, check_regular, find_files, find_images
from cutpoint.records.annotations import read_given

# the classes of the detection task in the order of bdd100k/configs/det.toml; others follow by name
CLASSES = (
    "pedestrian", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle", "traffic light",
    "traffic sign",
)  # fmt: skip
SIDES = ("x1", "y1", "x2", "y2")
CROWDS = ("crowd", "ignored")
# detections of these classes on a box of these categories do not count
IGNORED = {"other person": "pedestrian", "other vehicle": "car", "trailer": "truck"}


def list_files(source: Source) -> list[Path]:
    """The files that the conversion reads, apart from the images.

    Raises:
        UserError: there are none.
    """
    given = source.annotations
    if given.is_file():
        return [given]
    names = find_files(given, {".json"})
    if not names:
        raise UserError("no .json file below this folder; name the file or the folder of the labels")
    return [given / name for name in names]


def read(source: Source, tally: Tally) -> Content:
    """Read a data set; its images are the frames.

    Raises:
        UserError: there is no JSON file, or one is no list of frames.
    """
    there = find_images(source.images)
    stems, known = by_stem(there), set(there)
    images: list[str] = []
    boxes: list[Box] = []
    for path in list_files(source):
        check = _checked(path)
        for number, frame in enumerate(_frames(path, check)):
            place = f"{path}, frame {number} (counted from 0)"
            name = _name_of(frame, place, known, stems, tally)
            if name is None:
                continue
            images.append(name)
            labels = frame.get("labels", frame.get("objects")) or []
            if not isinstance(labels, list):
                tally.problem("labels that are no list", place, "write a list of labels, or null")
                continue
            for position, label in enumerate(labels):
                box = _read_label(label, name, f"{path}, {name}, label {position} (counted from 0)", tally)
                boxes += [box] if box else []
    found = {box.category for box in boxes}
    categories = [name for name in CLASSES if name in found] + sorted(found - set(CLASSES))
    tally.lose(NO_LIST, "those of the boxes are used", count=len(categories))
    return Content(tuple(images), tuple(categories), tuple(boxes))


def _checked(path: Path) -> Any:
    try:
        check_regular(path, LARGEST_WHOLE)
    except UserError as error:
        raise UserError(f"{path} {error}") from error
    return read_given(path, str(path))


def _frames(path: Path, content: Any) -> Iterator[dict[str, Any]]:
    """The frames of a file; one of 2018 has the image's name above its frame."""
    above = {}
    if isinstance(content, dict) and isinstance(content.get("frames"), list):
        above = {"name": content["name"]} if "name" in content else {}
        content = content["frames"]
        if above and len(content) > 1:
            raise UserError(f"{path}: several frames of one image; give the labels of images, not of a video")
    if not isinstance(content, list):
        raise UserError(f"{path}: no list of frames, as BDD100K's det_val.json is; give that file")
    for number, frame in enumerate(content):
        if not isinstance(frame, dict):
            raise UserError(f"{path}: frame {number} (counted from 0) is no object; each is {{...}}")
        yield {**above, **frame}


def _name_of(
    frame: dict[str, Any], place: str, known: set[str], stems: dict[str, list[str]], tally: Tally
) -> str | None:
    """The image's path from the images folder."""
    name = frame.get("name")
    if not isinstance(name, str) or not name:
        tally.problem("frame without a name", place, "name its image")
        return None
    fault = find_fault(name)
    if fault:
        tally.problem(f"name {fault.what}", place, fault.mend, name)
        return None
    if name in known:
        return name
    video = frame.get("videoName")
    if isinstance(video, str) and f"{video}/{name}" in known:
        return f"{video}/{name}"
    same = stems.get(name) or stems.get(PurePath(name).with_suffix("").as_posix(), [])
    return same[0] if len(same) == 1 else name


def _read_label(label: Any, image: str, place: str, tally: Tally) -> Box | None:
    """A label's box; null if it has none, or none that can be read."""
    if not isinstance(label, dict):
        tally.problem("label that is no object", place, "each is {...}")
        return None
    box = label.get("box2d")
    if box is None:
        tally.lose("label without a box2d, as lanes and areas are", "left out", place)
        return None
    sides: list[Any] = [box.get(side) for side in SIDES] if isinstance(box, dict) else []
    if len(sides) != 4 or not all(is_finite(side) and abs(side) <= FURTHEST for side in sides):
        tally.problem("box2d that is not four finite numbers", place, f"write {', '.join(SIDES)} in pixels")
        return None
    name: Any = label.get("category")
    if not is_name(name):
        tally.problem("category that is no short text", place, "name its class", name)
        return None
    given = label.get("attributes")
    attributes = given if isinstance(given, dict) else {}
    is_crowd = any(attributes.get(key) is True for key in CROWDS)
    if is_crowd:
        tally.lose("box with crowd or ignored", "a crowd: detections on it do not count", place)
    if name in IGNORED:
        fate = "a crowd of pedestrian, car or truck, as in BDD100K's own evaluation"
        tally.lose("box of other person, other vehicle or trailer", fate, place)
    if any(attributes.get(key) is True for key in ("occluded", "truncated")):
        tally.lose("truncated or occluded object", "an object as any other", place)
    x1, y1, x2, y2 = map(float, sides)
    # a box of no pixel stays one, and is told as such
    more = 1 if x2 >= x1 and y2 >= y1 else 0
    corners = x1, y1, x2 + more, y2 + more
    return Box(image, IGNORED.get(name, name), corners, place, is_crowd or name in IGNORED)
