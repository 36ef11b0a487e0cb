"""The signature of each typical mistake in a model's detections."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.json_file import read_record, write_record


@dataclass(frozen=True)
class Fingerprint:
    """The signature of a mistake, or of several with the same detections.

    Attributes:
        names, texts: the mistakes, for files and for people.
        features: see ``signature.Signatures.measure``.
        deviations: the standard deviation of each feature over resamples of the images.
        grains: how much a single box can change each feature.
    """

    names: tuple[str, ...]
    texts: tuple[str, ...]
    features: dict[str, float]
    deviations: dict[str, float]
    grains: dict[str, float]


@dataclass(frozen=True)
class Fingerprints:
    """``results/fingerprints/{dataset}/{model}.json``.

    Attributes:
        images: ids of the images that they were made on.
        limit: the distance of a mistake from itself on other images is within this in 99 % of the cases; null
            without mistakes.
        mistakes: empty with too few images, or if a file is refused.
        refused: why a file is refused; otherwise null.
    """

    images: tuple[int, ...]
    limit: float | None
    mistakes: tuple[Fingerprint, ...]
    refused: str | None


def read_fingerprints(path: str | Path) -> Fingerprints:
    """Read the fingerprints of a model.

    Raises:
        UserError: the file is not one of them.
    """
    return read_record(path, Fingerprints)


def write_fingerprints(path: str | Path, fingerprints: Fingerprints) -> None:
    """Write the fingerprints of a model, completely or not at all."""
    write_record(path, fingerprints)
