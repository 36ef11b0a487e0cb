"""A short campaign of faults (`make faults` is the long one), and what a living and a dead run mean."""

import os
import random
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
from external_project import write_external_project
from fault_kinds import KILLS, Run
from fault_project import find_differences, processes
from snake import ROOT, Result, run_python, run_snakemake

pytestmark = pytest.mark.slow

# a few seconds without torch; two shards, and a timing job that lasts long enough to be hit
CONFIG = """\
device: cpu
models:
  small: {}
datasets:
  street: {images: street/images, annotations: street/instances.json, limit: 6, shards: 2}
variants:
  fp32: {onnx: theirs/small.onnx}
  strict: {onnx: theirs/small.onnx, recipe: {base: mmdet3, score_thr: 0.5}}
evaluations:
  - {model: small, dataset: street, variants: [fp32, strict]}
latency: {images: 2, min_seconds: 1, min_runs: 2}
samples: {images: 1}
"""
LATE = ("latency", "tables", "report.html")


def start(folder: Path, *arguments: str) -> Result:
    return run_python(folder, "tools/start_run.py", "--cores", "2", *arguments)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without a fault; not to be changed."""
    folder = write_external_project(tmp_path_factory.mktemp("finished"), CONFIG)
    (folder / "tools").mkdir()
    shutil.copy2(ROOT / "tools/start_run.py", folder / "tools")
    done = start(folder)
    assert done.code == 0, done.text
    return folder


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """The same without results."""
    folder = tmp_path / "project"
    shutil.copytree(finished, folder, symlinks=True)
    shutil.rmtree(folder / "results")
    return folder


def let_happen(fault: str, folder: Path) -> Run:
    """Start the command, wait for a job, do it, and wait for the end."""
    run = Run(folder, folder / "output.txt", random.Random(0))
    run.until(run.jobs)
    KILLS[fault](run)
    run.wait()
    return run


def is_left(folder: Path) -> bool:
    """Whether a process still works in the folder 3 seconds later."""
    end = time.monotonic() + 3
    while processes(folder) and time.monotonic() < end:
        time.sleep(0.1)
    return bool(processes(folder))


def test_the_same_command_goes_on_after_each_kind_of_fault(finished, project):
    for fault in KILLS:
        if "worker" in fault:
            continue
        run = let_happen(fault, project)
        assert run.process.returncode != 0 or "SIGTERM" in fault, run.text
        assert not is_left(project), fault
    done = start(project)
    assert done.code == 0, done.text
    assert find_differences(finished, project) == []


def test_a_killed_latency_worker_fails_its_job_and_is_timed_again(finished, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(finished, folder, symlinks=True)
    for name in LATE:
        path = folder / "results" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    run = let_happen("kill -9 of a latency worker", folder)
    assert run.process.returncode == 1
    assert "its worker ended with exit code -9" in run.text
    assert not is_left(folder)
    done = start(folder)
    assert done.code == 0, done.text
    assert find_differences(finished, folder) == []


def test_a_living_run_is_named_and_not_disturbed(project):
    run = Run(project, project / "output.txt", random.Random(0))
    run.until(run.jobs)
    beside = start(project)
    assert beside.code == 1
    assert f"a run works in {project} already (process {run.process.pid} on" in beside.err
    assert len(beside.text.splitlines()) == 1
    # it goes on
    run.until(lambda: "2/" in run.text)
    os.killpg(run.process.pid, signal.SIGKILL)
    run.wait()


def test_with_snakemake_itself_unlock_is_the_one_step(project):
    let_happen("kill -9 of snakemake", project)
    target = "results/manifests/street.json"
    locked = run_snakemake(project, "--cores", "2", target)
    assert locked.code == 1
    assert "--unlock" in locked.text
    assert run_snakemake(project, "--unlock").code == 0
    done = run_snakemake(project, "--cores", "2", target)
    assert done.code == 0, done.text


def test_nohup_keeps_a_run_alive(project):
    """Whoever ignores SIGHUP goes on ignoring it."""
    run = Run(project, project / "output.txt", random.Random(0), nohup=True)
    run.until(run.jobs)
    os.killpg(run.process.pid, signal.SIGHUP)
    # its first job is over, and the next one works
    run.until(lambda: "2/" in run.text)
    os.killpg(run.process.pid, signal.SIGKILL)
    run.wait()


def test_a_full_disk_is_one_message_and_no_traceback(finished, project):
    """RLIMIT_FSIZE stands for the disk: 100 kB are enough for small files, not for detections."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # noqa: E731
    run = Run(project, project / "output.txt", random.Random(0), limit)
    assert run.wait() == 1
    # of a shard
    message = r"fp32/\d\.json: the file is larger than the limit for one file; raise the limit"
    assert re.search(message, run.text)
    assert "Traceback" not in run.text
    done = start(project)
    assert done.code == 0, done.text
    assert find_differences(finished, project) == []
