"""Which variant of each data set and model to use, and how sure that is."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.comparison import Interval
from cutpoint.records.json_file import read_record, write_record

# The kinds of a recommendation: a variant to use; variants without a loss, but no times to choose by; the
# best and the fastest, because no variant is shown to be without a loss; none at all.
USE, NO_SPEED, TRADE_OFF, NOTHING = "use", "no speed", "trade-off", "nothing"


@dataclass(frozen=True)
class Speed:
    """The speed of a variant over that of ``other``: median time of the other / its own.

    ``ratio_ci95``: 95 % interval from rounds that ran one after the other; null for a single round.
    """

    other: str
    ratio: float
    ratio_ci95: Interval | None

    @property
    def is_faster(self) -> bool:
        """Whether the whole interval is above 1."""
        return self.ratio_ci95 is not None and self.ratio_ci95[0] > 1


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A variant and its numbers: fractions and ms, as in ``SummaryRow``.

    ``doubts``, ``time_doubts``: the words of the flags of its detections and of its times.
    """

    variant: str
    is_reference: bool
    verdict: str | None
    AP: float | None
    delta_AP: float | None
    delta_AP_ci95: Interval | None
    agreement: float | None
    latency_p50_ms: float | None
    latency_p50_ci95: Interval | None
    doubts: tuple[str, ...]
    time_doubts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The answer for a data set and model.

    Attributes:
        kind: ``USE``, ``NO_SPEED``, ``TRADE_OFF`` or ``NOTHING``.
        choice: ``USE``: the variant; ``TRADE_OFF``: the one with the best AP, or agreement; else null.
        fastest: ``TRADE_OFF``: the fastest variant with trusted times, or null.
        speed: of ``choice``, or in a trade-off of ``fastest`` over ``choice``; null if it cannot be compared.
        as_fast: variants without a loss that are not shown to be slower than ``choice``.
        same: all variants without a loss, with the reference.
        reasons: what limits the answer, in sentences.
    """

    dataset: str
    model: str
    images: int
    kind: str
    choice: Choice | None = None
    fastest: Choice | None = None
    speed: Speed | None = None
    as_fast: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class _File:
    recommendations: tuple[Recommendation, ...]


def read_recommendations(path: str | Path) -> tuple[Recommendation, ...]:
    """Read ``results/tables/recommendations.json``, in table order.

    Raises:
        UserError: the file is not one.
    """
    return read_record(path, _File).recommendations


def write_recommendations(path: str | Path, recommendations: Iterable[Recommendation]) -> None:
    """Write them, completely or not at all."""
    write_record(path, _File(tuple(recommendations)))
