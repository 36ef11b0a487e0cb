"""Latency as reported beside a bare session, and the share of ATSS-R50 at 608x608 that is not the network.

Run: ``python benchmarks/latency.py`` (YOLOX-nano needs CUTPOINT_REAL or ../shared/real)
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from bench import median, ratio, write_results
from detectors import SMALL_ATSS, YOLOX_NANO, Detector, atss_r50, export, latency_job

from cutpoint.files import read_json
from cutpoint.latency import Worker
from cutpoint.pipeline import OnnxPipeline
from cutpoint.runtime import Session

BLOCK, GOAL = 8, 1.03
NOTES = """
The inference stage that `latency` reports, beside a process that does nothing but `session.run` on tensors
prepared beforehand and copied right before the run: the same file, images and threads, a default session,
blocks of {block} images in turn. The goal is a ratio of the medians within {goal}.

For ATSS-R50 (its zoo config, drawn weights, fixed 608x608) the share of the total that is not inference, from
the medians of one run; the goal is 2 %. `candidates`: pairs above the score threshold, mean over the images.
"""


def measure(detector: Detector, folder: Path, cut: str, seconds: float, threads: int) -> dict[str, object]:
    """One row: the reported stages, the bare session, their ratio."""
    images = read_json(folder / "manifest.json")["images"][:16]
    job = latency_job(detector, folder, cut, threads)
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
                reported += answer.get("samples", [])
                bare += answer.get("times", [])
            number += 1
    finally:
        for worker in workers:
            worker.close()
    stages = {
        name: np.array([row[name] for row in reported])
        for name in ("decode", "preprocess", "inference", "postprocess", "total")
    }
    inference, against = np.array(stages["inference"]), np.array(bare)
    middle, low, high = ratio(inference, against)
    return {
        **{f"{name} [ms]": median(values)[0] for name, values in stages.items()},
        "bare session [ms]": median(against)[0],
        "inference / bare": f"{middle:.3f} ({low:.3f} to {high:.3f})",
        "not inference": f"{1 - np.median(stages['inference']) / np.median(stages['total']):.2%}",
        "runs": len(reported),
    }


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
    parser.add_argument("--seconds", type=float, default=8, help="of each row (ATSS-R50: three times that)")
    arguments = parser.parse_args()
    threads = len(os.sched_getaffinity(0))
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        chosen = [
            ("YOLOX-nano 416", YOLOX_NANO, "dynamic", ("raw", "e2e"), arguments.seconds),
            ("small ATSS 320", SMALL_ATSS, "dynamic", ("raw", "e2e"), arguments.seconds),
            (
                "ATSS-R50 608x608",
                atss_r50(Path(temporary) / "atss_r50", 608, 608),
                [608, 608],
                ("raw", "decoded", "e2e"),
                3 * arguments.seconds,
            ),
        ]
        for name, detector, shape, cuts, seconds in chosen:
            folder = Path(temporary) / name
            export(detector, folder, *cuts, shape=shape)
            found = round(candidates(folder))
            for cut in cuts:
                row = measure(detector, folder, cut, seconds, threads)
                rows.append({"detector": name, "cut": cut, "candidates": found, **row})
                print(rows[-1], flush=True)
    write_results("latency", rows, NOTES.format(block=BLOCK, goal=GOAL))


if __name__ == "__main__":
    main()
