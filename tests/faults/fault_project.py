"""The project that faults are tried on: the demo's rules on a few images, a reference run, the comparison."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import psutil
import pyarrow.parquet
from clone import PARTS as CLONED
from clone import ROOT, copy_clone

PARTS = (*CLONED, "tools/start_run.py")
CONFIG = """\
device: cpu
models:
  demo: {config: config/demo/atss_traffic.py, checkpoint: data/demo/atss_traffic.pth}
datasets:
  traffic:
    images: data/demo/traffic/images
    annotations: data/demo/traffic/instances.json
    limit: 4
    shards: 2
variants:
  pytorch: {runtime: pytorch, cut: e2e}
  raw: {runtime: onnxruntime, cut: raw, exporter: torchscript}
evaluations:
  - {model: demo, dataset: traffic, variants: [pytorch, raw]}
latency: {images: 2, min_seconds: 0.5, min_runs: 10}
"""
# what `make demo` runs
COMMAND = (sys.executable, "tools/start_run.py", "--cores", "2")

LAST = ("tables", "figures", "samples", "report.html", "capsule.zip")
SCORES = ("metrics", "operating_points", "resamples", "comparisons", "autopsies")
# From where a run starts: what of the reference's results it has to make again.
STARTS = {
    "data": ("*",),
    "detector": ("models", "predictions", "detections", "latency", *SCORES, *LAST),
    "predict": ("predictions", "detections", *SCORES, *LAST),
    "evaluate": (*SCORES, *LAST),
    "latency": ("latency", *LAST),
    "report": LAST,
}


def make_project(folder: Path) -> None:
    """A clone in an empty folder, without results."""
    copy_clone(folder, PARTS)
    (folder / "config/config.yaml").write_text(CONFIG)


def make_reference(folder: Path) -> None:
    """A run without a fault; it is kept as long as the code is the same."""
    digest = hashlib.sha256(CONFIG.encode())
    for part in PARTS:
        paths = [ROOT / part] if (ROOT / part).is_file() else sorted((ROOT / part).rglob("*"))
        for path in paths:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(path.read_bytes())
    mark = folder / "complete"
    if mark.is_file() and mark.read_text() == digest.hexdigest():
        return
    shutil.rmtree(folder, ignore_errors=True)
    make_project(folder)
    print("making the reference run", flush=True)
    subprocess.run(COMMAND, cwd=folder, env=environment(folder), check=True)
    mark.write_text(digest.hexdigest())


def environment(folder: Path) -> dict[str, str]:
    """Of a run: its code is its own."""
    return {**os.environ, "PYTHONPATH": str(folder / "src")}


def restore(reference: Path, folder: Path, start: str) -> None:
    """The finished project in an empty folder, without what a run from ``start`` makes."""
    shutil.copytree(reference, folder, symlinks=True, dirs_exist_ok=True)
    for pattern in STARTS[start]:
        for path in (folder / "results").glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def find_differences(reference: Path, folder: Path) -> list[str]:
    """What is wrong with a finished run: lost or foreign files, half files, other detections or metrics."""
    wanted, found = (_list(path / "results") for path in (reference, folder))
    found_problems = [f"missing: {name}" for name in sorted(wanted - found)]
    found_problems += [f"left over: {name}" for name in sorted(found - wanted)]
    for name in sorted(wanted & found):
        before, after = reference / "results" / name, folder / "results" / name
        if name.startswith("detections/") and before.read_bytes() != after.read_bytes():
            found_problems.append(f"other detections: {name}")
        elif name.startswith("metrics/") and json.loads(before.read_text()) != json.loads(after.read_text()):
            found_problems.append(f"other metrics: {name}")
        elif not _is_whole(after):
            found_problems.append(f"half written: {name}")
    return found_problems


def _list(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".snakemake_timestamp")
    return {path.relative_to(folder).as_posix() for path in files}


def _is_whole(path: Path) -> bool:
    try:
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".parquet":
            pyarrow.parquet.read_table(path)
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                return archive.testzip() is None
        elif path.suffix == ".html":
            return path.read_text().rstrip().endswith("</html>")
    except (ValueError, OSError, zipfile.BadZipFile):
        return False
    return True


def processes(folder: Path) -> list[psutil.Process]:
    """All that work in the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and Path(process.cwd()) == folder:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
