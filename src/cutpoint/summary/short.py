"""The three main lines of a run, for the end of the console: the answer, the losses, the doubts."""

from collections.abc import Sequence

from cutpoint.records.gate import read_gate
from cutpoint.records.recommendation import (
    NO_SPEED,
    NOTHING,
    TRADE_OFF,
    USE,
    Recommendation,
    read_recommendations,
)
from cutpoint.records.summary import OF_DETECTIONS, OF_TIMES, SummaryRow, by_evaluation, read_summary
from cutpoint.summary.advice import headline
from cutpoint.summary.flags import doubts
from cutpoint.summary.words import interval, join, signed

KINDS = {
    NO_SPEED: "no recommendation on speed",
    TRADE_OFF: "a trade-off",
    NOTHING: "no recommendation",
}
NAMED = 3
FLAGS = 3


def main_lines(*, summary: str, recommendations: str, gate: str | None = None) -> list[str]:
    """Three lines without markup.

    Args:
        summary: path of summary.csv.
        recommendations: path of recommendations.json.
        gate: path of gate.json; null if the config has no gate.

    Raises:
        UserError: a file is not what it should be.
    """
    rows = read_summary(summary)
    verdict = [_sentence(read_gate(gate).verdict)] if gate else []
    doubtful = _sentence(_doubts(rows)) if _doubts(rows) else "No number is doubtful."
    return [_answers(read_recommendations(recommendations)), _losses(rows), " ".join([doubtful, *verdict])]


def _answers(advice: Sequence[Recommendation]) -> str:
    """The whole answer for one data set and model; of several only what to use."""
    if len(advice) == 1:
        return _sentence(headline(advice[0]))
    alike: dict[str, list[str]] = {}
    for one in advice:
        choice = one.choice.variant if one.kind == USE and one.choice else None
        said = f"use {choice}" if choice else KINDS[one.kind]
        alike.setdefault(said, []).append(f"{one.dataset}/{one.model}")
    return _sentence("; ".join(f"{said} ({_shorten(places)})" for said, places in alike.items()))


def _losses(rows: Sequence[SummaryRow]) -> str:
    """How many comparisons have which verdict, and the largest loss."""
    compared = [row for row in rows if not row.is_reference and row.verdict]
    if not compared:
        return "Nothing is compared with a reference."
    words = ("lossless", "equivalent", "different", "inconclusive")
    counts = {word: sum(row.verdict == word for row in compared) for word in words}
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    text = f"Compared with the reference: {said}."
    lost = [(row.delta_AP, row) for row in compared if row.verdict == "different" and row.delta_AP]
    if lost:
        delta, row = min(lost, key=lambda pair: pair[0])
        flags = doubts(row, OF_DETECTIONS)
        limits = interval(row.delta_AP_lo, row.delta_AP_hi)
        parts = [signed(delta), *([f"95 % interval {limits}"] if limits else []), *flags]
        text += f" Largest change of AP: {row.variant} on {row.dataset} ({', '.join(parts)})."
    return text


def _doubts(rows: Sequence[SummaryRow]) -> str:
    """Each flag's word with the variants that have it."""
    found: dict[str, list[str]] = {}
    groups = by_evaluation(rows)
    for group in groups:
        for row in group:
            for word in dict.fromkeys(doubts(row, (*OF_DETECTIONS, *OF_TIMES))):
                place = row.variant if len(groups) == 1 else f"{row.dataset}/{row.variant}"
                found.setdefault(word, []).append(place)
    texts = [
        f"{word} ({'all variants' if len(names) == len(rows) > 1 else _shorten(names)})"
        for word, names in found.items()
    ]
    more = [f"{len(texts) - FLAGS + 1} more flags in the report"]
    texts = texts if len(texts) <= FLAGS else [*texts[: FLAGS - 1], *more]
    return f"doubtful: {'; '.join(texts)}." if texts else ""


def _shorten(names: list[str]) -> str:
    return join(names if len(names) <= NAMED else [*names[: NAMED - 1], f"{len(names) - NAMED + 1} more"])


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
