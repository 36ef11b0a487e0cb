"""Read the slices of a data set from the CSV file that a user gives."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cutpoint.errors import UserError, did_you_mean
from cutpoint.files import name_substitute
from cutpoint.records.manifest import Manifest, read_manifest
from cutpoint.records.slices import Slice, write_slices

COLUMNS = ("image", "name", "value")
# with more values of one name a slice would have few images, and a reader many lines
MOST_VALUES = 50
# what separates columns: spreadsheets write semicolons where a comma is the decimal point
DELIMITERS = ",;\t"


@dataclass(frozen=True)
class _Line:
    """A line of the file, its text without spaces around it."""

    number: int
    image: str
    name: str
    value: str


def build_slices(*, dataset: str, slices: str, manifest: str, out: str) -> None:
    """Check the slices of a data set, and write the images of each.

    Args:
        dataset: its name in the config.
        slices: CSV file with the columns ``COLUMNS``; ``image`` is a file name as the data set has it, or an
            image id. All values are text.
        manifest: manifest JSON of the data set. Images that its ``limit`` leaves out may be listed.
        out: JSON file to write, see ``records.slices``; without slices that have no scored image.

    Raises:
        UserError: the file cannot be read as one; an image is not known, is meant by two images, or has two
            values of one name; or a name has more than ``MOST_VALUES`` values.
    """
    where = f"datasets.{dataset}.slices {slices}"
    listed = read_manifest(manifest)
    lines = list(_read_lines(slices, where))
    if not lines:
        raise UserError(f"{where}: no line below the head; write one for each image and name")
    _check_values(lines, where)
    images: dict[tuple[str, str], set[int]] = defaultdict(set)
    for line, image in zip(lines, _find_images(lines, listed, where), strict=True):
        images[line.name, line.value].add(image)
    scored = set(listed.ids)
    made = (Slice(*key, tuple(sorted(ids & scored))) for key, ids in images.items())
    write_slices(out, dataset, slices, _by_name(part for part in made if part.images))


def _by_name(slices: Iterator[Slice]) -> tuple[Slice, ...]:
    """The slices of a name together; names and values in the order in which they come."""
    names: dict[str, list[Slice]] = {}
    for part in slices:
        names.setdefault(part.name, []).append(part)
    return tuple(part for parts in names.values() for part in parts)


def _read_lines(path: str, where: str) -> Iterator[_Line]:
    text = _read_text(path, where)
    head = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = [_clean(cell).lower() for cell in next(reader, [])]
    for column in COLUMNS:
        if column not in names:
            raise UserError(
                f"{where}: the column {column!r} is missing; the first line must name the columns "
                f"{', '.join(COLUMNS)}, and names {', '.join(map(repr, names))}"
            )
    places = [names.index(column) for column in COLUMNS]
    for row in reader:
        cells = [_clean(row[place]) if place < len(row) else "" for place in places]
        if not any(map(_clean, row)):
            continue  # spreadsheets end a table with empty lines
        if not all(cells):
            column = COLUMNS[cells.index("")]
            raise UserError(
                f"{where}, line {reader.line_num}: {column} is empty; write it, or remove the line"
            )
        yield _Line(reader.line_num, *cells)


def _read_text(path: str, where: str) -> str:
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{where}: cannot be read ({error.strerror})") from error
    substitute = name_substitute(raw)
    if substitute:
        raise UserError(f"{where}: {substitute}")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: not UTF-8 text; in a spreadsheet, save it as CSV UTF-8") from error


def _clean(cell: str) -> str:
    return " ".join(cell.split())


def _check_values(lines: list[_Line], where: str) -> None:
    values = defaultdict(set)
    for line in lines:
        values[line.name].add(line.value)
    for name, known in values.items():
        if len(known) > MOST_VALUES:
            raise UserError(
                f"{where}: {name!r} has {len(known)} values, and {MOST_VALUES} are allowed; values are text, "
                "so put numbers into a few bins, such as 0-30 and 30-60"
            )


def _find_images(lines: list[_Line], listed: Manifest, where: str) -> list[int]:
    """The id of each line's image. A line that repeats another one is allowed."""
    known = [(image.id, image.file_name) for image in listed.images]
    known += zip(listed.left_out, listed.left_out_files, strict=True)
    names = {name: identity for identity, name in known}
    numbers = {str(identity): name for identity, name in known}
    stems = {PurePosixPath(name).stem: name for name in names}
    strangers = [line for line in lines if line.image not in names and line.image not in numbers]
    if strangers:
        first = strangers[0]
        raise UserError(
            f"{where}, line {first.number}: the data set has no image {first.image!r} (of {len(lines)} lines "
            f"{len(strangers)} name such images); write a file name with its ending, or an image id"
            f"{did_you_mean(first.image, names)}"
        )
    seen: dict[tuple[int, str], _Line] = {}
    ids = []
    for line in lines:
        by_id = numbers.get(line.image)
        by_name = line.image if line.image in names else stems.get(line.image)
        if by_id and by_name and by_id != by_name:
            raise UserError(
                f"{where}, line {line.number}: {line.image!r} is the id of {by_id}, and the name of "
                f"{by_name}; write file names with their endings"
            )
        identity = names[by_id or line.image]
        first = seen.setdefault((identity, line.name), line)
        if first.value != line.value:
            raise UserError(
                f"{where}, line {line.number}: {line.name} of {line.image} is {line.value!r}, and "
                f"{first.value!r} in line {first.number}; keep one"
            )
        ids.append(identity)
    return ids
