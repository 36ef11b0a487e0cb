"""Bad inputs: annotations in other formats than COCO JSON."""

import json
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


def voc_object(name: str, box: str = "4 5 24 27", more: str = "") -> str:
    """An object of Pascal VOC."""
    sides = zip(("xmin", "ymin", "xmax", "ymax"), box.split(), strict=False)
    corners = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    return f"<object><name>{name}</name>{more}<bndbox>{corners}</bndbox></object>"


def voc(first: str, before: str = "") -> Change:
    """A sound set of Pascal VOC, with the objects of the first image."""
    objects = {"1": first, "2": voc_object("motor-vehicle"), "3": voc_object("other", "1 1 20 20")}
    named = {f"{n}.xml": f"{before}<annotation>{text}</annotation>" for n, text in objects.items()}
    return given("voc", named)


def kitti(line: str) -> Change:
    """A sound set of KITTI, with one line of the second image."""
    rest = "1.65 1.67 3.64 -0.65 1.71 46.70 -1.59"
    sound = f"pedestrian 0.00 0 -1.58 4.01 5.05 24.12 27.90 {rest}\n"
    return given("kitti", {"1.txt": sound, "2.txt": line, "3.txt": sound.replace("pedestrian", "other")})


def bdd(name: str = "1.png", **box: float | str) -> Change:
    """Labels of BDD100K, with changes to a box."""
    sides = {"x1": 4, "y1": 5, "x2": 24, "y2": 27, **box}
    label = {"category": "pedestrian", "box2d": sides}
    frames = [{"name": name, "labels": [label]}, {"name": "2.jpg"}, {"name": "3.png"}]
    return given("bdd100k", {"det.json": json.dumps(frames)})


def cvat(shape: str, start: str = "<annotations>") -> Change:
    """CVAT's file, with a shape of the first image."""
    label = "<meta><task><labels><label><name>pedestrian</name></label></labels></task></meta>"
    image = f'<image name="1.png" width="64" height="48">{shape}</image>'
    return given("cvat", {"annotations.xml": f"{start}{label}{image}</annotations>"})


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
        "yolo bomb",
        "YOLO: data.yaml whose aliases would fill the memory",
        yolo(data="a: &a {x: 1}\nnames: [car]\nb: {<<: [*a, *a, *a]}\n"),
        f"{HEAD}: theirs/data.yaml: has aliases, line 3; write the names out",
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
        "voc numbers",
        "Pascal VOC: NaN, and a corner that is missing",
        voc(voc_object("pedestrian", "nan 5 24 27") + voc_object("other", "4 5 24")),
        f"{HEAD}: bndbox that is not four finite numbers: 2, first theirs/1.xml, object 1 ('nan 5 24 27'); "
        "write xmin, ymin, xmax, ymax",
    ),
    BadInput(
        "voc difficult",
        "Pascal VOC: difficult that is not 0 or 1",
        voc(voc_object("pedestrian", more="<difficult>maybe</difficult>")),
        f"{HEAD}: difficult that is not 0 or 1: 1, first theirs/1.xml, object 1 ('maybe'); correct it",
    ),
    BadInput(
        "voc bomb",
        "Pascal VOC: a document type with entities",
        voc(voc_object("&a;"), '<!DOCTYPE a [<!ENTITY a "b">]>'),
        f"{HEAD}: file that has a document type or entities, which annotations do not need: 3, first "
        "theirs/1.xml; write or copy it again",
    ),
    BadInput(
        "voc outside",
        "Pascal VOC: a box outside its image",
        voc(voc_object("pedestrian", "70 5 90 27")),
        "datasets.street.annotations results/annotations/street.json: bbox outside its image: 1 of 3 "
        "annotations, first annotation 1 (theirs/1.xml, object 1); correct them, or set "
        "datasets.street.invalid_boxes: drop (left out) or count (missed objects, as in pycocotools)",
    ),
    BadInput(
        "voc no files",
        "Pascal VOC: a folder without XML files",
        given("voc", {"1.txt": ""}),
        f"{HEAD}: no .xml file below this folder; name the folder Annotations",
    ),
    BadInput(
        "kitti fields",
        "KITTI: a line with a score",
        kitti("other 0 0 0 4 5 24 27 1 1 1 1 1 1 1 0.9\n"),
        f"{HEAD}: line with another number of fields than a label has: 1, first theirs/2.txt, line 1 "
        "('16 fields'); a line has 15 fields, without a score: these may be detections",
    ),
    BadInput(
        "kitti numbers",
        "KITTI: text in place of a corner",
        kitti("other 0 0 0 4 5 wide 27 1 1 1 1 1 1 1\n"),
        f"{HEAD}: box that is not four finite numbers: 1, first theirs/2.txt, line 1 ('4 5 wide 27'); fields "
        "5 to 8 are left, top, right and bottom in pixels",
    ),
    BadInput(
        "bdd100k numbers",
        "BDD100K: a corner in quotes",
        bdd(x1="4"),
        f"{HEAD}: box2d that is not four finite numbers: 1, first theirs/det.json, 1.png, label 0 (counted "
        "from 0); write x1, y1, x2, y2 in pixels",
    ),
    BadInput(
        "bdd100k name",
        "BDD100K: a name that leads out of the images folder",
        bdd("../truth.json"),
        f"{HEAD}: name that leads out of the images folder: 1, first theirs/det.json, frame 0 (counted from "
        "0) ('../truth.json'); write it without '..', relative to the images folder",
    ),
    BadInput(
        "cvat label",
        "CVAT: a label that the file does not list",
        cvat('<box label="dog" xtl="4" ytl="5" xbr="24" ybr="27"/>'),
        f"{HEAD}: label that meta does not list: 1, first theirs/annotations.xml, 1.png, box at 1 ('dog'); "
        "add it to the labels of meta, or correct it",
    ),
    BadInput(
        "cvat numbers",
        "CVAT: a side that is missing",
        cvat('<box label="pedestrian" xtl="4" ytl="5" xbr="24"/>'),
        f"{HEAD}: shape with numbers that are missing, or not finite: 1, first theirs/annotations.xml, "
        "1.png, box at 1; correct them",
    ),
    BadInput(
        "cvat video",
        "CVAT: a file of CVAT for video",
        cvat("", "<annotations><track/>"),
        f"{HEAD}: theirs/annotations.xml is CVAT for video (it has tracks); export it as CVAT for images",
    ),
    BadInput(
        "format without annotations",
        "a format, and no annotations",
        edit(CONFIG_FILE, "annotations: null", "annotations: null, format: yolo"),
        "datasets.plain.format: yolo, and there are no annotations; use coco, or name them",
    ),
]
