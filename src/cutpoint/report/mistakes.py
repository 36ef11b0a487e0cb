"""The page about variants that were compared with typical mistakes."""

from dataclasses import dataclass

from cutpoint.records.diagnosis import Candidate, read_diagnosis
from cutpoint.report.section import Entry, Section

SHOWN = 3


@dataclass(frozen=True)
class Nearest:
    """A mistake compared with a variant, as text; an empty cell without a measurement."""

    mistake: str
    distance: str
    match_rate: str


@dataclass(frozen=True)
class Diagnosed:
    """The verdict on a variant, see ``records.diagnosis.Diagnosis``; ``limit`` as text."""

    variant: str
    images: int
    verdict: str
    text: str
    limit: str
    nearest: list[Nearest]


def mistakes_table(diagnoses: list[Entry]) -> list[Diagnosed]:
    """The verdict on each diagnosed variant, and the nearest mistakes.

    Args:
        diagnoses: ``{variant, path}`` of every diagnosis JSON.
    """
    lines = []
    for entry in diagnoses:
        read = read_diagnosis(entry["path"])
        limit = "" if read.limit is None else f"{read.limit:.2f}"
        nearest = [_nearest(candidate) for candidate in read.ranking[:SHOWN]]
        lines.append(Diagnosed(entry["variant"], read.images, read.verdict, read.text, limit, nearest))
    return lines


def _nearest(candidate: Candidate) -> Nearest:
    rate = "" if candidate.match_rate is None else f"{candidate.match_rate:.1%}"
    return Nearest(" / ".join(candidate.texts), f"{candidate.distance:.2f}", rate)


def alarms(lines: list[Diagnosed]) -> list[str]:
    """The variants that look like a mistake, one sentence each."""
    return [f"{line.variant}: {line.text}" for line in lines if line.verdict == "looks like"]


MISTAKES = Section("Typical mistakes", "diagnoses", mistakes_table, "mistakes.html.j2", alarms)
