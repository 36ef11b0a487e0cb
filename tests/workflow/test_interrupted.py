"""Inputs change, the run is cut short, and goes on: every number is that of a run from scratch."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import cv2
import pytest
import torch
from changes import by_an_older_copy, by_an_older_file, in_place
from snake import ROOT, copy_project, run_snakemake

pytestmark = pytest.mark.slow

CONFIG = """\
device: cpu
models:
  demo: {config: config/mine.py, checkpoint: weights/atss.pth}
datasets:
  traffic: {images: street/images, annotations: street/instances.json, limit: 6}
variants:
  pytorch: {runtime: pytorch, cut: e2e}
  raw: {runtime: onnxruntime, cut: raw, exporter: torchscript}
evaluations:
  - {model: demo, dataset: traffic, variants: [pytorch, raw]}
"""
VARIANTS = ("pytorch", "raw")
NUMBERS = [f"results/metrics/traffic/demo/{variant}.json" for variant in VARIANTS]
DETECTIONS = [path.replace("metrics", "detections") for path in NUMBERS]


def run(folder: Path, *targets: str) -> None:
    done = run_snakemake(folder, *(targets or NUMBERS), "--cores", "2")
    assert done.code == 0, done.text


def is_newer(path: Path, mtime_ns: int) -> bool:
    return path.exists() and path.stat().st_mtime_ns > mtime_ns


def interrupt(folder: Path, path: str) -> None:
    """Ctrl-C as soon as a file has been made again."""
    before = os.stat(folder / path).st_mtime_ns
    with subprocess.Popen(
        [sys.executable, "-m", "snakemake", *NUMBERS, "--cores", "2", "--rerun-incomplete"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # a shell in the background hands on that Ctrl-C is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        while process.poll() is None and not is_newer(folder / path, before):
            time.sleep(0.02)
        assert is_newer(folder / path, before), path
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) != 0


def read(folder: Path) -> dict[str, str]:
    return {path: (folder / path).read_text() for path in NUMBERS + DETECTIONS}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_project(tmp_path_factory.mktemp("interrupted"))
    shutil.copytree(ROOT / "data/demo/traffic", folder / "street")
    (folder / "weights").mkdir()
    shutil.copy(ROOT / "data/demo/atss_traffic.pth", folder / "weights/atss.pth")
    (folder / "config/mine.py").write_text('_base_ = ["./demo/atss_traffic.py"]\n')
    (folder / "config/config.yaml").write_text(CONFIG)
    return folder


def change_boxes(folder: Path) -> str:
    path = folder / "street/instances.json"
    content = json.loads(path.read_text())
    content["annotations"] = content["annotations"][::2]
    in_place(path, json.dumps(content).encode())
    return "results/truth/traffic/demo.json"


def change_images(folder: Path) -> str:
    """Each image is mirrored."""
    for path in (folder / "street/images").iterdir():
        mirrored = cv2.imencode(".jpg", cv2.imread(str(path))[:, ::-1])[1]
        by_an_older_copy(path, mirrored.tobytes())
    return "results/manifests/traffic.json"


def change_weights(folder: Path) -> str:
    path = folder / "weights/atss.pth"
    content = torch.load(path, weights_only=False)
    content["state_dict"]["bbox_head.atss_cls.bias"] += 0.5
    torch.save(content, folder / "new.pth")
    by_an_older_file(path, (folder / "new.pth").read_bytes())
    return "results/models/demo/spec.json"


def test_every_number_is_that_of_a_run_from_scratch(project, tmp_path):
    run(project)
    seen = [read(project)]
    # the second time the run goes on only after another change, and another interruption
    for changes in ((change_boxes,), (change_images, change_weights)):
        for change in changes:
            interrupt(project, change(project))
        run(project, *NUMBERS, "--rerun-incomplete")
        seen.append(read(project))
    for before, after in pairwise(seen):
        assert before != after
    # boxes alone change no detections
    assert all(seen[0][path] == seen[1][path] for path in DETECTIONS)
    planned = run_snakemake(project, *NUMBERS, "--dry-run")
    assert planned.jobs == {}, planned.text

    # from scratch, and in another folder than the clone's
    fresh = tmp_path / "fresh"
    for part in ("config", "street", "weights"):
        shutil.copytree(project / part, fresh / part)
    run(project, *NUMBERS, "--directory", str(fresh))
    assert read(fresh) == seen[-1]
    assert not (fresh / "src").exists()
