"""What the conversion of annotations to COCO JSON changed, left out, or could not read."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.json_file import read_record, write_record


@dataclass(frozen=True)
class Loss:
    """One kind of thing that a format does not have, or that COCO JSON does not have, and what became of it.

    Attributes:
        what: the thing, for people, for example ``polygon``.
        count: how many there are.
        fate: what became of them.
        first: the place of the first one in the user's files; null if it has none.
    """

    what: str
    count: int
    fate: str
    first: str | None = None

    @property
    def note(self) -> str:
        """In one line."""
        first = f" (first: {self.first})" if self.first else ""
        return f"{self.what}: {self.count}{first}, {self.fate}"


@dataclass(frozen=True)
class Conversion:
    """``results/annotations/{dataset}.conversion.json``.

    Attributes:
        dataset: its name in the config.
        annotation_format: the config's ``format``.
        source: path of the user's annotations.
        images, categories, boxes, crowds: numbers in the converted file; ``boxes`` has the crowds.
        losses: what changed, or was left out, or has a size that is not the file's own.
        problems: messages for people about what cannot be read. If there is one, the converted file is empty.
    """

    dataset: str
    annotation_format: str
    source: str
    images: int
    categories: int
    boxes: int
    crowds: int
    losses: tuple[Loss, ...]
    problems: tuple[str, ...]


def read_conversion(path: str | Path) -> Conversion:
    """Read the record of a conversion.

    Raises:
        UserError: the file is missing, or not one.
    """
    return read_record(path, Conversion)


def write_conversion(path: str | Path, conversion: Conversion) -> None:
    """Write the record of a conversion, completely or not at all."""
    write_record(path, conversion)
