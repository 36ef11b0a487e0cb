"""What a run leaves of itself, so that another run can be compared with it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutpoint.records.json_file import read_record, write_record


@dataclass(frozen=True)
class HashedFile:
    """A file that numbers depend on.

    ``role``: what it is, from names in the config (``models.street.checkpoint``), so that a renamed file
    keeps it. ``sha256``: of its content.
    """

    role: str
    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class ImageSet:
    """The images of a data set. `X"""

    dataset: str
    images: int
    sha256: str


@dataclass(frozen=True)
class TruthSet:
    """The ground truth that a model is scored on. ``sha256``: of boxes, classes and images, without names
    of files."""

    dataset: str
    model: str
    boxes: int
    sha256: str


@dataclass(frozen=True)
class CapsuleVariant:
    """A variant: ``results``, ``resamples`` and ``latency`` say which of its files the capsule has.

    ``refused``: why it has no detections; null if it has.
    """

    dataset: str
    model: str
    variant: str
    is_reference: bool
    refused: str | None
    detections: int | None
    resamples: bool
    latency: bool

    @property
    def key(self) -> tuple[str, str, str]:
        """Data set, model and name."""
        return self.dataset, self.model, self.variant


@dataclass(frozen=True, kw_only=True)
class Capsule:
    """``capsule.json`` in ``results/capsule.zip``.

    Attributes:
        cutpoint: version of Cutpoint.
        commit: git commit of its source, ``+changes`` after it if files differ from it; null outside git.
        config: the completed config without keys that change no number, such as ``gate``; with the device
            that ``auto`` became.
        machine: facts about the machine that made the capsule, from ``machine.machine_facts`` without its
            load; the machine of a timing is in the file of its latency.
        libraries: versions by name.
        files: checkpoints, configs, annotations, results files, ONNX files and others.
        images: of every data set.
        truths: of every data set and model with ground truth.
        variants: in the order of the table.
    """

    cutpoint: str
    commit: str | None
    config: dict[str, Any]
    machine: dict[str, Any]
    libraries: dict[str, str]
    files: tuple[HashedFile, ...]
    images: tuple[ImageSet, ...]
    truths: tuple[TruthSet, ...]
    variants: tuple[CapsuleVariant, ...]


def read_capsule(path: str | Path) -> Capsule:
    """Read the list of a capsule's content.

    Raises:
        UserError: the file is not one, or a newer version wrote it.
    """
    return read_record(path, Capsule)


def write_capsule(path: str | Path, capsule: Capsule) -> None:
    """Write the list of a capsule's content, completely or not at all."""
    write_record(path, capsule)
