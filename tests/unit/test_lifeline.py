"""Processes that start processes: each one ends with the one that started it."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from cutpoint.lifeline import STARTED_BY, follow_starter, name_self

FOLLOWS = "from cutpoint.lifeline import follow_starter; follow_starter(); print('here', flush=True);"
# It keeps the interpreter's lock for a moment at a time only, and writes until it ends.
WRITES = FOLLOWS + "import time; file = open({path!r}, 'a')\nwhile True: file.write('x'); file.flush()"
STARTS = """
import os, subprocess, sys, time
from cutpoint.lifeline import STARTED_BY, name_self
os.environ[STARTED_BY] = name_self()
# a shell stands between the two and stays
subprocess.Popen(["sh", "-c", '"$0" -c "$1"; true', sys.executable, sys.argv[1]])
time.sleep(60)
"""


def end_soon(condition, seconds=3):
    """Whether a condition becomes true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_a_job_ends_and_writes_nothing_more_when_its_run_is_killed(tmp_path):
    path = tmp_path / "out"
    command = [sys.executable, "-c", STARTS, WRITES.format(path=str(path))]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as run:
        assert run.stdout.readline() == b"here\n"
        family = psutil.Process(run.pid).children(recursive=True)
        assert len(family) == 2
        assert end_soon(path.exists)
        run.kill()
        run.wait()
        assert end_soon(lambda: not any(p.is_running() and p.status() != "zombie" for p in family))
    written = path.stat().st_size
    time.sleep(0.2)
    assert path.stat().st_size == written


def run_follower(value, code="import time; time.sleep(1)"):
    return subprocess.run([sys.executable, "-c", FOLLOWS + code], env={**os.environ, STARTED_BY: value})


def test_a_job_that_starts_after_the_death_of_its_run_ends_at_once():
    dead = subprocess.run(
        [sys.executable, "-c", "from cutpoint.lifeline import name_self; print(name_self())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert run_follower(dead).returncode == -signal.SIGKILL


def test_a_later_process_of_the_same_number_is_another_one():
    space, pid, start = name_self().split()
    assert run_follower(f"{space} {pid} {start}").returncode == 0
    assert run_follower(f"{space} {pid} {int(start) - 1}").returncode == -signal.SIGKILL


@pytest.mark.parametrize("value", ["", "other/1 1 1"])
def test_a_run_of_another_machine_is_not_followed(monkeypatch, value):
    monkeypatch.setenv(STARTED_BY, value)
    follow_starter()
    assert run_follower(value, "").returncode == 0
