"""A whole run of val2017's size on two cores, beside what it cannot do without: sessions and pycocotools.

Run: ``python benchmarks/val2017.py`` (needs CUTPOINT_REAL or ../shared/real). YOLOX-nano and three ONNX
variants on 5,000 images: COCO photographs, repeated under ids of their own. It may be stopped and started
again.
"""

import argparse
import contextlib
import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from bench import time_in_turn, write_results
from detectors import YOLOX_NANO
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from repeated import repeat_photographs
from rule_times import read_jobs, run_workflow

from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.runtime import Session
from cutpoint.records.manifest import read_manifest

MODEL, CUTS = "yolox_nano", ("raw", "decoded", "e2e")
TENSORS = 50
NOTES = """
`snakemake all` with `--cores {cores}` on {images} images and the variants {variants}, from nothing: checks,
trace, export and verification, prediction, scores, intervals, timing, comparison, autopsies, figures and the
page.

- `bare sessions`: for each variant, the median time of one `session.run` on {tensors} photographs, with 1 or
  {cores} threads, whichever is faster, times the images.
- `pycocotools`: for each variant, `COCO`, `loadRes`, `evaluate`, `accumulate` and `summarize` of its
  detections, in one process; the workflow runs {cores} jobs at a time.
- The rows of rules are sums over their jobs, wall time; so they may add up to more than the run.
- `of the floor`: the time divided by bare sessions and pycocotools together.

The run took {attempts} attempt(s). Time between attempts does not count.
"""


def configure(work: Path, data: Path, seconds: float) -> None:
    """Write the config of the run."""
    run = {"runtime": "onnxruntime"}
    content = {
        "device": "cpu",
        "models": {MODEL: {"config": YOLOX_NANO.config, "checkpoint": YOLOX_NANO.checkpoint}},
        "datasets": {"photos": {"images": str(data / "images"), "annotations": str(data / "instances.json")}},
        "variants": {cut: {**run, "cut": cut} for cut in CUTS},
        "evaluations": [
            {"model": MODEL, "dataset": "photos", "variants": list(CUTS), "reference": "raw", "ladder": CUTS}
        ],
        "latency": {"images": 32, "min_seconds": seconds},
    }
    work.mkdir(parents=True, exist_ok=True)
    (work / "config.json").write_text(json.dumps(content, indent=1))


def run_all(work: Path, cores: int) -> dict[str, float]:
    """The seconds of the run, over all attempts, and how many there were; kept while it goes on."""
    kept = work / "wall.json"
    known = json.loads(kept.read_text()) if kept.exists() else {"seconds": 0.0, "attempts": 0, "done": False}
    if not known["done"]:
        known["attempts"] += 1
        before = known["seconds"]

        def watch(seconds: float) -> None:
            known["seconds"] = before + seconds
            kept.write_text(json.dumps(known))

        if run_workflow(work, work / "measured", "all", cores=cores, watch=watch) is None:
            raise SystemExit(f"the run failed; mend it and start again, {work} keeps what is done")
        known["done"] = True
        kept.write_text(json.dumps(known))
    return known


def time_sessions(work: Path, images: int, cores: int) -> dict[str, float]:
    """Seconds that bare sessions take for all images, by variant."""
    paths = [image.path for image in read_manifest(work / "results/manifests/photos.json").images[:TENSORS]]
    found = {}
    for cut in CUTS:
        medians = []
        for threads in (1, cores):
            session = Session(work / f"results/models/{MODEL}/{cut}-fp32.onnx", "cpu", threads)
            pipeline = OnnxPipeline(session)
            feeds = []
            for path in paths:
                tensor, sizes = pipeline.prepare(pipeline.decode(path))
                feeds.append(pipeline.feeds(tensor, sizes))
            waiting = iter(feeds * 2)
            taken = time_in_turn(
                {"bare": lambda s=session, w=waiting: s.run(next(w))}, min_seconds=0, min_runs=len(feeds)
            )
            medians.append(float(np.median(taken["bare"])))
        found[cut] = min(medians) / 1000 * images
        print(f"bare session of {cut}: {min(medians):.2f} ms an image", flush=True)
    return found


def time_pycocotools(work: Path) -> dict[str, float]:
    """Seconds of one evaluation by pycocotools, by variant."""
    found = {}
    for cut in CUTS:
        began = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO(str(work / f"results/truth/photos/{MODEL}.json"))
            detections = truth.loadRes(str(work / f"results/detections/photos/{MODEL}/{cut}.json"))
            evaluation = COCOeval(truth, detections, "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        found[cut] = time.perf_counter() - began
        print(f"pycocotools on {cut}: {found[cut]:.0f} s", flush=True)
    return found


def remember(path: Path, make: Any) -> dict[str, float]:
    """What ``make`` measured, kept in a file."""
    if not path.exists():
        path.write_text(json.dumps(make()))
    found: dict[str, float] = json.loads(path.read_text())
    return found


def main() -> None:
    """Run, measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("val2017-data"), help="1 GB for 5,000 images")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--latency-seconds", type=float, default=5)
    options = parser.parse_args()
    folder = options.folder.resolve() / str(options.images)
    work = folder / "run"
    repeat_photographs(YOLOX_NANO.images, YOLOX_NANO.annotations, options.images, folder / "data")
    configure(work, folder / "data", options.latency_seconds)
    run = run_all(work, options.cores)
    sessions = remember(folder / "sessions.json", lambda: time_sessions(work, options.images, options.cores))
    scores = remember(folder / "pycocotools.json", lambda: time_pycocotools(work))
    floor = sum(sessions.values()) + sum(scores.values())
    parts = {
        "the run": run["seconds"],
        "bare sessions": sum(sessions.values()),
        "pycocotools": sum(scores.values()),
        **{f"bare session of {cut}": seconds for cut, seconds in sessions.items()},
        **{f"pycocotools on {cut}": seconds for cut, seconds in scores.items()},
    }
    jobs = read_jobs(work / "measured")
    rules = {f"rule {rule}": sum(job["wall_s"] for job in found) for rule, found in jobs.items()}
    parts |= dict(sorted(rules.items(), key=lambda item: -item[1]))
    rows = [
        {"what": what, "seconds": seconds, "of the floor": seconds / floor} for what, seconds in parts.items()
    ]
    given = {"cores": options.cores, "images": options.images, "variants": ", ".join(CUTS)}
    name = "val2017" if options.images == 5000 else f"val2017-{options.images}"
    write_results(name, rows, NOTES.format(**given, tensors=TENSORS, attempts=run["attempts"]))


if __name__ == "__main__":
    main()
