"""YOLO: a text file for each image, a box a line, and a list of the class names.

A line is ``class x y width height``: the class counted from 0, and the box's centre and size as fractions of
the image's width and height. Segmentation sets have ``class x1 y1 x2 y2 ...``, pose sets keypoints behind the
box. Source: docs.ultralytics.com/datasets/detect; ``ultralytics/data/utils.py`` (``img2label_paths``,
``verify_image_label``). The class names are ``names`` of ``data.yaml``, or the lines of Darknet's
``obj.names`` and of ``classes.txt``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cutpoint.data.annotation_model import is_name
from cutpoint.errors import UserError
from cutpoint.formats.areas import polygon_area
from cutpoint.formats.content import Box, Content, Source, Tally
from cutpoint.formats.files import as_number, find_files, find_images, read_label_lines, read_text

YAML = (".yaml", ".yml")
# how the list of classes is called
LISTS = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names", "_darknet.labels")
# a list of classes is small
LARGEST_LIST = 1 << 20
CLASS = re.compile(r"(\d{1,9})(\.0*)?", re.ASCII)
# a box may reach so far out of its image by rounding, as a fraction; more is another unit
SLACK = 0.01
FIELDS = "a line is: class x y width height"


@dataclass(frozen=True)
class Found:
    """Where the files are: the list of classes, and the folder of the labels."""

    classes: Path
    labels: Path


def list_files(source: Source) -> list[Path]:
    """The files that the conversion reads, apart from the images.

    Raises:
        UserError: see ``find``.
    """
    found = find(source, find_images(source.images))
    return [found.classes, *(found.labels / name for name in find_files(found.labels, {".txt"}))]


def read(source: Source, tally: Tally) -> Content:
    """Read a data set; its images are all those below the images folder.

    Raises:
        UserError: the list of classes or the labels are not found, or the list cannot be read.
    """
    images = find_images(source.images)
    found = find(source, images)
    names, keypoints = _read_classes(found.classes, tally)
    boxes: list[Box] = []
    used = {found.classes}
    for image in images:
        path = found.labels / Path(image).with_suffix(".txt")
        used.add(path)
        if not path.is_file():
            tally.lose("image without a label file", "it has no boxes", image)
            continue
        lines = read_label_lines(path, tally)
        if lines is None:
            continue
        for number, line in enumerate(lines, start=1):
            box = _read_line(line.split(), image, f"{path}, line {number}", names, keypoints, tally)
            boxes += [box] if box else []
    for name in find_files(found.labels, {".txt"}):
        if found.labels / name not in used and Path(name).name not in LISTS:
            tally.lose("label file without an image", "not used", str(found.labels / name))
    tally.lose_flags(len(boxes))
    return Content(tuple(images), names, tuple(boxes), are_fractions=True)


def find(source: Source, images: list[str]) -> Found:
    """Find the list of classes and the folder of the labels.

    ``annotations`` is the list, or a folder: of the labels, or one that has the list. The labels are there,
    or where Ultralytics looks: ``labels`` in place of the last ``images`` of the path, or beside the images.

    Raises:
        UserError: one of them is not there; says where it was looked for.
    """
    given = source.annotations
    if given.is_dir():
        upper = [given, given.parent, given.parent.parent]
        lists = [folder / name for folder in upper for name in LISTS]
        classes = next((path for path in lists if path.is_file()), None)
        if classes is None:
            raise UserError(
                f"no list of the class names: {given} and the two folders above it have no file "
                f"{', '.join(LISTS[:-1])}; name the data.yaml itself"
            )
    else:
        classes = given
    parts = source.images.parts
    last = max((number for number, part in enumerate(parts) if part == "images"), default=None)
    places = [given, given / "labels"] if given.is_dir() else []
    if last is not None:
        places.append(Path(*parts[:last], "labels", *parts[last + 1 :]))
    places += [source.images.parent / "labels", source.images]
    for place in places:
        if any((place / Path(image).with_suffix(".txt")).is_file() for image in images):
            return Found(classes, place)
    looked = ", ".join(dict.fromkeys(map(str, places)))
    raise UserError(
        f"no label file of the {len(images)} images below {source.images}: looked in {looked} for files with "
        "an image's name and .txt; name the folder that has them"
    )


def _read_classes(path: Path, tally: Tally) -> tuple[tuple[str, ...], tuple[int, int] | None]:
    """The class names, and the number of keypoints with the numbers of each; null without keypoints."""
    try:
        text = read_text(path, LARGEST_LIST)
    except UserError as error:
        raise UserError(f"{path} {error}; it is the list of the class names") from error
    if path.suffix.lower() in YAML:
        names, keypoints = _read_yaml(path, text)
    else:
        names, keypoints = [line.strip() for line in text.rstrip().splitlines()], None
    if not names:
        raise UserError(f"{path}: has no class names")
    seen: set[object] = set()
    for number, name in enumerate(names):
        place = f"{path}, class {number}"
        if not is_name(name):
            mend = "names are short text in one line, in quotes where YAML reads yes, no or a number"
            tally.problem("class name that is no text", place, mend)
        elif name in seen:
            tally.problem("class name that is there twice", place, "give each class its own", name)
        else:
            seen.add(name)
    return tuple(name if isinstance(name, str) else "" for name in names), keypoints


def _read_yaml(path: Path, text: str) -> tuple[list[object], tuple[int, int] | None]:
    try:
        # merged aliases multiply: 400 bytes may become gigabytes
        alias = next((e for e in yaml.parse(text, yaml.SafeLoader) if isinstance(e, yaml.AliasEvent)), None)
        content: Any = None if alias else yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(
            f"{path}{line}: not YAML that can be read ({type(error).__name__}); correct it"
        ) from error
    if alias:
        line = f", line {alias.start_mark.line + 1}" if alias.start_mark else ""
        raise UserError(f"{path}: has aliases{line}; write the names out")
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict):
        if set(names) != set(range(len(names))) or not all(type(key) is int for key in names):
            raise UserError(
                f"{path}: names: the classes are not numbered from 0 without a gap; number them so"
            )
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list):
        raise UserError(f"{path}: names: no list of the class names; write names: [first, second, ...]")
    count = content.get("nc")
    if type(count) is int and count != len(names):
        raise UserError(f"{path}: nc: {count}, and names has {len(names)}; correct one of them")
    shape = content.get("kpt_shape")
    if isinstance(shape, list) and len(shape) == 2 and all(type(side) is int for side in shape):
        return names, (shape[0], shape[1])
    return names, None


def _read_line(
    fields: list[str],
    image: str,
    place: str,
    names: Sequence[str],
    keypoints: tuple[int, int] | None,
    tally: Tally,
) -> Box | None:
    """A line's box; null if it has none, or none that can be read."""
    if not fields:
        return None
    count = len(fields)
    is_pose = keypoints is not None and count == 5 + keypoints[0] * keypoints[1]
    is_polygon = not is_pose and count >= 7 and count % 2 == 1
    if not (count == 5 or is_pose or is_polygon):
        mend = FIELDS + (", without a score: these may be detections" if count == 6 else "")
        tally.problem("line with another number of fields than a box has", place, mend, f"{count} fields")
        return None
    number = CLASS.fullmatch(fields[0])
    if number is None or int(number[1]) >= len(names):
        mend = f"the classes are numbered 0 to {len(names) - 1}"
        tally.problem("class number that the list of classes does not have", place, mend, fields[0])
        return None
    used = fields[1:5] if is_pose else fields[1:]
    values = [as_number(text) for text in used]
    numbers = [value for value in values if value is not None]
    if len(numbers) != len(values):
        wrong = next(text for text, value in zip(used, values, strict=True) if value is None)
        tally.problem("field that is no finite number", place, FIELDS, wrong)
        return None
    far = next((value for value in numbers if not -SLACK <= value <= 1 + SLACK), None)
    if far is not None:
        mend = "divide pixels by the image's width and height"
        tally.problem("number that is no fraction of the image's size, 0 to 1", place, mend, far)
        return None
    if is_pose:
        tally.lose("box with keypoints", "the keypoints are left out", place)
    area = None
    if is_polygon:
        tally.lose("polygon", "the box around it is used, with the polygon's area", place)
        xs, ys = numbers[::2], numbers[1::2]
        corners, area = (min(xs), min(ys), max(xs), max(ys)), polygon_area(xs, ys)
    else:
        x, y, width, height = numbers
        corners = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    return Box(image, names[int(number[1])], corners, place, area=area)
