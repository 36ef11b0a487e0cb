"""Each job on a GPU has one of its own, chosen here: Snakemake only counts them.

A job locks a file per GPU. The system unlocks it as soon as the job and all processes that it started have
ended, also when they are killed. The files lie in one folder per machine and user, so that runs in different
working directories do not share a GPU either.
"""

import fcntl
import json
import os
import re
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from cutpoint.errors import UserError
from cutpoint.files import write_text
from cutpoint.gpus import VISIBLE, Fault, Gpu, find_fault, visible_gpus
from cutpoint.lifeline import STARTED_BY
from cutpoint.logs import log_to, say

# Not TMPDIR, which two runs may have different ones of.
FOLDER = Path(f"/tmp/cutpoint-{os.getuid()}-gpus")
# Environment variable: the GPUs that this job has failed on, and why, as JSON.
FAILED = "CUTPOINT_FAILED_GPUS"
POLL_S = 0.5
# descriptors of the locks that this process holds
_held: list[int] = []


@contextmanager
def log_on_gpu(path: str | Path, count: int, *, alone: bool = False) -> Iterator[None]:
    """Run a job on a GPU that no other job uses, with its output in a log (``logs.log_to``).

    ``CUDA_VISIBLE_DEVICES`` names that GPU inside the block, so CUDA must not be used before. If the GPU
    fails (``gpus.find_fault``), this process starts again from its beginning, on another one: CUDA cannot
    change it in a process. A GPU that is lost is left out by all later jobs of the run.

    Args:
        path: the log.
        count: what the job takes of Snakemake's resource ``gpu``; 0: it uses none, and this is ``log_to``.
        alone: no other job may use any of the visible GPUs meanwhile. The first one is used.

    Raises:
        UserError: no GPU is visible, or none is left.
    """
    if not count:
        with log_to(path):
            yield
        return
    failed = False
    with log_to(path):
        before = os.environ.get(VISIBLE)
        gpus = visible_gpus()
        gpu = _take(gpus, alone)
        if gpu.name is not None:
            os.environ[VISIBLE] = gpu.name
        say(f"cutpoint: on GPU {gpu}")
        try:
            yield
        except Exception as error:
            fault = find_fault(error)
            if fault is None:
                raise
            _leave_out(gpu, fault, gpus, error)
            say(f"cutpoint: GPU {gpu} failed ({fault.reason}); the job starts again on another one")
            failed = True
        finally:
            _restore(before)
    if failed:
        # The locks end here: their descriptors are not inherited. Exit handlers would touch the broken GPU.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def held_locks() -> tuple[int, ...]:
    """The descriptors that a process must inherit if it uses the GPU of this one, and may outlive it."""
    return tuple(_held)


def _take(gpus: Sequence[Gpu], alone: bool) -> Gpu:
    """Lock one GPU, or all of them; the one to use."""
    out = _left_out(gpus)
    for gpu, reason in out.items():
        say(f"cutpoint: GPU {gpu} is left out: {reason}")
    if not alone or len(out) == len(gpus):
        return _wait_for(gpus)
    usable = [gpu for gpu in gpus if gpu not in out]
    # in one order: two jobs that want all do not wait for each other
    for gpu in sorted(usable, key=lambda gpu: gpu.key):
        _wait_for([gpu])
    return usable[0]


def _wait_for(gpus: Sequence[Gpu]) -> Gpu:
    """Lock the first of these GPUs that nobody uses."""
    told = False
    while True:
        out = _left_out(gpus)
        usable = [gpu for gpu in gpus if gpu not in out]
        if not usable:
            raise UserError(_none_left(out))
        for gpu in usable:
            if _lock(gpu):
                return gpu
        if not told:
            say(f"cutpoint: waits until one is free: {'; '.join(map(_holder, usable))}")
            told = True
        time.sleep(POLL_S)


def _left_out(gpus: Sequence[Gpu]) -> dict[Gpu, str]:
    """GPUs that this job does not use, and why: it failed there, or the run has lost them."""
    failed = json.loads(os.environ.get(FAILED, "{}"))
    out = {}
    for gpu in gpus:
        lost = _lost_file(gpu)
        if gpu.key in failed:
            out[gpu] = failed[gpu.key]
        elif lost is not None and lost.exists():
            out[gpu] = lost.read_text(encoding="utf-8")
    return out


def _leave_out(gpu: Gpu, fault: Fault, gpus: Sequence[Gpu], error: Exception) -> None:
    """Remember that this job failed on a GPU; if it is lost, for all jobs of the run.

    The last one is not left out for the run: perhaps the job itself is at fault, and each job says so.
    """
    failed = json.loads(os.environ.get(FAILED, "{}")) | {gpu.key: fault.reason}
    os.environ[FAILED] = json.dumps(failed)
    out = _left_out(gpus)
    if len(out) == len(gpus):
        raise UserError(_none_left(out)) from error
    lost = _lost_file(gpu)
    if fault.lost and lost is not None:
        write_text(lost, fault.reason)


def _none_left(out: dict[Gpu, str]) -> str:
    reasons = "; ".join(f"GPU {gpu}: {reason}" for gpu, reason in out.items())
    return (
        f"no GPU is left for this job: {reasons}; look at `nvidia-smi` and at the system's log (Xid), end "
        "other programs there or use smaller batches, then start the same command again"
    )


def _lost_file(gpu: Gpu) -> Path | None:
    """The mark that this run has lost a GPU; null if nobody knows which run this is."""
    run = os.environ.get(STARTED_BY)
    return FOLDER / f"{_file_name(gpu)}.{sha256(run.encode()).hexdigest()[:16]}.lost" if run else None


def _lock(gpu: Gpu) -> bool:
    """Lock a GPU until this process ends; false if another one has it, or had it and lost it."""
    handle = os.open(_folder() / f"{_file_name(gpu)}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        free = not _left_out([gpu])
    except BlockingIOError:
        free = False
    if not free:
        os.close(handle)
        return False
    _held.append(handle)
    holder = f"is used by process {os.getpid()} since {time.strftime('%Y-%m-%d %H:%M:%S')}".encode()
    os.pwrite(handle, holder, 0)
    os.ftruncate(handle, len(holder))
    return True


def _holder(gpu: Gpu) -> str:
    return f"GPU {gpu} {(_folder() / f'{_file_name(gpu)}.lock').read_text(encoding='utf-8')}"


def _file_name(gpu: Gpu) -> str:
    return re.sub(r"[^\w-]", "_", gpu.key)


def _folder() -> Path:
    """This user's folder on this machine.

    Raises:
        UserError: it is another user's.
    """
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    found = FOLDER.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise UserError(f"{FOLDER}: is not a folder of yours; GPUs are locked there: remove it")
    return FOLDER


def _restore(before: str | None) -> None:
    if before is None:
        os.environ.pop(VISIBLE, None)
    else:
        os.environ[VISIBLE] = before
