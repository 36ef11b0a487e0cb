"""Time and memory of the paired bootstrap, beside one evaluation by pycocotools of the same data.

Run: ``python benchmarks/bootstrap.py``
"""

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

# the two sides share the machine as two processes of one thread
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import numpy as np
from synthetic import degrade, detect, draw_truth

from cutpoint.compare.bootstrap import delta, sample_ap
from cutpoint.compare.verdict import decide
from cutpoint.evaluate.coco import evaluate
from cutpoint.records.resamples import read_resamples

# images, detections of an image, classes, resamples; what the pair may take then, on two cores
SIZE, LIMIT_S, LIMIT_GB = (5000, 100, 80, 1000), 60, 4


def write_data(folder: Path, images: int, detections: int, classes: int) -> tuple[int, int]:
    """Write a data set and two variants; returns the numbers of boxes and of detections of the first."""
    random = np.random.default_rng(0)
    boxes = 7.3  # COCO val2017: 36,335 boxes on 5000 images
    truth = draw_truth(random, images, classes, boxes)
    reference = detect(random, truth, detections - 0.75 * boxes)
    variant = degrade(random, reference)
    for name, value in {"truth": truth, "a": reference, "b": variant}.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    return len(truth["annotations"]), len(reference)


def timed(call, *args, **kwargs) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and the process's peak memory in GB."""
    wall, cpu = time.perf_counter(), time.process_time()
    call(*args, **kwargs)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return time.perf_counter() - wall, time.process_time() - cpu, used


def new_pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=SIZE[0])
    parser.add_argument("--detections", type=int, default=SIZE[1], help="per image")
    parser.add_argument("--classes", type=int, default=SIZE[2])
    parser.add_argument("--resamples", type=int, default=SIZE[3])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # each step in fresh processes, so that peak memory is its own
        with new_pool(1) as pool:
            sizes = options.images, options.detections, options.classes
            boxes, detections = pool.submit(write_data, folder, *sizes).result()
        print(f"{options.images} images, {boxes} boxes, {detections} detections, {options.classes} classes")
        paths = {"truth": str(folder / "truth.json")}
        with new_pool(1) as pool:
            arguments = paths | {"detections": str(folder / "a.json"), "out": str(folder / "metrics.json")}
            once = pool.submit(timed, evaluate, **arguments).result()
        print("pycocotools, one variant once: {:.1f} s, {:.1f} s CPU, {:.2f} GB".format(*once))
        start = time.perf_counter()
        with new_pool(2) as pool:
            sides = [
                pool.submit(
                    timed,
                    sample_ap,
                    **paths,
                    detections=str(folder / f"{side}.json"),
                    out=str(folder / f"{side}.npz"),
                    resamples=options.resamples,
                )
                for side in "ab"
            ]
            walls, cpus, memory = zip(*(side.result() for side in sides), strict=True)
        found = delta(read_resamples(str(folder / "a.npz")), read_resamples(str(folder / "b.npz")))
        wall = time.perf_counter() - start
        print(
            f"{options.resamples} resamples of the pair: {wall:.1f} s ({max(walls):.1f} s the slower side), "
            f"{sum(cpus):.1f} s CPU, {sum(memory):.2f} GB both sides"
        )
        if (options.images, options.detections, options.classes, options.resamples) == SIZE:
            held = wall < LIMIT_S and sum(memory) < LIMIT_GB
            print(f"limits of {LIMIT_S} s and {LIMIT_GB} GB: {'held' if held else 'BROKEN'}")
        low, high = found.total.ci95
        verdict = decide(False, found.total)
        print(f"delta AP {found.total.value:.5f}, 95 % [{low:.5f}, {high:.5f}], {verdict}")
        official = json.loads((folder / "metrics.json").read_text())["AP"]
        ours = np.nanmean(read_resamples(str(folder / "a.npz")).ap[0, 0])
        print(f"AP by pycocotools {official:.12f}, by weights {ours:.12f}")


if __name__ == "__main__":
    main()
