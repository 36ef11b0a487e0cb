"""Latency as reported beside a bare session, and the share of ATSS-R50 at 608x608 that is not the network.

Run: ``python benchmarks/latency.py`` (YOLOX-nano needs CUTPOINT_REAL or ../shared/real)
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from bench import median, ratio, write_results
from detectors import SMALL_ATSS, YOLOX_NANO, atss_r50, export, latency_job

from cutpoint.files import read_json
from cutpoint.latency.coordinator import Worker
from cutpoint.latency.pace import REST_S
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.runtime import Session

BLOCK, GOAL = 8, 1.03
NOTES = """
The inference stage that `latency` reports, compared with a process that only calls `session.run`. Its tensors
are prepared before and copied right before the run. Both have the same file, images, threads and options, and
take turns in blocks of {block} images. The place of a process's memory changes its time by 1 to 2 %, so the
runs of several pairs of new processes are pooled. The goal is a ratio of the medians within {goal}.

For ATSS-R50 (its zoo config, random weights, fixed 608x608): the fraction of the total that is not inference,
from the medians of one run. The goal is 2 %. `candidates`: pairs above the score threshold, mean over the
images.
"""


def measure(job: dict, images: list[dict], pairs: int, seconds: float) -> dict[str, object]:
    """One row: the reported stages, the bare session, their ratio."""
    reported, bare = [], []
    for _ in range(pairs):
        more, others = measure_pair(job, images, seconds)
        reported += more
        bare += others
    stages = {
        name: np.array([row[name] for row in reported])
        for name in ("decode", "preprocess", "inference", "postprocess", "total")
    }
    against = np.array(bare)
    middle, low, high = ratio(stages["inference"], against)
    return {
        **{f"{name} [ms]": median(values)[0] for name, values in stages.items()},
        "bare session [ms]": median(against)[0],
        "inference / bare": f"{middle:.3f} ({low:.3f} to {high:.3f})",
        "not inference": f"{1 - np.median(stages['inference']) / np.median(stages['total']):.2%}",
        "processes": pairs,
        "runs": len(reported),
    }


def measure_pair(job: dict, images: list[dict], seconds: float) -> tuple[list[dict[str, float]], list[float]]:
    """The stages of each run of a fresh worker, and the times of a fresh bare session, ms."""
    workers = [Worker(job), Worker(job, "bare_session")]
    reported, bare = [], []
    try:
        for worker in workers:
            worker.wait()
        workers[0].ask("open")
        workers[0].ask("warm_up", images=images)
        workers[1].ask("time", images=images)
        number = 0
        while sum(row["total"] for row in reported) < 1000 * seconds or number % 2:
            block = images[number * BLOCK % len(images) :][:BLOCK]
            # who goes first alternates
            for worker in workers if number % 4 < 2 else workers[::-1]:
                answer = worker.ask("time", images=block)
                time.sleep(REST_S)
                reported += answer.get("samples", [])
                bare += answer.get("times", [])
            number += 1
    finally:
        for worker in workers:
            worker.close()
    return reported, bare


def candidates(folder: Path, images: int = 8) -> float:
    """Mean number of pairs above the threshold, by the raw export."""
    pipeline = OnnxPipeline(Session(folder / "raw.onnx", "cpu"))
    counts = []
    for image in read_json(folder / "manifest.json")["images"][:images]:
        tensor, sizes = pipeline.prepare(pipeline.decode(image["path"]))
        counts.append(len(pipeline.read(pipeline.infer(tensor, sizes), sizes)))
    return float(np.mean(counts))


def main() -> None:
    """Measure all and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="at least, of each pair of processes")
    arguments = parser.parse_args()
    threads = len(os.sched_getaffinity(0))
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        slow = atss_r50(Path(temporary) / "atss_r50", 608, 608)
        # detector, shape, cuts, images (two blocks of each at least), pairs of processes
        chosen = {
            "YOLOX-nano 416": (YOLOX_NANO, "dynamic", ("raw", "e2e"), 16, 3),
            "small ATSS 320": (SMALL_ATSS, "dynamic", ("raw", "e2e"), 16, 3),
            "ATSS-R50 608x608": (slow, [608, 608], ("raw", "decoded", "e2e"), 4, 2),
        }
        for name, (detector, shape, cuts, images, pairs) in chosen.items():
            folder = Path(temporary) / name
            export(detector, folder, *cuts, shape=shape)
            entries = read_json(folder / "manifest.json")["images"][:images]
            found = round(candidates(folder))
            for cut in cuts:
                job = latency_job(detector, folder, cut, threads)
                row = measure(job, entries, pairs, arguments.seconds)
                rows.append({"detector": name, "cut": cut, "candidates": found, **row})
                print(rows[-1], flush=True)
    write_results("latency", rows, NOTES.format(block=BLOCK, goal=GOAL))


if __name__ == "__main__":
    main()
