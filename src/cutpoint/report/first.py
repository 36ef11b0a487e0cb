"""The first screen: what to use for each data set and model, what it costs, what makes numbers doubtful."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutpoint.records.recommendation import NO_SPEED, TRADE_OFF, USE, Choice, Recommendation
from cutpoint.records.summary import OF_DETECTIONS, OF_TIMES, SummaryRow
from cutpoint.report.verdict import verdict
from cutpoint.summary.advice import answer, cost, time_of
from cutpoint.summary.flags import doubts
from cutpoint.summary.warnings import severe_warnings, warnings
from cutpoint.summary.words import interval, join, signed

# With more data sets and models than this, the first screen is a list.
CARDS = 3
NAMED = 3
TOO_FEW = "too few images"
TITLES = {
    NO_SPEED: "No recommendation on speed",
    TRADE_OFF: "A trade-off",
}


@dataclass(frozen=True)
class Flagged:
    """A flag's word, and the variants that have it in words."""

    word: str
    variants: str


@dataclass(frozen=True)
class Card:
    """The answer for a data set and model, in words.

    Attributes:
        variant: the one to use; null without a recommendation.
        title: what stands in its place.
        answer: why; a sentence without its first word.
        facts: heading and text: cost, time, losses, times.
        flags: what makes numbers doubtful.
        severe: variants that detect nothing, and what is wrong with the reference, in sentences.
        reasons: what limits the answer, in sentences.
        warnings, sentences: all that is said about the rows.
    """

    variant: str | None
    title: str
    answer: str
    facts: Sequence[tuple[str, str]]
    flags: Sequence[Flagged]
    severe: Sequence[str]
    reasons: Sequence[str]
    warnings: Sequence[str]
    sentences: Sequence[str]


def card(rows: Sequence[SummaryRow], advice: Recommendation | None) -> Card:
    """The card of a data set and model.

    Args:
        rows: its rows of summary.csv.
        advice: its recommendation; null if it was not made.
    """
    warned = warnings(rows)
    kind = advice.kind if advice else None
    choice = advice.choice if advice and kind == USE else None
    return Card(
        variant=choice.variant if choice else None,
        title=TITLES.get(kind or "", "No recommendation"),
        answer=answer(advice) if advice and kind in (USE, NO_SPEED, TRADE_OFF) else "",
        facts=[*(_costs(choice) if choice else []), ("Losses", losses(rows)), ("Times", times(rows))],
        flags=flagged(rows),
        severe=severe_warnings(rows),
        reasons=advice.reasons if advice else (),
        warnings=warned,
        sentences=[sentence for sentence in verdict(rows) if sentence not in warned],
    )


def losses(rows: Sequence[SummaryRow]) -> str:
    """How many variants have which verdict, and the largest loss that is real, with its flags."""
    compared = [row for row in rows if not row.is_reference and row.verdict]
    if not compared:
        return "nothing is compared with the reference"
    words = ("lossless", "equivalent", "different", "inconclusive")
    counts = {word: sum(row.verdict == word for row in compared) for word in words}
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    lost = [(row.delta_AP, row) for row in compared if row.verdict == "different" and (row.delta_AP or 0) < 0]
    if not lost:
        return said
    delta, row = min(lost, key=lambda pair: pair[0] or 0.0)
    limits = interval(row.delta_AP_lo, row.delta_AP_hi)
    parts = [f"{row.variant} {signed(delta)}", *([limits] if limits else []), *doubts(row, OF_DETECTIONS)]
    return f"{said}; largest: {', '.join(parts)}"


def times(rows: Sequence[SummaryRow]) -> str:
    """Whether the times can be trusted, and why not."""
    timed = [row for row in rows if row.latency_p50_ms is not None]
    if not timed:
        return "not measured"
    doubted = [words for row in timed if (words := doubts(row, OF_TIMES))]
    if not doubted:
        return "can be trusted"
    why = ", ".join(dict.fromkeys(word for words in doubted for word in words))
    trusted = len(timed) - len(doubted)
    return f"{f'{trusted} of {len(timed)} can' if trusted else 'cannot'} be trusted ({why})"


def flagged(rows: Sequence[SummaryRow]) -> list[Flagged]:
    """Each flag with its variants, and the variants that too few images cannot judge."""
    found: dict[str, list[str]] = {}
    for flags in (OF_DETECTIONS, OF_TIMES):
        for row in rows:
            for word in doubts(row, flags):
                found.setdefault(word, []).append(row.variant)
    unclear = [row.variant for row in rows if row.verdict == "inconclusive" and row.AP is not None]
    found |= {TOO_FEW: unclear} if unclear else {}
    return [Flagged(word, _names(list(dict.fromkeys(names)), len(rows))) for word, names in found.items()]


def _names(names: list[str], count: int) -> str:
    if len(names) == count > 1:
        return "all variants"
    return join(names if len(names) <= NAMED else [*names[: NAMED - 1], f"{len(names) - NAMED + 1} more"])


def _costs(choice: Choice) -> list[tuple[str, str]]:
    found = {"Cost": cost(choice), "Latency": time_of(choice)}
    return [(name, text) for name, text in found.items() if text]
