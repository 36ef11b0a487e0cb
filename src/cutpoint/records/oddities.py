"""What is odd in the annotations of a data set: counts, and the images where it is worst."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.json_file import read_record, write_record

# the file in the folder of the pictures
INDEX = "index.json"
# ``x1, y1, x2, y2``, pixels of the image as the annotations have it; they may lie outside
Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class OddImage:
    """An image that has something odd.

    Attributes:
        image_id, file_name: of the annotations.
        said: what is odd on it, in words.
        boxes: the odd ones, worst first; of many only some.
    """

    image_id: int
    file_name: str
    said: str
    boxes: tuple[Corners, ...]

    @property
    def title(self) -> str:
        """Which image it is."""
        return f"image {self.image_id}, {self.file_name}"


@dataclass(frozen=True)
class Oddity:
    """A kind of odd thing.

    Attributes:
        kind: its short name.
        what: one such thing, in words.
        fate: what it means for the numbers, in words.
        unit: what is counted: ``annotations``, ``images`` or ``categories``.
        count: how many there are, of ``of``.
        images: on how many images.
        worst: those where it is worst, worst first, of the images that may be shown.
        picture: file name of the picture of ``worst``; null if there is none.
    """

    kind: str
    what: str
    fate: str
    unit: str
    count: int
    of: int
    images: int
    worst: tuple[OddImage, ...]
    picture: str | None = None

    @property
    def counted(self) -> str:
        """In one line."""
        return f"{self.what}: {self.count} of {self.of} {self.unit}"


@dataclass(frozen=True)
class Oddities:
    """``results/preflight/odd/{dataset}/index.json``; ``kinds``: without those that the data set lacks."""

    dataset: str
    kinds: tuple[Oddity, ...]


def read_oddities(path: str | Path) -> Oddities:
    """Read what is odd in a data set.

    Raises:
        UserError: there is no such file, or it is not one.
    """
    return read_record(path, Oddities)


def write_oddities(path: str | Path, oddities: Oddities) -> None:
    """Write what is odd in a data set, completely or not at all."""
    write_record(path, oddities)
