"""No two jobs are on one GPU: pretended GPUs, and jobs that are processes of their own."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from cutpoint.gpu_lease import FAILED, FOLDER
from cutpoint.gpus import VISIBLE
from cutpoint.lifeline import STARTED_BY, name_self

# begins and ends of the use of a GPU are written down as a job on it sees them
JOB = """
import os, subprocess, sys, time
from pathlib import Path
from cutpoint.gpu_lease import held_locks, log_on_gpu
log, record, seconds, errors = sys.argv[1:5]
errors = dict(pair.split("=") for pair in errors.split(",") if pair)
def write(what):
    line = f"{time.monotonic_ns()} {what} {os.environ['CUDA_VISIBLE_DEVICES']} {os.getpid()}\\n"
    with open(record, "a") as file:
        file.write(line)
with log_on_gpu(log, 1, alone="alone" in sys.argv):
    write("begin")
    if "worker" in sys.argv:
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1.5)"], pass_fds=held_locks())
    time.sleep(float(seconds))
    failure = errors.get(os.environ["CUDA_VISIBLE_DEVICES"])
    write("end")
    if failure:
        raise RuntimeError(failure)
print("after the block:", os.environ.get("CUDA_VISIBLE_DEVICES"))
"""
LOST = "CUDA error: unspecified launch failure"
FULL = "CUDA out of memory. Tried to allocate 2 GiB"


class Jobs:
    """Starts jobs of one run, which see these GPUs, and reads what they wrote down."""

    def __init__(self, folder: Path, gpus: int) -> None:
        self.folder = folder
        # names that no other test has, so that tests do not wait for each other
        own = uuid.uuid4().hex[:8]
        self.gpus = [f"GPU-test-{own}-{number}" for number in range(gpus)]
        self.record = folder / "record"
        self.started: list[subprocess.Popen[str]] = []
        (folder / "job.py").write_text(JOB)

    def start(
        self, *options: str, seconds: float = 0.1, errors: dict[str, str] | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        """Start a job; ``errors``: what it fails with, by GPU."""
        told = ",".join(f"{gpu}={error}" for gpu, error in (errors or {}).items())
        log = self.folder / f"{len(self.started)}.log"
        command = [
            sys.executable,
            str(self.folder / "job.py"),
            str(log),
            str(self.record),
            str(seconds),
            told,
        ]
        own = {VISIBLE: ",".join(self.gpus), STARTED_BY: name_self(), **environment}
        job = subprocess.Popen(
            [*command, *options], env={**os.environ, **own}, stdout=subprocess.PIPE, text=True
        )
        self.started.append(job)
        return job

    def wait(self) -> list[int]:
        """Exit codes of all jobs."""
        return [job.wait(timeout=60) for job in self.started]

    def log(self, number: int) -> str:
        path = self.folder / f"{number}.log"
        return path.read_text() if path.exists() else ""

    def lines(self) -> list[list[str]]:
        """Moment, what, GPU and process, in time."""
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return sorted((line.split() for line in lines), key=lambda line: int(line[0]))

    def wait_until(self, what: Callable[[], bool]) -> None:
        """Look again and again."""
        end = time.monotonic() + 60
        while not what():
            assert time.monotonic() < end
            time.sleep(0.05)

    def wait_for_lines(self, count: int) -> None:
        """Until so many are written down."""
        self.wait_until(lambda: len(self.lines()) >= count)

    def used(self) -> list[str]:
        """The GPU of each begin."""
        return [line[2] for line in self.lines() if line[1] == "begin"]


@pytest.fixture
def jobs(tmp_path):
    """Makes jobs over so many pretended GPUs."""
    made: list[Jobs] = []

    def make(gpus: int) -> Jobs:
        made.append(Jobs(tmp_path, gpus))
        return made[-1]

    yield make
    for one in made:
        for job in one.started:
            job.kill()
            job.wait()
            job.stdout.close()
        for left in list(FOLDER.glob(f"{one.gpus[0][:-1]}*")):
            left.unlink()


def check_alone(lines: list[list[str]]) -> None:
    """Each GPU is used by one process after the other."""
    for gpu in {line[2] for line in lines}:
        of_gpu = [line for line in lines if line[2] == gpu]
        assert [what for _, what, _, _ in of_gpu] == ["begin", "end"] * (len(of_gpu) // 2)
        assert all(one[3] == other[3] for one, other in pairwise(of_gpu) if one[1] == "begin")


def test_overlaps_are_seen():
    begin, other = ["1", "begin", "a", "1"], ["2", "begin", "a", "2"]
    check_alone([begin, ["2", "end", "a", "1"], ["3", "begin", "b", "2"], ["4", "end", "b", "2"]])
    with pytest.raises(AssertionError):
        check_alone([begin, other, ["3", "end", "a", "1"], ["4", "end", "a", "2"]])


def test_many_jobs_on_two_gpus_are_never_two_on_one(jobs, tmp_path):
    two = jobs(2)
    for number in range(8):
        # runs in other folders, with other folders for temporary files
        (tmp_path / str(number)).mkdir()
        two.start(TMPDIR=str(tmp_path / str(number)))
    assert two.wait() == [0] * 8
    lines = two.lines()
    assert len(lines) == 16
    check_alone(lines)
    assert set(two.used()) == set(two.gpus)
    # after the block the variable is what it was
    assert two.started[0].stdout.read() == f"after the block: {','.join(two.gpus)}\n"


def test_a_killed_job_frees_its_gpu_at_once(jobs):
    one = jobs(1)
    holder = one.start(seconds=60)
    one.wait_for_lines(1)
    one.start()
    one.wait_until(lambda: "waits until one is free" in one.log(1))
    assert f"GPU {one.gpus[0]} is used by process {holder.pid} since " in one.log(1)
    assert len(one.lines()) == 1
    holder.send_signal(signal.SIGKILL)
    assert one.started[1].wait(timeout=10) == 0
    assert [what for _, what, _, _ in one.lines()] == ["begin", "begin", "end"]


def test_a_worker_that_outlives_its_job_keeps_the_gpu(jobs):
    one = jobs(1)
    parent = one.start("worker", seconds=60)
    one.wait_for_lines(1)
    time.sleep(0.3)  # the worker starts after the line is written
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    killed = time.monotonic()
    one.start()
    assert one.started[1].wait(timeout=30) == 0
    assert time.monotonic() - killed > 0.8


def test_a_job_leaves_a_lost_gpu_for_another_one_and_nobody_takes_it_again(jobs):
    two = jobs(2)
    first, second = two.gpus
    two.start(errors={first: LOST})
    assert two.wait() == [0]
    assert two.used() == [first, second]
    assert f"GPU {first} is left out: {LOST}" in two.log(0)
    assert f"on GPU {second}" in two.log(0)
    # it was one process all the time
    assert len({line[3] for line in two.lines()}) == 1
    for _ in range(3):
        two.start()
    assert two.wait() == [0] * 4
    assert two.used()[2:] == [second] * 3
    check_alone(two.lines())
    assert f"GPU {first} is left out: {LOST}" in two.log(3)
    # another run may have mended it
    two.start(**{STARTED_BY: ""})
    assert two.wait()[-1] == 0
    assert two.used()[-1] == first


def test_jobs_that_wait_do_not_take_a_gpu_that_was_lost_meanwhile(jobs):
    two = jobs(2)
    first = two.gpus[0]
    two.start(seconds=0.6, errors={first: LOST})
    two.wait_for_lines(1)
    for _ in range(4):
        two.start(seconds=0.2, errors={first: LOST})
    assert two.wait() == [0] * 5
    assert two.used().count(first) == 1
    check_alone(two.lines())


def test_a_job_that_needs_too_much_memory_leaves_the_gpu_to_others(jobs):
    two = jobs(2)
    first, second = two.gpus
    two.start(errors={first: FULL})
    assert two.wait() == [0]
    assert two.used() == [first, second]
    two.start()
    assert two.wait() == [0, 0]
    assert two.used()[2] == first


def test_a_job_that_fails_on_all_says_so_once_and_one_gpu_stays(jobs):
    two = jobs(2)
    first, second = two.gpus
    two.start(errors={first: LOST, second: FULL})
    assert two.wait() == [1]
    last = two.log(0).splitlines()[-1]
    assert last.startswith(
        f"cutpoint: no GPU is left for this job: GPU {first}: {LOST}; GPU {second}: {FULL}; "
    )
    assert "Traceback" not in two.log(0)
    two.start()
    assert two.wait()[-1] == 0
    assert two.used()[-1] == second


def test_where_all_are_lost_the_message_names_them(jobs):
    one = jobs(1)
    one.start(errors={one.gpus[0]: LOST})
    assert one.wait() == [1]
    assert f"no GPU is left for this job: GPU {one.gpus[0]}: {LOST}; look at `nvidia-smi`" in one.log(0)
    # the only one is tried again by the next job
    one.start()
    assert one.wait() == [1, 0]


def test_another_error_is_not_tried_elsewhere(jobs):
    two = jobs(2)
    two.start(errors={two.gpus[0]: "boxes has NaN"})
    assert two.wait() == [1]
    assert two.used() == [two.gpus[0]]
    assert "RuntimeError: boxes has NaN" in two.log(0)


def test_a_job_that_wants_all_waits_for_all_and_keeps_others_away(jobs):
    two = jobs(2)
    two.start(seconds=0.5)
    two.start(seconds=1)
    two.wait_for_lines(2)
    two.start("alone", seconds=0.5)
    two.start("alone", seconds=0.3)
    time.sleep(0.2)
    two.start()
    assert two.wait() == [0] * 5
    processes = {str(two.started[number].pid) for number in (2, 3)}
    lines = two.lines()
    for line, after in pairwise(lines):
        if line[1] == "begin" and line[3] in processes:
            # nothing between its begin and its end, on any GPU
            assert (after[1], after[3]) == ("end", line[3])
    begun = [line[3] for line in lines if line[1] == "begin"]
    assert set(begun[:2]) == {str(two.started[number].pid) for number in (0, 1)}
    assert {line[2] for line in lines if line[3] in processes} == {two.gpus[0]}


def test_a_job_without_a_gpu_takes_none(tmp_path, monkeypatch):
    code = (
        "import os, sys\n"
        "from cutpoint.gpu_lease import held_locks, log_on_gpu\n"
        "with log_on_gpu(sys.argv[1], 0):\n    print(held_locks(), os.environ['CUDA_VISIBLE_DEVICES'])\n"
    )
    own = {**os.environ, VISIBLE: "", FAILED: "{}"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.log")], env=own, check=True)
    assert (tmp_path / "a.log").read_text() == "() \n"
