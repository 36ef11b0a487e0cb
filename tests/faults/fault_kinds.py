"""What can happen to a run. Each kind waits for its moment, does it, and says which stage it hit."""

import os
import random
import re
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from fault_project import COMMAND, environment, processes

SCRIPT = re.compile(r"\.snakemake/scripts/tmp[^ ]*?\.(\w+)\.py")
WORKER = "cutpoint.latency.worker"
BETWEEN = "between jobs"
MIB = 2**20
# of one command, on a busy machine too
LONGEST_S = 900


class Missed(Exception):
    """The run ended before the moment came."""


@dataclass
class Run:
    """The command, started once, in a session of its own."""

    folder: Path
    output: Path
    dice: random.Random
    limit: Callable[[], None] | None = None
    nohup: bool = False
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        def prepare() -> None:
            # a shell in the background hands on that Ctrl-C is ignored, and nohup that the terminal closes
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGHUP, signal.SIG_IGN if self.nohup else signal.SIG_DFL)
            if self.limit:
                self.limit()

        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                COMMAND,
                cwd=self.folder,
                env=environment(self.folder),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=prepare,
            )

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def wait(self) -> int:
        """Exit code; ``subprocess.TimeoutExpired`` if the run hangs."""
        return self.process.wait(LONGEST_S)

    def jobs(self) -> list[tuple[psutil.Process, str]]:
        """The jobs that run, and the rule of each."""
        found = []
        for process in processes(self.folder):
            with suppress(psutil.NoSuchProcess):
                match = SCRIPT.search(" ".join(process.cmdline()))
                if match:
                    found.append((process, match[1]))
        return found

    def workers(self) -> list[psutil.Process]:
        return [p for p in processes(self.folder) if WORKER in _command(p)]

    def stage(self) -> str:
        """The stage that works now; of several one by chance."""
        jobs = self.jobs()
        return stage_of(self.folder, self.dice.choice(jobs)[1]) if jobs else BETWEEN

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for a moment."""
        while not condition():
            if self.process.poll() is not None:
                raise Missed
            time.sleep(0.05)

    def pause(self, longest: float) -> None:
        """Any moment of the next seconds; mostly after the first job has begun."""
        if self.dice.random() < 0.8:
            self.until(self.jobs)
        end = time.monotonic() + self.dice.uniform(0, longest)
        self.until(lambda: time.monotonic() >= end)


def _command(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


def stage_of(folder: Path, rule: str) -> str:
    """A rule's stage is the folder of its script."""
    return next(path.parent.name for path in (folder / "workflow/scripts").glob(f"*/{rule}.py"))


def signal_main(number: signal.Signals) -> Callable[[Run], str]:
    def act(run: Run) -> str:
        stage = run.stage()
        run.process.send_signal(number)
        return stage

    return act


def signal_all(number: signal.Signals) -> Callable[[Run], str]:
    """Snakemake and its jobs, as a terminal does."""

    def act(run: Run) -> str:
        stage = run.stage()
        with suppress(ProcessLookupError):
            os.killpg(run.process.pid, number)
        return stage

    return act


def kill_job(run: Run) -> str:
    return _kill_job(run, lambda rule: True)


def kill_shard(run: Run) -> str:
    return _kill_job(run, lambda rule: rule in ("predict", "predict_pytorch"))


def _kill_job(run: Run, wanted: Callable[[str], bool]) -> str:
    def choose() -> list[tuple[psutil.Process, str]]:
        return [(process, rule) for process, rule in run.jobs() if wanted(rule)]

    while True:
        run.until(choose)
        jobs = choose()
        if jobs:
            process, rule = run.dice.choice(jobs)
            with suppress(psutil.NoSuchProcess):
                process.kill()
                return stage_of(run.folder, rule)


def kill_worker(run: Run) -> str:
    run.until(run.workers)
    end = time.monotonic() + run.dice.uniform(0, 5)
    run.until(lambda: time.monotonic() >= end)
    workers = run.workers()
    if not workers:
        raise Missed
    run.dice.choice(workers).kill()
    return "latency"


def limit_memory(run: Run) -> str:
    """RLIMIT_AS of a job that runs: little more than it has now."""
    run.until(run.jobs)
    jobs = run.jobs()
    if not jobs:
        raise Missed
    process, rule = run.dice.choice(jobs)
    with suppress(psutil.NoSuchProcess):
        most = process.memory_info().vms + int(run.dice.uniform(0, 100) * MIB)
        process.rlimit(psutil.RLIMIT_AS, (most, most))
        return stage_of(run.folder, rule)
    raise Missed


def set_clock_back(run: Run) -> str:
    """What a clock that jumps back leaves: all that was made so far is of tomorrow. Then a kill."""
    stage = signal_main(signal.SIGKILL)(run)
    run.wait()
    tomorrow = 24 * 3600
    for path in [p for name in ("results", "logs") for p in (run.folder / name).rglob("*")]:
        if path.is_file():
            state = path.stat()
            os.utime(path, (state.st_atime + tomorrow, state.st_mtime + tomorrow))
    return stage


def limit_files(dice: random.Random) -> Callable[[], None]:
    """RLIMIT_FSIZE of a run: no file can grow beyond it. Every user may set it."""
    most = int(2 ** dice.uniform(9, 21))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


KILLS: dict[str, Callable[[Run], str]] = {
    "kill -9 of snakemake": signal_main(signal.SIGKILL),
    "kill -9 of a job": kill_job,
    "kill -9 of a shard": kill_shard,
    "kill -9 of a latency worker": kill_worker,
    "kill -9 of all": signal_all(signal.SIGKILL),
    "terminal closes (SIGHUP)": signal_all(signal.SIGHUP),
    "Ctrl-C (SIGINT)": signal_all(signal.SIGINT),
    "SIGTERM of snakemake": signal_main(signal.SIGTERM),
}
MACHINE: dict[str, Callable[[Run], str]] = {
    "out of memory (RLIMIT_AS of a job)": limit_memory,
    "clock jumps back a day (times of files)": set_clock_back,
}
FILE_LIMIT = "full disk (RLIMIT_FSIZE)"
DISK = "full disk (tmpfs)"
READ_ONLY = "read-only results (mount)"
