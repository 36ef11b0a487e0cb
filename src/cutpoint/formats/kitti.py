"""KITTI's object labels: a text file for each image, 15 fields a line, the box in fields 5 to 8.

``type truncated occluded alpha left top right bottom height width length x y z rotation_y``; pixels from 0,
and the box is ``right - left`` wide. Sources: the object development kit's ``readme.txt`` and
``evaluate_object.cpp`` (``imageBoxOverlap``, ``cleanData``, ``computeStatistics``). A ``DontCare`` region has
no class: a detection that lies in it by more than the class's overlap counts neither as found nor as a
mistake. pycocotools does that with a crowd of the detection's class, so each region becomes a crowd of each.

A 16th field is a score, which detections have. CVAT and datumaro write 1.0 there behind every label
(``kitti_format/converter.py``).
"""

from pathlib import Path, PurePath

from cutpoint.data.annotation_model import is_name
from cutpoint.errors import UserError
from cutpoint.formats.content import NO_LIST, Box, Content, Source, Tally
from cutpoint.formats.files import (
    as_number,
    by_stem,
    find_files,
    find_images,
    lose_unlabelled,
    read_label_lines,
)

REGION = "dontcare"
FIELDS = 15
# the score that datumaro writes behind a label (KittiPath.DEFAULT_SCORE)
LABEL_SCORE = 1.0
SIDES = slice(4, 8)


def list_files(source: Source) -> list[Path]:
    """The files that the conversion reads, apart from the images.

    Raises:
        UserError: there are none.
    """
    given = source.annotations
    names = find_files(given, {".txt"}) if given.is_dir() else []
    if not names:
        raise UserError("not a folder of .txt files; name the folder label_2")
    return [given / name for name in names]


def read(source: Source, tally: Tally) -> Content:
    """Read a data set; its images are those that have a label file.

    Raises:
        UserError: there is no label file.
    """
    there = find_images(source.images)
    stems = by_stem(there)
    images: list[str] = []
    boxes: list[Box] = []
    for path in list_files(source):
        stem = PurePath(path.relative_to(source.annotations)).with_suffix("").as_posix()
        fits = stems.get(stem, [])
        if len(fits) != 1:
            what = "label file of several images" if fits else "label file whose image is not there"
            tally.problem(what, str(path), f"put one image with its name below {source.images}")
            continue
        images += fits
        lines = read_label_lines(path, tally)
        if lines is None:
            continue
        for number, line in enumerate(lines, start=1):
            if line.strip():
                boxes += _read_line(line.split(), fits[0], f"{path}, line {number}", tally)
    lose_unlabelled(there, images, "image without a label file", tally)
    regions = [box for box in boxes if box.is_crowd]
    objects = [box for box in boxes if not box.is_crowd]
    categories = tuple(sorted({box.category for box in objects}))
    tally.lose(NO_LIST, "those of the boxes are used", count=len(categories))
    if regions:
        fate = "a crowd of each class: detections on it do not count"
        tally.lose("DontCare region", fate, regions[0].place, len(regions))
    crowds = [
        Box(box.image, name, box.corners, box.place, is_crowd=True) for box in regions for name in categories
    ]
    return Content(tuple(images), categories, (*objects, *crowds))


def _read_line(fields: list[str], image: str, place: str, tally: Tally) -> list[Box]:
    """The box of a line; a region is a crowd. Empty if it cannot be read."""
    if len(fields) == FIELDS + 1 and as_number(fields[FIELDS]) == LABEL_SCORE:
        tally.lose("label with a score of 1, as CVAT writes it", "the score is not used", place)
        fields = fields[:FIELDS]
    if len(fields) != FIELDS:
        scored = ", without a score: these may be detections" if len(fields) == FIELDS + 1 else ""
        mend = f"a line has {FIELDS} fields{scored}"
        tally.problem(
            "line with another number of fields than a label has", place, mend, f"{len(fields)} fields"
        )
        return []
    corners = [corner for corner in map(as_number, fields[SIDES]) if corner is not None]
    if len(corners) != 4:
        mend = "fields 5 to 8 are left, top, right and bottom in pixels"
        tally.problem("box that is not four finite numbers", place, mend, " ".join(fields[SIDES]))
        return []
    if not is_name(fields[0]):
        tally.problem("class name that is no short text", place, "correct it", fields[0])
        return []
    is_region = fields[0].casefold() == REGION
    if not is_region and _is_hidden(fields[1:3]):
        tally.lose("truncated or occluded object", "an object as any other", place)
    left, top, right, bottom = corners
    return [Box(image, fields[0], (left, top, right, bottom), place, is_region)]


def _is_hidden(fields: list[str]) -> bool:
    """By ``truncated``, 0 to 1, and ``occluded``: 1 partly, 2 largely, 3 unknown. Regions have -1."""
    return any((as_number(text) or 0) > 0 for text in fields)
