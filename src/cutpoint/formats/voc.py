"""Pascal VOC: an XML file for each image, ``annotation/object/bndbox`` in pixels, ``difficult`` 0 or 1.

Corners are taken as they are written, as LabelImg, CVAT, Roboflow and Label Studio mean them: edges, from 0.
The Pascal VOC sets themselves number pixels from 1, and the last one belongs to the box (devkit,
``VOCevaldet.m``); their files are known by ``source/database``, for example ``The VOC2007 Database``. VOC's
own evaluation counts a difficult object neither as found nor as missed, and so does pycocotools with a crowd.
"""

import re
from pathlib import Path, PurePath
from xml.etree.ElementTree import Element

from cutpoint.data.annotation_model import is_name
from cutpoint.errors import UserError
from cutpoint.formats.content import NO_LIST, Box, Content, Source, Tally
from cutpoint.formats.files import (
    as_number,
    as_size,
    by_stem,
    find_files,
    find_images,
    lose_unlabelled,
    read_text,
)
from cutpoint.formats.xml_file import read_xml, text_of

SIDES = ("xmin", "ymin", "xmax", "ymax")
FLAGS = {None: False, "0": False, "1": True, "false": False, "true": True, "unspecified": False}
FROM_ONE = re.compile(r"The (PASCAL )?VOC\s?20\d\d Database", re.IGNORECASE)


def list_files(source: Source) -> list[Path]:
    """The files that the conversion reads, apart from the images.

    Raises:
        UserError: there are none.
    """
    return [*([source.annotations] if source.annotations.is_file() else []), *find(source).values()]


def find(source: Source) -> dict[str, Path]:
    """The XML files by their path without the ending: a folder's, or those that ``ImageSets/Main/*.txt`` has.

    Raises:
        UserError: there are none.
    """
    given = source.annotations
    if given.is_dir():
        files = {
            PurePath(name).with_suffix("").as_posix(): given / name for name in find_files(given, {".xml"})
        }
        if not files:
            raise UserError("no .xml file below this folder; name the folder Annotations")
        return files
    if given.suffix.lower() != ".txt":
        raise UserError("not a folder of .xml files, and no list of ImageSets/Main (.txt); name one of them")
    try:
        lines = read_text(given).splitlines()
    except UserError as error:
        raise UserError(f"the list {error}") from error
    stems = [line.split()[0] for line in lines if line.strip()]
    folder = given.parent.parent.parent / "Annotations"
    wrong = [stem for stem in stems if "/" in stem or stem in (".", "..") or "\0" in stem]
    if wrong or not folder.is_dir():
        raise UserError(
            f"no list of image names beside {folder}, as VOC's ImageSets/Main/val.txt is; name the folder of "
            "the .xml files"
        )
    return {stem: folder / f"{stem}.xml" for stem in stems}


def read(source: Source, tally: Tally) -> Content:
    """Read a data set; its images are those that have an XML file.

    Raises:
        UserError: there is no XML file.
    """
    there = find_images(source.images)
    stems = by_stem(there)
    images: list[str] = []
    boxes: list[Box] = []
    sizes: dict[str, tuple[int, int]] = {}
    for stem, path in find(source).items():
        try:
            root = read_xml(path)
        except UserError as error:
            tally.problem(f"file that {error}", str(path), "write or copy it again")
            continue
        if root.tag != "annotation":
            tally.problem(
                "root that is not annotation, as in Pascal VOC", str(path), "give VOC's files", root.tag
            )
            continue
        image = _find_image(root, stem, stems)
        if image is None:
            tally.problem("file whose image is not there", str(path), f"put the image below {source.images}")
            continue
        images.append(image)
        size = _read_size(root, str(path), tally)
        if size:
            sizes[image] = size
        boxes += _read_objects(root, image, str(path), tally)
    lose_unlabelled(there, images, "image without an .xml file", tally)
    categories = tuple(sorted({box.category for box in boxes}))
    tally.lose(NO_LIST, "those of the boxes are used", count=len(categories))
    return Content(tuple(images), categories, tuple(boxes), sizes)


def _find_image(root: Element, stem: str, stems: dict[str, list[str]]) -> str | None:
    """The image with the XML file's name; of several, or if there is none, the one that ``filename`` says."""
    named = PurePath((text_of(root, "filename") or "").replace("\\", "/")).name
    fits = stems.get(stem) or stems.get(PurePath(stem).name) or []
    if len(fits) == 1:
        return fits[0]
    said = fits or (stems.get(PurePath(named).stem, []) if named else [])
    return next((image for image in said if PurePath(image).name == named), None)


def _read_size(root: Element, place: str, tally: Tally) -> tuple[int, int] | None:
    """Width and height; null if they are not there, or 0, as some tools write them."""
    texts = [text_of(root, f"size/{side}") for side in ("width", "height")]
    if all(text in (None, "0") for text in texts):
        tally.lose("file without the image's size", "read from the image", place)
        return None
    return as_size(texts, place, tally)


def _read_objects(root: Element, image: str, path: str, tally: Tally) -> list[Box]:
    boxes = []
    from_one = FROM_ONE.search(text_of(root, "source/database") or "") is not None
    for number, entry in enumerate(root.findall("object"), start=1):
        place = f"{path}, object {number}"
        name, flag = text_of(entry, "name"), text_of(entry, "difficult")
        texts = [text_of(entry, f"bndbox/{side}") for side in SIDES]
        corners = [as_number(text) for text in texts if text is not None]
        known = [corner for corner in corners if corner is not None]
        if not is_name(name) or name is None:
            tally.problem(
                "object without a name, or with one that is no short text", place, "name its class", name
            )
        elif len(known) != 4:
            tally.problem(
                "bndbox that is not four finite numbers",
                place,
                f"write {', '.join(SIDES)}",
                " ".join(map(str, texts)),
            )
        elif (flag and flag.lower()) not in FLAGS:
            tally.problem("difficult that is not 0 or 1", place, "correct it", flag)
        else:
            is_difficult = FLAGS[flag and flag.lower()]
            if is_difficult:
                tally.lose("difficult object", "a crowd: detections on it do not count", place)
            if from_one:
                tally.lose("box of a set that numbers pixels from 1", "moved to edges from 0", place)
            x1, y1, x2, y2 = known
            shift = 1 if from_one else 0
            boxes.append(Box(image, name, (x1 - shift, y1 - shift, x2, y2), place, is_difficult))
    return boxes
