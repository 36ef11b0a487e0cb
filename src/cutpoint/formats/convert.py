"""Convert annotations to COCO JSON, and say what is lost."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cutpoint.data.file_names import find_fault
from cutpoint.data.headers import BadImage, read_header
from cutpoint.errors import Gathered, UserError, UserErrors, located
from cutpoint.files import replacing
from cutpoint.formats import bdd100k, cvat, kitti, voc, yolo
from cutpoint.formats.content import Content, Source, Tally
from cutpoint.printable import printable
from cutpoint.records.conversion import Conversion, write_conversion

EMPTY: dict[str, list[Any]] = {"images": [], "annotations": [], "categories": []}


@dataclass(frozen=True)
class Reader:
    """A format: ``files`` lists what it reads apart from images, ``read`` reads them."""

    files: Callable[[Source], list[Path]]
    read: Callable[[Source, Tally], Content]


READERS = {
    "yolo": Reader(yolo.list_files, yolo.read),
    "voc": Reader(voc.list_files, voc.read),
    "kitti": Reader(kitti.list_files, kitti.read),
    "bdd100k": Reader(bdd100k.list_files, bdd100k.read),
    "cvat": Reader(cvat.list_files, cvat.read),
}


def convert_annotations(
    *, dataset: str, annotation_format: str, annotations: str, images: str, out: str, record: str
) -> None:
    """Write a data set's annotations as COCO JSON. It does not fail for what a user can mend.

    Images are sorted by their names. Images, categories and annotations are numbered from 1.

    Args:
        dataset: its name in the config.
        annotation_format: a key of ``READERS``.
        annotations: the user's file or folder.
        images: folder of the images.
        out: COCO JSON to write; without images if there is a problem, so that nothing can be scored on it.
            Each annotation has its ``place`` in the user's files; ``converted`` lists the losses for people.
        record: JSON to write, see ``records.conversion.Conversion``.
    """
    where = f"datasets.{dataset}.annotations {annotations}"
    tally, gathered = Tally(), Gathered()
    content = EMPTY
    with gathered.one(), located(where):
        read = read_content(annotation_format, annotations, images, tally)
        content = _to_coco(read, Path(images), tally)
    problems = (*gathered.messages, *tally.problems(where))
    if problems:
        content = EMPTY
    losses = tally.losses
    told = [f"from {annotation_format}: {loss.note}" for loss in losses]
    _write(out, {**content, "converted": told})
    write_conversion(
        record,
        Conversion(
            dataset=dataset,
            annotation_format=annotation_format,
            source=annotations,
            images=len(content["images"]),
            categories=len(content["categories"]),
            boxes=len(content["annotations"]),
            crowds=sum(entry["iscrowd"] for entry in content["annotations"]),
            losses=losses,
            problems=problems,
        ),
    )
    for loss in losses:
        print(f"{where}: {loss.note}")


def read_content(annotation_format: str, annotations: str, images: str, tally: Tally) -> Content:
    """Read the user's files; arguments as in ``convert_annotations``.

    Raises:
        UserError: they cannot be read at all. What can be read in part is told by the tally.
    """
    source = Source(Path(annotations), Path(images))
    if not source.images.is_dir():
        raise UserError(f"{images} is not a folder")
    content = READERS[annotation_format].read(source, tally)
    if not content.images and not tally.has_problems:
        raise UserError(f"no images: {images} holds none, or the file lists none")
    return content


def read_category_list(annotation_format: str, annotations: str, images: str) -> list[str]:
    """The names of the categories; arguments as in ``convert_annotations``.

    Raises:
        UserError: the files cannot be read, or a part of them; ``UserErrors`` for several kinds of parts.
    """
    tally = Tally()
    with located(annotations):
        content = read_content(annotation_format, annotations, images, tally)
    problems = tally.problems(annotations)
    if problems:
        raise UserErrors(problems) if len(problems) > 1 else UserError(problems[0])
    return list(content.categories)


def _write(path: str, content: dict[str, list[Any]]) -> None:
    """Write lists as JSON, an entry a line; the text of a large set does not stand in memory."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for position, (key, entries) in enumerate(content.items()):
            file.write(f"{',' if position else '{'}\n{json.dumps(key)}: [")
            for number, entry in enumerate(entries):
                file.write(f"{',' if number else ''}\n{json.dumps(entry, allow_nan=False)}")
            file.write("]")
        file.write("\n}\n")


def _to_coco(content: Content, folder: Path, tally: Tally) -> dict[str, list[Any]]:
    for name in content.images:
        fault = find_fault(name)
        if fault:
            tally.problem(f"image name {fault.what}", f"image {name}", fault.mend)
    for name, count in Counter(content.images).items():
        if count > 1:
            tally.problem("image that is there more than once", f"image {name}", "list it once")
    if tally.has_problems:
        return EMPTY
    names = sorted(content.images)
    sizes = {
        name: content.sizes.get(name) or _read_size(folder / name)
        for name in tqdm(names, "image sizes", unit="image")
    }
    category_ids = {name: number for number, name in enumerate(content.categories, start=1)}
    image_ids = {name: number for number, name in enumerate(names, start=1)}
    annotations: list[dict[str, Any]] = []
    own_areas = 0
    # the sort is stable: boxes of an image stay in the order of its file
    for box in sorted(content.boxes, key=lambda box: image_ids[box.image]):
        size = sizes[box.image]
        if size is None:
            tally.lose("box of an image that cannot be read", "left out", box.place)
            continue
        unit = size if content.are_fractions else (1, 1)
        bbox = _as_bbox(box.corners, unit)
        own_areas += box.area is not None
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": image_ids[box.image],
                "category_id": category_ids[box.category],
                "bbox": bbox,
                "area": bbox[2] * bbox[3] if box.area is None else box.area * unit[0] * unit[1],
                "iscrowd": int(box.is_crowd),
                "place": printable(box.place),
            }
        )
    _tally_boxes(annotations, own_areas, content, tally)
    return {
        "images": [
            # the manifest says why an image cannot be read
            {"id": number, "file_name": name, "width": width, "height": height}
            for name, number in image_ids.items()
            for width, height in [sizes[name] or (1, 1)]
        ],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in category_ids.items()],
    }


def _read_size(path: Path) -> tuple[int, int] | None:
    """Width and height; null for an image that cannot be read."""
    try:
        header = read_header(path)
    except BadImage:
        return None
    return header.width, header.height


def _as_bbox(corners: tuple[float, float, float, float], unit: tuple[int, int]) -> list[float]:
    """``x, y, width, height`` in pixels."""
    x1, y1, x2, y2 = corners
    return [x1 * unit[0], y1 * unit[1], (x2 - x1) * unit[0], (y2 - y1) * unit[1]]


def _tally_boxes(annotations: list[dict[str, Any]], own_areas: int, content: Content, tally: Tally) -> None:
    """Count what holds for boxes of every format. ``own_areas``: how many have the area of their object."""
    count = len(annotations)
    what = "area of the box in place of the object's own"
    tally.lose(what, "APs, APm and APl go by it", count=count - own_areas)
    whole = all(side.is_integer() for box in content.boxes for side in box.corners)
    if whole and not content.are_fractions:
        tally.lose("box with corners in whole pixels", "used as written", count=count)
    with_boxes = {entry["image_id"] for entry in annotations}
    tally.lose("image without a box", "kept", count=len(content.images) - len(with_boxes))
    used = {entry["category_id"] for entry in annotations}
    tally.lose("class without a box", "kept, AP is without it", count=len(content.categories) - len(used))
