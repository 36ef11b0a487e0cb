"""AP of a variant on its data set and on resamples of it."""

from dataclasses import dataclass, fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from cutpoint.errors import UserError
from cutpoint.files import replacing
from cutpoint.records.json_file import FORMAT, KEY


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
    try:
        with np.load(path) as content:
            return Resamples(**{field.name: content[field.name] for field in fields(Resamples)})
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise UserError(f"{path}: {error}; remove the file, and it is made again") from error


def write_resamples(path: str | Path, resamples: Resamples) -> None:
    """Write the AP of a variant on resamples, completely or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **{KEY: np.array(FORMAT), **vars(resamples)})
