"""Bring a download to its place: from a folder of files, from what was kept, or from the network."""

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cutpoint.data.download import download
from cutpoint.data.expected import Expected, length
from cutpoint.data.room import NoRoomError, check_room
from cutpoint.data.unpack import unpack
from cutpoint.errors import UserError
from cutpoint.files import replacing
from cutpoint.logs import say

# So many digits of the hash begin the name of a kept file: every row has as many.
NAMED_DIGITS = 8
# what a file system answers that has no hard links, or not between these two places, or not for this file
NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS, errno.EACCES)


def fetch(
    *,
    urls: Sequence[str],
    member: str,
    sha256: str,
    size: int | None,
    out: str,
    kept: str,
    unpacked: int | None = None,
    folder: str | None = None,
) -> None:
    """Bring a source to ``out``, completely or not at all.

    It is taken from ``folder`` if a file of its name is there, else from ``kept``, else it is downloaded to
    ``kept`` and stays there: two members of one archive are one download, and a file that is made again is
    none. Whatever is taken is checked by its hash and size. While a process works on a source, others wait.

    Args:
        urls: the addresses of one file, tried in this order.
        member: empty: the file itself; otherwise the file or folder inside the zip archive.
        sha256: digest of the file at ``urls``; hexadecimal, a prefix of at least 8 digits.
        size: bytes of this file; null if unknown.
        out: file, or folder for a folder member.
        kept: the folder that keeps downloads.
        unpacked: bytes that the member has, about; null if unknown. The disk must have room for them before
            the download.
        folder: where files are that need no download; it is only read. Null: nowhere.

    Raises:
        UserError: no address gives the file and why, there is no room, or the member is missing.
    """
    target, expected = Path(out), Expected(sha256, size)
    names, digits = list(dict.fromkeys(map(_name_file, urls))), sha256[:NAMED_DIGITS]
    name = names[0]
    for parent in (target.parent, Path(kept)):
        parent.mkdir(parents=True, exist_ok=True)
    with _alone(Path(kept, f".{digits}.lock"), name):
        # another row may have its addresses in another order, and so another name
        stored = next(Path(kept).glob(f"{digits}-*"), Path(kept, f"{digits}-{name}"))
        given, refusals = _find_given(folder, [*names, stored.name], expected)
        room = {target: unpacked or 0 if member else size or 0 if given else 0}
        if given is None:
            remedy = _describe_remedy(name, folder, refusals)
            _keep(urls, stored, expected, room, remedy)
        else:
            check_room(name, room)
        source = given or stored
        if member:
            unpack(url=urls[0], archive=source, member=member, target=target)
        elif given:
            # Snakemake gives its outputs a new time: the user's file shall keep its own
            _copy(given, target)
        else:
            _link(stored, target)


def _keep(urls: Sequence[str], stored: Path, expected: Expected, room: dict[Path, int], remedy: str) -> None:
    """Download to ``stored``, unless the file is there."""
    if stored.exists():
        difference = expected.find_difference(stored)
        if difference is None:
            check_room(stored.name, room)
            return
        say(f"{stored}: {difference}; it is downloaded again")
        stored.unlink()
    part = stored.with_name(f".{stored.name[:NAMED_DIGITS]}.part")
    missing = 0 if expected.size is None else expected.size - length(part)
    check_room(urls[0], {part: max(missing, 0), **room})
    try:
        download(urls, part, expected)
    except NoRoomError:
        raise
    except UserError as error:
        raise UserError(f"{error}{remedy}") from error
    os.replace(part, stored)


def _find_given(
    folder: str | None, names: Sequence[str], expected: Expected
) -> tuple[Path | None, list[str]]:
    """The file in the user's folder; and what is wrong with files of its name there."""
    refusals: list[str] = []
    for name in names if folder else ():
        path = Path(folder or "", name)
        if not path.is_file():
            continue
        difference = expected.find_difference(path)
        if difference is None:
            return path, refusals
        refusals.append(f"{path}: {difference}")
        say(f"{refusals[-1]}; it is not used")
    return None, refusals


def _describe_remedy(name: str, folder: str | None, refusals: Sequence[str]) -> str:
    if refusals:
        return f"; what is in downloads.folder is not used: {'; '.join(refusals)}"
    place = f"{folder}, the folder of downloads.folder" if folder else "a folder, named in downloads.folder"
    return f"; or put {name} into {place}"


def _name_file(url: str) -> str:
    """The file's name in an address, with plain characters."""
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[-150:].lstrip(".") or "file"


def _link(stored: Path, target: Path) -> None:
    """Have a kept file at ``target`` too: as a second name, or as a copy where the disk has none."""
    target.unlink(missing_ok=True)
    try:
        os.link(stored, target)
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
        _copy(stored, target)


def _copy(source: Path, target: Path) -> None:
    check_room(target.name, {target: length(source)})
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


@contextmanager
def _alone(lock: Path, name: str) -> Iterator[None]:
    """Wait until no other process holds ``lock``. The system frees it when a process ends in any way."""
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process works on {name}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            # the check by the hash still holds; at worst one of two processes has to start again
            say(f"{lock.parent}: this file system has no locks; do not start two runs at once")
        yield
