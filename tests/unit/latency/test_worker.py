import io
import json
import subprocess
import sys

import numpy as np
import pytest
from datasets import make_image
from tiny import FakeSession, atss_head, geometry, model_spec, raw_outputs

from cutpoint.data.inputs import resolve_input
from cutpoint.latency import worker
from cutpoint.latency.worker import MOST, Opened, is_stable, open_variant, time_images
from cutpoint.predict.pipeline import OnnxPipeline, Pipeline
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.records.detections import Detections
from cutpoint.records.head import Floor
from cutpoint.records.json_file import as_content
from cutpoint.records.latency import COPIES, STAGES

JOB = {
    **{"runtime": "onnxruntime", "cut": "raw", "model": "m.onnx", "provider": "cpu", "threads": 1},
    **{"tf32": False, "recipe": "mmdet3", "input": "mmdet", "imports": [], "batch": 1, "by_hand": True},
}


class StubPipeline(Pipeline):
    """Counts its calls; a path's first letter is the input shape."""

    provider, cut = "cpu", "e2e"
    spec = model_spec(atss_head())

    def __init__(self):
        self.paths = []

    def decode(self, path):
        self.paths.append(path)
        return path

    def prepare(self, image):
        return image, geometry(padded_height=32 * (1 + (image[0] == "w")))

    def batch(self, prepared):
        return [image for image, _ in prepared], [sizes for _, sizes in prepared]

    def upload(self, tensor, *sizes):
        return tensor

    def compute(self, uploaded):
        return {}

    def download(self, computed):
        return computed

    def read(self, outputs, sizes, image=0):
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))


def finished(read, geometry):
    return read


@pytest.fixture
def stub(monkeypatch):
    """A pipeline whose clock is ours: a variant's stages cost what ``costs`` says, ms."""
    pipeline = StubPipeline()
    pipeline.now, pipeline.costs = 0, {}
    for name in ("decode", "prepare", "upload", "compute", "download", "read"):
        real = getattr(pipeline, name)

        def slow(*arguments, real=real, name=name):
            cost = pipeline.costs.get(name, 0)
            pipeline.now += int(1e6 * (next(cost) if hasattr(cost, "__next__") else cost))
            return real(*arguments)

        monkeypatch.setattr(pipeline, name, slow)
    monkeypatch.setattr(worker.time, "perf_counter_ns", lambda: pipeline.now)
    monkeypatch.setattr(worker, "open_variant", lambda job: Opened(pipeline, finished, {}))
    return pipeline


def ask(*requests, job=JOB):
    """What a worker answers: its facts, then an answer a request."""
    answers = io.StringIO()
    lines = [json.dumps(request) + "\n" for request in ({"ask": "open"}, *requests)]
    worker.serve(job, io.StringIO("".join(lines)), answers)
    ready, *told = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert ready == {}
    return told


def images(*paths):
    return [as_content(make_image(n, path, 40, 60)) for n, path in enumerate(paths, 5)]


def test_stages_are_timed_where_the_work_is(stub):
    stub.costs = {"decode": 1, "prepare": 20, "upload": 300, "compute": 4000, "download": 5e4, "read": 6e5}
    assert time_images(Opened(stub, finished, {}), ["a.jpg"]) == {
        "shape": "32x40",
        "decode": 1,
        "preprocess": 20,
        "host_to_device": 300,
        "inference": 4000,
        "device_to_host": 50_000,
        "postprocess": 600_000,
        "total": 654_321,
    }


def test_a_batch_is_one_sample_of_all_its_images(stub):
    stub.costs = {"decode": 1, "prepare": 20, "compute": 300, "read": 1000}
    _, answer = ask({"ask": "time", "images": images("a", "b", "c", "d")}, job={**JOB, "batch": 2})
    assert [row["image_id"] for row in answer["samples"]] == [5, 7]
    assert {row["total"] for row in answer["samples"]} == {2 * 1 + 2 * 20 + 300 + 2 * 1000}


def test_the_first_batch_of_a_block_runs_once_before_it_counts(stub):
    stub.costs = {"compute": iter([900, 1, 2])}
    _, answer = ask({"ask": "time", "images": images("a", "b")})
    assert stub.paths == ["a", "a", "b"]
    assert [row["inference"] for row in answer["samples"]] == [1, 2]
    for row in answer["samples"]:
        assert set(row) == {"image_id", "shape", *STAGES, *COPIES}


def test_each_input_shape_is_warmed_up_until_its_median_is_stable(stub):
    # a shape's first run is slow; the wide one needs longer until its median holds still
    low, wide = [50, 10, 10, 10], [90, 80, 60, 40, 30, 20, 20, 20, 20, 20]
    stub.costs = {"compute": iter([low[0], wide[0], *low[1:], *wide[1:]])}
    facts, answer = ask({"ask": "warm_up", "images": images("low", "wide")})
    assert facts["cold_start"]["open_s"] >= 0
    assert answer["first_run_ms"] == 50
    assert answer["shapes"] == {
        "32x40": {"runs": 4, "stable": True},
        "64x40": {"runs": 9, "stable": True},
    }
    assert answer["runs"] == 13


def test_a_shape_that_never_settles_is_told(stub):
    stub.costs = {"compute": iter(1.5**n for n in range(MOST))}
    _, answer = ask({"ask": "warm_up", "images": images("a")})
    assert answer["shapes"] == {"32x40": {"runs": MOST, "stable": False}}


def test_a_warm_up_that_takes_too_long_ends_and_is_told(stub, monkeypatch):
    monkeypatch.setattr(worker, "MOST_SECONDS", 0.0)
    stub.costs = {"compute": iter([50, 10, 10])}
    _, answer = ask({"ask": "warm_up", "images": images("a")})
    assert answer["shapes"] == {"32x40": {"runs": 1, "stable": False}}


@pytest.mark.parametrize(
    ("totals", "expected"),
    [
        pytest.param([10, 10], False, id="too-few"),
        pytest.param([50, 10, 10], False, id="the-slow-first-run-still-weighs"),
        pytest.param([50, 10, 10, 10], True, id="it-no-longer-does"),
        pytest.param([10, 10.2, 10.1], True, id="noise"),
        pytest.param([16, 8, 4, 2, 1], False, id="still-falling"),
        pytest.param([99, 99, 99, 10, 10, 10, 10, 10, 10], True, id="only-the-last-few-count"),
    ],
)
def test_stability_by_hand(totals, expected):
    assert is_stable(totals) is expected


def test_throughput_is_that_of_one_stream_that_lasts_long_enough(stub, monkeypatch):
    # one pass takes 0.5 s; the next stream has ceil(1.2 * 2 / 0.5) = 5 passes, of 3 images
    clock = iter([0.0, 0.5, 1.0, 3.5])
    monkeypatch.setattr(worker.time, "perf_counter", lambda: next(clock))
    server = worker.Server.__new__(worker.Server)
    server._job, server._opened = JOB, Opened(stub, finished, {})
    monkeypatch.setattr(stub, "prepare", lambda image: (image, geometry(height=40, width=60)))
    found = server.throughput([make_image(n, height=40, width=60) for n in range(3)], seconds=2)
    assert found == {"images_per_s": 15 / 2.5, "images": 15, "seconds": 2.5}


def test_the_recipes_threshold_becomes_the_floor(monkeypatch):
    spec = model_spec(atss_head())
    outputs = raw_outputs(spec.head, [(6, 8), (3, 4)])
    session = FakeSession(spec, "raw", outputs)
    monkeypatch.setattr("cutpoint.predict.runtime.Session", lambda *_, **__: session)
    recipe = {"base": "mmdet3", "score_thr": 0.5}
    opened = open_variant({**JOB, "recipe": recipe})
    assert isinstance(opened.pipeline, OnnxPipeline)
    assert opened.pipeline.spec.head.floor == Floor("class", 0.5, False)
    read = opened.pipeline.read(outputs, geometry())
    done = apply_recipe(resolve_recipe(recipe, spec.head), read, geometry(), opened.pipeline.spec)
    assert len(done) > 0
    assert np.array_equal(opened.finish(read, geometry()).boxes, done.boxes)
    assert (opened.pipeline.read(outputs, geometry()).score > 0.5).all()
    told = {"graph_optimisation": "all", "provider_options": {}, "cuda_graph": False, "pinned": False}
    assert opened.facts == told


def test_the_input_recipe_of_the_run_is_what_is_timed(monkeypatch):
    spec = model_spec(atss_head())
    session = FakeSession(spec, "raw", {})
    monkeypatch.setattr("cutpoint.predict.runtime.Session", lambda *_, **__: session)
    opened = {name: open_variant({**JOB, "input": name}).pipeline for name in ("mmdet", "seed-225")}
    image = np.full((40, 50, 3), 225, np.uint8)
    own, seed = (opened[name].prepare(image)[0] for name in ("mmdet", "seed-225"))
    assert not np.array_equal(own, seed)
    assert opened["seed-225"].spec.input == resolve_input("seed-225", spec.input, None)


def test_a_worker_alone_has_imported_no_recipe():
    code = "import sys, cutpoint.latency.worker; print([n for n in sys.modules if 'cutpoint.recipes' in n])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
