"""Warnings about a data set and model that come before its numbers, in sentences."""

from collections.abc import Sequence

from cutpoint.latency.notes import FOREIGN_CORES, busy, disturbances
from cutpoint.records.summary import SummaryRow
from cutpoint.summary.baseline import PUBLISHED_TOLERANCE
from cutpoint.summary.flags import DISTURBED, said
from cutpoint.summary.words import join

# stands for the number of cores if several variants were disturbed in the same way
SPAN = "{}"


def warnings(rows: Sequence[SummaryRow]) -> list[str]:
    """All warnings. Refusals, a weak reference and the baseline come first.

    Args:
        rows: the rows of one data set and model.
    """
    sentences = severe_warnings(rows)
    sentences += [
        f"{row.variant} is refused: {row.refused}." for row in rows if row.refused and not row.is_reference
    ]
    sentences += [f"{row.variant} is doubtful: {reason}." for row in rows for reason in row.doubtful]
    failed = [row.variant for row in rows if row.export_failed and not row.layout]
    if failed:
        sentences.append(f"Export verification failed for {join(failed)}.")
    sentences += [
        f"{row.variant} failed its check: {', '.join(row.export_failures)}."
        for row in rows
        if row.export_failed and row.layout
    ]
    return sentences + _time_warnings(rows)


def severe_warnings(rows: Sequence[SummaryRow]) -> list[str]:
    """Skipped images; variants that detect nothing; why the reference or the published AP compare nothing."""
    nothing = [row for row in rows if row.images and row.images_without_detections == row.images]
    sentences = [
        f"{row.images_skipped} of {row.images_skipped + row.images} images cannot be read and are left out "
        "of every number here; results/manifests names them."
        for row in rows
        if row.is_reference and row.images_skipped
    ]
    if nothing:
        names = join(row.variant for row in nothing)
        verb = "detects" if len(nothing) == 1 else "detect"
        sentences.append(f"{names} {verb} nothing: no box on any of the {nothing[0].images} images.")
    return sentences + _reference_warnings(rows)


def _reference_warnings(rows: Sequence[SummaryRow]) -> list[str]:
    references = [row for row in rows if row.is_reference]
    sentences = [
        f"The reference {row.variant} is refused, so nothing is compared with it: {row.refused}."
        for row in references
        if row.refused
    ]
    sentences += [
        f"The reference {row.variant} is weak: {row.weak_reference}. No difference from it has a verdict."
        for row in references
        if row.weak_reference
    ]
    return sentences + [
        f"B{note[1:]}, more than {PUBLISHED_TOLERANCE} apart: nothing below is about the published model."
        for row in references
        for note in said(row, ["baseline_off"])
    ]


def _time_warnings(rows: Sequence[SummaryRow]) -> list[str]:
    """The variants with doubtful times and why, grouped by the reason."""
    alike: dict[str, list[SummaryRow]] = {}
    for row in rows:
        for reason in _time_reasons(row):
            alike.setdefault(reason, []).append(row)
    sentences = []
    for reason, found in alike.items():
        names = "all variants" if len(found) == len(rows) > 1 else join(row.variant for row in found)
        text = busy(_span([row.foreign_cores or 0.0 for row in found])) if reason == busy(SPAN) else reason
        sentences.append(f"Times of {names}: {text}.")
    return sentences


def _time_reasons(row: SummaryRow) -> list[str]:
    """The notes on a row's times, without numbers that differ from variant to variant."""
    reasons = said(row, ["unsteady"])
    if row.disturbed:
        others = [busy(SPAN)] if (row.foreign_cores or 0.0) > FOREIGN_CORES else []
        reasons += [*others, *disturbances(0.0, row.throttled)] or [DISTURBED]
    return reasons + said(row, ["timed_batch", "timed_recipe"])


def _span(cores: list[float]) -> str:
    low, high = f"{min(cores):.1f}", f"{max(cores):.1f}"
    return low if low == high else f"{low} to {high}"
