"""File names of images that come from a user's file, and what lies under them in the images folder.

A name must stay inside its folder, and it must be printable in one line: it becomes part of paths, tables,
pages and messages.
"""

import os
import re
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cutpoint.errors import Gathered, UserError

# control characters, line and paragraph separators, and halves of UTF-16 pairs, which no file can hold
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
HALVES = re.compile("[\ud800-\udfff]")
# what Linux and other systems allow, in bytes
LONGEST_PART, LONGEST_PATH = 255, 2048
# of files that are not regular ones
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
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


def check_files(where: str, folder: Path, files: Iterable[tuple[int, str]], listed: str) -> None:
    """Check that each name is a file in the images folder.

    The folder itself may be a link, and a link in it may lead to another file in it.

    Args:
        where: begins the messages: the config key.
        folder: the images folder.
        files: id and name of each image, without a fault (``find_fault``).
        listed: what lists the names: ``images listed in FILE``.

    Raises:
        UserError: files are missing; are no files, but folders, sockets, pipes or devices; or are links that
            lead out of the folder. ``UserErrors`` for several of these.
    """
    files = list(files)
    look = _Look(folder)
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for identity, name in files:
        kind = look.fault(name)
        if kind:
            found[kind].append(f"{folder / name} (image {identity})")
    gathered = Gathered()
    for (what, mend), first in found.items():
        with gathered.one():
            raise UserError(f"{where}: {len(first)} of {len(files)} {listed} {what}; first: {first[0]}{mend}")
    gathered.stop()


class _Look:
    """Looks at files of a folder. The folders in it are resolved once each."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.root = os.path.realpath(folder)
        self.inside: dict[str, bool] = {}

    def fault(self, name: str) -> tuple[str, str] | None:
        """What is wrong and how to mend it; null if the name is a file in the folder."""
        path = os.path.join(self.folder, name)
        try:
            mode = os.lstat(path).st_mode
            leaves = not self._is_inside(os.path.dirname(path))
            if stat.S_ISLNK(mode):
                mode = os.stat(path).st_mode
                leaves = leaves or not self._has(os.path.realpath(path))
        except OSError as error:
            if isinstance(error, FileNotFoundError | NotADirectoryError):
                return f"are not in {self.folder}", ""
            return f"cannot be reached ({error.strerror})", "; mend the link or the rights"
        if leaves:
            return (
                f"are links that lead out of {self.folder}",
                "; put the files themselves there, or name their own folder in the config",
            )
        if not stat.S_ISREG(mode):
            return f"are {KINDS.get(stat.S_IFMT(mode), 'something else')}, not a file", "; remove them"
        return None

    def _is_inside(self, parent: str) -> bool:
        if parent not in self.inside:
            self.inside[parent] = self._has(os.path.realpath(parent))
        return self.inside[parent]

    def _has(self, real: str) -> bool:
        return os.path.commonpath([self.root, real]) == self.root
