"""Annotations of other formats as inputs: converted, listed, mapped and scored as COCO JSON is."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from bad_input import IMAGES

from cutpoint.errors import UserError
from cutpoint.formats.convert import convert_annotations
from cutpoint.records.conversion import read_conversion

NAMES = ("pedestrian", "non-motor-vehicle", "motor-vehicle", "other")
# of each image two boxes: class number and corners
BOXES = [(label, (4 + 8 * label, 5, 24 + 8 * label, 27)) for label in (0, 3)]
CONVERTED = "converted.json"


def yolo_lines(width: int, height: int, more: str = "") -> str:
    lines = []
    for label, (x1, y1, x2, y2) in BOXES:
        numbers = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height
        lines.append(f"{label} " + " ".join(f"{number:.6f}" for number in numbers))
    return "\n".join(lines) + more + "\n"


def voc_text(image: str, width: int, height: int) -> str:
    objects = ""
    for label, box in BOXES:
        sides = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        corners = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
        objects += f"<object><name>{NAMES[label]}</name><difficult>{label // 3}</difficult>"
        objects += f"<bndbox>{corners}</bndbox></object>"
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation><filename>{image}</filename>{size}{objects}</annotation>"


def kitti_lines(width: int, height: int) -> str:
    rest = "1.65 1.67 3.64 -0.65 1.71 46.70 -1.59"
    lines = [f"{NAMES[label]} 0.00 {label} -1.58 {' '.join(map(str, box))} {rest}" for label, box in BOXES]
    return "\n".join([*lines, "DontCare -1 -1 -10 1 1 9 9 -1 -1 -1 -1000 -1000 -1000 -10"]) + "\n"


def bdd_frames() -> str:
    sides = ("x1", "y1", "x2", "y2")
    labels = [
        {
            "category": NAMES[label],
            "attributes": {"crowd": label == 3},
            "box2d": dict(zip(sides, box, strict=True)),
        }
        for label, box in BOXES
    ]
    labels.append({"category": "lane", "poly2d": [{"vertices": [[0, 0], [9, 9]]}]})
    return json.dumps([{"name": name, "labels": labels} for name, *_ in IMAGES.values()])


def cvat_text() -> str:
    labels = "".join(f"<label><name>{name}</name></label>" for name in NAMES)
    text = f"<annotations><version>1.1</version><meta><task><labels>{labels}</labels></task></meta>"
    for number, (image, width, height) in IMAGES.items():
        shapes = "".join(
            f'<box label="{NAMES[label]}" xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}" rotation="0.0"/>'
            for label, (x1, y1, x2, y2) in BOXES
        )
        shapes += '<polygon label="other" points="1,1;20,2;9,30"/>'
        shapes += '<mask label="other" left="3" top="4" width="9" height="8" rle="4, 9, 59"/>'
        shapes += '<ellipse label="other" cx="9" cy="9" rx="5" ry="4"/><points label="other" points="1,1"/>'
        text += f'<image id="{number}" name="{image}" width="{width}" height="{height}">{shapes}</image>'
    return f"{text}</annotations>"


def _seeds(*texts: str) -> Callable[[Path], list[bytes]]:
    return lambda folder: [text.encode() for text in texts]


FIRST = IMAGES[1][1:]
POLYGON = "\n2 0.1 0.1 0.5 0.1 0.5 0.6\n1.0 0.5 0.5 1.0 1.0"
YAML = "path: .\nnames:\n" + "".join(f"  {n}: {name}\n" for n, name in enumerate(NAMES)) + "nc: 4\n"
SEEDS = {
    "yolo": _seeds(yolo_lines(*FIRST), yolo_lines(*FIRST, POLYGON)),
    "yolo_yaml": _seeds(YAML, f"names: {json.dumps(NAMES)}\nkpt_shape: [2, 3]\n"),
    "voc": _seeds(voc_text(*IMAGES[1])),
    "kitti": _seeds(kitti_lines(*FIRST)),
    "bdd100k": _seeds(bdd_frames()),
    "cvat": _seeds(cvat_text()),
}


def _write(folder: Path, kind: str, raw: bytes) -> str:
    """Write a set whose first file is the input; what ``annotations`` names."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    sizes = {Path(name).stem: (width, height) for name, width, height in IMAGES.values()}
    if kind in ("yolo", "yolo_yaml"):
        for stem, size in sizes.items():
            (folder / f"{stem}.txt").write_text(yolo_lines(*size))
        (folder / "data.yaml").write_text(YAML)
        (folder / ("1.txt" if kind == "yolo" else "data.yaml")).write_bytes(raw)
    elif kind == "voc":
        for name, *size in IMAGES.values():
            (folder / f"{Path(name).stem}.xml").write_text(voc_text(name, *size))
        (folder / "1.xml").write_bytes(raw)
    elif kind == "kitti":
        for stem, size in sizes.items():
            (folder / f"{stem}.txt").write_text(kitti_lines(*size))
        (folder / "1.txt").write_bytes(raw)
    else:
        name = "det.json" if kind == "bdd100k" else "annotations.xml"
        (folder / name).write_bytes(raw)
        return str(folder / name)
    return str(folder)


def convert(folder: Path, kind: str, raw: bytes) -> None:
    """Convert a set to ``CONVERTED``.

    Raises:
        UserError: the problems.
    """
    given = _write(folder / "theirs", kind, raw)
    convert_annotations(
        dataset="street",
        annotation_format=kind.partition("_")[0],
        annotations=given,
        images="images",
        out=CONVERTED,
        record="converted.record.json",
    )
    problems = read_conversion("converted.record.json").problems
    if problems:
        raise UserError("\n".join(problems))
