"""A run compared with an earlier one or another machine's, its baseline."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.comparison import Interval
from cutpoint.records.json_file import read_record, write_record


@dataclass(frozen=True)
class Change:
    """Something that differs between two runs.

    ``key``: what, for example ``recipes.low.score_thr``. ``baseline`` and ``run``: both values as text (of
    the config: as JSON); null if that run does not have it. ``same_content``: only the name of a file
    differs.
    """

    key: str
    baseline: str | None
    run: str | None
    same_content: bool = False


@dataclass(frozen=True)
class Inputs:
    """What differs in what the numbers are made from: keys of the config, versions, the machine, files."""

    config: tuple[Change, ...]
    versions: tuple[Change, ...]
    machine: tuple[Change, ...]
    files: tuple[Change, ...]

    @property
    def changes(self) -> tuple[Change, ...]:
        """All of them."""
        return self.config + self.versions + self.machine + self.files

    @property
    def nothing_changed(self) -> bool:
        """Whether nothing differs, or names of files alone."""
        return all(change.same_content for change in self.changes)


@dataclass(frozen=True, kw_only=True)
class DetectionChange:
    """Detections of the images that both runs have, box by box.

    Attributes:
        images: how many images both have, by their content.
        images_changed: on how many of them a box differs.
        baseline, run: numbers of boxes.
        only_baseline, only_run: boxes that the other run does not have with exactly the same class,
            coordinates and score.
        agreement: 2 x pairs / (boxes of both) at IoU 0.9, a fraction.
    """

    images: int
    images_changed: int
    baseline: int
    run: int
    only_baseline: int
    only_run: int
    agreement: float


@dataclass(frozen=True, kw_only=True)
class ApChange:
    """AP of both runs, fractions.

    ``delta_AP``: run - baseline. It, its intervals and ``verdict`` are null if ``not_paired`` says why the
    two cannot be paired; with a weak baseline there is a verdict that does not rest on AP. ``verdict``: as of
    a variant and its reference.
    """

    baseline: float | None
    run: float | None
    delta_AP: float | None
    delta_AP_ci95: Interval | None
    delta_AP_ci90: Interval | None
    verdict: str | None
    not_paired: str | None


@dataclass(frozen=True, kw_only=True)
class LatencyChange:
    """Median times of both runs, ms, and how they differ.

    Attributes:
        difference_ms: run - baseline, with ``difference_ci95``; ``ratio``: run / baseline, with
            ``ratio_ci95``. The intervals are of independent resamples of each run's rounds. They do not cover
            what changes between two runs on one machine. Null for a single round.
        facts: facts that must be the same before a difference may be claimed, and are not.
        doubts_baseline, doubts_run: flags of each side's times, in words.
        claim: ``faster``, ``slower`` or ``no difference shown``; null if facts or doubts forbid a claim, and
            without an interval.
    """

    baseline_ms: float
    run_ms: float
    difference_ms: float
    difference_ci95: Interval | None
    ratio: float
    ratio_ci95: Interval | None
    facts: tuple[Change, ...]
    doubts_baseline: tuple[str, ...]
    doubts_run: tuple[str, ...]
    claim: str | None


@dataclass(frozen=True, kw_only=True)
class VariantChange:
    """A variant that both runs have.

    ``detections``, ``ap``, ``latency``: null if one of the runs does not have them; ``not_compared`` says why
    detections are not compared. ``doubts_baseline`` and ``doubts_run``: flags of each side's detections, in
    words.
    """

    dataset: str
    model: str
    variant: str
    detections: DetectionChange | None
    not_compared: str | None
    ap: ApChange | None
    latency: LatencyChange | None
    doubts_baseline: tuple[str, ...]
    doubts_run: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """Data set, model and name."""
        return self.dataset, self.model, self.variant

    @property
    def title(self) -> str:
        """``traffic, street, raw``."""
        return ", ".join(self.key)


@dataclass(frozen=True, kw_only=True)
class RunComparison:
    """``results/runs/comparison.json``, and ``results/runs/gate.json`` for the gate's baseline.

    ``baseline``: path of the baseline's capsule. ``baseline_code`` and ``run_code``: version and commit.
    ``only_baseline`` and ``only_run``: variants (``data set, model, variant``) that only one run has.
    """

    baseline: str
    baseline_code: str
    run_code: str
    inputs: Inputs
    only_baseline: tuple[str, ...]
    only_run: tuple[str, ...]
    variants: tuple[VariantChange, ...]


def read_run_comparison(path: str | Path) -> RunComparison:
    """Read a comparison of two runs.

    Raises:
        UserError: the file is not one.
    """
    return read_record(path, RunComparison)


def write_run_comparison(path: str | Path, comparison: RunComparison) -> None:
    """Write a comparison of two runs, completely or not at all."""
    write_record(path, comparison)
