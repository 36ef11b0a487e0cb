"""The latency of one variant: percentiles of each stage, and the difference from the reference."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutpoint.files import write_json
from cutpoint.records.json_file import FORMAT, KEY, as_content, read_record
from cutpoint.records.timing import Conditions, Timed, upgrade_timed

STAGES = ("decode", "preprocess", "inference", "postprocess", "total")
# only for a variant on a GPU
COPIES = ("host_to_device", "device_to_host")
# all in the order of an image's way, without the total
IN_ORDER = ("decode", "preprocess", "host_to_device", "inference", "device_to_host", "postprocess")
# the note that stands for the flag in files of format 1
_DISTURBED = "disturbed"


@dataclass(frozen=True)
class Stage:
    """Percentiles and mean of ``n`` samples, ms."""

    p50: float
    p90: float
    p95: float
    p99: float
    mean: float
    n: int


@dataclass(frozen=True)
class Total(Stage):
    """``p50_ci95``: 95 % interval of the median, ms; null for a single round."""

    p50_ci95: tuple[float, float] | None


@dataclass(frozen=True)
class Stages:
    """The stages of a run; the copies are null on the CPU."""

    decode: Stage
    preprocess: Stage
    inference: Stage
    postprocess: Stage
    total: Total
    host_to_device: Stage | None = None
    device_to_host: Stage | None = None

    def in_order(self) -> dict[str, Stage]:
        """The existing stages in the order of an image's way, without the total."""
        found = {name: getattr(self, name) for name in IN_ORDER}
        return {name: stage for name, stage in found.items() if stage is not None}


@dataclass(frozen=True)
class Difference:
    """``p50_ms``: the variant's median - the reference's, ms, with its 95 % interval."""

    reference: str
    p50_ms: float
    p50_ci95: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class Latency(Timed, Conditions):
    """``results/latency/{dataset}/{model}/{variant}.json``.

    ``disturbed``: other processes or a throttled GPU make the times doubtful. ``notes``: for people.
    ``difference``: from the reference; null for itself and if the two cannot be compared. ``samples``: path
    of the samples.
    """

    variant: str
    disturbed: bool
    notes: tuple[str, ...]
    stages: Stages
    difference: Difference | None
    samples: str


def read_latency(path: str | Path) -> Latency:
    """Read the latency of a variant.

    Raises:
        UserError: the file is not one.
    """
    return read_record(path, Latency, _upgrade)


def write_latency(path: str | Path, latency: Latency) -> None:
    """Write the latency of a variant, completely or not at all, with only the copies that exist."""
    content = as_content(latency)
    content["stages"] = {name: stage for name, stage in content["stages"].items() if stage is not None}
    write_json(path, {KEY: FORMAT, "variant": latency.variant} | content)


def _upgrade(content: dict[str, Any], number: int) -> dict[str, Any]:
    """Add the flags that format 1 has only as notes."""
    disturbed = any(note.startswith(_DISTURBED) for note in content.get("notes") or [])
    return {"disturbed": disturbed} | upgrade_timed(content, number)
