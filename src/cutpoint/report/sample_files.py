"""The JPEGs of the gallery, within a size budget."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from cutpoint.data.image import decode
from cutpoint.errors import UserError
from cutpoint.files import replacing

# Longest side in pixels and JPEG quality, from the best down. Smaller than the last is no picture to look at.
LEVELS = ((1280, 85), (1280, 75), (1024, 75), (800, 70), (640, 65), (480, 60))


def encode_pictures(paths: Sequence[str], budget: int) -> list[bytes]:
    """The images as JPEGs, at the best of ``LEVELS`` at which all of them are within the budget.

    Args:
        paths: image files.
        budget: bytes for all of them. If the last level needs more, the last images are left out; the first
            is always there.

    Raises:
        UserError: an image cannot be read.
    """
    for side, quality in LEVELS:
        made, size = [], 0
        for path in paths:
            made.append(_encode(path, side, quality))
            size += len(made[-1])
            if size > budget:
                break
        else:
            return made
    return made[:-1] or made


def save(path: Path, picture: np.ndarray) -> None:
    """Write a ``(H, W, 3)`` uint8 BGR picture as JPEG."""
    # imwrite does not say why it could not write
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    with replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())


def read_picture(path: str) -> np.ndarray:
    """(H, W, 3) uint8, BGR."""
    try:
        return decode(path)
    except UserError as error:
        raise UserError(f"{error}; restore it or leave it out of the data set") from error


def _encode(path: str, side: int, quality: int) -> bytes:
    picture = read_picture(path)
    scale = side / max(picture.shape[:2])
    if scale < 1:
        size = [max(round(length * scale), 1) for length in picture.shape[1::-1]]
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return data.tobytes()
