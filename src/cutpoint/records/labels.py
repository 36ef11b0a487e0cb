"""The category of each class of a model on a data set."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.json_file import read_record, write_record


@dataclass(frozen=True)
class Labels:
    """``results/labels/{dataset}/{model}.json``.

    ``classes``: the model's class names, by label. ``labels``: the category id of each, null if its
    detections are dropped.
    """

    classes: tuple[str, ...]
    labels: tuple[int | None, ...]


def read_labels(path: str | Path) -> Labels:
    """Read the category of each class.

    Raises:
        UserError: the file does not have labels.
    """
    return read_record(path, Labels)


def write_labels(path: str | Path, labels: Labels) -> None:
    """Write the category of each class, completely or not at all."""
    write_record(path, labels)
