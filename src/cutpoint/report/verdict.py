"""The verdict of a data set and model in sentences."""

from collections.abc import Sequence

from cutpoint.latency.notes import UNCOMPILED
from cutpoint.records.summary import OF_DETECTIONS, OF_TIMES, SummaryRow
from cutpoint.summary.flags import doubts
from cutpoint.summary.notes import images_note
from cutpoint.summary.warnings import warnings
from cutpoint.summary.words import fixed, interval, join, signed

Rows = Sequence[SummaryRow]


def verdict(rows: Rows) -> list[str]:
    """Say in sentences how much each variant differs from the reference, and how fast they are; doubts first.

    Args:
        rows: the rows of one data set and model of summary.csv.
    """
    known = [row for row in rows if not row.refused and not row.reference_refused]
    references = [row for row in known if row.is_reference]
    compared = [row for row in known if not row.is_reference]
    reference = join(row.variant for row in references) or "the reference"
    images = f"{rows[0].images} images"
    sentences: list[str] = []
    if known and all(row.AP is None for row in known):
        sentences = [f"{images} without ground truth, so AP is not measured; agreement is."]
        sentences += _same(compared)
        sentences += _agreement([row for row in compared if row.verdict != "lossless"], reference)
    elif known:
        aps = ", ".join(f"{fixed(4)(row.AP)}{_flags(row, OF_DETECTIONS)}" for row in references)
        sentences = [f"The reference {reference} reaches AP {aps} on {images}."] if aps else []
        sentences += _distance(compared)
    sentences += _kept_otherwise(compared)
    return warnings(rows) + sentences + _speed(rows)


def _distance(compared: Rows) -> list[str]:
    sentences = _same(compared)
    different = [(row, row.delta_AP) for row in compared if row.verdict == "different" and row.delta_AP]
    for sign, word in ((-1, "lower"), (1, "higher")):
        far = sorted((pair for pair in different if pair[1] * sign > 0), key=lambda pair: -abs(pair[1]))
        names = join(map(_with_interval, (row for row, _ in far)))
        if far and sign < 0:
            sentences.append(f"AP is {word} with {names}.")
        elif far:
            verb = "is" if len(far) == 1 else "are"
            sentences.append(
                f"AP is {word} with {names}, which {verb} suspicious: a conversion does not improve a "
                "model; look for a mistake in the reference or in the comparison."
            )
    unclear = [row for row in compared if row.verdict == "inconclusive"]
    if unclear:
        weak = any(row.weak_reference for row in unclear)
        why = "The reference is too weak" if weak else "Too few images"
        sentences.append(f"{why} to judge {join(map(_with_interval, unclear))}.")
    return sentences


def _same(compared: Rows) -> list[str]:
    sentences = []
    lossless = [row.variant for row in compared if row.verdict == "lossless"]
    if lossless:
        verb = "is" if len(lossless) == 1 else "are"
        sentences.append(f"{join(lossless)} {verb} lossless: the same detections.")
    equivalent = [row for row in compared if row.verdict == "equivalent"]
    if equivalent:
        verb = "is" if len(equivalent) == 1 else "are"
        row = max(equivalent, key=lambda row: abs(row.delta_AP or 0.0))
        largest = f"{fixed(4)(abs(row.delta_AP or 0.0))}{_flags(row, OF_DETECTIONS)}"
        names = join(row.variant for row in equivalent)
        sentences.append(f"{names} {verb} equivalent: largest |delta AP| {largest}.")
    return sentences


def _with_interval(row: SummaryRow) -> str:
    limits = interval(row.delta_AP_lo, row.delta_AP_hi)
    parts = signed(row.delta_AP) + (f", 95 % interval {limits}" if limits else "")
    parts = ", ".join([parts, *doubts(row, OF_DETECTIONS)])
    needed = f"; {images_note(row.images_to_decide)}" if row.images_to_decide else ""
    return f"{row.variant} ({parts}{needed})"


def _kept_otherwise(compared: Rows) -> list[str]:
    """Where variants end what they keep, if that is elsewhere than the reference."""
    alike: dict[str, list[str]] = {}
    for row in compared:
        for text in row.kept_otherwise:
            alike.setdefault(text, []).append(row.variant)
    return [f"{join(names)} {'has' if len(names) == 1 else 'have'} {text}." for text, names in alike.items()]


def _agreement(compared: Rows, reference: str) -> list[str]:
    known = [(row.agreement, row) for row in compared if row.agreement is not None]
    whole = [f"{row.variant}{_flags(row, OF_DETECTIONS)}" for agreement, row in known if agreement == 1]
    sentences = []
    if whole:
        verb = "agrees" if len(whole) == 1 else "agree"
        sentences.append(f"{join(whole)} {verb} with {reference} in every detection.")
    part = sorted((pair for pair in known if pair[0] < 1), key=lambda pair: pair[0])
    if part:
        names = join(
            f"{row.variant} ({', '.join([f'{agreement:.4f}', *doubts(row, OF_DETECTIONS)])})"
            for agreement, row in part
        )
        sentences.append(f"Agreement with {reference} is below 1 for {names}.")
    return sentences


def _flags(row: SummaryRow, flags: Sequence[str]) -> str:
    words = doubts(row, flags)
    return f" [{', '.join(words)}]" if words else ""


def _speed(rows: Rows) -> list[str]:
    timed = [(row.latency_p50_ms, row) for row in rows if row.latency_p50_ms is not None]
    fair = sorted((pair for pair in timed if not pair[1].without_compiled_nms), key=lambda pair: pair[0])
    apart = [row.variant for row in rows if row.without_compiled_nms]
    sentences = []
    if fair:
        ends = [fair[0], fair[-1]][: len(fair)]
        spans = [
            f"{median:.1f} ms ({', '.join([row.variant, *doubts(row, OF_TIMES)])})" for median, row in ends
        ]
        sentences.append(f"Median latency, file to detections: {' to '.join(spans)}.")
    if apart:
        sentences.append(f"{join(apart)} ran {UNCOMPILED}: not comparable.")
    return sentences
