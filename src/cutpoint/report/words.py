"""Numbers and verdicts in words, the same in tables, figures and the page."""

from collections.abc import Callable

import pandas as pd

from cutpoint.latency.notes import UNCOMPILED
from cutpoint.report.doubts import (
    BASELINE_OFF,
    PUBLISHED_TOLERANCE,
    REFERENCE_REFUSED,
    REFUSED,
    WEAK_REFERENCE,
    is_reference,
    join,
    noted,
    warnings,
)


def fixed(digits: int) -> Callable[[float | None], str]:
    """Return a formatter with ``digits`` decimals that shows a missing value as empty."""
    return lambda value: "" if pd.isna(value) else f"{value:.{digits}f}"


def signed(value: float | None) -> str:
    """Format an AP difference (fraction) with its sign; one that rounds to zero has none."""
    if pd.isna(value):
        return ""
    text = f"{value:+.4f}"
    return "0.0000" if float(text) == 0 else text


def baseline_note(ap: float, published: float) -> str | None:
    """Say that the reference is not the published model, by APs as fractions; null where it is."""
    # the rounding of the subtraction shall not decide at the limit itself
    if abs(ap - published) <= PUBLISHED_TOLERANCE + 1e-9:
        return None
    return f"{BASELINE_OFF}: AP {ap:.4f}, published {published:.4f}"


def verdict(rows: pd.DataFrame) -> list[str]:
    """Say in sentences how far each variant is from the reference, and how fast they are; doubts first.

    Args:
        rows: the rows of one data set and model of summary.csv.
    """
    known = rows[~noted(rows, f"{REFUSED}: ") & ~noted(rows, REFERENCE_REFUSED)]
    compared, references = known[~is_reference(known)], known[is_reference(known)]
    reference = join(references["variant"]) or "the reference"
    images = f"{rows['images'].iloc[0]} images"
    if known.empty:
        sentences = []
    elif known["AP"].isna().all():
        sentences = [f"{images} without ground truth, so AP is not measured; agreement is."]
        sentences += _same(compared) + _agreement(compared[compared["verdict"] != "lossless"], reference)
    else:
        aps = ", ".join(map(fixed(4), references["AP"]))
        sentences = [f"The reference {reference} reaches AP {aps} on {images}."] if aps else []
        sentences += _distance(compared)
    return warnings(rows) + sentences + _speed(rows)


def images_note(images: int) -> str:
    """How many images an inconclusive variant needs."""
    return f"about {images} images would decide"


def _distance(compared: pd.DataFrame) -> list[str]:
    sentences = _same(compared)
    for sign, word in ((-1, "lower"), (1, "higher")):
        far = compared[(compared["verdict"] == "different") & (compared["delta_AP"] * sign > 0).fillna(False)]
        names = _with_intervals(far.sort_values("delta_AP", ascending=sign < 0))
        if names and sign < 0:
            sentences.append(f"AP is {word} with {join(names)}.")
        elif names:
            verb = "is" if len(names) == 1 else "are"
            sentences.append(
                f"AP is {word} with {join(names)}, which {verb} suspicious: a conversion does not improve a "
                "model; look for a fault in the reference or in the comparison."
            )
    unclear = compared[compared["verdict"] == "inconclusive"]
    if len(unclear):
        why = "The reference is too weak" if noted(unclear, WEAK_REFERENCE).any() else "Too few images"
        sentences.append(f"{why} to judge {join(_with_intervals(unclear))}.")
    return sentences


def _same(compared: pd.DataFrame) -> list[str]:
    sentences = []
    lossless = compared[compared["verdict"] == "lossless"]
    if len(lossless):
        verb = "is" if len(lossless) == 1 else "are"
        sentences.append(f"{join(lossless['variant'])} {verb} lossless: the same detections.")
    equivalent = compared[compared["verdict"] == "equivalent"]
    if len(equivalent):
        verb = "is" if len(equivalent) == 1 else "are"
        largest = fixed(4)(equivalent["delta_AP"].abs().max())
        sentences.append(f"{join(equivalent['variant'])} {verb} equivalent: largest |delta AP| {largest}.")
    return sentences


def _with_intervals(rows: pd.DataFrame) -> list[str]:
    return [
        f"{row.variant} ({signed(row.delta_AP)}{_interval(row)}{_needed(row)})" for row in rows.itertuples()
    ]


def _interval(row: tuple) -> str:
    return (
        f", 95 % interval {interval(row.delta_AP_lo, row.delta_AP_hi)}" if pd.notna(row.delta_AP_lo) else ""
    )


def interval(low: float, high: float) -> str:
    """Format the interval of an AP difference (fractions); empty if it is missing."""
    return "" if pd.isna(low) else f"{signed(low)} to {signed(high)}"


def _needed(row: tuple) -> str:
    notes = [] if pd.isna(row.notes) else row.notes.split("; ")
    return "".join(f"; {note}" for note in notes if note.endswith("images would decide"))


def _agreement(compared: pd.DataFrame, reference: str) -> list[str]:
    whole = compared[(compared["agreement"] == 1).fillna(False)]
    part = compared[(compared["agreement"] < 1).fillna(False)].sort_values("agreement")
    sentences = []
    if len(whole):
        verb = "agrees" if len(whole) == 1 else "agree"
        sentences.append(f"{join(whole['variant'])} {verb} with {reference} in every detection.")
    names = [f"{row.variant} ({row.agreement:.4f})" for row in part.itertuples()]
    if names:
        sentences.append(f"Agreement with {reference} is below 1 for {join(names)}.")
    return sentences


def _speed(rows: pd.DataFrame) -> list[str]:
    uncompiled = rows["notes"].fillna("").str.contains(UNCOMPILED)
    timed = rows["latency_p50_ms"].notna()
    fair, apart = rows[~uncompiled & timed].sort_values("latency_p50_ms"), rows[uncompiled]
    sentences = []
    if len(fair):
        ends = list(fair.iloc[[0, -1]].itertuples())[: len(fair)]
        spans = [f"{row.latency_p50_ms:.1f} ms ({row.variant})" for row in ends]
        sentences.append(f"Median latency, file to detections: {' to '.join(spans)}.")
    if len(apart):
        sentences.append(f"{join(apart['variant'])} ran {UNCOMPILED}: not comparable.")
    return sentences
