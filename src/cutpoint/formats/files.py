"""Find and read the user's files: only regular ones, of a size that annotations have, as UTF-8 text."""

import os
import re
import stat
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePath

from cutpoint.data.annotation_model import FURTHEST, is_size
from cutpoint.data.selection import IMAGE_SUFFIXES
from cutpoint.errors import UserError
from cutpoint.files import name_packed
from cutpoint.formats.content import Tally

# bytes of a file for one image, and of one for a whole data set
LARGEST, LARGEST_WHOLE = 64 << 20, 8 << 30
# as people and programs write numbers; float() reads more, for example 1_0 and nan
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
LONGEST_NUMBER = 50


def find_files(folder: Path, suffixes: Collection[str]) -> list[str]:
    """Paths of files below a folder, from the folder, sorted.

    Links to folders are not followed. What begins with a dot is left out: copies that systems and notebooks
    keep (``._a.jpg``, ``.ipynb_checkpoints``).
    """
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            PurePath(os.path.relpath(os.path.join(place, name), folder)).as_posix()
            for name in names
            if PurePath(name).suffix.lower() in suffixes and not name.startswith(".")
        ]
    return sorted(found)


def find_images(folder: Path) -> list[str]:
    """Paths of the images below a folder, as ``find_files``."""
    return find_files(folder, IMAGE_SUFFIXES)


def check_regular(path: Path, largest: int) -> None:
    """Refuse what is no regular file that can be opened, or has more than ``largest`` bytes.

    Raises:
        UserError: the message does not name the file.
    """
    try:
        state = path.stat()  # before it is opened: a pipe would wait for someone who writes
        if stat.S_ISREG(state.st_mode):
            path.open("rb").close()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"cannot be read ({reason})") from error
    if not stat.S_ISREG(state.st_mode):
        raise UserError("is no regular file")
    if state.st_size > largest:
        raise UserError(f"has {state.st_size} bytes, more than {largest}")


def read_bytes(path: Path, largest: int = LARGEST) -> bytes:
    """The content of a file.

    Raises:
        UserError: it cannot be read; the message does not name the file.
    """
    check_regular(path, largest)
    return path.read_bytes()


def read_text(path: Path, largest: int = LARGEST) -> str:
    """The text of a file; a byte order mark is left out. Errors as in ``read_bytes``."""
    raw = read_bytes(path, largest)
    # an empty file is right where an image has no objects
    packed = name_packed(raw) if raw.strip() else None
    if packed:
        raise UserError(packed)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError("is not UTF-8 text") from error


def read_label_lines(path: Path, tally: Tally) -> list[str] | None:
    """The lines of an image's label file; null if it cannot be read, which is a problem of the tally."""
    try:
        return read_text(path).splitlines()
    except UserError as error:
        tally.problem(f"label file that {error}", str(path), "write or copy it again")
        return None


def as_number(text: str) -> float | None:
    """A finite number that can be pixels; null for all other text."""
    if len(text) > LONGEST_NUMBER or not NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if abs(number) <= FURTHEST else None


def as_size(texts: Sequence[str | None], place: str, tally: Tally) -> tuple[int, int] | None:
    """Width and height (px) as a file writes them; null if they are none, which is a problem of the tally."""
    numbers = [as_number(text or "") for text in texts]
    if not all(is_size(number) for number in numbers):
        tally.problem(
            "size that is no whole number of pixels", place, "correct it", " x ".join(map(str, texts))
        )
        return None
    width, height = (int(number) for number in numbers if number is not None)
    return width, height


def lose_unlabelled(there: Iterable[str], labelled: Iterable[str], what: str, tally: Tally) -> None:
    """Count the images that have no label file, in a format where these are not part of the set.

    Args:
        there: the images below the folder.
        labelled: those that have a label file.
        what: the loss, for people.
        tally: counts it.
    """
    left_out = sorted(set(there) - set(labelled))
    if left_out:
        tally.lose(what, "left out", left_out[0], len(left_out))


def by_stem(images: Iterable[str]) -> dict[str, list[str]]:
    """Images by their path without the ending."""
    found: dict[str, list[str]] = {}
    for name in images:
        found.setdefault(PurePath(name).with_suffix("").as_posix(), []).append(name)
    return found
