import sys
import time

import psutil
import pytest
from datasets import make_image, save_manifest

from cutpoint.errors import UserError
from cutpoint.latency import coordinator
from cutpoint.latency.coordinator import Worker, time_variants
from cutpoint.latency.notes import time_notes
from cutpoint.latency.watch import Load
from cutpoint.records.latency import IN_ORDER
from cutpoint.records.timing import ColdStart, Memory, Throughput, WarmedShape, WarmUp, read_samples

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
facts = {"provider_got": "cpu", "without_compiled_nms": False, "affinity": [0], "cold_start": {"open_s": 0.5}}
print("{}", flush=True)
if job["behaviour"] == "ends":
    sys.exit("it is gone")
if job["behaviour"] == "out of memory":
    os.kill(os.getpid(), 9)
for number, line in enumerate(sys.stdin):
    request = json.loads(line)
    if job["behaviour"] == "dies" and number == 1:
        sys.exit("out of memory")
    images = request.get("images")
    if request["ask"] == "open":
        answer = facts
    elif request["ask"] == "warm_up":
        shapes = {"8x8": {"runs": 3, "stable": job["behaviour"] != "unsteady"}}
        answer = {"first_run_ms": 9.5, "shapes": shapes, "runs": 3, "seconds": 0.1}
    elif request["ask"] == "time":
        stages = ("decode", "preprocess", "host_to_device", "inference", "device_to_host", "postprocess")
        row = {"shape": "8x8", **dict.fromkeys(stages, 1.0), "total": 6.0}
        batches = images[:: job["batch"]]
        answer = {"samples": [{"image_id": image["id"], **row} for image in batches]}
    elif request["ask"] == "throughput":
        answer = {"images_per_s": 20.0, "images": len(images), "seconds": request["seconds"]}
    else:
        answer = {"memory": {"host_peak_mib": 70.0, "device_mib": None}, "node_placement": None}
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture
def stub_workers(tmp_path, monkeypatch):
    """Workers run a stub instead of ``cutpoint.latency.worker``; returns the processes started."""
    (tmp_path / "stub.py").write_text(WORKER)
    started = []
    real = coordinator.subprocess.Popen

    def popen(command, **options):
        assert command[1:3] == ["-m", "cutpoint.latency.worker"]
        started.append(real([sys.executable, str(tmp_path / "stub.py"), command[3]], **options))
        return started[-1]

    monkeypatch.setattr(coordinator.subprocess, "Popen", popen)
    monkeypatch.setattr(coordinator, "machine_facts", lambda: {"processor": "x"})
    return started


@pytest.fixture
def run(tmp_path):
    """Times stub workers of given behaviours, by variant; returns the samples and how they were timed."""

    def time_them(behaviours, ids=(1,), **settings):
        manifest = save_manifest(tmp_path / "m.json", [make_image(i, height=8, width=8) for i in ids])
        jobs = [
            {"variant": name, "runtime": "onnxruntime", "cut": "raw", "provider": "cpu", "tf32": False}
            | {"behaviour": behaviour}
            for name, behaviour in behaviours.items()
        ]
        recipes = {name: {"recipe": "mmdet3", "recipe_text": "mmdet3"} for name in behaviours}
        given = {"jobs": jobs, "recipes": recipes, "manifest": manifest}
        chosen = {"images": len(ids), "min_seconds": 0, "min_runs": 2, "threads": 1, "batch": 1}
        chosen |= {"throughput": False, "out": str(tmp_path / "s.parquet")} | settings
        time_variants(**given, **chosen)
        return read_samples(chosen["out"])

    return time_them


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
def test_a_worker_that_ends_is_one_message(stub_workers, run, tmp_path, behaviour, message):
    with pytest.raises(UserError, match=f"latency of variant raw: its worker ended with {message}"):
        run({"fine": "works", "raw": behaviour})
    assert not (tmp_path / "s.parquet").exists()
    assert all(process.poll() is not None for process in stub_workers)


def test_a_worker_killed_without_a_word_tells_its_exit_code(stub_workers, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(UserError, match=r"its worker ended with exit code 1$"):
        Worker({"variant": "raw", "behaviour": "works"}).wait()


def test_blocks_alternate_until_every_variant_has_enough(stub_workers, run, monkeypatch):
    monkeypatch.setattr(coordinator, "BLOCK", 2)
    samples, facts = run(dict.fromkeys("abc", "works"), ids=(4, 9, 11, 12), min_runs=7)
    assert len(stub_workers) == 3
    assert samples.columns.tolist() == ["variant", "round", "image_id", "shape", *IN_ORDER, "total"]
    # rounds of two images; whole passes over the four
    assert samples.groupby("variant").size().to_dict() == {"a": 8, "b": 8, "c": 8}
    assert samples.groupby(["variant", "image_id"]).size().unique().tolist() == [2]
    rounds = [rows for _, rows in samples.groupby("round")]
    assert [rows["variant"].iloc[0] for rows in rounds] == ["a", "b", "c", "a"]
    assert [sorted(set(rows["image_id"])) for rows in rounds] == [[4, 9], [11, 12], [4, 9], [11, 12]]
    assert (facts.threads, facts.batch, facts.images, facts.block_images) == (1, 1, 4, 2)
    told = facts.variants["b"]
    assert told.warm_up == WarmUp({"8x8": WarmedShape(3, True)}, 3, 0.1)
    assert told.cold_start == ColdStart(open_s=0.5, first_run_ms=9.5)
    assert (told.provider_asked, told.provider_got, told.recipe) == ("cpu", "cpu", "mmdet3")
    assert told.memory == Memory(host_peak_mib=70.0, device_mib=None)
    assert (told.throughput, told.without_compiled_nms) == (None, False)
    assert facts.watch.before["load_1min"] >= 0


def test_min_seconds_counts_per_variant(stub_workers, run, monkeypatch):
    def block(self, load):
        load.seconds += 1  # every block takes one second
        return coordinator.contextlib.nullcontext()

    monkeypatch.setattr(coordinator.Watch, "block", block)
    samples, _ = run({"a": "works"}, min_seconds=5, min_runs=1)
    assert len(samples) == 5


def test_only_whole_batches_are_timed(stub_workers, run):
    samples, facts = run({"a": "works"}, ids=range(1, 8), batch=3, min_runs=1)
    assert samples["image_id"].tolist() == [1, 4]
    assert (facts.images, facts.block_images, facts.batch) == (6, 6, 3)
    with pytest.raises(UserError, match=r"latency\.batch: 8 images, and .*m\.json has fewer"):
        run({"a": "works"}, ids=range(1, 8), batch=8)


def test_throughput_is_asked_for_as_long_as_latency(stub_workers, run):
    _, facts = run({"a": "works"}, ids=(1, 2), throughput=True, min_seconds=0.01)
    assert facts.variants["a"].throughput == Throughput(images_per_s=20.0, images=2, seconds=0.01)


def test_what_disturbed_a_variant_is_measured(stub_workers, run, monkeypatch):
    monkeypatch.setattr(Load, "foreign_cores", 1.04)
    summary = {"before": {}, "during": {}, "after": {}, "throttled": ["hardware slowdown"]}
    monkeypatch.setattr(coordinator.Watch, "summary", lambda self: summary)
    _, facts = run({"a": "works", "b": "unsteady"})
    disturbed = [
        "disturbed (other processes kept 1.0 cores busy)",
        "disturbed (GPU: hardware slowdown)",
    ]
    notes = {name: time_notes(timed, facts.watch) for name, timed in facts.variants.items()}
    assert notes == {"a": disturbed, "b": ["warm-up not steady at 8x8", *disturbed]}


@pytest.mark.parametrize(("spin_s", "least", "most"), [(0, 0, 0.02), (0.1, 0.05, 0.4)])
def test_an_idle_worker_sleeps_soon(tmp_path, spin_s, least, most):
    # onnxruntime's threads would go on waiting without sleep after a run
    script = """
import sys
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper
from cutpoint.predict.runtime import session_options
values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [900, 900]) for n in ("a", "b")]
graph = helper.make_graph([helper.make_node("MatMul", ["a", "a"], ["b"])], "g", values[:1], values[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
onnx.save(model, sys.argv[1])
session = onnxruntime.InferenceSession(sys.argv[1], session_options(2, spin_s=float(sys.argv[2])))
matrix = np.ones((900, 900), np.float32)
for _ in range(20):
    session.run(None, {"a": matrix})
print("idle", flush=True)
sys.stdin.readline()
"""
    command = [sys.executable, "-c", script, str(tmp_path / "m.onnx"), str(spin_s)]
    pipes = {"stdin": coordinator.subprocess.PIPE, "stdout": coordinator.subprocess.PIPE, "text": True}
    with coordinator.subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == "idle\n"
        watched = psutil.Process(process.pid)
        before = sum(watched.cpu_times()[:2])
        time.sleep(0.5)
        spent = sum(watched.cpu_times()[:2]) - before
        process.stdin.close()
    assert least <= spent <= most
