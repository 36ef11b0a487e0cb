"""What is found in the inputs before a heavy job runs."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.classes import Classes
from cutpoint.records.json_file import read_record, write_record
from cutpoint.records.manifest import Manifest


@dataclass(frozen=True)
class Findings:
    """``results/preflight/**.json``: messages for people.

    Attributes:
        problems: what stops the run: what is wrong, where, and how to mend it.
        remarks: what is filled in, left out, or looks odd.
    """

    problems: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class DatasetFindings(Findings):
    """Those of a data set. ``manifest``: its images and categories; null if they cannot be listed."""

    manifest: Manifest | None


@dataclass(frozen=True)
class ModelFindings(Findings):
    """Those of a model. ``classes``: its class names; null if they are not known."""

    classes: Classes | None


def read_findings(path: str | Path) -> Findings:
    """Read the findings on anything.

    Raises:
        UserError: the file is missing, or not one.
    """
    return read_record(path, Findings)


def read_dataset_findings(path: str | Path) -> DatasetFindings:
    """Read those of a data set; errors as in ``read_findings``."""
    return read_record(path, DatasetFindings)


def read_model_findings(path: str | Path) -> ModelFindings:
    """Read those of a model; errors as in ``read_findings``."""
    return read_record(path, ModelFindings)


def write_findings(path: str | Path, findings: Findings) -> None:
    """Write findings of any kind, completely or not at all."""
    write_record(path, findings)
