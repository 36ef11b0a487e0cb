"""Detections of an image as arrays, of a variant as COCO results; or the reason why there are none."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from cutpoint.errors import UserError
from cutpoint.files import list_text, replacing, write_json
from cutpoint.records.json_file import read_content

# Where a variant is refused, in the order in which it is looked for: in the outputs of its run, in those of
# the run that its candidates come from, behind its recipe.
PLACES = ("predictions", "candidates", "recipe")


@dataclass
class Detections:
    """Detections of one image, best first.

    Attributes:
        boxes: ``(N, 4)`` float32, ``x1, y1, x2, y2``, original-image pixels.
        scores: ``(N,)`` float32.
        labels: ``(N,)`` int64, model class, 0-based.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)


class Refused(UserError):
    """A variant's outputs on a data set are invalid: it has no detections and gets no numbers.

    Code that reads detections goes on without the variant. ``reason`` says which tensor of which image.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Results:
    """N detections of a variant on a data set as columns, in the order of the file.

    Attributes:
        image_id: ``(N,)`` int64.
        category_id: ``(N,)`` int64.
        bbox: ``(N, 4)`` float64, ``x, y, width, height``, original-image pixels.
        score: ``(N,)`` float64.
    """

    image_id: np.ndarray
    category_id: np.ndarray
    bbox: np.ndarray
    score: np.ndarray

    def __len__(self) -> int:
        return len(self.score)

    @property
    def corners(self) -> np.ndarray:
        """``(N, 4)`` float64, ``x1, y1, x2, y2``, original-image pixels."""
        return np.concatenate([self.bbox[:, :2], self.bbox[:, :2] + self.bbox[:, 2:]], axis=1)

    def take(self, rows: np.ndarray) -> "Results":
        """The chosen rows: a boolean mask or integer indices."""
        return Results(self.image_id[rows], self.category_id[rows], self.bbox[rows], self.score[rows])

    def of_images(self, ids: Iterable[int]) -> "Results":
        """The detections of the images with these ids."""
        return self.take(np.isin(self.image_id, np.fromiter(ids, dtype=np.int64)))

    def is_same_as(self, other: "Results") -> bool:
        """Whether the other has the same detections in the same order."""
        return all(np.array_equal(column, getattr(other, name)) for name, column in vars(self).items())

    def to_coco(self) -> list[dict[str, Any]]:
        """As COCO's results format has them: ``image_id, category_id, bbox, score``."""
        columns = (self.image_id, self.category_id, self.bbox, self.score)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        keys = ("image_id", "category_id", "bbox", "score")
        return [dict(zip(keys, row, strict=True)) for row in rows]


# of a detections file that is read at once
PART_BYTES = 2**25
# detections that are plain Python values at a time
PART_ROWS = 50_000


# reading takes half the time if the garbage collector does not look at each of a million entries
class _Entry(msgspec.Struct, gc=False):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    score: float


class _Refusal(msgspec.Struct):
    refused: str


def make_results(entries: Sequence[Any]) -> Results:
    """Columns from entries with the attributes, or the keys, of COCO's results format."""
    if entries and isinstance(entries[0], Mapping):
        entries = msgspec.convert(entries, list[_Entry])
    return Results(
        np.array([entry.image_id for entry in entries], dtype=np.int64),
        np.array([entry.category_id for entry in entries], dtype=np.int64),
        np.array([entry.bbox for entry in entries], dtype=np.float64).reshape(-1, 4),
        np.array([entry.score for entry in entries], dtype=np.float64),
    )


def read_results(path: str | Path) -> Results:
    """Read a detections file.

    Raises:
        Refused: the variant was refused.
        UserError: the file does not have detections.
    """
    parts = _read_parts(path)
    if parts is not None:
        return _join(parts)
    content = read_content(path, list[_Entry] | _Refusal)
    if isinstance(content, _Refusal):
        raise Refused(content.refused)
    return make_results(content)


def _read_parts(path: str | Path) -> list[Results] | None:
    """A file with one detection a line, as the workflow writes it, some lines at a time.

    A Python object for each of millions of detections takes five times the memory of the columns.

    Returns:
        the parts; null for any other file, which is then read as a whole and refused with its first fault.
    """
    parts, last = [], False
    try:
        with open(path, "rb") as file:
            before = b"["
            while lines := file.readlines(PART_BYTES):
                part = b"".join(lines).strip()
                end = part[-1:]
                if last or not part.startswith(before) or end not in (b",", b"]"):
                    return None
                last, before = end == b"]", b"{"
                whole = (b"" if part.startswith(b"[") else b"[") + part[:-1] + b"]"
                parts.append(make_results(msgspec.json.decode(whole, type=list[_Entry])))
    except (OSError, msgspec.MsgspecError):
        return None
    return parts if last else None


def _join(parts: Sequence[Results]) -> Results:
    return Results(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Results)))


def write_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Write a detections file from its entries, one a line: memory does not grow with the data set."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(list_text(lines))
        file.write("\n")


def as_line(image_id: int, category_id: int, bbox: Sequence[float], score: float) -> str:
    """An entry of a detections file. ``repr`` of a float is its shortest exact form, without rounding."""
    return f'{{"image_id": {image_id}, "category_id": {category_id}, "bbox": {bbox!r}, "score": {score!r}}}'


def as_lines(results: Results) -> Iterator[str]:
    """The entries of a detections file, as ``write_lines`` takes them."""
    for start in range(0, len(results), PART_ROWS):
        part = results.take(np.arange(start, min(start + PART_ROWS, len(results))))
        columns = part.image_id, part.category_id, part.bbox, part.score
        for entry in zip(*(column.tolist() for column in columns), strict=True):
            yield as_line(*entry)


def refusal(path: str | Path) -> str | None:
    """Why the variant of a detections file was refused, or null. Detections are not parsed."""
    with open(path, encoding="utf-8") as file:
        start = file.read(1)
        return json.loads(start + file.read())["refused"] if start == "{" else None


def refusal_of_pair(reference: str | Path, variant: str | Path) -> str | None:
    """Why two variants cannot be compared, from their detections files; null if they can."""
    reason = refusal(variant)
    if reason is not None:
        return reason
    reason = refusal(reference)
    return None if reason is None else f"the reference is refused: {reason}"


def write_refusal(path: str | Path, reason: str, place: str | None = None) -> None:
    """Write the file of a refused variant instead of its detections.

    ``place``, in the file of some shards: where it was found, one of ``PLACES``.
    """
    write_json(path, {"refused": reason} | ({"place": place} if place else {}))


def refusal_of_parts(paths: Sequence[str | Path]) -> str | None:
    """Why a variant was refused, from the files of its shards in order; null if none is refused.

    It is the reason that one shard with all images gives: of the first place, there of the first image.
    """
    found = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            start = file.read(1)
            found += [json.loads(start + file.read())] if start == "{" else []
    return min(found, key=lambda part: PLACES.index(part["place"]))["refused"] if found else None
