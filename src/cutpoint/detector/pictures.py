"""The images that an export and PyTorch are compared on."""

from pathlib import Path
from typing import Any, NamedTuple

import cv2

from cutpoint.data.image import Geometry, decode
from cutpoint.predict.pipeline import Pipeline

LEAST_SHAPES = 3


class Picture(NamedTuple):
    """An image to compare on: its file, and what it is called in messages."""

    path: str
    name: str


def choose_pictures(
    images: list[dict[str, Any]], count: int, folder: str
) -> tuple[list[dict[str, Any]], list[Picture]]:
    """The first images of distinct sizes, then the rest; where these are fewer than three, parts besides.

    Args:
        images: of a manifest.
        count: how many.
        folder: where the parts are written.

    Returns:
        the images; all pictures.
    """
    chosen = _distinct(images, count)
    return chosen, _with_parts(chosen, folder)


def load_pictures(pipeline: Pipeline, pictures: list[Picture]) -> tuple[Any, list[Geometry]]:
    """The pictures as one batch of a pipeline's inputs."""
    return pipeline.batch([pipeline.prepare(pipeline.decode(picture.path)) for picture in pictures])


def name_pictures(pictures: list[Picture]) -> str:
    """What they are called, for a message."""
    return ", ".join(picture.name for picture in pictures)


def _distinct(images: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The first images of distinct sizes, then the first of the rest."""
    seen, first, rest = set(), [], []
    for entry in images:
        size = entry["height"], entry["width"]
        (rest if size in seen else first).append(entry)
        seen.add(size)
    return (first + rest)[:count]


def _with_parts(entries: list[dict[str, Any]], folder: str) -> list[Picture]:
    """The images, and halves of the first one where these have fewer than three sizes."""
    pictures = [Picture(entry["path"], f"image id {entry['id']} ({entry['path']})") for entry in entries]
    sizes = {decode(picture.path).shape for picture in pictures}
    first = decode(pictures[0].path)
    height, width = first.shape[0] // 2, first.shape[1] // 2
    parts = []
    for number, part in enumerate([first[:, :width], first[:height]][: max(0, LEAST_SHAPES - len(sizes))]):
        path = str(Path(folder) / f"part{number}.png")
        cv2.imwrite(path, part)
        parts.append(Picture(path, f"a half of {pictures[0].name}"))
    return pictures + parts
