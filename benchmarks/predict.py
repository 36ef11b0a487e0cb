"""`predict` beside one bare session and beside mmdet's own test loop, and its memory.

Run: ``python benchmarks/predict.py`` (YOLOX-nano needs CUTPOINT_REAL or ../shared/real)
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench import time_in_turn, write_results
from detectors import SMALL_ATSS, YOLOX_NANO, Detector, export
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from cutpoint.detector.build import build_detector, load_config
from cutpoint.detector.mmcv_ops import has_compiled_ops
from cutpoint.evaluate.coco import evaluate
from cutpoint.files import read_json, write_json
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.postprocess import postprocess
from cutpoint.predict.runtime import Session
from cutpoint.predict.shard import predict_onnx, write_predictions
from cutpoint.predict.stream import share_threads

DETECTORS = {
    "YOLOX-nano 416, 108 COCO photographs": YOLOX_NANO,
    "small ATSS 320, 80 drawn scenes": SMALL_ATSS,
}
BARE_TENSORS = 50
CHILD = """
import json, re, sys, time
from pathlib import Path
began = time.perf_counter()
from cutpoint.predict.shard import predict_onnx
predict_onnx(**json.loads(sys.argv[1]))
peak = re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]
print(json.dumps({"seconds": time.perf_counter() - began, "peak_mb": int(peak) / 1024}))
"""


def repeat(folder: Path, count: int) -> str:
    """A manifest of ``count`` images: the set over and over, ids of their own."""
    content = read_json(folder / "manifest.json")
    entries = content["images"]
    content["images"] = [entries[n % len(entries)] | {"id": n} for n in range(count)]
    path = str(folder / f"manifest-{count}.json")
    write_json(path, content)
    return path


def run_child(folder: Path, images: int, threads: int) -> dict[str, float]:
    """``predict`` in a process of its own: seconds from import to end, and peak memory in MiB."""
    job = predict_job(folder, repeat(folder, images), threads)
    command = [sys.executable, "-c", CHILD, json.dumps(job)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(done.stdout)


def predict_job(folder: Path, manifest: str, threads: int) -> dict[str, Any]:
    files = {"out": str(folder / "0.parquet"), "out_images": str(folder / "0.images.parquet")}
    common = {"provider": "cpu", "threads": threads, "shard": 0, "shards": 1}
    return {"model": str(folder / "raw.onnx"), "manifest": manifest, **common, **files}


def own_ap(folder: Path, threads: int) -> float:
    """AP of what ``predict`` writes for the set itself."""
    manifest = str(folder / "manifest.json")
    job = predict_job(folder, manifest, threads)
    predict_onnx(**job)
    detections, metrics = str(folder / "detections.json"), str(folder / "metrics.json")
    postprocess(
        predictions=[job["out"]],
        images=[job["out_images"]],
        spec=str(folder / "spec.json"),
        labels=str(folder / "labels.json"),
        cut="raw",
        recipe="mmdet3",
        out=detections,
    )
    evaluate(truth=str(folder / "truth.json"), detections=detections, out=metrics)
    return read_json(metrics)["AP"]


class Clock(Hook):
    """Times the iterations of mmdet's loop; data loading counts, the evaluator's end does not."""

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.times[-1].append((time.perf_counter(), len(outputs)))

    def before_test_epoch(self, runner) -> None:
        self.times.append([])

    def __init__(self) -> None:
        self.times: list[list[tuple[float, int]]] = []

    def images_per_s(self) -> float:
        """Rate of the last loop past its first iteration, which starts the data loader's processes."""
        first, *others = self.times[-1]
        return sum(count for _, count in others) / (others[-1][0] - first[0])


def make_runner(
    folder: Path, detector: Detector, batch: int, workers: int, times: int = 1
) -> tuple[Runner, Clock]:
    """mmdet's own test of the whole set: its data loader, its loop, its evaluator.

    With ``times`` over 1 the set is repeated, and the evaluator collects the detections without scoring them.
    """
    config = load_config(detector.config)
    annotations = str(detector.annotations)
    loader = config.test_dataloader
    loader.update(batch_size=batch, num_workers=workers, persistent_workers=workers > 0)
    loader.dataset.update(data_root="", ann_file=annotations, data_prefix={"img": str(detector.images)})
    config.test_evaluator.ann_file = annotations
    if times > 1:
        loader.dataset = {"type": "RepeatDataset", "times": times, "dataset": loader.dataset}
        config.test_evaluator.update(format_only=True, outfile_prefix=str(folder / "mmdet/results"))
    config.custom_hooks = []
    config.work_dir, config.log_level = str(folder / "mmdet"), "ERROR"
    config.default_scope, config.load_from, config.visualizer = "mmdet", None, None
    clock = Clock()
    runner = Runner(
        model=build_detector(config, detector.checkpoint),
        work_dir=config.work_dir,
        test_dataloader=loader,
        test_evaluator=config.test_evaluator,
        test_cfg=config.test_cfg,
        custom_hooks=[clock],
        default_scope="mmdet",
        log_level="ERROR",
        env_cfg=config.get("env_cfg", {}),
        experiment_name=f"b{batch}w{workers}x{times}",
    )
    return runner, clock


def measure(folder: Path, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One row: rounds of bare sessions, ``predict`` and mmdet's loop in turn; then memory."""
    detector, cores = DETECTORS[name], options.threads
    export(detector, folder, "raw")
    start_up = run_child(folder, 1, cores)["seconds"]
    sessions = {threads: Session(folder / "raw.onnx", "cpu", threads) for threads in (1, cores)}
    session_threads, workers, runs = share_threads(cores, "cpu")
    pipeline = OnnxPipeline(sessions[session_threads])
    entries = read_json(folder / "manifest.json")["images"][:BARE_TENSORS]
    tensors = [pipeline.prepare(pipeline.decode(entry["path"]))[0] for entry in entries]
    manifest = repeat(folder, options.images)
    job = predict_job(folder, manifest, cores)
    rates = {}
    for way in ((1, 0), (1, cores), (8, cores)):
        runner, clock = make_runner(folder, detector, *way)
        metrics = runner.test()
        rates[way] = clock.images_per_s()
        # the padding of a larger batch is part of what the network sees
        if way[0] == 1:
            theirs = metrics["coco/bbox_mAP"]
    fastest = max(rates, key=rates.get)
    own_images = len(read_json(folder / "manifest.json")["images"])
    runner, clock = make_runner(folder, detector, *fastest, times=-(-options.images // own_images))
    bare: dict[int, list[float]] = {threads: [] for threads in sessions}
    predict, loops = [], []
    for _ in range(options.rounds):
        for threads, session in sessions.items():
            waiting = iter(tensors * 2)
            # one setting after the other: the threads of an idle session spin for a while
            taken = time_in_turn(
                {"bare": lambda s=session, w=waiting: s.run({"images": next(w)})},
                min_seconds=0,
                min_runs=len(tensors),
            )
            bare[threads].append(float(np.median(taken["bare"])))
        began = time.perf_counter()
        write_predictions(
            pipeline,
            manifest=manifest,
            shard=0,
            shards=1,
            input="mmdet",
            workers=workers,
            runs=runs,
            out=job["out"],
            out_images=job["out_images"],
        )
        predict.append((time.perf_counter() - began) / options.images * 1000)
        runner.test()
        loops.append(clock.images_per_s())
    best = min(bare, key=lambda threads: np.median(bare[threads]))
    share = np.array(predict) / np.array(bare[best])
    gain = 1000 / np.array(predict) / np.array(loops)
    peaks = [run_child(folder, images, cores)["peak_mb"] for images in (500, 5000)]
    return {
        "detector": name,
        "start_up_s": start_up,
        "bare_1_thread_ms": float(np.median(bare[1])),
        f"bare_{cores}_threads_ms": float(np.median(bare[cores])),
        "predict_ms_per_image": float(np.median(predict)),
        "predict_to_bare": float(np.median(share)),
        "predict_to_bare_rounds": ", ".join(f"{value:.3f}" for value in share),
        "mmdet_loop": f"batch {fastest[0]}, loader processes {fastest[1]}, {torch.get_num_threads()} threads",
        "mmdet_images_per_s": float(np.median(loops)),
        "predict_images_per_s": 1000 / float(np.median(predict)),
        "predict_to_mmdet": float(np.median(gain)),
        "AP_mmdet": theirs,
        "AP_predict": round(own_ap(folder, cores), 4),
        "peak_500_mib": peaks[0],
        "peak_5000_mib": peaks[1],
        "peak_ratio": peaks[1] / peaks[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000, help="of one round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--torch-threads", type=int, help="of mmdet's loop; as many as --threads if not given"
    )
    options = parser.parse_args()
    # on a busy machine torch's threads wait for each other without end: then 1 is the fastest
    torch.set_num_threads(options.torch_threads or options.threads)
    warnings.filterwarnings("ignore")
    MMLogger.get_instance("mmengine").setLevel(logging.ERROR)
    rows = []
    for name in DETECTORS:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(Path(folder), name, options))
    compiled = "with" if has_compiled_ops() else "without"
    notes = f"""
Raw export on the CPU, {options.threads} threads. Medians of {options.rounds} rounds; in each all take turns.

- `predict_ms_per_image`: wall time per image of decoding, network, candidates and writing, session open;
  {options.images} images a round, the set over and over. `start_up_s` is a whole `predict` of one image,
  imports and session included.
- `bare_*_ms`: one session's run alone, median of {BARE_TENSORS} tensors prepared beforehand;
  `predict_to_bare` is to the better thread setting.
- `mmdet_loop`: iterations of `Runner.test` over as many images, {compiled} compiled NMS, by the way to load
  that was the fastest of three on the set once; the evaluator's end does not count.
- `AP_mmdet`, of single images and rounded to three digits by mmdet, and `AP_predict`: of the set itself.
- `peak_*`: VmHWM of a `predict` process.
"""
    write_results("predict", rows, notes)


if __name__ == "__main__":
    main()
