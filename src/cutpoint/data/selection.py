"""The images that a data set runs on."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import PurePath

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}


def list_images(folder: str) -> list[str]:
    """File names of the images in a folder, sorted.

    Raises:
        FileNotFoundError: no such folder.
    """
    return sorted(name for name in os.listdir(folder) if PurePath(name).suffix.lower() in IMAGE_SUFFIXES)


def select(file_names: Iterable[str], limit: int | None) -> list[str]:
    """The first ``limit`` images in the order of a hash of their names; all if it is null.

    The choice is as good as random, and it stays the same when the data set grows.
    """
    names = list(file_names)
    return names if limit is None else sorted(names, key=name_order)[:limit]


def name_order(file_name: str) -> str:
    """The sort key of that order."""
    # names of a folder may have bytes that are no UTF-8
    return hashlib.sha256(file_name.encode("utf-8", "surrogateescape")).hexdigest()
