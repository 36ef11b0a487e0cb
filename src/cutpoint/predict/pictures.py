"""The images that an export is checked on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2

from cutpoint.data.image import decode
from cutpoint.errors import located
from cutpoint.predict.pipeline import Pipeline
from cutpoint.records.image import Geometry
from cutpoint.records.manifest import Image

LEAST_SHAPES = 3
# An image is thin if it is this many times as long as it is wide.
THIN = 4


class Picture(NamedTuple):
    """An image for a check: its file, and its name in messages."""

    path: str
    name: str


def choose_pictures(images: Sequence[Image], count: int, folder: str) -> tuple[list[Image], list[Picture]]:
    """The first images of different sizes, then the rest; with fewer than three sizes also parts of one.

    Args:
        images: the images of a manifest.
        count: how many.
        folder: the parts are written there.

    Returns:
        the images; all pictures.
    """
    chosen = _distinct(images, count)
    return chosen, _with_parts(chosen, folder)


def load_pictures(pipeline: Pipeline, pictures: list[Picture]) -> tuple[Any, list[Geometry]]:
    """The pictures as one batch of a pipeline's inputs."""
    prepared = []
    for picture in pictures:
        with located(picture.name):
            prepared.append(pipeline.prepare(pipeline.decode(picture.path)))
    return pipeline.batch(prepared)


def name_pictures(pictures: list[Picture]) -> str:
    """Their names for a message."""
    return ", ".join(picture.name for picture in pictures)


def _distinct(images: Sequence[Image], count: int) -> list[Image]:
    """The first images of different sizes, then the first of the rest."""
    seen: set[tuple[int, int]] = set()
    first: list[Image] = []
    rest: list[Image] = []
    for image in images:
        size = image.height, image.width
        (rest if size in seen else first).append(image)
        seen.add(size)
    return (first + rest)[:count]


def _with_parts(images: Sequence[Image], folder: str) -> list[Picture]:
    """The images, and parts of the first one if there are fewer than three sizes."""
    pictures = [Picture(image.path, f"image id {image.id} ({image.path})") for image in images]
    sizes = {decode(picture.path).shape for picture in pictures}
    first = decode(pictures[0].path)
    parts = []
    for number, (rows, columns) in enumerate(
        _part_sizes(*first.shape[:2])[: max(0, LEAST_SHAPES - len(sizes))]
    ):
        path = Path(folder) / f"part{number}.png"
        path.write_bytes(cv2.imencode(".png", first[:rows, :columns])[1].tobytes())
        parts.append(Picture(str(path), f"a part of {pictures[0].name}"))
    return pictures + parts


def _part_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Heights and widths of two parts: the halves, or for a thin image fractions of its length."""
    half, quarter = (tuple(max(1, side // share) for side in (height, width)) for share in (2, 4))
    if width >= THIN * height:
        return [(height, half[1]), (height, quarter[1])]
    if height >= THIN * width:
        return [(half[0], width), (quarter[0], width)]
    return [(height, half[1]), (half[0], width)]
