"""Run inputs in a forked process, so that a crash, a hang or a hunger for memory is seen and counted."""

import multiprocessing
import os
import random
import resource
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from targets import TARGETS, choose, run

# seconds that an input may take
LONGEST = 10
# more seconds for the first input of a process, which imports
STARTING = 20
# bytes that an input may ask for beyond what the process has
MEMORY = 3 * 2**30
SOUND, REFUSED, HANG, CRASH = "sound", "refused", "hang", "crash"


@dataclass(frozen=True)
class Outcome:
    """Of an input. ``kind``: sound, refused, hang, crash, or the place of a traceback. ``text``: of it."""

    number: int
    kind: str
    text: str = ""

    @property
    def is_failure(self) -> bool:
        return self.kind not in (SOUND, REFUSED)


def run_inputs(name: str, folder: Path, seeds: list[bytes], start: int, until: float) -> Iterator[Outcome]:
    """Run inputs of a target from a number on until a time (``time.monotonic``); one at the least."""
    number = start
    while number == start or time.monotonic() < until:
        for outcome in _fork(name, folder, seeds, number, until):
            number = outcome.number + 1
            yield outcome


def run_one(name: str, folder: Path, raw: bytes) -> Outcome:
    """Run one input in a process of its own."""
    (outcome,) = _fork(name, folder, [raw], 0, 0, spoil=False)
    return outcome


def _fork(
    name: str, folder: Path, seeds: list[bytes], start: int, until: float, spoil: bool = True
) -> Iterator[Outcome]:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(theirs, name, folder, seeds, start, until, spoil))
    child.start()
    theirs.close()
    number = start
    try:
        while True:
            if not ours.poll(LONGEST + (0 if number > start else STARTING)):
                yield Outcome(number, HANG, f"no answer after {LONGEST} s")
                return
            try:
                outcome = ours.recv()
            except EOFError:
                child.join()
                if child.exitcode:
                    yield Outcome(number, CRASH, f"the process ended with {child.exitcode}")
                return
            number = outcome.number + 1
            yield outcome
            if not spoil:
                return
    finally:
        child.kill()
        child.join()
        ours.close()


def _work(
    send: Connection, name: str, folder: Path, seeds: list[bytes], start: int, until: float, spoil: bool
) -> None:
    target, number = TARGETS[name], start
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    random.seed(0)
    while number == start or time.monotonic() < until:
        raw = choose(target, seeds, number, name) if spoil else seeds[0]
        try:
            outcome = Outcome(number, SOUND if run(target, folder, raw) else REFUSED)
        except Exception as error:
            outcome = Outcome(number, _place(error), traceback.format_exc())
        send.send(outcome)
        number += 1


def _place(error: BaseException) -> str:
    """The type of an error, and the last line of ours that it came through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/cutpoint/" in frame.filename]
    place = (
        f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else str(error).partition(":")[0][:80]
    )
    return f"{type(error).__name__} in {place}"
