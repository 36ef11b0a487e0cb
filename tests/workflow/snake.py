"""Run Snakemake on the real Snakefile, in a copy of the project."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from clone import copy_clone

ROOT = Path(__file__).resolve().parents[2]

# One of each kind of variant, with and without annotations: a plan of few jobs.
CONFIG = """\
device: cpu
models:
  demo:
    config: config/demo/atss_traffic.py
    checkpoint: data/demo/atss_traffic.pth
datasets:
  traffic:
    images: data/demo/traffic/images
    annotations: data/demo/traffic/instances.json
  unlabelled:
    images: data/demo/traffic_unlabelled/images
    annotations: null
variants:
  pytorch: {runtime: pytorch, cut: e2e}
  raw: {runtime: onnxruntime, cut: raw}
  raw_thr: {runtime: onnxruntime, cut: raw, recipe: {base: mmdet3, score_thr: 0.3}}
evaluations:
  - {model: demo, dataset: traffic, variants: [pytorch, raw, raw_thr]}
  - {model: demo, dataset: unlabelled, variants: [pytorch, raw]}
"""


@dataclass
class Result:
    """What a call of Snakemake printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def jobs(self) -> dict[str, int]:
        """Number of planned jobs of each rule."""
        table = re.search(r"^job +count\n[- ]+\n(.*?)\ntotal ", self.text, re.M | re.S)
        rows = [line.split() for line in table[1].splitlines()] if table else []
        return {name: int(count) for name, count in rows if name != "all"}

    @property
    def outputs(self) -> list[str]:
        """Files that planned jobs would write."""
        lines = re.findall(r"^    output: (.*)$", self.text, re.M)
        return [path.removesuffix(" (update)") for line in lines for path in line.split(", ")]

    @property
    def triggered(self) -> set[str]:
        """Rules that rerun for what they depend on themselves, not because of another job."""
        groups = dict(re.findall(r"^    (\S[^\n]+):\n +(.*)$", self.text.partition("\nReasons:")[2], re.M))
        follow = {"input files updated by another job", "output files have to be generated"}
        first = [rules.split(", ") for reason, rules in groups.items() if reason not in follow]
        return {rule for rules in first for rule in rules}


def run_snakemake(folder: Path, *arguments: str, clone: Path | None = None, timeout: float = 300) -> Result:
    """Call Snakemake in a folder, with the package of a clone; by default that is the folder itself."""
    return run_python(folder, "-m", "snakemake", *arguments, clone=clone, timeout=timeout)


def run_python(
    folder: Path, *arguments: str | Path, clone: Path | None = None, timeout: float = 300
) -> Result:
    """Call Python in a folder, likewise."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str((clone or folder) / "src")},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def copy_project(folder: Path) -> Path:
    """A clone without downloads and results."""
    copy_clone(folder)
    return folder


def make_outputs(folder: Path, outputs: Iterable[str]) -> None:
    """Have every output there, empty."""
    for path in outputs:
        target = folder / path
        if not target.suffix:  # a folder
            target.mkdir(parents=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()


def finish(folder: Path) -> Path:
    """Have every output there, and recorded as up to date.

    No job runs: the outputs are empty, and ``--touch`` records what each of them depended on.
    """
    make_outputs(folder, run_snakemake(folder, "--dry-run").outputs)
    touched = run_snakemake(folder, "--touch", "--forceall", "--cores", "1")
    assert touched.code == 0, touched.text
    return folder
