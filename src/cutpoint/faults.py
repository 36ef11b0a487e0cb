"""One message for a fault of the machine: a full disk, a read-only folder, too little memory.

The same command goes on afterwards, so each message says what to mend first.
"""

import errno
import os
import shutil
from collections.abc import Iterable

from cutpoint.errors import UserError

AGAIN = "then start the same command again: what is done is kept"
FULL = f"free space there, {AGAIN}"
FAULTS = {
    errno.ENOSPC: ("the disk is full", FULL),
    errno.EDQUOT: ("your disk quota is used up", FULL),
    errno.EFBIG: (
        "the file is larger than the limit for one file",
        f"raise the limit (`ulimit -f`), {AGAIN}",
    ),
    errno.EROFS: ("the file system is read-only", f"make it writable or use another folder, {AGAIN}"),
    errno.EACCES: ("you have no permission", f"give yourself the permission, {AGAIN}"),
    errno.EPERM: ("the system does not permit it", f"give yourself the permission, {AGAIN}"),
    errno.EIO: ("the disk or the network file system fails", f"check it, {AGAIN}"),
    errno.ESTALE: ("the network file system has lost the file", f"mount it again, {AGAIN}"),
    errno.EMFILE: ("too many open files", f"raise the limit (`ulimit -n`), {AGAIN}"),
    errno.ENFILE: ("the machine has too many open files", f"end other programs, {AGAIN}"),
    errno.EAGAIN: ("the limit of processes and threads is reached", f"raise it (`ulimit -u`), {AGAIN}"),
}
MEMORY = f"not enough memory; end other programs, use fewer cores, smaller batches or more shards, {AGAIN}"
# what libraries say that raise no MemoryError, in lower case
MEMORY_WORDS = (
    "out of memory",
    "not enough memory",
    "insufficient memory",
    "bad_alloc",
    "bad allocation",
    "cannot allocate memory",
    "failed to allocate memory",
    "can't start new thread",
)
# what libraries say that write files without Python; they have no error number
WRITE_WORDS = {
    "no space left on device": errno.ENOSPC,
    "disk quota exceeded": errno.EDQUOT,
    "file too large": errno.EFBIG,
    "read-only file system": errno.EROFS,
}


def describe_fault(error: BaseException) -> str | None:
    """One message for an error that the machine made; null if it is another error.

    Args:
        error: it, or one of those that led to it, is the machine's.
    """
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    return next((message for link in chain if (message := _describe(link))), None)


def check_writable(folders: Iterable[str]) -> None:
    """Refuse folders that are there and cannot be written.

    Raises:
        UserError: the first one.
    """
    for folder in folders:
        if os.path.isdir(folder) and not os.access(folder, os.W_OK):
            read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
            raise UserError(_name_place(errno.EROFS if read_only else errno.EACCES, folder, ""))


def check_room(folder: str, least: int) -> None:
    """Refuse a folder whose disk is full.

    Args:
        folder: it is there.
        least: free bytes that are enough.

    Raises:
        UserError: there are fewer.
    """
    if shutil.disk_usage(folder).free < least:
        raise UserError(_name_place(errno.ENOSPC, folder, ""))


def _describe(error: BaseException) -> str | None:
    if isinstance(error, MemoryError):
        return MEMORY
    text = str(error)
    if isinstance(error, OSError) and error.errno in FAULTS:
        return _name_place(error.errno, error.filename, text)
    lowered = text.lower()
    if any(words in lowered for words in MEMORY_WORDS):
        return MEMORY
    number = next((number for words, number in WRITE_WORDS.items() if words in lowered), None)
    return _name_place(number, None, text) if number else None


def _name_place(number: int, filename: object, text: str) -> str:
    what, remedy = FAULTS[number]
    # write() knows a descriptor and no name: only what opens, renames and makes files says where
    where = os.path.abspath(os.fsdecode(filename)) if isinstance(filename, str | bytes) else text.strip()
    return f"{where}: {what}; {remedy}"
