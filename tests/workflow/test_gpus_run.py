"""Snakemake starts as many jobs as it counts GPUs; each is on one of its own. The GPUs are pretended."""

import os
import subprocess
import sys
import uuid
from collections import Counter
from itertools import pairwise

import pytest
from snake import ROOT

from cutpoint.gpu_lease import FOLDER

# adapters as the workflow has them; a job is on its GPU for a moment
SNAKEFILE = """
rule all:
    input: expand("{job}.done", job=range(5)), "alone.done"

rule use:
    output: "{job}.done"
    log: "{job}.log"
    wildcard_constraints: job=r"[0-9]+"
    threads: 1
    resources: gpu=1
    script: "use.py"

rule alone:
    output: "alone.done"
    log: "alone.log"
    threads: workflow.cores
    resources: gpu=1
    script: "alone.py"
"""
USE = """
from cutpoint.gpu_lease import log_on_gpu

if __name__ == "__main__":
    with log_on_gpu(snakemake.log[0], snakemake.resources.gpuALONE):
        import os, time

        gpu = os.environ["CUDA_VISIBLE_DEVICES"]
        began = time.monotonic()
        if gpu == os.environ["BROKEN"]:
            raise RuntimeError("CUDA failure 719: unspecified launch failure ; GPU=0")
        time.sleep(1)
        with open(snakemake.output[0], "w") as file:
            file.write(f"{gpu} {began} {time.monotonic()}")
"""


@pytest.fixture
def gpus():
    """Names that no other run has."""
    names = [f"GPU-test-{uuid.uuid4().hex[:8]}-{number}" for number in range(2)]
    yield names
    for name in names:
        for left in list(FOLDER.glob(f"{name}.*")):
            left.unlink()


def run(folder, gpus, broken=""):
    """Run it; the GPU of each job, its begin and its end."""
    folder.mkdir()
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "use.py").write_text(USE.replace("ALONE", ""))
    (folder / "alone.py").write_text(USE.replace("ALONE", ", alone=True"))
    command = [sys.executable, "-m", "snakemake", "--cores", "4", "--resources", "gpu=2", "--quiet"]
    own = {
        "CUDA_VISIBLE_DEVICES": ",".join(gpus),
        "BROKEN": broken,
        "CUTPOINT_STARTED_BY": f"test {folder.name} 0",
    }
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **own}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = {}
    for path in folder.glob("*.done"):
        gpu, began, ended = path.read_text().split()
        found[path.stem] = gpu, float(began), float(ended)
    return found


def check_one_at_a_time(spans):
    spans = sorted(spans, key=lambda span: span[1])
    for gpu in {span[0] for span in spans}:
        own = [span for span in spans if span[0] == gpu]
        assert all(one[2] <= other[1] for one, other in pairwise(own))


def test_two_jobs_at_a_time_each_on_its_own_gpu(tmp_path, gpus):
    found = run(tmp_path / "sound", gpus)
    used = Counter(gpu for name, (gpu, _, _) in found.items() if name != "alone")
    assert set(used) == set(gpus)
    # Snakemake gives a free place to the next job, so both are busy
    assert min(used.values()) >= 2
    check_one_at_a_time(found.values())
    _, began, ended = found.pop("alone")
    assert all(end <= began or ended <= begin for _, begin, end in found.values())


def test_jobs_of_a_lost_gpu_are_done_on_the_other_one(tmp_path, gpus):
    found = run(tmp_path / "broken", gpus, broken=gpus[0])
    assert len(found) == 6
    assert {gpu for gpu, _, _ in found.values()} == {gpus[1]}
    check_one_at_a_time(found.values())
