"""The process that ``latency`` times: one variant. One request per line on stdin, one answer on stdout."""

import importlib
import json
import math
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import cv2

from cutpoint.data.inputs import resolve_input
from cutpoint.errors import UserError, located
from cutpoint.latency.pace import SPIN_S
from cutpoint.latency.watch import device_memory_mib
from cutpoint.lifeline import follow_starter
from cutpoint.predict.pipeline import OnnxPipeline, Pipeline
from cutpoint.predict.stream import share_threads, stream
from cutpoint.records.detections import Detections
from cutpoint.records.head import keeps_candidates
from cutpoint.records.image import Geometry
from cutpoint.records.json_file import as_content
from cutpoint.records.manifest import Image
from cutpoint.records.model import read_spec

# The runs of one input shape are warm if one more run changes the median of the last few by at most this
# fraction, or after the largest number of runs, or of seconds for all shapes: on a busy machine no median
# becomes stable.
STABLE, WINDOW, FEWEST, MOST, MOST_SECONDS = 0.03, 5, 3, 30, 30.0
# If a stream was too short, the next one is longer than it seems to need, by this factor.
LONGER = 1.2
# Imported only where it is timed. The name is written so that this module does not seem to import it:
# variants without post-processing by hand are not timed again after its changes, see ``timed_modules``.
HANDWRITTEN = f"{__package__}.handwritten"
Images = list[Image]


@dataclass
class Opened:
    """A variant that is ready to run.

    ``pipeline``: from image file to candidates or detections. ``finish``: from these to detections.
    ``facts``: facts about the session, for the samples' metadata.
    """

    pipeline: Pipeline
    finish: Callable[[Any, Geometry], Detections]
    facts: dict[str, Any]


def open_variant(job: dict[str, Any]) -> Opened:
    """Open a variant: its pipeline, and its post-processing by hand if it has one.

    Args:
        job: see ``coordinator.time_variants``, with ``threads``.
    """
    # OpenCV's resize gets no more threads than the network
    cv2.setNumThreads(job["threads"])
    if job["runtime"] == "pytorch":
        from cutpoint.detector.imports import import_modules
        from cutpoint.detector.reference import open_pytorch

        spec = read_spec(job["spec"])
        import_modules(job["imports"])
        arguments = job["config"], job["checkpoint"], spec, job["cut"], job["provider"], job["threads"]
        pipeline: Pipeline = open_pytorch(*arguments, job["input"], job["tf32"])
        made_by = resolve_input(job["input"], spec.input, None)
        scores, facts = "class", {}
    else:
        from cutpoint.predict.runtime import Session

        session = Session(job["model"], job["provider"], job["threads"], tf32=job["tf32"], spin_s=SPIN_S)
        made_by = resolve_input(job["input"], session.spec.input, session.shape)
        pipeline = OnnxPipeline(session, made_by)
        scores = session.scores or "class"
        facts = {
            "graph_optimisation": session.optimisation,
            "provider_options": session.provider_options,
            "cuda_graph": session.cuda_graph,
            "pinned": session.pinned,
        }
    if not keeps_candidates(pipeline.cut, pipeline.spec.head):
        return Opened(pipeline, _done, facts)
    written = importlib.import_module(HANDWRITTEN)
    return Opened(pipeline, written.open_recipe(pipeline, job["recipe"], made_by, scores), facts)


def _done(read: Detections, geometry: Geometry) -> Detections:
    """The detections of a pipeline that ends in detections, without changes."""
    return read


def time_images(opened: Opened, paths: Sequence[str]) -> dict[str, Any]:
    """Run image files to final boxes in one batch; return its input shape and the time of each stage, ms."""
    pipeline = opened.pipeline
    start = time.perf_counter_ns()
    images = [pipeline.decode(path) for path in paths]
    decoded = time.perf_counter_ns()
    tensor, geometries = pipeline.batch([pipeline.prepare(image) for image in images])
    prepared = time.perf_counter_ns()
    uploaded = pipeline.upload(tensor, *geometries)
    there = time.perf_counter_ns()
    computed = pipeline.compute(uploaded)
    inferred = time.perf_counter_ns()
    outputs = pipeline.download(computed)
    back = time.perf_counter_ns()
    for number, geometry in enumerate(geometries):
        opened.finish(pipeline.read(outputs, geometry, number), geometry)
    end = time.perf_counter_ns()
    stages = {
        "decode": decoded - start,
        "preprocess": prepared - decoded,
        "host_to_device": there - prepared,
        "inference": inferred - there,
        "device_to_host": back - inferred,
        "postprocess": end - back,
        "total": end - start,
    }
    shape = f"{geometries[0].padded_height}x{geometries[0].padded_width}"
    return {"shape": shape, **{stage: nanoseconds / 1e6 for stage, nanoseconds in stages.items()}}


class Server:
    """Answers the requests about one variant."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job
        # import what takes longest before the measurement
        importlib.import_module("cutpoint.predict.runtime" if job["model"] else "cutpoint.detector.reference")
        if job["by_hand"]:
            importlib.import_module(HANDWRITTEN)

    def open(self) -> dict[str, Any]:
        """Open the variant, and return facts about it."""
        began, uncompiled = time.perf_counter(), False
        self._opened = open_variant(self._job)
        seconds = time.perf_counter() - began
        if self._job["runtime"] == "pytorch" and self._job["cut"] == "e2e":
            from cutpoint.detector.mmcv_ops import has_compiled_ops

            uncompiled = not has_compiled_ops()
        return {
            "provider_got": self._opened.pipeline.provider,
            "without_compiled_nms": uncompiled,
            **self._opened.facts,
            "affinity": sorted(os.sched_getaffinity(0)),
            "cold_start": {"open_s": round(seconds, 3)},
        }

    def warm_up(self, images: Images) -> dict[str, Any]:
        """Run each input shape until its median is stable, but not without end.

        Returns:
            ``first_run_ms``; ``shapes``: for each input shape (``HxW``) the number of runs and whether it
            became stable; ``runs`` and ``seconds`` in total.
        """
        began, times = time.perf_counter(), dict[str, tuple[list[float], Images]]()
        for batch in self._batches(images):
            row = self._time(batch)
            times.setdefault(row["shape"], ([], batch))[0].append(row["total"])
        first = next(iter(times.values()))[0][0]
        for totals, batch in times.values():
            while not is_stable(totals) and len(totals) < MOST and time.perf_counter() - began < MOST_SECONDS:
                totals.append(self._time(batch)["total"])
        shapes = {s: {"runs": len(t), "stable": is_stable(t)} for s, (t, _) in times.items()}
        return {
            "first_run_ms": first,
            "shapes": shapes,
            "runs": sum(shape["runs"] for shape in shapes.values()),
            "seconds": round(time.perf_counter() - began, 3),
        }

    def time(self, images: Images) -> dict[str, Any]:
        """Samples of a block of images, one per batch, named after its first image.

        The first batch runs once before it counts, because other variants used the caches between two blocks.
        """
        batches = self._batches(images)
        self._time(batches[0])
        return {"samples": [{"image_id": batch[0].id, **self._time(batch)} for batch in batches]}

    def throughput(self, images: Images, seconds: float) -> dict[str, Any]:
        """Images per second with the stages of several images overlapped, as ``predict`` does.

        The images run again and again in one stream. It is repeated with more images until it lasts
        ``seconds``.
        """
        opened, settings = self._opened, {"batch": self._job["batch"]}
        if self._job["runtime"] == "onnxruntime":
            threads, workers, runs = share_threads(self._job["threads"], self._job["provider"])
            opened = open_variant({**self._job, "threads": threads})
            settings |= {"workers": workers, "runs": runs}
        passes, spent = 1, 0.0
        while spent < seconds:
            if spent:
                passes = math.ceil(passes * LONGER * seconds / spent)
            began, entries = time.perf_counter(), images * passes
            with closing(stream(opened.pipeline, entries, **settings)) as results:
                for _, geometry, read in results:
                    opened.finish(read, geometry)
            spent = time.perf_counter() - began
        return {"images_per_s": len(entries) / spent, "images": len(entries), "seconds": round(spent, 3)}

    def finish(self, images: Images) -> dict[str, Any]:
        """Peak memory, MiB, and then the placement of the graph's nodes, in a separate session."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        memory = {"host_peak_mib": round(peak, 1), "device_mib": device_memory_mib(os.getpid())}
        if self._job["runtime"] == "pytorch":
            return {"memory": memory, "node_placement": None}
        from cutpoint.latency.placement import place_nodes

        job, pipeline = self._job, self._opened.pipeline
        assert isinstance(pipeline, OnnxPipeline)
        (batch, *_) = self._batches(images)
        tensor, sizes = pipeline.batch([pipeline.prepare(pipeline.decode(i.path)) for i in batch])
        feeds = pipeline.feeds(tensor, *sizes)
        placement = place_nodes(job["model"], job["provider"], job["threads"], job["tf32"], feeds)
        return {"memory": memory, "node_placement": as_content(placement)}

    def _time(self, batch: Images) -> dict[str, Any]:
        paths = [image.path for image in batch]
        with located("in the batch of " + ", ".join(paths)):
            return time_images(self._opened, paths)

    def _batches(self, images: Images) -> list[Images]:
        size = self._job["batch"]
        return [images[start : start + size] for start in range(0, len(images), size)]


def is_stable(totals: Sequence[float]) -> bool:
    """Whether the last run changed the median of the last few only a little; ms, in order of time."""
    if len(totals) < FEWEST:
        return False
    before, after = statistics.median(totals[-WINDOW - 1 : -1]), statistics.median(totals[-WINDOW:])
    return abs(after - before) <= STABLE * before


def serve(job: dict[str, Any], requests: Any, answers: Any) -> None:
    """Say that all is imported, then answer ``{"ask": method, argument: value}`` until the input ends."""
    server = Server(job)
    _answer(answers, {})
    for line in requests:
        request = json.loads(line)
        if "images" in request:
            request["images"] = [Image(**image) for image in request["images"]]
        _answer(answers, getattr(server, request.pop("ask"))(**request))


def _answer(answers: Any, value: dict[str, Any]) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


def main() -> None:
    """Serve on stdin and stdout, until the coordinator ends; the libraries' output goes to stderr."""
    follow_starter()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        serve(json.loads(sys.argv[1]), sys.stdin, answers)
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
