"""The class names of a model."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.json_file import read_record, write_record


@dataclass(frozen=True)
class Classes:
    """``results/models/{model}/classes.json`` of a model without mmdet; ``spec.json`` has the same keys.

    ``classes``: names by label; the empty text for a label that has no class. ``trained_order``: the
    categories of the training annotations in their order; null if unknown. ``fixed``: the names alone say
    which label is which; mmdet's own test may number labels by the annotations, so there it is false.
    """

    model: str
    classes: tuple[str, ...]
    trained_order: tuple[str, ...] | None = None
    fixed: bool = False


def read_classes(path: str | Path) -> Classes:
    """Read the class names from ``classes.json`` or ``spec.json``.

    Raises:
        UserError: the file is missing, or has no class names.
    """
    return read_record(path, Classes)


def write_classes(path: str | Path, classes: Classes) -> None:
    """Write the class names, completely or not at all."""
    write_record(path, classes)
