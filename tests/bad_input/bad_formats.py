"""Bad inputs: annotations in other formats than COCO JSON."""

import os
from pathlib import Path

from bad_input import CONFIG_FILE, BadInput, Change, edit

HEAD = "datasets.street.annotations theirs"
DATA = "names: [pedestrian, non-motor-vehicle, motor-vehicle, other]\n"
LABELS = {"1.txt": "0 0.5 0.5 0.25 0.5\n", "2.txt": "2 0.5 0.5 0.2 0.2\n3 0.3 0.3 0.1 0.1\n", "3.txt": ""}


def given(annotation_format: str, files: dict[str, str | bytes]) -> Change:
    """Put files of a format in place of the COCO JSON."""

    def change(folder: Path) -> None:
        edit(CONFIG_FILE, "annotations: truth.json", f"annotations: theirs, format: {annotation_format}")(
            folder
        )
        for name, content in files.items():
            path = folder / "theirs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    return change


def yolo(**files: str | bytes) -> Change:
    """A sound YOLO set with some files of other content, named without their endings."""
    named = {f"{name.removeprefix('n')}.txt": content for name, content in files.items() if name != "data"}
    return given("yolo", {"data.yaml": files.get("data", DATA), **LABELS, **named})


def without_labels(folder: Path) -> None:
    """The labels in a folder that nothing names."""
    yolo()(folder)
    os.rename(folder / "theirs", folder / "elsewhere")
    (folder / "theirs").mkdir()
    (folder / "theirs/data.yaml").write_text(DATA)


ROWS = [
    BadInput(
        "yolo class",
        "YOLO: a class number that the list of classes does not have",
        yolo(n2="2 0.5 0.5 0.2 0.2\n4 0.3 0.3 0.1 0.1\n"),
        f"{HEAD}: class number that the list of classes does not have: 1, first theirs/2.txt, line 2 ('4'); "
        "the classes are numbered 0 to 3",
    ),
    BadInput(
        "yolo fields",
        "YOLO: a line with four fields, and lines with a score",
        yolo(n1="0 0.5 0.5 0.25\n", n2="2 0.5 0.5 0.2 0.2 0.9\n3 0.3 0.3 0.1 0.1 0.8\n"),
        f"{HEAD}: line with another number of fields than a box has: 1, first theirs/1.txt, line 1 "
        "('4 fields'); a line is: class x y width height\n"
        f"{HEAD}: line with another number of fields than a box has: 2, first theirs/2.txt, line 1 "
        "('6 fields'); a line is: class x y width height, without a score: these may be detections",
    ),
    BadInput(
        "yolo nan",
        "YOLO: NaN, and a number of 400 digits",
        yolo(n1=f"0 nan 0.5 0.25 0.5\n0 {'9' * 400} 0.5 0.25 0.5\n"),
        f"{HEAD}: field that is no finite number: 2, first theirs/1.txt, line 1 ('nan'); a line is: class x "
        "y width height",
    ),
    BadInput(
        "yolo pixels",
        "YOLO: boxes in pixels",
        yolo(n1="0 32 24 16 24\n"),
        f"{HEAD}: number that is no fraction of the image's size, 0 to 1: 1, first theirs/1.txt, line 1 (32.0"
        "); divide pixels by the image's width and height",
    ),
    BadInput(
        "yolo outside",
        "YOLO: a box of no width",
        yolo(n1="0 0.5 0.5 0 0.5\n"),
        "datasets.street.annotations results/annotations/street.json: width or height of the bbox is 0 or "
        "negative: 1 of 3 annotations, first annotation 1 (theirs/1.txt, line 1); correct them, or set "
        "datasets.street.invalid_boxes: drop (left out) or count (missed objects, as in pycocotools)",
    ),
    BadInput(
        "yolo not text",
        "YOLO: a label file that is not text",
        yolo(n1=b"\xff\xfe0"),
        f"{HEAD}: label file that is not UTF-8 text: 1, first theirs/1.txt; write or copy it again",
    ),
    BadInput(
        "yolo list of classes",
        "YOLO: data.yaml that is not YAML",
        yolo(data="names: [car"),
        f"{HEAD}: theirs/data.yaml, line 1: not YAML that can be read (ParserError); correct it",
    ),
    BadInput(
        "yolo code",
        "YOLO: data.yaml that would run code",
        yolo(data="names: !!python/object/apply:os.system [ls]"),
        f"{HEAD}: theirs/data.yaml, line 1: not YAML that can be read (ConstructorError); correct it",
    ),
    BadInput(
        "yolo name twice",
        "YOLO: a class name twice",
        yolo(data=DATA.replace("other", "pedestrian")),
        f"{HEAD}: class name that is there twice: 1, first theirs/data.yaml, class 3 ('pedestrian'); give "
        "each class its own",
    ),
    BadInput(
        "yolo without labels",
        "YOLO: no label file where the tools put them",
        without_labels,
        f"{HEAD}: no label file of the 3 images below images: looked in theirs, theirs/labels, labels, "
        "images for files with an image's name and .txt; name the folder that has them",
    ),
    BadInput(
        "format without annotations",
        "a format, and no annotations",
        edit(CONFIG_FILE, "annotations: null", "annotations: null, format: yolo"),
        "datasets.plain.format: yolo, and there are no annotations; use coco, or name them",
    ),
]
