"""AP of a variant on its data set and on resamples of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cutpoint.errors import UserError
from cutpoint.records.npz_file import read_arrays, write_arrays


@dataclass(frozen=True)
class Resamples:
    """``results/resamples/{dataset}/{model}/{variant}.npz``; two files of a data set are paired.

    Attributes:
        images: ``(N,)`` image ids, ascending.
        categories: ``(K,)`` category ids, ascending.
        ap: ``(1 + R, 4, K)`` float64, for the area ranges ``AREAS``; first the data set, then R resamples.
            NaN without objects.
        images_with: ``(4, K + 1)`` numbers of images with objects: of each class, and of any class.
    """

    images: np.ndarray
    categories: np.ndarray
    ap: np.ndarray
    images_with: np.ndarray


def read_resamples(path: str | Path) -> Resamples:
    """Read the AP of a variant on resamples.

    Raises:
        UserError: the file is not one.
    """
    read = read_arrays(path, Resamples)
    classes = read.categories.shape[:1]
    shapes = {
        "images": (read.images, "iu", read.images.shape[:1]),
        "categories": (read.categories, "iu", classes),
        "ap": (read.ap, "f", (*read.ap.shape[:1], 4, *classes)),
        "images_with": (read.images_with, "iu", (4, *(count + 1 for count in classes))),
    }
    for name, (array, kinds, shape) in shapes.items():
        if array.dtype.kind not in kinds or array.shape != shape or not array.ndim:
            raise UserError(
                f"{path}: {name} has the shape {array.shape} and the type {array.dtype}, which do not fit; "
                "remove the file, and it is made again"
            )
    return read


def write_resamples(path: str | Path, resamples: Resamples) -> None:
    """Write the AP of a variant on resamples, completely or not at all."""
    write_arrays(path, resamples)
