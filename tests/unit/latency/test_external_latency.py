"""A model without mmdet through the timed path: the same detections, and facts about its session."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from datasets import make_image, save_labels, save_manifest
from imported import columns, detections, maps, write_imported

from cutpoint.errors import UserError
from cutpoint.files import read_json
from cutpoint.latency.worker import Opened, Server, open_variant, time_images
from cutpoint.predict.postprocess import postprocess
from cutpoint.predict.shard import predict_onnx
from cutpoint.records.image import FLOAT_CHANNELS_FIRST, TensorForm
from cutpoint.records.manifest import read_manifest

HALF, PIXELS = TensorForm("float16"), TensorForm("uint8", channels_last=True)
STRETCHED = {"resize": "stretch", "colour": "bgr"}
CUTS = {columns: "decoded", detections: "e2e", maps: "raw"}
CASES = [
    pytest.param(columns, FLOAT_CHANNELS_FIRST, "own", {"base": "mmdet3", "score_thr": 0.4}, 1, id="decoded"),
    pytest.param(columns, HALF, STRETCHED, {"base": "mmdet3", "iou_threshold": 0.3}, 1, id="decoded-half"),
    pytest.param(columns, PIXELS, "own", "mmdet3", 2, id="decoded-pixels-batch"),
    pytest.param(detections, FLOAT_CHANNELS_FIRST, "own", "mmdet3", 1, id="e2e"),
    pytest.param(detections, PIXELS, {"place": "corner", "fill": 0}, "mmdet3", 1, id="e2e-pixels"),
    pytest.param(maps, FLOAT_CHANNELS_FIRST, "own", {"base": "mmdet3", "score_thr": 0.3}, 2, id="raw-batch"),
]


@pytest.fixture
def manifest(tmp_path):
    images = []
    for number in range(5):
        height, width = 40 + 7 * number, 57
        pixels = np.random.default_rng(number).integers(0, 256, (5, 7, 3), np.uint8)
        path = str(tmp_path / f"{number}.png")
        cv2.imwrite(path, cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC))
        images.append(make_image(number, path, height, width))
    return save_manifest(tmp_path / "manifest.json", images)


def make_job(model, made_by="own", recipe="mmdet3", batch=1):
    """What the coordinator gives a worker for such a variant."""
    own = {"runtime": "onnxruntime", "cut": "decoded", "provider": "cpu", "tf32": False, "by_hand": True}
    none = {"config": None, "checkpoint": None, "spec": None, "imports": []}
    return {**own, **none, "model": model, "input": made_by, "recipe": recipe, "threads": 1, "batch": batch}


def predicted(folder, source, cut, manifest, made_by, recipe, batch):
    """Detections as the workflow makes them: candidates in a file, then the recipe."""
    files = {"out": str(folder / "0.parquet"), "out_images": str(folder / "0.images.parquet")}
    predict_onnx(
        model=source[0],
        manifest=manifest,
        provider="cpu",
        threads=1,
        shard=0,
        shards=1,
        input=made_by,
        batch=batch,
        **files,
    )
    postprocess(
        predictions=[files["out"]],
        images=[files["out_images"]],
        spec=source[1],
        labels=save_labels(folder / "labels.json", [0, 1, 2]),
        cut=cut,
        recipe=recipe,
        out=str(folder / "detections.json"),
    )
    return read_json(folder / "detections.json")


@pytest.mark.parametrize(("ending", "form", "made_by", "recipe", "batch"), CASES)
def test_the_timed_path_gives_the_detections(tmp_path, manifest, ending, form, made_by, recipe, batch):
    """The worker's floor is the recipe's own threshold, and nothing may be lost by it."""
    source = write_imported(tmp_path / "model", ending, form, batch=batch)
    expected = predicted(tmp_path, source, CUTS[ending], manifest, made_by, recipe, batch)
    opened = open_variant(make_job(source[0], made_by, recipe, batch))
    images, found = list(read_manifest(manifest).images), []

    def finish(read, geometry):
        found.append(opened.finish(read, geometry))
        return found[-1]

    images = images[: len(images) // batch * batch]
    for start in range(0, len(images), batch):
        paths = [image.path for image in images[start : start + batch]]
        assert time_images(Opened(opened.pipeline, finish, {}), paths)["shape"] == "32x32"
    assert {row["image_id"] for row in expected} == set(range(5))
    for image, ours in zip(images, found, strict=True):
        theirs = [row for row in expected if row["image_id"] == image.id]
        assert [row["category_id"] for row in theirs] == ours.labels.tolist()
        assert [row["score"] for row in theirs] == pytest.approx(ours.scores.tolist(), abs=1e-7)
        corners = np.array([row["bbox"] for row in theirs]).reshape(-1, 4)
        corners[:, 2:] += corners[:, :2]
        np.testing.assert_allclose(corners, ours.boxes, atol=1e-4)


def test_the_recipes_threshold_is_the_floor_of_rows_and_of_columns(tmp_path):
    source, _ = write_imported(tmp_path, columns)
    opened = open_variant(make_job(source, recipe={"base": "mmdet3", "score_thr": 0.4}))
    assert opened.pipeline.spec.head.floor.value == 0.4
    rows, _ = write_imported(tmp_path, detections)
    assert open_variant(make_job(rows)).pipeline.spec.head.floor.value == 0


def test_a_worker_answers_for_an_external_file(tmp_path, manifest):
    source, _ = write_imported(tmp_path / "model", detections, PIXELS)
    images = list(read_manifest(manifest).images)
    server = Server(make_job(source))
    facts = server.open()
    assert (facts["provider_got"], facts["without_compiled_nms"]) == ("cpu", False)
    assert server.warm_up(images)["shapes"].keys() == {"32x32"}
    samples = server.time(images)["samples"]
    assert [row["image_id"] for row in samples] == [0, 1, 2, 3, 4]
    assert all(row["total"] >= row["inference"] > 0 for row in samples)
    assert server.throughput(images, 0.05)["images"] >= 5
    placement = server.finish(images[:1])["node_placement"]
    assert placement["nodes"]["CPUExecutionProvider"] > 10
    assert "Conv" in placement["slowest"]


def test_another_batch_than_the_files_own_is_refused(tmp_path, manifest):
    source, _ = write_imported(tmp_path / "model", columns, batch=2)
    server = Server(make_job(source))
    server.open()
    with pytest.raises(UserError, match=r"0\.png: a batch of 1: net\.onnx takes 2; set `batch` .*`latency`"):
        server.time(list(read_manifest(manifest).images))


def test_no_process_of_an_external_model_imports_torch(tmp_path, manifest):
    source, spec = write_imported(tmp_path / "model", columns)
    code = (
        "import json, sys\n"
        "from cutpoint.latency.worker import Server\n"
        "from cutpoint.records.manifest import read_manifest\n"
        "import cutpoint.latency.coordinator, cutpoint.export.precision as precision\n"
        "job, manifest, spec, out = json.loads(sys.argv[1]), *sys.argv[2:]\n"
        "server, images = Server(job), list(read_manifest(manifest).images)\n"
        "server.open(), server.time(images), server.throughput(images, 0.01), server.finish(images[:1])\n"
        "files = {'trace': job['model'], 'spec': spec, 'manifest': manifest, 'report': out + '.json'}\n"
        "precision.to_int8(**files, images=5, out=out), precision.to_fp16(**files, out=out)\n"
        "print([name for name in ('torch', 'mmdet', 'mmengine', 'mmcv') if name in sys.modules])\n"
    )
    out = str(tmp_path / "reduced.onnx")
    command = [sys.executable, "-c", code, json.dumps(make_job(source)), manifest, spec, out]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
