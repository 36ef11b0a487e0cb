"""The typical mistakes that a variant looks like."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutpoint.records.json_file import read_record, write_record


@dataclass(frozen=True)
class Candidate:
    """A mistake, or several with the same detections, compared with a variant.

    Attributes:
        names, texts: the mistakes, for files and for people.
        distance: distance of the signatures, in standard deviations.
        match_rate: the fraction of both sides' detections that the mistake gives too; null if it was not
            made again.
        slip: whether it is a slip in the results file.
    """

    names: tuple[str, ...]
    texts: tuple[str, ...]
    distance: float
    match_rate: float | None
    slip: bool


@dataclass(frozen=True)
class Diagnosis:
    """``results/diagnoses/{dataset}/{model}/{variant}.json``.

    Attributes:
        images: how many the variant was judged on.
        limit: see ``fingerprints.Fingerprints``.
        verdict: see ``diagnosis.judge``; ``refused`` if one of the files is refused.
        names: the mistakes that the verdict is about.
        text: the verdict as a sentence.
        ranking: confirmed mistakes first, then by distance.
    """

    images: int
    limit: float | None
    verdict: str
    names: tuple[str, ...]
    text: str
    ranking: tuple[Candidate, ...]


def read_diagnosis(path: str | Path) -> Diagnosis:
    """Read a diagnosis.

    Raises:
        UserError: the file is not one.
    """
    return read_record(path, Diagnosis, _upgrade)


def write_diagnosis(path: str | Path, diagnosis: Diagnosis) -> None:
    """Write a diagnosis, completely or not at all."""
    write_record(path, diagnosis)


def _upgrade(content: dict[str, Any], number: int) -> dict[str, Any]:
    ranking = content.get("ranking")
    if not isinstance(ranking, list):
        return content
    return content | {"ranking": [_rename(line) if isinstance(line, dict) else line for line in ranking]}


def _rename(line: dict[str, Any]) -> dict[str, Any]:
    return {"match_rate" if key == "same" else key: value for key, value in line.items()}
