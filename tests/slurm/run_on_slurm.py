"""Run the workflow through ``profiles/slurm`` on a real Slurm, and compare its results with a local run's.

A process of a job is killed on the way, and a node is drained and resumed. ``make slurm`` calls this.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/faults"), str(ROOT / "tools")]

from clone import copy_clone  # noqa: E402
from compare_results import compare_folders  # noqa: E402
from debian import install  # noqa: E402
from slurm_cluster import NODES, Cluster, Job, missing_programs, start_cluster  # noqa: E402

PACKAGES = ("slurm-wlm", "munge")
# Part of the demo: every kind of job, of one model.
PART = """\
device: cpu
models:
  demo:
    config: config/demo/atss_traffic.py
    checkpoint: data/demo/atss_traffic.pth
datasets:
  traffic:
    images: data/demo/traffic/images
    annotations: data/demo/traffic/instances.json
    slices: data/demo/traffic/slices.csv
    limit: 24
  unlabelled:
    images: data/demo/traffic_unlabelled/images
    annotations: null
    limit: 8
variants:
  pytorch: {runtime: pytorch, cut: e2e}
  raw: {runtime: onnxruntime, cut: raw}
  decoded: {runtime: onnxruntime, cut: decoded}
  raw_thr: {runtime: onnxruntime, cut: raw, recipe: {base: mmdet3, score_thr: 0.3}}
evaluations:
  - {model: demo, dataset: traffic, variants: [pytorch, raw, decoded, raw_thr], ladder: [raw, decoded]}
  - {model: demo, dataset: unlabelled, variants: [pytorch, raw]}
latency: {images: 4, min_seconds: 0.2, min_runs: 8}
samples: {images: 4, megabytes: 0.6}
"""
GPU = "runtime: attempt * 240"
ONE_GPU = f"{GPU}, gpu: 1"
LONGEST_S = 3600


class Watch(threading.Thread):
    """Looks at the cluster each second, kills a process of one job, and drains and resumes a node."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(name="watch", daemon=True)
        self.cluster = cluster
        self.jobs: dict[str, Job] = {}
        self.ended = threading.Event()
        self.killed: Job | None = None
        # states of the node that is drained, and the jobs that it got before and after
        self.node = NODES[0]
        self.states: list[str] = []
        self.before: set[str] = set()
        self.after: set[str] = set()
        self.together = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        """Until it is told to end."""
        try:
            steps: list[Callable[[list[Job]], bool]] = [self.drain, self.resume, self.see_it_used]
            while not self.ended.wait(1):
                now = self.cluster.jobs()
                # a job that starts again keeps what was seen of it while it ran
                self.jobs |= {job.number: job for job in now if job.node}
                running = [job for job in now if job.state == "RUNNING"]
                self.together = max(self.together, sum("gpu" in job.gpus for job in running))
                self.killed = self.killed or kill_one(running)
                if steps and steps[0](running):
                    steps.pop(0)
        except BaseException as error:  # the main thread tells it
            self.error = error

    def drain(self, running: list[Job]) -> bool:
        """As soon as the node has a job: this one goes on, others go elsewhere."""
        if any(job.node == self.node for job in running):
            self.cluster.set_node(self.node, "drain")
            self.states.append(self.cluster.node_state(self.node))
            return True
        return False

    def resume(self, running: list[Job]) -> bool:
        """Once its last job has ended and the other node works."""
        state = self.cluster.node_state(self.node)
        if state == "drained" and running:
            self.states.append(state)
            self.cluster.set_node(self.node, "resume")
            self.before = set(self.jobs)
            return True
        return False

    def see_it_used(self, running: list[Job]) -> bool:
        """It gets new jobs."""
        self.after |= {job.number for job in running if job.node == self.node} - self.before
        return False


def kill_one(running: list[Job]) -> Job | None:
    """Kill the process that computes in a job of rule predict, as a machine without memory would."""
    for job in running:
        if job.rule.startswith("rule_predict_wildcards"):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    inside = f"SLURM_JOB_ID={job.number}\0".encode() in (process / "environ").read_bytes()
                    command = (process / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue  # it has ended
                if inside and any(part.endswith(b"predict.py") for part in command[1:2]):
                    os.kill(int(process.name), signal.SIGKILL)
                    return job
    return None


def run_workflow(clone: Path, log: Path, environment: dict[str, str], *arguments: str) -> None:
    """Run Snakemake in a clone.

    Raises:
        RuntimeError: it fails.
    """
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--config", "device=cpu", *arguments],
            cwd=clone,
            env={**environment, "PYTHONPATH": str(clone / "src")},
            stdout=file,
            stderr=subprocess.STDOUT,
            # Ctrl-C in a terminal reaches it once, from here; also where a shell in the background ignores it
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            status = process.wait(LONGEST_S)
        finally:
            if process.poll() is None:
                # it cancels its jobs
                process.send_signal(signal.SIGINT)
                process.wait(120)
    if status:
        raise RuntimeError(f"snakemake {' '.join(arguments)} failed:\n{log.read_text()[-4000:]}")


def check(watch: Watch) -> list[str]:
    """What is not as it should be."""
    wrong = []
    killed = watch.killed
    if killed is None:
        wrong.append("no job was killed")
    else:
        again = [
            j for j in watch.jobs.values() if j.rule == killed.rule and int(j.number) > int(killed.number)
        ]
        if not again or megabytes(again[-1]) != 2 * megabytes(killed):
            wrong.append(f"the killed job {killed} was not tried again with twice the memory: {again}")
    if watch.states[-1:] != ["drained"]:
        wrong.append(f"the node was not drained: {watch.states}")
    if not watch.after:
        wrong.append("the resumed node got no job")
    predicts = [job for job in watch.jobs.values() if job.rule.startswith("rule_predict_wildcards")]
    if not predicts or any("gpu" not in job.gpus for job in predicts):
        wrong.append(f"jobs of predict without a GPU: {predicts}")
    timed = [job for job in watch.jobs.values() if job.rule.startswith("rule_time_variants")]
    if not timed or any(job.shared != "NO" for job in timed):
        wrong.append(f"latency did not have a node to itself: {timed}")
    return wrong


def megabytes(job: Job) -> float:
    """Memory asked for; Slurm writes 16000M and 62.50G."""
    number, unit = re.fullmatch(r"([\d.]+)([MG])", job.memory).groups()  # type: ignore[union-attr]
    return float(number) * (1024 if unit == "G" else 1)


def make_clones(folder: Path, whole: bool) -> tuple[Path, Path]:
    """Two clones; in the one for Slurm, predict asks for a GPU, which it leaves alone."""
    clones = folder / "local", folder / "slurm"
    for clone in clones:
        clone.mkdir()
        copy_clone(clone)
        if not whole:
            (clone / "config/config.yaml").write_text(PART)
    profile = clones[1] / "profiles/slurm/config.yaml"
    lines = profile.read_text().splitlines(keepends=True)
    lines = [line.replace(GPU, ONE_GPU) if line.startswith("  predict:") else line for line in lines]
    profile.write_text("".join(lines))
    assert ONE_GPU in profile.read_text()
    return clones


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--whole", action="store_true", help="the whole demo, not a part of it")
    parser.add_argument("--keep", type=Path, help="an empty folder to work in, which stays")
    options = parser.parse_args(arguments)
    install("slurm", missing_programs(), PACKAGES)
    if os.geteuid():
        sys.exit("slurm: the servers of Slurm need root")
    # a closed terminal, a stopped CI: everything is stopped as after Ctrl-C
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="cutpoint-slurm-") as made:
        folder = options.keep.resolve() if options.keep else Path(made)
        return run(folder, options.whole)


def run(folder: Path, whole: bool) -> int:
    """Both runs and the comparison; exit status."""
    local, remote = make_clones(folder, whole)
    begin = time.monotonic()
    run_workflow(local, folder / "local.log", dict(os.environ), "--cores", "2")
    middle = time.monotonic()
    (folder / "cluster").mkdir()
    with start_cluster(folder / "cluster") as cluster:
        watch = Watch(cluster)
        watch.start()
        quick = ("--slurm-init-seconds-before-status-checks", "5", "--latency-wait", "5")
        log = folder / "slurm.log"
        try:
            run_workflow(remote, log, cluster.environment, "--profile", "profiles/slurm", *quick)
        finally:
            watch.ended.set()
            watch.join()
        if watch.error:
            raise watch.error
        wrong = check(watch)
    end = time.monotonic()
    lines: list[str] = []
    if not compare_folders(local / "results", remote / "results", lines.append):
        wrong.append("the results differ:\n" + "\n".join(lines))
    minutes = [f"{seconds / 60:.1f}" for seconds in (middle - begin, end - middle)]
    submitted = len(watch.jobs)
    said = (
        f"{submitted} jobs on {len(NODES)} nodes in {minutes[1]} minutes (local: {minutes[0]}), "
        "one killed and tried again, a node drained and resumed"
    )
    print(f"slurm: {'FAILED: ' + '; '.join(wrong) if wrong else said + ', results equal to the local run'}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
