"""Small data sets in the files that the stages read."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cutpoint.records.labels import Labels, write_labels
from cutpoint.records.manifest import Category, Image, Manifest, write_manifest


def make_image(identity: int, path: str | None = None, height: int = 100, width: int = 200) -> Image:
    """An image of a manifest; its file need not be there."""
    path = path or f"{identity}.jpg"
    return Image(identity, Path(path).name, path, height, width)


def make_manifest(
    images: Iterable[Image],
    categories: Sequence[Category] = (),
    annotations: str | None = None,
    left_out: Sequence[int] = (),
) -> Manifest:
    """A manifest of the data set ``street``."""
    names = tuple(f"{identity}.jpg" for identity in left_out)
    return Manifest("street", annotations, None, tuple(images), tuple(left_out), tuple(categories), names)


def save_manifest(path: str | Path, images: Iterable[Image], **others: Any) -> str:
    """Write a manifest; arguments as of ``make_manifest``."""
    write_manifest(path, make_manifest(images, **others))
    return str(path)


def save_labels(path: str | Path, labels: Sequence[int | None], classes: Sequence[str] = ()) -> str:
    """Write the category of each class."""
    names = classes or [f"class {number}" for number in range(len(labels))]
    write_labels(path, Labels(tuple(names), tuple(labels)))
    return str(path)
