"""Records whose fields are arrays, as npz."""

from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np

from cutpoint.errors import UserError
from cutpoint.files import replacing
from cutpoint.records.json_file import FORMAT, KEY

Record = TypeVar("Record")


def read_arrays(path: str | Path, kind: type[Record]) -> Record:
    """Read a dataclass of arrays.

    Raises:
        UserError: the file is not one.
    """
    dataclass: Any = kind
    try:
        with np.load(path) as content:
            return kind(**{field.name: content[field.name] for field in fields(dataclass)})
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise UserError(f"{path}: {error}; remove the file, and it is made again") from error


def write_arrays(path: str | Path, record: Any) -> None:
    """Write a dataclass of arrays, completely or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **{KEY: np.array(FORMAT), **vars(record)})
