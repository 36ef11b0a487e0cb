"""The checks of a gate, and their results."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.json_file import read_record, write_record

# Stand for a column: an export passed its verification, an external file without an mmdet model its check.
VERIFIED, CHECKED = "export verified", "file checked"
PASSED, FAILED, INCONCLUSIVE, SKIPPED = "passed", "failed", "inconclusive", "skipped"
# Bounds on the difference to an earlier run's same variant.
AGAINST_BASELINE = (
    "baseline_images_changed",
    "baseline_agreement",
    "baseline_delta_AP",
    "baseline_delta_AP_lo",
    "baseline_latency_p50_ratio",
    "baseline_latency_p50_ratio_hi",
)
ROUNDING = 1e-9
WORDS = {"min": (">=", "at least"), "max": ("<=", "at most")}


@dataclass(frozen=True, kw_only=True)
class Check:
    """A bound on a ``column`` of summary.csv or of ``AGAINST_BASELINE``, in its unit.

    ``bound``: ``min`` or ``max``. It and ``limit`` are null if the column is ``VERIFIED`` or ``CHECKED``.
    """

    dataset: str
    model: str
    variant: str
    column: str
    bound: str | None
    limit: float | None

    @property
    def key(self) -> tuple[str, str, str]:
        """Data set, model and variant."""
        return self.dataset, self.model, self.variant

    def allows(self, value: float) -> bool:
        """Whether a value keeps the bound; the rounding of a difference at the limit does not count."""
        if self.limit is None:
            return True
        room = value - self.limit if self.bound == "min" else self.limit - value
        return room >= -ROUNDING

    @property
    def title(self) -> str:
        """``delta_AP_lo >= -0.002``."""
        return self.column if self.bound is None else f"{self.column} {WORDS[self.bound][0]} {self.limit:g}"


@dataclass(frozen=True, kw_only=True)
class JudgedCheck(Check):
    """A check and its result.

    ``value``: in the column's unit; null without a value. ``status``: ``passed``, ``failed``,
    ``inconclusive`` (which fails the gate too) or ``skipped``. ``reason``: null if the value is enough.
    """

    value: float | None
    status: str
    reason: str | None

    @property
    def shown_value(self) -> str:
        """The value with five digits; empty without a value."""
        return "" if self.value is None else f"{self.value:.5g}"


@dataclass(frozen=True)
class Gate:
    """``results/gate.json``; ``verdict``: one line."""

    passed: bool
    verdict: str
    checks: tuple[JudgedCheck, ...]


def read_gate(path: str | Path) -> Gate:
    """Read the result of a gate.

    Raises:
        UserError: the file is not one.
    """
    return read_record(path, Gate)


def write_gate(path: str | Path, gate: Gate) -> None:
    """Write the result of a gate, completely or not at all."""
    write_record(path, gate)
