"""One small data set in every format: three images, written as the tools write them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cutpoint.formats.convert import convert_annotations
from cutpoint.records.conversion import Conversion, read_conversion

# name: width, height
IMAGES = {"a.jpg": (64, 48), "b.png": (60, 60), "c.jpg": (40, 64)}


def write_images(folder: Path, images: Mapping[str, tuple[int, int]] = IMAGES) -> None:
    """Grey images."""
    for name, (width, height) in images.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((height, width, 3), 99, dtype=np.uint8)).save(path)


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files by their paths from a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def convert(
    folder: Path, annotation_format: str, annotations: str, images: str = "images"
) -> tuple[dict[str, Any], Conversion]:
    """The converted annotations and their record; paths are from the folder."""
    out, record = folder / "out.json", folder / "record.json"
    convert_annotations(
        dataset="street",
        annotation_format=annotation_format,
        annotations=str(folder / annotations),
        images=str(folder / images),
        out=str(out),
        record=str(record),
    )
    return json.loads(out.read_text()), read_conversion(record)


def problems_of(folder: Path, annotation_format: str, annotations: str) -> list[str]:
    """The messages, without the folder; checks that nothing can be scored."""
    content, record = convert(folder, annotation_format, annotations)
    assert content["images"] == content["annotations"] == []
    return [message.replace(f"{folder}/", "") for message in record.problems]


def boxes_of(content: dict[str, Any]) -> list[tuple[Any, ...]]:
    """File name, category name, box and crowd flag of each annotation, in their order."""
    files = {image["id"]: image["file_name"] for image in content["images"]}
    names = {category["id"]: category["name"] for category in content["categories"]}
    return [
        (
            files[box["image_id"]],
            names[box["category_id"]],
            tuple(round(side, 6) for side in box["bbox"]),
            box["iscrowd"],
        )
        for box in content["annotations"]
    ]


def losses_of(record: Conversion) -> dict[str, int]:
    """The number of each kind."""
    return {loss.what: loss.count for loss in record.losses}
