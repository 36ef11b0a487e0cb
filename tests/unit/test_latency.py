import io
import json
import os
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_pipeline import FakeSession
from tiny import atss_head, geometry, model_spec, raw_outputs

from cutpoint import latency, latency_worker
from cutpoint.errors import UserError
from cutpoint.image import named_input
from cutpoint.latency import METADATA, STAGES, Worker, stage_statistics, summarize_latency, time_variants
from cutpoint.pipeline import OnnxPipeline
from cutpoint.recipes import resolve_recipe


def test_statistics_by_hand():
    found = stage_statistics(np.arange(1, 102, dtype=float))  # 1 .. 101 ms
    assert found == {"p50": 51, "p90": 91, "p95": 96, "p99": 100, "mean": 51, "n": 101}
    assert json.dumps(found)


def test_summarize_reads_one_variant(tmp_path):
    rows = [
        {"variant": name, "round": 0, "image_id": i, **dict.fromkeys(STAGES, factor * i)}
        for name, factor in (("raw", 1.0), ("e2e", 10.0))
        for i in range(1, 12)
    ]
    facts = {
        "threads": 2,
        "batch": 1,
        "images": 11,
        "machine_before": {"processor": "x", "load_1min": 0.5},
        "load_1min_after": 0.7,
        "variants": {
            name: {
                "runtime": "onnxruntime",
                "provider_asked": "cpu",
                "provider_got": "cpu",
                "notes": [name],
                "warm_up": {"runs": 4, "seconds": 1.0},
            }
            for name in ("raw", "e2e")
        },
    }
    table = pa.Table.from_pandas(pd.DataFrame(rows))
    pq.write_table(table.replace_schema_metadata({METADATA: json.dumps(facts)}), tmp_path / "s.parquet")
    out = tmp_path / "e2e.json"
    summarize_latency(samples=str(tmp_path / "s.parquet"), variant="e2e", out=str(out))
    found = json.loads(out.read_text())
    assert set(found["stages"]) == set(STAGES)
    assert found["stages"]["total"] == {"p50": 60, "p90": 100, "p95": 105, "p99": 109, "mean": 60, "n": 11}
    assert found["provider_got"] == "cpu"
    assert found["notes"] == ["e2e"]
    assert (found["threads"], found["batch"], found["images"]) == (2, 1, 11)
    assert found["machine"] == {"processor": "x", "load_1min": 0.5, "load_1min_after": 0.7}
    assert found["warm_up"] == {"runs": 4, "seconds": 1.0}


class StubPipeline:
    """Counts its calls."""

    provider, cut = "cpu", "e2e"
    spec = model_spec(atss_head())

    def __init__(self):
        self.paths = []

    def decode(self, path):
        self.paths.append(path)
        return path

    def prepare(self, image):
        return image, geometry()

    def infer(self, tensor, sizes):
        return {}

    def read(self, outputs, sizes):
        from cutpoint.recipes import Detections

        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))


def test_the_worker_answers_one_line_for_one_line(monkeypatch):
    pipeline = StubPipeline()
    monkeypatch.setattr(latency_worker, "open_variant", lambda job: (pipeline, None))
    images = [{"id": 5, "path": "a.jpg"}, {"id": 6, "path": "b.jpg"}]
    requests = io.StringIO("".join(json.dumps({kind: images}) + "\n" for kind in ("warm_up", "time", "time")))
    answers = io.StringIO()
    latency_worker.serve({"runtime": "onnxruntime", "cut": "e2e"}, requests, answers)
    facts, warm_up, first, second = map(json.loads, answers.getvalue().splitlines())
    assert (facts["provider_got"], facts["notes"]) == ("cpu", [])
    assert warm_up["runs"] == 2 * latency_worker.WARM_UP_ROUNDS >= 4
    for answer in (first, second):
        assert [row["image_id"] for row in answer["samples"]] == [5, 6]
        for row in answer["samples"]:
            assert set(row) == {"image_id", *STAGES}
            parts = sum(row[stage] for stage in STAGES if stage != "total")
            assert row["total"] == pytest.approx(parts, abs=1e-9)
            assert min(row[stage] for stage in STAGES) >= 0
    assert pipeline.paths == ["a.jpg", "b.jpg"] * (latency_worker.WARM_UP_ROUNDS + 2)


def test_stages_are_timed_where_the_work_is(monkeypatch):
    now = [0]
    costs = {"decode": 1, "prepare": 20, "infer": 300, "read": 4000}
    pipeline = StubPipeline()
    for name, cost in costs.items():
        real = getattr(pipeline, name)

        def slow(*args, real=real, cost=cost):
            now[0] += cost * 1_000_000
            return real(*args)

        monkeypatch.setattr(pipeline, name, slow)
    monkeypatch.setattr(latency_worker.time, "perf_counter_ns", lambda: now[0])
    assert latency_worker.time_image(pipeline, None, "a.jpg") == {
        "decode": 1,
        "preprocess": 20,
        "inference": 300,
        "postprocess": 4000,
        "total": 4321,
    }


def test_the_recipes_threshold_becomes_the_floor(monkeypatch):
    spec = model_spec(atss_head())
    outputs = raw_outputs(spec.head, [(6, 8), (3, 4)])
    monkeypatch.setattr("cutpoint.runtime.Session", lambda *_: FakeSession(spec, "raw", outputs))
    recipe = {"base": "mmdet3", "score_thr": 0.5}
    job = {"runtime": "onnxruntime", "model": "m.onnx", "provider": "cpu", "threads": 1, "recipe": recipe}
    job |= {"input": "mmdet", "imports": []}
    pipeline, resolved = latency_worker.open_variant(job)
    assert isinstance(pipeline, OnnxPipeline)
    assert resolved == resolve_recipe(recipe, spec.head)
    assert pipeline.spec.head.floor == {"on": "class", "value": 0.5, "inclusive": False}
    assert (pipeline.read(outputs, geometry()).score > 0.5).all()


def test_the_input_recipe_of_the_run_is_what_is_timed(monkeypatch):
    spec = model_spec(atss_head())
    monkeypatch.setattr("cutpoint.runtime.Session", lambda *_: FakeSession(spec, "raw", {}))
    job = {"runtime": "onnxruntime", "model": "m.onnx", "provider": "cpu", "threads": 1, "recipe": "mmdet3"}
    opened = {
        name: latency_worker.open_variant(job | {"input": name, "imports": []})[0]
        for name in ("mmdet", "seed-225")
    }
    image = np.full((40, 50, 3), 225, np.uint8)
    own, seed = (opened[name].prepare(image)[0] for name in ("mmdet", "seed-225"))
    assert not np.array_equal(own, seed)
    assert opened["seed-225"].spec.input == named_input("seed-225", spec.input, None)


WORKER = """
import json, os, sys
job = json.loads(sys.argv[1])
print("chatter of a library", file=sys.stderr)
if job["behaviour"] == "no start":
    sys.exit("raw.onnx: ONNX Runtime cannot load it")
if job["behaviour"] == "killed":
    os._exit(9)
if job["behaviour"] == "ends":
    os.close(0)  # so that the next request finds nobody, whoever is faster
print(json.dumps({"provider_got": "cpu", "notes": []}), flush=True)
if job["behaviour"] == "ends":
    sys.exit("it is gone")
if job["behaviour"] == "out of memory":
    os.kill(os.getpid(), 9)
for number, line in enumerate(sys.stdin):
    request = json.loads(line)
    if job["behaviour"] == "dies" and number == 1:
        sys.exit("out of memory")
    if "warm_up" in request:
        answer = {"runs": len(request["warm_up"]), "seconds": 0.1}
    else:
        stages = dict.fromkeys(("decode", "preprocess", "inference", "postprocess"), 1.0)
        answer = {"samples": [{"image_id": i["id"], **stages, "total": 4.0} for i in request["time"]]}
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture
def stub_workers(tmp_path, monkeypatch):
    """Workers run a stub instead of ``cutpoint.latency_worker``; returns the processes started."""
    (tmp_path / "stub.py").write_text(WORKER)
    started = []
    real = latency.subprocess.Popen

    def popen(command, **options):
        assert command[1:3] == ["-m", "cutpoint.latency_worker"]
        started.append(real([sys.executable, str(tmp_path / "stub.py"), command[3]], **options))
        return started[-1]

    monkeypatch.setattr(latency.subprocess, "Popen", popen)
    monkeypatch.setattr(latency, "machine_facts", lambda: {"processor": "x"})
    return started


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("no start", r"exit code 1: raw\.onnx: ONNX Runtime cannot load it$"),
        ("killed", "exit code 9: "),
        ("out of memory", "exit code -9: "),
        ("dies", "exit code 1: out of memory$"),
        ("ends", "exit code 1: it is gone$"),
    ],
)
def test_a_worker_that_ends_is_one_message(stub_workers, tmp_path, behaviour, message):
    manifest = tmp_path / "m.json"
    manifest.write_text(json.dumps({"images": [{"id": 1, "path": "a.jpg"}]}))
    jobs = [
        {"variant": name, "runtime": "onnxruntime", "cut": "raw", "provider": "cpu", "behaviour": b}
        for name, b in (("fine", "works"), ("raw", behaviour))
    ]
    settings = {
        "images": 1,
        "min_seconds": 0,
        "min_runs": 2,
        "threads": 1,
        "out": str(tmp_path / "s.parquet"),
    }
    with pytest.raises(UserError, match=f"latency of variant raw: its worker ended with {message}"):
        time_variants(jobs=jobs, manifest=str(manifest), **settings)
    assert not (tmp_path / "s.parquet").exists()
    assert all(process.poll() is not None for process in stub_workers)


def test_a_worker_killed_without_a_word_tells_its_exit_code(stub_workers, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(UserError, match=r"its worker ended with exit code 1$"):
        Worker({"variant": "raw", "behaviour": "works"})


def test_blocks_alternate_until_every_variant_has_enough(stub_workers, tmp_path):
    manifest = tmp_path / "m.json"
    entries = [{"id": i, "path": f"{i}.jpg"} for i in (4, 9, 11)]
    manifest.write_text(json.dumps({"images": entries}))
    jobs = [
        {"variant": name, "runtime": "onnxruntime", "cut": "raw", "provider": "cpu", "behaviour": "works"}
        for name in ("a", "b", "c")
    ]
    out = str(tmp_path / "s.parquet")
    settings = {"images": 2, "min_seconds": 0, "min_runs": 7, "threads": 1, "out": out}
    time_variants(jobs=jobs, manifest=str(manifest), **settings)
    table = pq.read_table(out)
    samples = table.to_pandas()
    assert len(stub_workers) == 3
    assert samples.columns.tolist() == ["variant", "round", "image_id", *STAGES]
    assert samples.groupby("variant").size().to_dict() == {"a": 8, "b": 8, "c": 8}
    # only the first two images, and another variant first in each round
    assert set(samples["image_id"]) == {4, 9}
    assert [rows["variant"].iloc[0] for _, rows in samples.groupby("round")] == ["a", "b", "c", "a"]
    facts = json.loads(table.schema.metadata[METADATA])
    assert (facts["threads"], facts["batch"], facts["images"]) == (1, 1, 2)
    assert facts["variants"]["b"]["warm_up"] == {"runs": 2, "seconds": 0.1}
    assert facts["variants"]["b"]["provider_asked"] == "cpu"
    assert facts["load_1min_after"] == pytest.approx(os.getloadavg()[0], abs=1)


def test_min_seconds_counts_per_variant(stub_workers, tmp_path, monkeypatch):
    manifest = tmp_path / "m.json"
    manifest.write_text(json.dumps({"images": [{"id": 1, "path": "a.jpg"}]}))
    clock = iter(range(10_000))
    monkeypatch.setattr(latency.time, "perf_counter", lambda: next(clock))  # every block takes one second
    jobs = [{"variant": "a", "runtime": "onnxruntime", "cut": "raw", "provider": "cpu", "behaviour": "works"}]
    out = str(tmp_path / "s.parquet")
    settings = {"images": 1, "min_seconds": 5, "min_runs": 1, "threads": 1, "out": out}
    time_variants(jobs=jobs, manifest=str(manifest), **settings)
    assert pq.read_table(out).num_rows == 5
