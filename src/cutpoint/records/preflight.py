"""What is found in the inputs before a heavy job runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutpoint.records.json_file import read_record, write_record
from cutpoint.records.manifest import Manifest


@dataclass(frozen=True)
class Findings:
    """What is found in an input, or ``results/preflight/passed.json``: messages for people.

    Attributes:
        problems: what stops the run: what is wrong, where, and how to mend it.
        remarks: what is filled in, left out, or looks odd.
    """

    problems: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class AllFindings(Findings):
    """``results/preflight/findings.json``.

    ``pictures``: for each data set with something odd a line with counts and the folder of the pictures.
    """

    pictures: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatasetFindings(Findings):
    """``results/preflight/datasets/{dataset}.json``.

    ``manifest``: the images and categories of the data set; null if they cannot be listed.
    """

    manifest: Manifest | None


@dataclass(frozen=True)
class ModelFindings(Findings):
    """``results/preflight/models/{model}.json``.

    Attributes:
        classes: the content of the file with the class names; null if they are not known.
        specs: the content of each specification, by the path that it will have; without those of files that
            are refused.
    """

    classes: dict[str, Any] | None
    specs: dict[str, dict[str, Any]]


def read_findings(path: str | Path) -> Findings:
    """Read messages on any inputs.

    Raises:
        UserError: the file is missing, or not one.
    """
    return read_record(path, Findings)


def read_all_findings(path: str | Path) -> AllFindings:
    """Read those on all inputs together; errors as in ``read_findings``."""
    return read_record(path, AllFindings)


def read_dataset_findings(path: str | Path) -> DatasetFindings:
    """Read those on a data set; errors as in ``read_findings``."""
    return read_record(path, DatasetFindings)


def read_model_findings(path: str | Path) -> ModelFindings:
    """Read those on a model; errors as in ``read_findings``."""
    return read_record(path, ModelFindings)


def write_findings(path: str | Path, findings: Findings) -> None:
    """Write findings of any kind, completely or not at all."""
    write_record(path, findings)
