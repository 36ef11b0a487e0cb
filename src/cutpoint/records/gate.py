"""What a gate checks, and what came of it."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.json_file import read_record, write_record

# The check, in place of a column, that an export is the detector that it was made from.
VERIFIED = "export verified"
PASSED, FAILED, INCONCLUSIVE, SKIPPED = "passed", "failed", "inconclusive", "skipped"
WORDS = {"min": (">=", "at least"), "max": ("<=", "at most")}


@dataclass(frozen=True, kw_only=True)
class Check:
    """A bound on a ``column`` of summary.csv, in its unit.

    ``bound``: ``min`` or ``max``. Both it and ``limit`` are null where the column is ``VERIFIED``.
    """

    dataset: str
    model: str
    variant: str
    column: str
    bound: str | None
    limit: float | None

    @property
    def title(self) -> str:
        """``delta_AP_lo >= -0.002``."""
        return self.column if self.bound is None else f"{self.column} {WORDS[self.bound][0]} {self.limit:g}"


@dataclass(frozen=True, kw_only=True)
class JudgedCheck(Check):
    """A check and what came of it.

    ``value``: in the column's unit; null where there is none. ``status``: ``passed``, ``failed``,
    ``inconclusive`` (which fails the gate as well) or ``skipped``. ``reason``: null where the value says it
    all.
    """

    value: float | None
    status: str
    reason: str | None

    @property
    def shown_value(self) -> str:
        """To five digits; empty where there is none."""
        return "" if self.value is None else f"{self.value:.5g}"


@dataclass(frozen=True)
class Gate:
    """``results/gate.json``; ``verdict``: one line."""

    passed: bool
    verdict: str
    checks: tuple[JudgedCheck, ...]


def read_gate(path: str | Path) -> Gate:
    """Read what came of a gate.

    Raises:
        UserError: the file does not say it.
    """
    return read_record(path, Gate)


def write_gate(path: str | Path, gate: Gate) -> None:
    """Write what came of a gate, whole or not at all."""
    write_record(path, gate)
