"""The sample pictures on the page."""

import base64
from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.samples import read_pictures
from cutpoint.report.section import Entry, Section


@dataclass(frozen=True)
class Shot:
    """A picture: its caption, and the picture itself as a data URI."""

    caption: str
    uri: str


@dataclass(frozen=True)
class Gallery:
    """The pictures of a variant."""

    variant: str
    pictures: list[Shot]


def galleries(samples: list[Entry]) -> list[Gallery]:
    """The pictures of each variant.

    Args:
        samples: ``{variant, path}`` of every folder of sample pictures.
    """
    return [Gallery(entry["variant"], _read(Path(entry["path"]))) for entry in samples]


def _read(folder: Path) -> list[Shot]:
    pictures = []
    for picture in read_pictures(folder / "index.json"):
        data = base64.b64encode((folder / picture.file).read_bytes()).decode()
        pictures.append(Shot(picture.caption, f"data:image/jpeg;base64,{data}"))
    return pictures


SAMPLES = Section("Samples", "samples", galleries, template="samples.html.j2")
