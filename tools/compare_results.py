"""Compare two results folders: ``python tools/compare_results.py OLD NEW``.

Detections and metrics must have the same bytes. The other files that hold results must hold the same values,
without times, digests, versions and format numbers, and with the words of ``KEYS``, ``VALUES`` and ``WORDS``
read as the new ones. NEW may have more: what only one side has is named.

Prints the first difference of each file, one line each, then what was compared. Exit status 1 with
differences, or where NEW lacks something.
"""

import argparse
import csv
import json
import math
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

# Renames. Keys and columns, old to new, by the folder that the file is in ("*": any) ...
KEYS = {
    "*": {
        "on": "quantity",
        "cap": "max_per_img",
        "per_class_cap": "max_per_class",
        "census": "node_placement",
        "foreign": "external",
    },
    "operating_points": {"place": "localization"},
    "diagnoses": {"same": "match_rate"},
}
# ... texts that are a whole value ...
VALUES = {"cap": "max_per_img", "per_class_cap": "max_per_class", "made elsewhere": "external"}
# ... and words within the values of some keys.
WORDS = {
    "recipe_steps": {"cap": "max_per_img", "per_class_cap": "max_per_class", "on": "quantity"},
    "notes": {"made elsewhere": "external", "foreign": "external"},
    "recipe": {"made elsewhere": "external"},
}
# Keys and columns whose values may differ: times and what disturbed them, digests, versions, format numbers.
IGNORED = {
    *("latency_p50_ms", "latency_p99_ms", "latency_samples", "images_per_s", "latency_difference_ms"),
    *("unsteady", "disturbed", "foreign_cores"),
    *("onnx_sha256", "spec", "libraries", "format"),
}
# Notes that speak of times; the others must be the same.
TIME_NOTES = ("disturbed", "latency ", "warm-up not steady", "without compiled NMS")
# How far a value may be apart; an ONNX file carries the specification, whose keys have other names now.
TOLERANCES = {"model_mb": 0.001}
SHOWN = 50


class Difference(NamedTuple):
    """Where two files differ first: a key or a cell, and both values."""

    place: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.place}: {_short(self.old)} -> {_short(self.new)}"


class Side(NamedTuple):
    """What only one side has: a key or column, of a kind of files."""

    kind: str
    key: str


Found = Iterator[Difference | Side]


def compare_bytes(old: Path, new: Path, kind: str) -> Found:
    """Detections and metrics; where they differ, by the first value."""
    if old.read_bytes() == new.read_bytes():
        return
    found = [item for item in compare_json(old, new, kind) if isinstance(item, Difference)]
    yield from found[:1] or [Difference("bytes", "these", "others, of equal values")]


def compare_json(old: Path, new: Path, kind: str) -> Found:
    """Any JSON file, value by value."""
    sides = [json.loads(path.read_text(encoding="utf-8")) for path in (old, new)]
    yield from _values(sides[0], sides[1], kind)


def compare_csv(old: Path, new: Path, kind: str) -> Found:
    """A table, cell by cell; the columns of the old one."""
    rows = []
    for path in (old, new):
        with path.open(encoding="utf-8", newline="") as file:
            rows.append([{key: _number(cell) for key, cell in row.items()} for row in csv.DictReader(file)])
    yield from _values(rows[0], rows[1], kind)


def compare_parquet(old: Path, new: Path, kind: str) -> Found:
    """Columns with their types, row by row; and the metadata."""
    tables = [pq.read_table(path) for path in (old, new)]
    notes = [_metadata(table.schema) for table in tables]
    yield from _values(notes[0], notes[1], kind, "metadata")
    columns = [{_renamed(name, kind): name for name in table.column_names} for table in tables]
    for name in columns[0] | columns[1]:
        if not all(name in side for side in columns):
            yield _lacking(name, name in columns[0], kind, name)
            continue
        sides = [table[side[name]] for table, side in zip(tables, columns, strict=True)]
        if sides[0].type != sides[1].type:
            yield Difference(f"{name}: type", sides[0].type, sides[1].type)
        elif len(sides[0]) != len(sides[1]):
            yield Difference(f"{name}: rows", len(sides[0]), len(sides[1]))
        elif pa.types.is_string(sides[0].type):
            yield from _values(sides[0].to_pylist(), sides[1].to_pylist(), kind, name, name)
        else:
            yield from _columns(sides[0], sides[1], name)


def compare_npz(old: Path, new: Path, kind: str) -> Found:
    """Arrays with their types and shapes, value by value."""
    with np.load(old) as before, np.load(new) as after:
        for name in dict.fromkeys([*before, *after]):
            if name in IGNORED:
                continue
            if name not in before or name not in after:
                yield _lacking(name, name in before, kind, name)
                continue
            sides = before[name], after[name]
            shapes = [f"{array.dtype} {array.shape}" for array in sides]
            if shapes[0] != shapes[1]:
                yield Difference(f"{name}: type and shape", *shapes)
                continue
            floats = sides[0].dtype.kind == "f"
            apart = (sides[0] != sides[1]) & ~(np.isnan(sides[0]) & np.isnan(sides[1]) if floats else False)
            for place in np.argwhere(apart)[:1].tolist():
                yield Difference(f"{name}{place}", *(array[tuple(place)].item() for array in sides))


Comparer = Callable[[Path, Path, str], Found]
# By folder and ending; files of other kinds are not compared: pictures, figures, pages, networks, latency.
KINDS: dict[tuple[str, str], Comparer] = {
    ("detections", ".json"): compare_bytes,
    ("metrics", ".json"): compare_bytes,
    **{
        (folder, ".json"): compare_json
        for folder in (
            *("comparisons", "ladders", "operating_points", "fingerprints", "diagnoses", "recipe_diffs"),
            *("manifests", "truth", "labels", "models", "samples"),
        )
    },
    ("autopsies", ".parquet"): compare_parquet,
    ("predictions", ".parquet"): compare_parquet,
    ("resamples", ".npz"): compare_npz,
    ("tensors", ".npz"): compare_npz,
    ("tables", ".csv"): compare_csv,
}


def compare_folders(old: Path, new: Path, say: Callable[[str], None] = print) -> bool:
    """Compare two results folders and say what differs; whether they are equal."""
    files = [_files(folder) for folder in (old, new)]
    both = sorted(files[0] & files[1])
    compared: Counter[str] = Counter()
    left: Counter[str] = Counter(_kind(path)[0] for path in both if _kind(path) not in KINDS)
    more: Counter[str] = Counter()
    lines = [f"{path}: only in {old}" for path in sorted(files[0] - files[1]) if _kind(path) in KINDS]
    for path in tqdm(both, "compared", unit="file", mininterval=1, file=sys.stderr):
        kind = _kind(path)
        if kind not in KINDS:
            continue
        compared[kind[0]] += 1
        try:
            items = list(KINDS[kind](old / path, new / path, kind[0]))
        except (ValueError, OSError) as error:
            items = [Difference("cannot be read", type(error).__name__, error)]
        more.update(f"{item.kind}: {item.key}" for item in items if isinstance(item, Side))
        apart = [item for item in items if isinstance(item, Difference)]
        if apart:
            lines.append(f"{path}: {apart[0]}{f' (and {len(apart) - 1} more)' if apart[1:] else ''}")
    for line in lines[:SHOWN]:
        say(line)
    if lines[SHOWN:]:
        say(f"... and {len(lines) - SHOWN} more files that differ")
    for path in sorted(files[1] - files[0]):
        if _kind(path) in KINDS:
            say(f"{path}: only in {new} (no difference)")
    for key, count in sorted(more.items()):
        say(f"{key}: only in {new}, {count} times (no difference)")
    for what, counts in (("compared", compared), ("not compared", left)):
        say(f"{what}: {', '.join(f'{n} {kind}' for kind, n in sorted(counts.items())) or 'nothing'}")
    equal = bool(compared) and not lines
    say("equal" if equal else f"{len(lines)} files differ" if lines else "nothing to compare")
    return equal


def _files(folder: Path) -> set[str]:
    found = (Path(root, name) for root, _, names in os.walk(folder, followlinks=True) for name in names)
    return {path.relative_to(folder).as_posix() for path in found if not path.name.startswith(".")}


def _kind(path: str) -> tuple[str, str]:
    """Folder and ending, the keys of ``KINDS``."""
    return path.split("/")[0], Path(path).suffix


def _values(old: Any, new: Any, kind: str, place: str = "", key: str = "") -> Found:
    if isinstance(old, dict) and isinstance(new, dict):
        sides = [{_renamed(name, kind): value for name, value in side.items()} for side in (old, new)]
        for name in sides[0] | sides[1]:
            inner = f"{place}.{name}" if place else name
            if name in IGNORED:
                continue
            if all(name in side for side in sides):
                yield from _values(sides[0][name], sides[1][name], kind, inner, name)
            else:
                yield _lacking(name, name in sides[0], kind, inner)
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield Difference(f"{place}: length", len(old), len(new))
        for number, (one, other) in enumerate(zip(old, new, strict=False)):
            yield from _values(one, other, kind, f"{place}[{number}]", key)
    elif not _same(old, new, key):
        yield Difference(place, old, new)


def _lacking(name: str, in_old: bool, kind: str, place: str) -> Difference | Side:
    return Difference(place, "there", "missing") if in_old else Side(kind, name)


def _same(old: Any, new: Any, key: str) -> bool:
    if isinstance(old, str) and isinstance(new, str):
        return _text(old, key) == _text(new, key)
    numbers = [isinstance(value, int | float) and not isinstance(value, bool) for value in (old, new)]
    if all(numbers):
        apart = math.nan if math.isnan(old) or math.isnan(new) else abs(old - new)
        return old == new or apart <= TOLERANCES.get(key, 0) or (math.isnan(old) and math.isnan(new))
    return type(old) is type(new) and bool(old == new)


def _text(text: str, key: str) -> str:
    if key == "notes":
        text = "; ".join(note for note in text.split("; ") if not note.startswith(TIME_NOTES))
    for old, new in WORDS.get(key, {}).items():
        text = re.sub(rf"\b{old}\b", new, text)
    return VALUES.get(text, text)


def _renamed(name: str, kind: str) -> str:
    return KEYS["*"].get(name) or KEYS.get(kind, {}).get(name, name)


def _number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


def _metadata(schema: pa.Schema) -> dict[str, Any]:
    """Of those of our own, JSON as values."""
    made = {}
    for name, value in (schema.metadata or {}).items():
        if name.startswith(b"cutpoint") and name != b"cutpoint_format":
            text = value.decode()
            made[name.decode()] = json.loads(text) if text.startswith(("{", "[")) else text
    return made


def _columns(old: pa.ChunkedArray, new: pa.ChunkedArray, name: str) -> Found:
    """Two columns of numbers of the same length, by the first row that differs."""
    empty = [side.is_null().to_numpy() for side in (old, new)]
    values = [np.asarray(side.fill_null(0).to_numpy()) for side in (old, new)]
    apart = values[0] != values[1]
    if values[0].dtype.kind == "f":
        apart &= ~(np.isnan(values[0]) & np.isnan(values[1]))
    for row in np.flatnonzero(apart | (empty[0] != empty[1]))[:1].tolist():
        yield Difference(f"{name}[{row}]", old[row].as_py(), new[row].as_py())


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    folders = parser.parse_args()
    sys.exit(0 if compare_folders(folders.old, folders.new) else 1)
