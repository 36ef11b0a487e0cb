"""Whether a run works in a folder: each run locks a file, and the system unlocks it when the run ends.

The lock files of Snakemake stay when a run is killed. This one tells whether they are left over.
"""

import fcntl
import json
import os
import platform
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from cutpoint.errors import UserError
from cutpoint.faults import describe_fault

# below Snakemake's own folder
FILE = "cutpoint-run.json"
LOCKS = "locks"
# scripts of killed jobs
SCRIPTS = "scripts"


def enter(folder: str | Path) -> int:
    """Say that a run works here, until the process ends. Several runs may.

    Args:
        folder: Snakemake's own folder, ``.snakemake``.

    Returns:
        The descriptor that holds the lock.

    Raises:
        UserError: the folder cannot be written.
    """
    handle = _open(folder)
    # a file system without locks: then nobody can tell, and ``clear`` says so
    with suppress(OSError):
        # the exclusive lock of ``clear`` lasts a moment
        fcntl.flock(handle, fcntl.LOCK_SH)
    _write_holder(handle)
    return handle


def clear(folder: str | Path) -> int:
    """Remove what a dead run of this machine has left; then ``enter``.

    Raises:
        UserError: a run works here; or locks are there and nobody can tell whether their run is dead; or the
            folder cannot be written.
    """
    handle = _open(folder)
    holder, told = _read_holder(handle), True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(_describe_run(holder)) from None
    except OSError:
        told = False
    locks = [path for path in Path(folder, LOCKS).glob("*.lock") if path.is_file()]
    if locks and not (told and holder.get("machine") == platform.node()):
        raise UserError(_describe_locks(Path(folder, LOCKS), holder))
    for path in [*locks, *Path(folder, SCRIPTS).glob("tmp*")]:
        path.unlink()
    os.close(handle)
    return enter(folder)


def _open(folder: str | Path) -> int:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        return os.open(Path(folder, FILE), os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(describe_fault(error) or str(error)) from error


def _write_holder(handle: int) -> None:
    """Who holds it, for the next one. On a full disk the last one's name stays."""
    holder = {"pid": os.getpid(), "machine": platform.node(), "started": time.strftime("%Y-%m-%d %H:%M:%S")}
    content = json.dumps(holder).encode()
    with suppress(OSError):
        os.pwrite(handle, content, 0)
        os.ftruncate(handle, len(content))


def _read_holder(handle: int) -> dict[str, Any]:
    try:
        holder = json.loads(os.pread(handle, 4096, 0))
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _describe_run(holder: dict[str, Any]) -> str:
    who = (
        f"process {holder['pid']} on {holder['machine']}, since {holder['started']}"
        if {"pid", "machine", "started"} <= holder.keys()
        else "its process is not known"
    )
    return f"a run works in {Path.cwd()} already ({who}); wait until it ends, or stop it"


def _describe_locks(locks: Path, holder: dict[str, Any]) -> str:
    who = f"a run on the machine {holder['machine']!r}" if "machine" in holder else "an unknown run"
    return (
        f"{locks} has locks of {who}, and nobody here can tell whether it still works; if it does not, "
        "remove them with `snakemake --unlock`, then start the same command again"
    )
