"""A process ends soon after the one that started it: no job outlives its run, no worker outlives its job.

The one that starts others says in an environment variable who it is, because a shell may stand between the
two. On systems without ``/proc`` a process does not watch, and ends by itself.
"""

import os
import signal
import threading
import time
from pathlib import Path

# Environment variable: who started this process.
STARTED_BY = "CUTPOINT_STARTED_BY"
POLL_S = 0.5
# of /proc/PID/stat, after the name: state, and the start in ticks since the machine started
STATE, START = 0, 19
ENDED = ("Z", "X")


def name_self() -> str:
    """This process, as a value of ``STARTED_BY``; empty where the system does not tell.

    A process is named by machine, space of process numbers, number and start. The start tells it apart from a
    later process of the same number. It is counted from the start of the machine, so a clock that is set does
    not change it.
    """
    pid = os.getpid()
    start, space = _find_start(pid), _name_space()
    return f"{space} {pid} {start}" if start and space else ""


def follow_starter() -> None:
    """End this process by SIGKILL as soon as the one in ``STARTED_BY`` is gone.

    SIGKILL, because what this process would still write could meet a second run. Nothing happens without the
    variable, or if it is of another machine or container.
    """
    space, _, process = os.environ.get(STARTED_BY, "").partition(" ")
    if not process or space != _name_space():
        return
    pid, start = process.split()
    if _find_start(int(pid)) != start:
        _end()
    threading.Thread(target=_watch, args=(int(pid), start), name="lifeline", daemon=True).start()


def _watch(pid: int, start: str) -> None:
    while _find_start(pid) == start:
        time.sleep(POLL_S)
    _end()


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _find_start(pid: int) -> str | None:
    """When a living process started, in ticks; null if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # the name stands in brackets and may have any character
    fields = stat.rpartition(")")[2].split()
    return None if fields[STATE] in ENDED else fields[START]


def _name_space() -> str | None:
    """The start of this machine and the space of process numbers; null without ``/proc``."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return None
