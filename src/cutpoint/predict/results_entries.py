"""The entries of an external results file: whether each is a detection, whatever its ids stand for."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from cutpoint.data.annotation_boxes import read_boxes
from cutpoint.data.annotation_ids import whole_number
from cutpoint.data.annotation_model import FURTHEST, is_finite
from cutpoint.errors import Gathered, UserError, show

KEYS = ("image_id", "category_id", "bbox", "score")
Entries = list[dict[str, Any]]


def read_entries(content: Any, where: str) -> tuple[Entries, list[str]]:
    """The entries of a file with whole numbers as ids, or texts as image ids.

    Args:
        content: of the file.
        where: begins the messages.

    Returns:
        the entries, and notes on ids that were written otherwise and mean one number: as fractions (``7.0``),
        or category ids in quotes.

    Raises:
        UserError: names the first entry with a fault, and how many have one of its kind; ``UserErrors`` for
            several kinds.
    """
    if not isinstance(content, list):
        raise UserError(f"{where}: not a list; the COCO results format is a JSON list of detections")
    gathered = Gathered()
    lacking = [
        n for n, e in enumerate(content) if not isinstance(e, dict) or any(key not in e for key in KEYS)
    ]
    with gathered.one():
        _refuse(where, len(content), lacking, f"needs the keys {', '.join(KEYS)}")
    if lacking:
        hidden = set(lacking)
        places = [number for number in range(len(content)) if number not in hidden]
        content = [content[number] for number in places]
    else:
        places = list(range(len(content)))
    for fault, wrong in _faults(content):
        with gathered.one():
            _refuse(where, len(places) + len(lacking), [places[number] for number in wrong], fault)
    gathered.stop()
    return _with_whole_ids(content)


def _refuse(where: str, total: int, wrong: Sequence[int], fault: str) -> None:
    if wrong:
        more = f" ({len(wrong)} of {total} entries are so)" if len(wrong) > 1 else ""
        raise UserError(f"{where}: entry {wrong[0]} (counted from 0) {fault}{more}")


def _faults(entries: Entries) -> Iterator[tuple[str, list[int]]]:
    """Kinds of faults, each with the entries that have it; a kind may have none."""
    wanted: tuple[tuple[str, set[type], str], ...] = (
        ("image_id", {int, str}, "a whole number, or the stem of a file name, is needed"),
        ("category_id", {int}, "a whole number is needed"),
    )
    for key, kinds, needed in wanted:
        values = [entry[key] for entry in entries]
        is_right = _id_check(set(map(type, values)), kinds)
        yield from _told(key, values, [n for n, value in enumerate(values) if not is_right(value)], needed)
    boxes = read_boxes(entries)
    written = [entry["bbox"] for entry in entries]
    unread = np.flatnonzero(np.isnan(boxes[:, 0])).tolist()
    yield from _told("bbox", written, unread, "four finite numbers x, y, width, height are needed")
    beyond = np.flatnonzero((np.abs(boxes) > FURTHEST).any(axis=1)).tolist()
    yield from _told("bbox", written, beyond, f"no image has {FURTHEST:g} pixels")
    scores = [entry["score"] for entry in entries]
    wrong = [number for number, score in enumerate(scores) if not is_finite(score)]
    yield from _told("score", scores, wrong, "a finite number is needed")


def _told(key: str, values: list[Any], wrong: list[int], needed: str) -> Iterator[tuple[str, list[int]]]:
    if wrong:
        yield f"has {key} {show(values[wrong[0]])}; {needed}", wrong


def _id_check(found: set[type], kinds: set[type]) -> Callable[[Any], bool]:
    """Whether an id is right. Fractions or texts are whole numbers only where all ids are written so."""
    if found == {float} or (found == {str} and str not in kinds):
        return lambda value: whole_number(value) is not None
    return lambda value: type(value) in kinds


def _with_whole_ids(entries: Entries) -> tuple[Entries, list[str]]:
    notes = []
    for key, kinds in (("image_id", {float}), ("category_id", {float, str})):
        if entries and {type(entry[key]) for entry in entries} & kinds:
            how = "in quotes" if isinstance(entries[0][key], str) else "as fractions"
            notes.append(f"{key} written {how}, first {show(entries[0][key])}: read as whole numbers")
            entries = [{**entry, key: whole_number(entry[key])} for entry in entries]
    return entries, notes
