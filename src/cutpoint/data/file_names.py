"""File names of images that come from a user's file, and links under them in the images folder.

A name must stay inside its folder, and it must be printable in one line: it becomes part of paths, tables,
pages and messages.
"""

import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cutpoint.errors import UserError

# control characters, line and paragraph separators, and halves of UTF-16 pairs, which no file can hold
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
HALVES = re.compile("[\ud800-\udfff]")
# what Linux and other systems allow, in bytes
LONGEST_PART, LONGEST_PATH = 255, 2048
SUSPICIOUS = re.compile(f"{CONTROL.pattern}|{HALVES.pattern}|" r"\\|^/|^[A-Za-z]:/|(?:^|/)\.\.(?:/|$)")
# a name that is shorter than this and not suspicious is sound
SHORT = LONGEST_PART // 4


@dataclass(frozen=True)
class Fault:
    """A kind of fault of names: ``what`` follows ``file_name``, ``mend`` says how to mend it."""

    what: str
    mend: str


CONTROLS = Fault("that has a control character", "rename the file, and write its new name")
NOT_TEXT = Fault("that is not valid Unicode text", "rename the file, and write its new name as UTF-8")
BACKSLASH = Fault("that has a backslash", "write / between folders and file")
ABSOLUTE = Fault("that is an absolute path", "write it relative to the images folder of the config")
LEAVES = Fault("that leads out of the images folder", "write it without '..', relative to the images folder")
TOO_LONG = Fault("that is longer than a file system allows", "write the name of the file")


def find_fault(name: str) -> Fault | None:
    """What is wrong with a name; null if nothing is. The file is not looked at."""
    if len(name) <= SHORT and not SUSPICIOUS.search(name):
        return None
    if CONTROL.search(name):
        return CONTROLS
    if HALVES.search(name):
        return NOT_TEXT
    if "\\" in name:
        return BACKSLASH
    if re.match("/|[A-Za-z]:/", name):
        return ABSOLUTE
    parts = name.split("/")
    if ".." in parts:
        return LEAVES
    if len(name.encode()) > LONGEST_PATH or max(len(part.encode()) for part in parts) > LONGEST_PART:
        return TOO_LONG
    return None


def has_control(text: str) -> bool:
    """Whether a text has characters that break a line, steer a terminal, or cannot be written as UTF-8."""
    return bool(CONTROL.search(text) or HALVES.search(text))


def same_file(name: str) -> str:
    """A key that is equal for names that are one file on some systems: in case and in Unicode's forms."""
    return unicodedata.normalize("NFC", name).casefold()


def check_links(where: str, folder: Path, files: Iterable[tuple[int, str]]) -> None:
    """Check that no name leads out of the images folder by links.

    The folder itself may be a link, and a link in it may lead to another file in it.

    Args:
        where: begins the message: the config key.
        folder: the images folder.
        files: id and name of each image, without a fault (``find_fault``).

    Raises:
        UserError: some do; with their number and the first.
    """
    files = list(files)
    look = _Look(folder)
    out = [f"{folder / name} (image {identity})" for identity, name in files if look.leaves(name)]
    if out:
        raise UserError(
            f"{where}: {len(out)} of {len(files)} images are links that lead out of {folder}; first: {out[0]}"
            "; put the files themselves there, or name their own folder in the config"
        )


class _Look:
    """Looks at files of a folder. The folders in it are resolved once each."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.root = os.path.realpath(folder)
        self.inside: dict[str, bool] = {}

    def leaves(self, name: str) -> bool:
        """Whether a name leads out of the folder. A link to itself does not; it cannot be read."""
        path = os.path.join(self.folder, name)
        parent = os.path.dirname(path)
        if parent not in self.inside:
            self.inside[parent] = self._has(parent)
        return not self.inside[parent] or (os.path.islink(path) and not self._has(path))

    def _has(self, path: str) -> bool:
        return os.path.commonpath([self.root, os.path.realpath(path)]) == self.root
