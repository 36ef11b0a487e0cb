"""What each typical mistake makes of a model's detections."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.json_file import read_record, write_record


@dataclass(frozen=True)
class Fingerprint:
    """The signature of a mistake, or of several that make the same detections.

    Attributes:
        names, texts: of the mistakes, for files, for people.
        features: see ``signature.Signatures.measure``.
        deviations: of each feature the standard deviation over resamples of the images.
        grains: what one box more or less can change in each.
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
        images: ids of the images that they were taken on.
        limit: the distance within which a mistake is from itself on other images in 99 % of the cases; null
            without mistakes.
        mistakes: none with too few images, or where a file is refused.
        refused: why; else null.
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
    """Write the fingerprints of a model, whole or not at all."""
    write_record(path, fingerprints)
