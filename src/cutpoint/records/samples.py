"""The index of the pictures that show a variant next to its reference."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from cutpoint.files import write_json
from cutpoint.records.json_file import read_content


@dataclass(frozen=True)
class Picture:
    """A picture: its ``file`` in the folder of the index, the image that it shows, and its caption."""

    file: str
    image_id: int
    caption: str


def read_pictures(path: str | Path) -> list[Picture]:
    """Read ``results/samples/{dataset}/{model}/{variant}/index.json``.

    Raises:
        UserError: the file is not such an index.
    """
    pictures: list[Picture] = read_content(path, list[Picture])
    return pictures


def write_pictures(path: str | Path, pictures: list[Picture]) -> None:
    """Write the index of a folder of pictures, a list; completely or not at all."""
    write_json(path, msgspec.to_builtins(pictures))
