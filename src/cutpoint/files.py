"""Files are written completely or not at all; what lies in place of a file that was wanted."""

import fcntl
import json
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

try:
    from lzma import LZMAError
except ImportError:  # Python can be built without it; zipfile then refuses what is packed so
    LZMAError = zlib.error  # type: ignore[misc, assignment]

# what the zip reader raises on a file that is damaged, encrypted or packed in an unknown way
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, NotImplementedError, RuntimeError)
# So many bytes of a file tell what it is.
START_BYTES = 512
SUBSTITUTES = {
    rb"\s*$": "it is empty; copy or download it again",
    rb"version https://git-lfs": "it is a Git LFS pointer, not the file itself; run `git lfs pull`",
    rb"(\xef\xbb\xbf)?\s*<[!?a-zA-Z]": (
        "it is a web page (HTML or XML), not the file itself; download it again from its own address"
    ),
}
# first bytes of files that hold others
PACKED = {
    b"\x1f\x8b": "it is a gzip file; unpack it (gunzip)",
    b"PK\x03\x04": "it is a zip archive; unpack it (unzip)",
    b"\x28\xb5\x2f\xfd": "it is a zstd file; unpack it (unzstd)",
    b"BZh": "it is a bzip2 file; unpack it (bunzip2)",
    b"\xfd7zXZ": "it is an xz file; unpack it (unxz)",
}


def name_substitute(start: bytes) -> str | None:
    """What lies in place of a file that was wanted, and how to mend it; null where it may be the file.

    Args:
        start: of the file, ``START_BYTES`` bytes or more.
    """
    return next((text for pattern, text in SUBSTITUTES.items() if re.match(pattern, start)), None)


def is_text(start: bytes) -> bool:
    """Whether a file that begins with these bytes is plain ASCII text."""
    return start.isascii() and all(c.isprintable() or c.isspace() for c in start.decode("ascii"))


def name_packed(start: bytes) -> str | None:
    """What lies in place of a text file that was wanted, as ``name_substitute``; packed files too."""
    packed = next((text for mark, text in PACKED.items() if start.startswith(mark)), None)
    return packed or name_substitute(start)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block ends without an error.

    Parent folders are made. When the block raises, the temporary file is removed. A killed process leaves it;
    the next one that writes the same path removes it.

    Raises:
        OSError: it cannot be written; ``filename`` is ``path`` if the system names no other file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left(path)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    except OSError as error:
        error.filename = str(path)
        raise
    _try_lock(handle)
    try:
        # mkstemp makes private files; results are as readable as any other file the user makes
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        yield Path(name)
        os.replace(name, path)
    except OSError as error:
        # what writes to an open file knows its number only
        if error.errno is not None and error.filename in (None, name):
            error.filename = str(path)
        raise
    finally:
        Path(name).unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def scratch(path: str | Path) -> Iterator[TextIO]:
    """Yield a file without a name beside ``path``, to write and read; it ends with the block or the process.

    Raises:
        OSError: it cannot be written; ``filename`` is ``path``.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile("w+", dir=path.parent, encoding="utf-8") as file:
            yield file
    except OSError as error:
        # what writes to an open file does not know its name
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def _remove_left(path: Path) -> None:
    """Remove temporary files of ``path`` whose writers are dead: nobody holds their lock any more."""
    # eight characters, as mkstemp chooses them
    name = re.compile(rf"\.{re.escape(path.stem)}-[a-z0-9_]{{8}}{re.escape(path.suffix)}")
    for left in [Path(entry) for entry in os.scandir(path.parent) if name.fullmatch(entry.name)]:
        # another process may remove it first, and it may be another user's
        with suppress(FileNotFoundError, PermissionError), left.open("rb+") as file:
            if _try_lock(file.fileno()):
                left.unlink()


def _try_lock(handle: int) -> bool:
    """Lock a file until ``handle`` is closed or the process ends; false if another process has it.

    Also false on a file system without locks: there temporary files of dead writers stay.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8, completely or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def as_json(value: Any) -> str:
    """``value`` as the text of a JSON file; NaN and infinities are refused (``ValueError``)."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as JSON, see ``as_json``."""
    write_text(path, as_json(value))


def list_text(values: Iterable[str]) -> Iterator[str]:
    """The text of a JSON list in pieces, from the texts of its values; one value a line."""
    before = "["
    for value in values:
        yield before + value
        before = ",\n"
    yield "[]" if before == "[" else "]"


def read_json(path: str | Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))
