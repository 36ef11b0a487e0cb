"""The variant to use: the fastest of those without a loss, as far as the numbers can be trusted."""

from collections.abc import Sequence

from cutpoint.latency.paired import PairedTimes
from cutpoint.records.comparison import Interval
from cutpoint.records.recommendation import (
    NO_SPEED,
    NOTHING,
    TRADE_OFF,
    USE,
    Choice,
    Recommendation,
    Speed,
)
from cutpoint.records.summary import OF_DETECTIONS, OF_TIMES, SummaryRow
from cutpoint.summary.flags import doubts
from cutpoint.summary.notes import images_note
from cutpoint.summary.words import join

Rows = Sequence[SummaryRow]
WITHOUT_LOSS = ("lossless", "equivalent")
# Flags that leave a variant out: of its detections, and of its times. A reference that is not the published
# model, and times at another batch, are facts to be said, and do not make the variants unequal.
UNFIT = ("refused", "reference_refused", "weak_reference", "suspicious", "doubtful", "export_failed")
UNTRUSTED = ("refused", "without_compiled_nms", "unsteady", "disturbed", "timed_recipe")


def recommend(rows: Rows, times: PairedTimes) -> Recommendation:
    """The recommendation for a data set and model, by a fixed rule.

    The fastest variant with trusted times among those that are ``lossless`` or ``equivalent``, and the
    reference. Without trusted times: no variant on speed. If no variant but the reference is shown to be
    without a loss: the best and the fastest.

    Args:
        rows: its rows of summary.csv.
        times: the samples of the variants that were timed in turn.
    """
    reference = next(row for row in rows if row.is_reference)
    fit = [row for row in rows if not doubts(row, UNFIT)]
    same = [row for row in fit if row.is_reference or row.verdict in WITHOUT_LOSS]
    reasons = _undecided(fit)
    if reference not in fit:
        return _recommendation(rows, NOTHING, reasons=[_bad_reference(reference)])
    if len(same) == 1 and len(fit) > 1:
        return _trade_off(rows, fit, times, reasons)
    trusted = _by_time(same)
    reasons = _untrusted(same) + reasons
    if len(same) > 1 and trusted in ([], [reference]):
        return _recommendation(rows, NO_SPEED, same=same, reasons=reasons)
    best, *others = trusted or same
    speed, as_fast = _compare(best, others, times)
    return _recommendation(
        rows,
        USE,
        choice=_choice(best, times),
        speed=speed,
        as_fast=tuple(as_fast),
        same=same,
        reasons=reasons,
    )


def _compare(best: SummaryRow, others: Rows, times: PairedTimes) -> tuple[Speed | None, list[str]]:
    """The speed over the reference, else over the next variant that is slower for sure; who is as fast."""
    as_fast: list[Speed] = []
    slower = None
    for other in others:
        speed = times.speed(best.variant, other.variant)
        if speed is not None and speed.is_faster:
            slower = speed
            break
        as_fast += [speed] if speed else []
    reference = next((row for row in others if row.is_reference), None)
    over = times.speed(best.variant, reference.variant) if reference else None
    said = over if over and over.is_faster else slower or next(iter(as_fast), None)
    return said, [speed.other for speed in as_fast]


def _trade_off(rows: Rows, fit: Rows, times: PairedTimes, reasons: list[str]) -> Recommendation:
    best = max(fit, key=_quality)
    trusted = _by_time(fit)
    fastest = next(iter(trusted), None)
    if fastest == best and len(trusted) > 1:
        speed, as_fast = _compare(best, trusted[1:], times)
        own = _choice(best, times)
        kind = USE if best.is_reference else TRADE_OFF
        return _recommendation(
            rows, kind, choice=own, speed=speed, as_fast=tuple(as_fast), reasons=_untrusted(fit) + reasons
        )
    comparable = fastest is not None and best in trusted
    return _recommendation(
        rows,
        TRADE_OFF,
        choice=_choice(best, times),
        fastest=_choice(fastest, times) if fastest else None,
        speed=times.speed(fastest.variant, best.variant) if fastest and comparable else None,
        reasons=_untrusted(fit) + reasons,
    )


def _recommendation(
    rows: Rows,
    kind: str,
    *,
    reasons: list[str],
    choice: Choice | None = None,
    fastest: Choice | None = None,
    speed: Speed | None = None,
    as_fast: tuple[str, ...] = (),
    same: Rows = (),
) -> Recommendation:
    return Recommendation(
        dataset=rows[0].dataset,
        model=rows[0].model,
        images=rows[0].images,
        kind=kind,
        choice=choice,
        fastest=fastest,
        speed=speed,
        as_fast=as_fast,
        same=tuple(row.variant for row in same),
        reasons=tuple(reasons),
    )


def _choice(row: SummaryRow, times: PairedTimes) -> Choice:
    low, high = row.delta_AP_lo, row.delta_AP_hi
    interval: Interval | None = None if low is None or high is None else (low, high)
    return Choice(
        variant=row.variant,
        is_reference=row.is_reference,
        verdict=row.verdict,
        AP=row.AP,
        delta_AP=row.delta_AP,
        delta_AP_ci95=interval,
        agreement=row.agreement,
        latency_p50_ms=row.latency_p50_ms,
        latency_p50_ci95=times.interval(row.variant) if row.latency_p50_ms is not None else None,
        doubts=tuple(doubts(row, OF_DETECTIONS)),
        time_doubts=tuple(doubts(row, OF_TIMES)) if row.latency_p50_ms is not None else (),
    )


def _quality(row: SummaryRow) -> tuple[float, float, bool]:
    """AP, then agreement; the reference agrees with itself."""
    agreement = 1.0 if row.is_reference else row.agreement or 0.0
    return row.AP or 0.0, agreement, row.is_reference


def _by_time(rows: Rows) -> list[SummaryRow]:
    """Those with trusted times, the fastest first."""
    timed = [(row.latency_p50_ms, row) for row in rows if row.latency_p50_ms is not None]
    trusted = [pair for pair in timed if not doubts(pair[1], UNTRUSTED)]
    return [row for _, row in sorted(trusted, key=lambda pair: pair[0])]


def _bad_reference(reference: SummaryRow) -> str:
    words = ", ".join(doubts(reference, UNFIT))
    return f"The reference {reference.variant} is no measure ({words}), so no variant is judged by it."


def _untrusted(rows: Rows) -> list[str]:
    """The variants that are not compared in speed, those with the same reason together."""
    if all(row.latency_p50_ms is None for row in rows):
        return ["No variant was timed."]
    alike: dict[str, list[str]] = {}
    for row in rows:
        words = doubts(row, UNTRUSTED) if row.latency_p50_ms is not None else ["not timed"]
        if words:
            alike.setdefault(", ".join(words), []).append(row.variant)
    texts = [f"{join(names)} ({words})" for words, names in alike.items()]
    return [f"Not compared in speed: {'; '.join(texts)}."] if texts else []


def _undecided(fit: Rows) -> list[str]:
    """The variants that too few images could not judge."""
    unclear = [row for row in fit if row.verdict == "inconclusive" and row.AP is not None]
    if not unclear:
        return []
    needed = [row.images_to_decide for row in unclear if row.images_to_decide]
    more = f"; {images_note(max(needed))}" if needed else ""
    return [f"{unclear[0].images} images are too few to judge {join(row.variant for row in unclear)}{more}."]
