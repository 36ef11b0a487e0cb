"""What makes a number doubtful: how a row's notes say it, which cells it is about, in sentences."""

import re

import pandas as pd

from cutpoint.latency.notes import UNCOMPILED

SUSPICIOUS = "suspicious: better than the reference"
BASELINE_OFF = "baseline off"
REFUSED, REFERENCE_REFUSED = "refused", "reference refused"
WEAK_REFERENCE = "weak reference"
DOUBTFUL, FAILED = "doubtful", "failed"
DISTURBED, UNSTEADY, TIMED_OTHERWISE = "disturbed", "warm-up not steady", "latency "
# How far (fraction) the reference may lie from the published AP, which is rounded to 0.001: half of that,
# and what another machine's arithmetic and JPEG decoder move.
PUBLISHED_TOLERANCE = 0.0015
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])")
# how the notes begin that are about detections and all that is made of them, and those about times
OF_DETECTIONS = (
    *(f"{REFUSED}: ", REFERENCE_REFUSED, WEAK_REFERENCE, BASELINE_OFF, SUSPICIOUS),
    *(f"{DOUBTFUL}: ", f"{FAILED}: "),
)
OF_TIMES = (f"{REFUSED}: ", DISTURBED, UNSTEADY, UNCOMPILED, TIMED_OTHERWISE)


def split_notes(notes: str | float) -> list[str]:
    """The notes of a row of summary.csv, each by itself."""
    return [] if pd.isna(notes) else str(notes).split("; ")


def doubts(notes: list[str], about: tuple[str, ...]) -> list[str]:
    """The first words of the notes that make a number doubtful, each once.

    Args:
        notes: of a row, or of a latency JSON.
        about: ``OF_DETECTIONS`` or ``OF_TIMES``.
    """
    found = [note.split(":")[0].split(" (")[0] for note in notes if note.startswith(about)]
    return list(dict.fromkeys(found))


def is_reference(rows: pd.DataFrame) -> pd.Series:
    """Which rows of a summary are the reference: those without any comparison."""
    return rows["verdict"].isna()


def noted(rows: pd.DataFrame, start: str) -> pd.Series:
    """Which rows have a note that begins so."""
    return rows["notes"].fillna("").map(lambda text: any(n.startswith(start) for n in text.split("; ")))


def join(names: "pd.Series | list[str]") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    names = list(names)
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def warnings(rows: pd.DataFrame) -> list[str]:
    """What must be said of a data set and model before any of its numbers.

    Args:
        rows: the rows of one data set and model of summary.csv.
    """
    sentences = refusals(rows) + _weakness(rows) + baseline_warning(rows)
    sentences += [
        f"{row.variant} is {DOUBTFUL}: {note.removeprefix(f'{DOUBTFUL}: ')}."
        for row in rows.itertuples()
        for note in split_notes(row.notes)
        if note.startswith(f"{DOUBTFUL}: ")
    ]
    failed = rows[noted(rows, f"{FAILED}: ")]
    if len(failed):
        sentences.append(f"Export verification failed for {join(failed['variant'])}.")
    return sentences + _time_warnings(rows)


def _weakness(rows: pd.DataFrame) -> list[str]:
    return [
        f"The reference {row.variant} is weak: {note.removeprefix(f'{WEAK_REFERENCE}: ')}. "
        "No difference from it has a verdict."
        for row in rows[is_reference(rows)].itertuples()
        for note in split_notes(row.notes)
        if note.startswith(WEAK_REFERENCE)
    ]


def _time_warnings(rows: pd.DataFrame) -> list[str]:
    """Whose times are doubtful and why, those with the same reason together."""
    sentences = []
    found = [(note, row.variant) for row in rows.itertuples() for note in split_notes(row.notes)]
    alike: dict[str, tuple[list[str], list[str]]] = {}
    for note, variant in found:
        if note.startswith((DISTURBED, UNSTEADY, TIMED_OTHERWISE)):
            notes, variants = alike.setdefault(NUMBER.sub("", note), ([], []))
            notes.append(note)
            variants.append(variant)
    for notes, variants in alike.values():
        names = "all variants" if len(variants) == len(rows) > 1 else join(variants)
        sentences.append(f"Times of {names}: {_span(notes)}.")
    return sentences


def _span(notes: list[str]) -> str:
    """Notes that differ in their numbers alone as one, each number from the least to the most."""
    columns = zip(*(NUMBER.findall(note) for note in notes), strict=True)
    ends = [(min(column, key=float), max(column, key=float)) for column in columns]
    spans = iter([low if low == high else f"{low} to {high}" for low, high in ends])
    return NUMBER.sub(lambda _: next(spans), notes[0])


def refusals(rows: pd.DataFrame) -> list[str]:
    """Which variants of a data set and model have no numbers, and why; the reference's comes first."""
    sentences = []
    for row in rows[is_reference(rows)].itertuples():
        reason = _reason(row)
        if reason:
            sentences.append(
                f"The reference {row.variant} is refused, so that nothing is compared with it: {reason}."
            )
    compared = {row.variant: _reason(row) for row in rows[~is_reference(rows)].itertuples()}
    return sentences + [f"{name} is refused: {reason}." for name, reason in compared.items() if reason]


def _reason(row: tuple) -> str | None:
    found = (n for n in split_notes(row.notes) if n.startswith(f"{REFUSED}: "))
    return next((n.removeprefix(f"{REFUSED}: ") for n in found), None)


def baseline_warning(rows: pd.DataFrame) -> list[str]:
    """What must be said first of a data set and model whose reference is not the published model."""
    notes = [note for text in rows["notes"].dropna() for note in text.split("; ")]
    figures = [note for note in notes if note.startswith(f"{BASELINE_OFF}: ")]
    return [
        f"B{note[1:]}, more than {PUBLISHED_TOLERANCE} apart: nothing below is about the published model."
        for note in figures
    ]
