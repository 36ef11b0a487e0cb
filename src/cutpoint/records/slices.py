"""The slices of a data set: images that share the value of a name, such as ``time=night``."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.json_file import read_record, write_record


@dataclass(frozen=True)
class Slice:
    """A slice. ``images``: the ids of its images among those that are scored, ascending."""

    name: str
    value: str
    images: tuple[int, ...]

    @property
    def title(self) -> str:
        """``time=night``: what gallery and gate call it."""
        return slice_title(self.name, self.value)


@dataclass(frozen=True)
class _File:
    """``results/slices/{dataset}.json``; ``source``: path of the CSV file."""

    dataset: str
    source: str
    slices: tuple[Slice, ...]


def slice_title(name: str, value: str) -> str:
    """``time=night``."""
    return f"{name}={value}"


def list_slices(path: str | Path) -> tuple[Slice, ...]:
    """The slices of a data set: names, and values of a name, in the order of the CSV file.

    Raises:
        UserError: the file is not one of ``data.slices.build_slices``.
    """
    return read_record(path, _File).slices


def read_slices(path: str | Path) -> dict[int, dict[str, str]]:
    """The value of each name, by image id; without images that have none.

    Raises:
        UserError: as of ``list_slices``.
    """
    values: dict[int, dict[str, str]] = {}
    for part in list_slices(path):
        for image in part.images:
            values.setdefault(image, {})[part.name] = part.value
    return values


def write_slices(path: str | Path, dataset: str, source: str, slices: tuple[Slice, ...]) -> None:
    """Write the slices of a data set, completely or not at all."""
    write_record(path, _File(dataset, source, slices))
