"""What only a GPU can show: the same detector there, proof of where it ran, and copies as stages."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from gpu_model import MODEL
from imported import columns, detections, maps, write_imported

from cutpoint.detector.tolerance import TOLERANCES
from cutpoint.detector.verify_tensors import TensorComparison
from cutpoint.files import read_json
from cutpoint.gpus import VISIBLE, find_fault, visible_gpus
from cutpoint.latency.coordinator import time_variants
from cutpoint.latency.statistics import summarize_latency
from cutpoint.latency.watch import gpu_states
from cutpoint.latency.worker import Opened, open_variant, time_images
from cutpoint.matching import find_overlaps, pair_overlaps
from cutpoint.predict.pictures import Picture
from cutpoint.predict.pinned import cuda_pool
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.postprocess import postprocess
from cutpoint.predict.runtime import Session
from cutpoint.predict.shard import predict_onnx
from cutpoint.records.detections import read_results
from cutpoint.records.image import FLOAT_CHANNELS_FIRST, TensorForm
from cutpoint.records.latency import COPIES

TOLERANCE = 2e-3  # on logits and deltas of fp32 without tf32


def outputs(path, provider, images, **settings):
    """Raw outputs of some images, one run each, and the session."""
    session = Session(path, provider, **settings)
    pipeline = OnnxPipeline(session)
    found = []
    for image in images:
        tensor, sizes = pipeline.prepare(pipeline.decode(image["path"]))
        found.append({name: value.copy() for name, value in pipeline.infer(tensor, sizes).items()})
    return found, session


def worst(found, expected):
    return max(np.abs(f[n] - e[n]).max() for f, e in zip(found, expected, strict=True) for n in e)


def test_fp32_without_tf32_is_the_cpus_and_tf32_is_not(demo):
    images = read_json(demo / "manifest.json")["images"][:4]
    expected, _ = outputs(demo / "raw.onnx", "cpu", images)
    exact, session = outputs(demo / "raw.onnx", "cuda", images)
    rounded, _ = outputs(demo / "raw.onnx", "cuda", images, tf32=True)
    assert session.provider == "cuda"
    assert worst(exact, expected) < TOLERANCE
    assert worst(rounded, expected) > 3 * worst(exact, expected)


def test_a_fixed_shape_is_replayed_as_a_cuda_graph(demo):
    images = read_json(demo / "manifest.json")["images"][:4]
    expected, _ = outputs(demo / "fixed.onnx", "cpu", images)
    found, session = outputs(demo / "fixed.onnx", "cuda", images)
    assert session.cuda_graph
    # one image after the other through the same addresses
    assert worst(found, expected) < TOLERANCE


@pytest.mark.parametrize("cut", ["raw", "decoded", "e2e"])
def test_detections_on_the_gpu_are_the_cpus(demo, tmp_path, cut):
    found = {}
    for provider in ("cpu", "cuda"):
        paths = [str(tmp_path / f"{provider}{ending}") for ending in (".parquet", ".images.parquet")]
        predict_onnx(
            model=str(demo / f"{cut}.onnx"),
            manifest=str(demo / "manifest.json"),
            provider=provider,
            threads=2,
            shard=0,
            shards=4,
            out=paths[0],
            out_images=paths[1],
        )
        out = tmp_path / f"{provider}.json"
        postprocess(
            predictions=paths[:1],
            images=paths[1:],
            spec=str(demo / "spec.json"),
            labels=str(demo / "labels.json"),
            cut=cut,
            recipe="mmdet3",
            out=str(out),
        )
        found[provider] = read_results(out)
    assert len(found["cpu"]) > 500
    pairs = pair_overlaps(find_overlaps(found["cpu"], found["cuda"]), 0.99)
    assert 2 * len(pairs) >= 0.998 * (len(found["cpu"]) + len(found["cuda"]))


@pytest.mark.parametrize("cut", ["raw", "decoded"])
def test_proposals_and_queries_are_the_cpus_by_the_place_they_come_from(other_kind, cut):
    images = read_json(other_kind / "manifest.json")["images"][:3]
    expected, session = outputs(other_kind / f"{cut}.onnx", "cpu", images)
    found, _ = outputs(other_kind / f"{cut}.onnx", "cuda", images)
    comparison = TensorComparison(session, TOLERANCES["fp32"])
    for one, other in zip(expected, found, strict=True):
        comparison.add(one, other, [Picture("", "an image")])
    assert comparison.agreement >= 0.98
    # the contents of DINO's queries belong to ranks, which a GPU swaps as PyTorch does
    ranked = other_kind.name == "dino"
    unmoved = TensorComparison(session, TOLERANCES["fp32"]) if session.spec.head.selected else None
    if unmoved:
        unmoved.add(expected[0], expected[0], [Picture("", "an image")])
    for check in comparison.checks(list(expected[0]), unmoved):
        assert check.passed or ranked, check


def test_what_depends_on_values_is_not_replayed(other_kind):
    images = read_json(other_kind / "manifest.json")["images"][:1]
    session = Session(other_kind / "fixed.onnx", "cuda")
    pipeline = OnnxPipeline(session)
    (image,) = images
    feeds = pipeline.feeds(*_fitted(pipeline, image["path"]))
    first, second = session.run(feeds), session.run(feeds)
    if other_kind.name == "faster_rcnn":
        assert not session.cuda_graph
    for name, value in first.items():
        np.testing.assert_array_equal(second[name], value, err_msg=name)


def _fitted(pipeline, path):
    """An image of the fixed sides and its geometry."""
    return pipeline.prepare(cv2.resize(pipeline.decode(path), (320, 320)))


def test_half_precision_of_other_kinds_runs_on_the_gpu(other_kind):
    images = read_json(other_kind / "manifest.json")["images"][:2]
    expected, _ = outputs(other_kind / "raw.onnx", "cuda", images)
    found, session = outputs(other_kind / "half.onnx", "cuda", images)
    assert session.precision == "fp16"
    comparison = TensorComparison(session, TOLERANCES["fp16"])
    for one, other in zip(expected, found, strict=True):
        comparison.add(one, other, [Picture("", "an image")])
    assert comparison.agreement >= 0.95


def time_cuts(folder, model, tmp_path, *, images, min_runs):
    """Time PyTorch, ``raw`` and ``e2e`` of a model beside each other; the runtime and the result of each."""
    jobs = [
        {"variant": name, "runtime": runtime, "cut": cut, "provider": "cuda", "tf32": False}
        | {"model": file and str(folder / file), "spec": str(folder / "spec.json"), "input": "mmdet"}
        | {"imports": [], "by_hand": cut == "raw", **model}
        for name, runtime, cut, file in (
            ("pytorch", "pytorch", "e2e", None),
            ("raw", "onnxruntime", "raw", "raw.onnx"),
            ("e2e", "onnxruntime", "e2e", "e2e.onnx"),
        )
    ]
    samples = str(tmp_path / "samples.parquet")
    time_variants(
        jobs=jobs,
        recipes={job["variant"]: {"recipe": "mmdet3", "recipe_text": "mmdet3"} for job in jobs},
        manifest=str(folder / "manifest.json"),
        images=images,
        min_seconds=0.5,
        min_runs=min_runs,
        threads=None,
        batch=1,
        throughput=True,
        out=samples,
    )
    found = []
    for job in jobs:
        out = tmp_path / "latency.json"
        summarize_latency(samples=samples, variant=job["variant"], reference="raw", out=str(out))
        found.append((job["runtime"], read_json(out)))
    return found


def test_every_kind_is_timed_on_the_gpu(other_kind, tmp_path):
    model = read_json(other_kind / "model.json")
    for runtime, found in time_cuts(other_kind, model, tmp_path, images=3, min_runs=6):
        assert found["provider_got"] == "cuda"
        assert found["throughput"]["images_per_s"] > 0
        if runtime == "onnxruntime":
            assert found["node_placement"]["nodes"]["CUDAExecutionProvider"] > 100


def test_latency_says_where_it_ran_and_what_copies_cost(demo, tmp_path):
    for runtime, found in time_cuts(demo, MODEL, tmp_path, images=8, min_runs=16):
        assert found["provider_got"] == "cuda"
        assert found["throughput"]["images_per_s"] > 0
        assert found["watch"]["during"]["gpus"][0]["sm_mhz"]
        assert set(COPIES) < set(found["stages"])
        if runtime == "onnxruntime":
            assert found["stages"]["host_to_device"]["p50"] > 0
            assert found["node_placement"]["nodes"]["CUDAExecutionProvider"] > 100
            assert found["provider_options"]["use_tf32"] == "0"


@pytest.mark.parametrize(
    ("ending", "form"),
    [
        pytest.param(columns, FLOAT_CHANNELS_FIRST, id="decoded"),
        pytest.param(columns, TensorForm("uint8", channels_last=True), id="decoded-pixels"),
        pytest.param(detections, TensorForm("float16"), id="e2e-half"),
        pytest.param(maps, TensorForm("uint8"), id="raw-pixels"),
    ],
)
def test_external_files_give_the_cpus_detections(demo, tmp_path, ending, form):
    """Inputs of any type and axes, bound on the device and in page-locked memory, through the timed path."""
    path, _ = write_imported(tmp_path, ending, form)
    paths = [entry["path"] for entry in read_json(demo / "manifest.json")["images"][:4]]
    found = {}
    for provider in ("cpu", "cuda"):
        own = {"runtime": "onnxruntime", "provider": provider, "tf32": False, "threads": 2}
        opened = open_variant({**own, "model": path, "input": "own", "recipe": "mmdet3"})
        found[provider] = rows = []

        def finish(read, geometry, finish=opened.finish, rows=rows):
            rows.append(finish(read, geometry))
            return rows[-1]

        for image in paths:
            times = time_images(Opened(opened.pipeline, finish, {}), [image])
        if provider == "cuda":
            assert opened.facts["pinned"]
            assert times["host_to_device"] > 0
            assert opened.pipeline.prepare(opened.pipeline.decode(image))[0].dtype == form.dtype
    assert sum(map(len, found["cpu"])) > 20
    for one, other in zip(found["cpu"], found["cuda"], strict=True):
        assert abs(len(one) - len(other)) <= 0.02 * len(one) + 1
        best = np.sort(one.scores)[::-1][:10], np.sort(other.scores)[::-1][:10]
        np.testing.assert_allclose(*best, atol=TOLERANCE)


def test_page_locked_arrays_are_the_pipelines_inputs(demo):
    session = Session(demo / "raw.onnx", "cuda")
    assert session.pinned
    array = session.empty((1, 3, 64, 96))
    array[:] = 3
    cuda_pool().empty((1, 3, 64, 96))[:] = 4
    assert (array == 3).all()


def test_the_card_is_read():
    assert gpu_states()[0]["name"]


LEASED = """
import json, os, sys, time
from cutpoint.gpu_lease import log_on_gpu
with log_on_gpu(sys.argv[1], 1):
    import onnxruntime, torch
    torch.zeros(1, device="cuda")
    onnxruntime.preload_dlls()
    uuids = [str(torch.cuda.get_device_properties(n).uuid) for n in range(torch.cuda.device_count())]
    time.sleep(float(sys.argv[3]))
    with open(sys.argv[2], "w") as file:
        json.dump({"visible": os.environ["CUDA_VISIBLE_DEVICES"], "uuids": uuids}, file)
"""


def leased(folder, count, visible=None, seconds=3.0):
    """What jobs that run at a time see: the variable, and the cards in torch."""
    own = {**os.environ} | ({VISIBLE: visible} if visible else {})
    paths = [folder / f"{number}.json" for number in range(count)]
    started = []
    for path in paths:
        command = [sys.executable, "-c", LEASED, str(path.with_suffix(".log")), str(path), str(seconds)]
        started.append(subprocess.Popen(command, env=own))
    assert [job.wait(timeout=300) for job in started] == [0] * count
    return [read_json(path) for path in paths]


def test_a_job_sees_the_one_card_that_it_has_locked(tmp_path):
    for gpu in visible_gpus():
        (seen,) = leased(tmp_path, 1, gpu.name, seconds=0)
        assert seen["visible"] == gpu.name
        # the driver's name of the card is CUDA's
        assert [uuid.removeprefix("GPU-") for uuid in seen["uuids"]] == [gpu.key.removeprefix("GPU-")]


def test_jobs_at_a_time_are_on_different_cards(tmp_path):
    gpus = visible_gpus()
    if len(gpus) < 2:
        pytest.skip("one GPU")
    seen = leased(tmp_path, len(gpus), seconds=20)
    assert len({uuid for job in seen for uuid in job["uuids"]}) == len(gpus)


def test_two_jobs_on_one_card_follow_each_other(tmp_path):
    first = visible_gpus()[0].name
    leased(tmp_path, 2, first)
    # a log begins with the waiting, or with the card
    begins = sorted((tmp_path / f"{n}.log").read_text().split()[1] for n in range(2))
    assert begins == ["on", "waits"]


@pytest.mark.parametrize(
    ("code", "visible", "lost"),
    [
        ("torch.empty(2**46, device='cuda')", None, False),
        ("torch.zeros(1, device='cuda')", "", True),
        ("torch.zeros(1, device='cuda')", "GPU-00000000-0000-0000-0000-000000000000", True),
    ],
    ids=["memory", "hidden", "absent"],
)
def test_pytorchs_words_for_a_card_that_fails_are_known(code, visible, lost):
    """If a new version says it otherwise, ``gpus`` needs its words."""
    own = {**os.environ} | ({} if visible is None else {VISIBLE: visible})
    program = f"import torch\ntry:\n    {code}\nexcept Exception as error:\n    print(error)\n"
    done = subprocess.run(
        [sys.executable, "-c", program], env=own, capture_output=True, text=True, timeout=300
    )
    fault = find_fault(RuntimeError(done.stdout))
    assert fault is not None, done.stdout
    assert fault.lost == lost
