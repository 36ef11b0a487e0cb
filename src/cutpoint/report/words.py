"""Numbers and verdicts in words, the same in tables, figures and the page."""

from collections.abc import Callable

import pandas as pd

UNCOMPILED = "without compiled NMS"
BASELINE_OFF = "baseline off"
# How far (fraction) the reference may lie from the published AP, which is rounded to 0.001: half of that,
# and what another machine's arithmetic and JPEG decoder move.
PUBLISHED_TOLERANCE = 0.0015
# Rounding alone moves a score across a step of COCO's AP; differences up to this size (fraction)
# are what two runtimes that compute the same thing show.
MEASURABLE_AP = 0.0005


def fixed(digits: int) -> Callable[[float], str]:
    """Return a formatter with ``digits`` decimals that shows a missing value as empty."""
    return lambda value: "" if pd.isna(value) else f"{value:.{digits}f}"


def signed(value: float) -> str:
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


def is_reference(rows: pd.DataFrame) -> pd.Series:
    """Which rows of a summary are the reference: those without any comparison."""
    return rows["agreement"].isna() & rows["delta_AP"].isna()


def verdict(rows: pd.DataFrame) -> list[str]:
    """Say in sentences how far each variant is from the reference, and how fast they are.

    Args:
        rows: the rows of one data set and model of summary.csv.
    """
    compared, references = rows[~is_reference(rows)], rows[is_reference(rows)]
    reference = join(references["variant"]) or "the reference"
    images = f"{rows['images'].iloc[0]} images"
    if rows["AP"].isna().all():
        sentences = [f"{images} without ground truth, so AP is not measured; agreement is."]
        sentences += _agreement(compared, reference)
    else:
        aps = ", ".join(map(fixed(4), references["AP"]))
        sentences = [f"The reference {reference} reaches AP {aps} on {images}."] if aps else []
        sentences += _distance(compared)
    failed = rows[rows["notes"].fillna("").str.contains("failed:")]
    if len(failed):
        sentences.append(f"Export verification failed for {join(failed['variant'])}.")
    return baseline_warning(rows) + sentences + _speed(rows)


def baseline_warning(rows: pd.DataFrame) -> list[str]:
    """What must be said first of a data set and model whose reference is not the published model."""
    notes = [note for text in rows["notes"].dropna() for note in text.split("; ")]
    figures = [note for note in notes if note.startswith(f"{BASELINE_OFF}: ")]
    return [
        f"B{note[1:]}, more than {PUBLISHED_TOLERANCE} apart: nothing below is about the published model."
        for note in figures
    ]


def join(names: "pd.Series | list[str]") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    names = list(names)
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _distance(compared: pd.DataFrame) -> list[str]:
    deltas, sentences = compared["delta_AP"], []
    near = compared[(deltas.abs() <= MEASURABLE_AP).fillna(False)]
    if len(near):
        verb = "loses" if len(near) == 1 else "lose"
        largest = fixed(4)(near["delta_AP"].abs().max())
        sentences.append(f"{join(near['variant'])} {verb} nothing measurable: largest |delta AP| {largest}.")
    for sign, word in ((-1, "lower"), (1, "higher")):
        far = compared[(deltas * sign > MEASURABLE_AP).fillna(False)]
        far = far.sort_values("delta_AP", ascending=sign < 0)
        names = [f"{row.variant} ({signed(row.delta_AP)}{_interval(row)})" for row in far.itertuples()]
        if names:
            sentences.append(f"AP is {word} with {join(names)}.")
    return sentences


def _interval(row: tuple) -> str:
    if pd.isna(row.delta_AP_lo):
        return ""
    return f", 95 % interval {signed(row.delta_AP_lo)} to {signed(row.delta_AP_hi)}"


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
