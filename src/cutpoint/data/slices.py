"""The slices of a data set from the CSV file that a user gives."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from cutpoint.data.file_names import has_control
from cutpoint.data.slices_file import COLUMNS, Line, read_lines
from cutpoint.errors import Gathered, UserError, did_you_mean, show
from cutpoint.records.manifest import Manifest, read_manifest
from cutpoint.records.slices import Slice, write_slices

# with more values of one name a slice would have few images, and a reader many lines
MOST_VALUES = 50
MOST_NAMES = 50
# more of them are not counted
COUNTED = 10_000
# characters of a name or a value
LONGEST = 200


def build_slices(*, dataset: str, slices: str, manifest: str, out: str) -> None:
    """Check the slices of a data set, and write the images of each.

    Memory grows with the images and their values, not with the file.

    Args:
        dataset: its name in the config.
        slices: CSV file with the columns ``slices_file.COLUMNS``; ``image`` is a file name as the data set
            has it, or an image id. All values are text.
        manifest: manifest JSON of the data set. Images that are left out or skipped may be listed.
        out: JSON file to write, see ``records.slices``; without slices that have no scored image.

    Raises:
        UserError: the file cannot be read as one; an image is not known, is meant by two images, or has two
            values of one name; a name or value is no short text in one line; or there are more than
            ``MOST_NAMES`` names, or ``MOST_VALUES`` values of a name. ``UserErrors`` for several of these.
    """
    where = f"datasets.{dataset}.slices {slices}"
    listed = read_manifest(manifest)
    found = _Found(listed)
    for line in read_lines(slices, where):
        found.add(line)
    found.check(where)
    scored = set(listed.ids)
    made = (Slice(*key, tuple(sorted(ids & scored))) for key, ids in found.images.items())
    write_slices(out, dataset, slices, _by_name(part for part in made if part.images))


def _by_name(slices: Iterator[Slice]) -> tuple[Slice, ...]:
    """The slices of a name together; names and values in the order in which they come."""
    names: dict[str, list[Slice]] = {}
    for part in slices:
        names.setdefault(part.name, []).append(part)
    return tuple(part for parts in names.values() for part in parts)


class _Images:
    """The images of a data set by what a line may call them."""

    def __init__(self, listed: Manifest) -> None:
        known = listed.file_names
        self.names = {name: identity for identity, name in known.items()}
        self._numbers = {str(identity): name for identity, name in known.items()}
        self._stems = {PurePosixPath(name).stem: name for name in self.names}

    def find(self, text: str) -> int | None:
        """The id of an image; null if it is not known.

        Raises:
            UserError: two images are called so.
        """
        by_id = self._numbers.get(text)
        by_name = text if text in self.names else self._stems.get(text) if by_id else None
        if by_id and by_name and by_id != by_name:
            raise UserError(
                f"{text!r} is the id of {by_id}, and the name of {by_name}; write file names with their "
                "endings"
            )
        name = by_id or by_name
        return None if name is None else self.names[name]


class _Found:
    """What the lines of a file say, and what is wrong with them.

    ``images``: the ids of each name and value.
    """

    def __init__(self, listed: Manifest) -> None:
        self.images: dict[tuple[str, str], set[int]] = {}
        self._known = _Images(listed)
        self._lines = 0
        self._values: dict[str, set[str]] = {}
        self._seen: dict[tuple[int, str], tuple[str, int]] = {}
        # of each kind of fault: the first line, its message, and how many lines have it
        self._faults: dict[str, tuple[Line, str, int]] = {}

    def add(self, line: Line) -> None:
        """Take a line. One that repeats another is allowed."""
        self._lines += 1
        empty = next((key for key in COLUMNS if not getattr(line, key)), None)
        if empty:
            self._refuse("empty", line, f"{empty} is empty; write it, or remove the line")
            return
        text = next((t for t in (line.name, line.value) if len(t) > LONGEST or has_control(t)), None)
        if text is not None:
            mend = f"names and values are text of at most {LONGEST} characters in one line"
            self._refuse("text", line, f"{show(text)} is too long, or has a control character; {mend}")
            return
        if line.name not in self._values and len(self._values) > COUNTED:
            return
        values = self._values.setdefault(line.name, set())
        if len(values) <= COUNTED:
            values.add(line.value)
        try:
            identity = self._known.find(line.image)
        except UserError as error:
            self._refuse("ambiguous", line, str(error))
            return
        if identity is None:
            self._refuse("stranger", line, "")
        elif len(values) <= MOST_VALUES and len(self._values) <= MOST_NAMES:
            self._take(line, identity)

    def _take(self, line: Line, identity: int) -> None:
        value, number = self._seen.setdefault((identity, line.name), (line.value, line.number))
        if value != line.value:
            told = f"{line.name} of {line.image} is {line.value!r}, and {value!r} in line {number}; keep one"
            self._refuse("conflict", line, told)
        else:
            self.images.setdefault((line.name, line.value), set()).add(identity)

    def _refuse(self, kind: str, line: Line, text: str) -> None:
        first, told, count = self._faults.get(kind, (line, text, 0))
        self._faults[kind] = first, told, count + 1

    def check(self, where: str) -> None:
        """Raise what was found to be wrong.

        Raises:
            UserError: begins with ``where``.
        """
        if not self._lines:
            raise UserError(f"{where}: no line below the head; write one for each image and name")
        gathered = Gathered()
        if any(len(values) > MOST_VALUES for values in self._values.values()):
            self._faults.pop("conflict", None)  # numbers in place of a few values
        for name, values in self._values.items():
            with gathered.one():
                if len(values) > MOST_VALUES:
                    raise UserError(
                        f"{where}: {name!r} has {_count(values)} values, and {MOST_VALUES} are allowed; "
                        "values are text, so put numbers into a few bins, such as 0-30 and 30-60"
                    )
        with gathered.one():
            if len(self._values) > MOST_NAMES:
                raise UserError(
                    f"{where}: has {_count(self._values)} names, and {MOST_NAMES} are allowed; leave some out"
                )
        for kind, (line, told, count) in self._faults.items():
            with gathered.one():
                if kind == "stranger":
                    told = self._stranger(line.image, count)
                elif count > 1:
                    told = f"{told} ({count} such lines)"
                raise UserError(f"{where}, line {line.number}: {told}")
        gathered.stop()

    def _stranger(self, image: str, count: int) -> str:
        hint = did_you_mean(image, self._known.names) if len(image) <= LONGEST else ""
        return (
            f"the data set has no image {show(image)} (of {self._lines} lines {count} name such images); "
            f"write a file name with its ending, or an image id{hint}"
        )


def _count(values: dict[str, set[str]] | set[str]) -> str:
    return str(len(values)) if len(values) <= COUNTED else f"more than {COUNTED}"
