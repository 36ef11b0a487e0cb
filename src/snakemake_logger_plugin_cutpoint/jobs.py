"""The jobs of a run: which ones run, how many are done, how long the rest takes."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# The end of a log, in which the last state of a progress bar is looked for.
TAIL_BYTES = 2000
# With fewer jobs done the time left would be a guess.
ENOUGH_JOBS = 5


@dataclass(frozen=True)
class Job:
    """A job of Snakemake. ``started`` is a monotonic time in seconds."""

    number: int
    rule: str
    wildcards: tuple[str, ...]
    logs: tuple[Path, ...]
    has_output: bool
    started: float

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Job":
        return cls(
            record["jobid"],
            record["rule_name"],
            tuple(map(str, record.get("wildcards", {}).values())),
            tuple(map(Path, record["log"])),
            bool(record["output"]),
            time.monotonic(),
        )

    @property
    def name(self) -> str:
        return f"{self.rule} {'/'.join(self.wildcards)}".strip()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def last_bar(self) -> str:
        """The state of the progress bar at the end of the job's log; empty if something else is there."""
        for path in self.logs:
            try:
                with path.open("rb") as file:
                    file.seek(max(0, path.stat().st_size - TAIL_BYTES))
                    lines = file.read().decode("utf-8", "replace").rstrip().splitlines()
            except OSError:
                continue
            if lines and "%|" in lines[-1]:
                return lines[-1].strip()
        return ""


@dataclass
class Jobs:
    """The state of a run."""

    total: int = 0
    done: int = 0
    failed: int = 0
    running: dict[int, Job] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def expect(self, total: int) -> None:
        self.total = total
        self.started = time.monotonic()

    def start(self, job: Job) -> None:
        self.running[job.number] = job

    def finish(self, number: int) -> Job | None:
        self.done += 1
        return self.running.pop(number, None)

    def fail(self, number: int) -> Job | None:
        self.failed += 1
        return self.running.pop(number, None)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def describe(self) -> str:
        """Jobs done of all, their rate, the time left."""
        parts = [self.counted]
        if self.done >= ENOUGH_JOBS and self.done < self.total:
            rate = self.done / self.seconds
            parts.append(f"{60 * rate:.0f} jobs/min")
            parts.append(f"about {format_seconds((self.total - self.done) / rate)} left")
        return ", ".join(parts)

    @property
    def counted(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done} of {self.total} jobs done{failed}"


def format_seconds(seconds: float) -> str:
    """``8 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
