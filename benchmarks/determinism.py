"""Whether a run gives the same bytes again, and how batch and threads of the network change detections.

Run: ``python benchmarks/determinism.py`` (needs CUTPOINT_REAL or ../shared/real)
"""

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench import write_results
from detectors import YOLOX_NANO, Detector, export

from cutpoint.detector.reference import HeadTensorPipeline, open_pytorch
from cutpoint.evaluate.coco import evaluate
from cutpoint.files import read_json
from cutpoint.matching import pair_alike
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.postprocess import postprocess
from cutpoint.predict.runtime import Session
from cutpoint.predict.shard import write_predictions
from cutpoint.records.detections import Results, read_results
from cutpoint.records.model import read_spec

# far beyond any rounding: partners are the same box
CORNER_PX, SCORE = 5.0, 0.05
# a score that is shown to users
SHOWN = 0.3
NOTES = """
YOLOX-nano (416x416, mmdet's weights) on the 108 photographs of `coco-dev`, on the CPU, up to the detections
of its own recipe. Each line is one run, held against the first line of its runtime.

- `network threads`: of one run of the network (ONNX Runtime's intra-op threads, torch's threads); `workers`:
  images at a time.
- `same bytes`: whether the file of detections is the same, byte by byte.
- `largest change of score`, `of a corner [px]`: among the boxes with a score of 0.3 that pair with the first
  run's; `unpaired`: boxes with such a score that do not.
"""


def run(folder: Path, pipeline: Any, workers: int, shards: int, batch: int) -> tuple[str, Results, float]:
    """The digest of the file of detections, its content, and its AP."""
    paths = [(str(folder / f"{n}.parquet"), str(folder / f"{n}.images.parquet")) for n in range(shards)]
    for shard, (out, out_images) in enumerate(paths):
        write_predictions(
            pipeline,
            manifest=str(folder / "manifest.json"),
            shard=shard,
            shards=shards,
            input="mmdet",
            batch=batch,
            workers=workers,
            runs=1 if isinstance(pipeline, HeadTensorPipeline) else workers,
            out=out,
            out_images=out_images,
        )
    detections, metrics = folder / "detections.json", folder / "metrics.json"
    predictions, images = (list(kind) for kind in zip(*paths, strict=True))
    postprocess(
        predictions=predictions,
        images=images,
        spec=str(folder / "spec.json"),
        labels=str(folder / "labels.json"),
        cut="raw",
        recipe="mmdet3",
        out=str(detections),
    )
    evaluate(truth=str(folder / "truth.json"), detections=str(detections), out=str(metrics))
    digest = hashlib.sha256(detections.read_bytes()).hexdigest()
    return digest, read_results(detections), read_json(metrics)["AP"]


def change(first: Results, other: Results) -> dict[str, Any]:
    """How detections differ from those of the first run."""
    sides = [side.take(np.flatnonzero(side.score >= SHOWN)) for side in (first, other)]
    pairs = pair_alike(*sides, CORNER_PX, SCORE)
    left, right = sides[0].take(pairs.left), sides[1].take(pairs.right)
    scores, corners = np.abs(left.score - right.score), np.abs(left.corners - right.corners)
    return {
        "largest change of score": f"{scores.max(initial=0):.1e}",
        "of a corner [px]": f"{corners.max(initial=0):.1e}",
        "unpaired": f"{len(sides[0]) + len(sides[1]) - 2 * len(pairs)} of {len(sides[0])}",
    }


def measure(folder: Path, detector: Detector) -> list[dict[str, Any]]:
    """All runs, those of ONNX Runtime first."""
    spec, export_file = read_spec(folder / "spec.json"), str(folder / "raw.onnx")

    def onnx(threads: int) -> Any:
        return OnnxPipeline(Session(export_file, "cpu", threads))

    def pytorch(threads: int) -> Any:
        return open_pytorch(detector.config, detector.checkpoint, spec, "raw", "cpu", threads)

    openers: dict[str, Callable[[int], Any]] = {"ONNX Runtime": onnx, "PyTorch": pytorch}
    # threads of the network, workers, shards, batch
    plans = [(1, 1, 1, 1), (1, 1, 1, 1), (1, 4, 1, 1), (1, 4, 3, 1), (2, 1, 1, 1), (4, 1, 1, 1)]
    plans += [(1, 1, 1, 2), (1, 4, 3, 2), (1, 1, 1, 4), (1, 1, 1, 8)]
    rows = []
    for runtime, opener in openers.items():
        first: tuple[str, Results, float] | None = None
        for threads, workers, shards, batch in plans:
            found = run(folder, opener(threads), workers, shards, batch)
            first = first or found
            rows.append(
                {
                    "runtime": runtime,
                    "network threads": threads,
                    "workers": workers,
                    "shards": shards,
                    "batch": batch,
                    "same bytes": "yes" if found[0] == first[0] else "no",
                    "AP": f"{found[2]:.6f}",
                    **change(first[1], found[1]),
                }
            )
            print(rows[-1], flush=True)
    torch.set_num_threads(1)
    return rows


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        export(YOLOX_NANO, place, "raw")
        write_results("determinism", measure(place, YOLOX_NANO), NOTES)
