"""The flags of a row in words: a short word, and notes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from cutpoint.latency.notes import UNCOMPILED, disturbances, unsteady
from cutpoint.records.latency import Latency
from cutpoint.records.summary import SummaryRow

REFUSED, REFERENCE_REFUSED, WEAK_REFERENCE = "refused", "reference refused", "weak reference"
BASELINE_OFF, SUSPICIOUS, DOUBTFUL, FAILED = "baseline off", "suspicious", "doubtful", "failed"
DISTURBED = "disturbed"
# the flags of a latency
MEASURED = ("without_compiled_nms", "unsteady", "disturbed")


@dataclass(frozen=True)
class Flag:
    """A flag in words.

    ``word``: short, next to a number; null if the row does not have the flag. ``notes``: in full, for a row
    that has it.
    """

    word: Callable[[Any], str | None]
    notes: Callable[[SummaryRow], list[str]]


def _fixed(name: str, word: str) -> Callable[[Any], str | None]:
    return lambda row: word if getattr(row, name) else None


def _weak_reference(row: SummaryRow) -> list[str]:
    return [f"{WEAK_REFERENCE}: {row.weak_reference}" if row.is_reference else WEAK_REFERENCE]


def _baseline_off(row: SummaryRow) -> list[str]:
    if not row.is_reference or row.AP is None or row.published_ap is None:
        return [BASELINE_OFF]
    return [f"{BASELINE_OFF}: AP {row.AP:.4f}, published {row.published_ap:.4f}"]


def _unsteady(row: Any) -> str | None:
    return unsteady(row.unsteady) if row.unsteady else None


def _disturbed(row: SummaryRow) -> list[str]:
    return disturbances(row.foreign_cores or 0.0, row.throttled) or [DISTURBED]


def _images_skipped(row: SummaryRow) -> str | None:
    count = row.images_skipped
    return f"{count} image{'s' * (count > 1)} skipped" if count else None


def _timed_batch(row: SummaryRow) -> str | None:
    return f"latency at batch {row.timed_batch}" if row.timed_batch not in (None, row.batch) else None


def _timed_recipe(row: SummaryRow) -> str | None:
    return f"latency of recipe {row.timed_recipe}" if row.timed_recipe not in (None, row.recipe) else None


# By column, in the order of the notes.
FLAGS = {
    "refused": Flag(_fixed("refused", REFUSED), lambda row: [f"{REFUSED}: {row.refused}"]),
    "reference_refused": Flag(
        _fixed("reference_refused", REFERENCE_REFUSED), lambda row: [REFERENCE_REFUSED]
    ),
    "weak_reference": Flag(_fixed("weak_reference", WEAK_REFERENCE), _weak_reference),
    "baseline_off": Flag(_fixed("baseline_off", BASELINE_OFF), _baseline_off),
    "suspicious": Flag(
        _fixed("suspicious", SUSPICIOUS), lambda row: [f"{SUSPICIOUS}: better than the reference"]
    ),
    "doubtful": Flag(
        _fixed("doubtful", DOUBTFUL), lambda row: [f"{DOUBTFUL}: {reason}" for reason in row.doubtful]
    ),
    "images_skipped": Flag(_images_skipped, lambda row: [_images_skipped(row) or ""]),
    "export_failed": Flag(
        _fixed("export_failed", FAILED), lambda row: [f"{FAILED}: {text}" for text in row.export_failures]
    ),
    "without_compiled_nms": Flag(_fixed("without_compiled_nms", UNCOMPILED), lambda row: [UNCOMPILED]),
    "unsteady": Flag(_unsteady, lambda row: [unsteady(row.unsteady)]),
    "disturbed": Flag(_fixed("disturbed", DISTURBED), _disturbed),
    "timed_batch": Flag(_timed_batch, lambda row: [f"latency at batch {row.timed_batch}"]),
    "timed_recipe": Flag(
        _timed_recipe,
        lambda row: [f"latency of recipe {row.timed_recipe} (time again: --forcerun time_variants)"],
    ),
}


def doubts(row: SummaryRow, flags: Iterable[str]) -> list[str]:
    """The words of those flags that a row has."""
    return _words(row, flags)


def latency_doubts(latency: Latency) -> list[str]:
    """The words of the flags of a latency."""
    return _words(latency, MEASURED)


def said(row: SummaryRow, flags: Iterable[str]) -> list[str]:
    """The notes of those flags that a row has, in the order of ``FLAGS``."""
    wanted = set(flags)
    return [
        note
        for name, flag in FLAGS.items()
        if name in wanted and flag.word(row) is not None
        for note in flag.notes(row)
    ]


def _words(flagged: Any, flags: Iterable[str]) -> list[str]:
    wanted = set(flags)
    words = (flag.word(flagged) for name, flag in FLAGS.items() if name in wanted)
    return [word for word in words if word is not None]
