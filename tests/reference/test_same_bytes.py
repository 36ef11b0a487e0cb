"""The same run twice gives the same bytes, at any number of shards, cores and images at a time."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from models import noise, write_export
from scoring import make_scoring

from cutpoint.compare.bootstrap import sample_ap
from cutpoint.data.manifest import build_manifest
from cutpoint.detector.reference import predict_pytorch
from cutpoint.detector.trace import trace_model
from cutpoint.evaluate.coco import evaluate
from cutpoint.predict.merge import merge_detections
from cutpoint.predict.postprocess import postprocess
from cutpoint.predict.shard import predict_onnx
from cutpoint.predict.stream import share_threads
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections
from cutpoint.records.predictions import read_predictions

SIZES = [(201, 333), (240, 120), (90, 250), (160, 160), (333, 201), (120, 240), (97, 131)]


@pytest.fixture(scope="module")
def street(atss, tmp_path_factory):
    """Images of all shapes with a few boxes, and the files that scoring needs."""
    folder = tmp_path_factory.mktemp("street")
    (folder / "images").mkdir()
    images, boxes = [], []
    for number, (height, width) in enumerate(SIZES, start=1):
        pixels = noise(height, width, seed=number)[0].transpose(1, 2, 0) * 50 + 120
        cv2.imwrite(str(folder / f"images/{number}.png"), pixels.clip(0, 255).astype(np.uint8))
        images.append({"id": 10 * number, "file_name": f"{number}.png", "height": height, "width": width})
        for category in (1, 2, 3):
            box = {"image_id": 10 * number, "category_id": category, "bbox": [5 * category, 9, 60, 50]}
            boxes.append(box | {"id": len(boxes) + 1, "area": 3000, "iscrowd": 0})
    classes = [{"id": number, "name": name} for number, name in enumerate(atss.spec.classes, start=1)]
    content = {"images": images, "annotations": boxes, "categories": classes}
    (folder / "truth.json").write_text(json.dumps(content))
    manifest = str(folder / "manifest.json")
    build_manifest(
        dataset="street",
        images=str(folder / "images"),
        annotations=str(folder / "truth.json"),
        limit=None,
        out=manifest,
    )
    labels, truth = make_scoring(manifest, atss.spec_file)
    return {"manifest": manifest, "labels": labels, "truth": truth}


@pytest.fixture(scope="module")
def exports(atss, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    trace, files = str(folder / "trace.onnx"), {}
    model = {"config": atss.config_name, "checkpoint": atss.checkpoint, "spec": atss.spec_file}
    trace_model(**model, shape="dynamic", exporter="torchscript", out=trace)
    for cut in ("raw", "decoded", "e2e"):
        files[cut] = str(folder / f"{cut}.onnx")
        write_export(trace=trace, spec=atss.spec_file, cut=cut, out=files[cut])
    return files


def make(atss, street, folder, cut, *, shards, threads, batch=1, model=None):
    """A run from images to metrics: all rows in order, and the bytes of detections, metrics and resamples."""
    folder.mkdir()
    paths = [(str(folder / f"{n}.parquet"), str(folder / f"{n}.images.parquet")) for n in range(shards)]
    common = {"manifest": street["manifest"], "provider": "cpu", "threads": threads, "batch": batch}
    for shard, (out, out_images) in enumerate(paths):
        part = common | {"shard": shard, "shards": shards, "out": out, "out_images": out_images}
        if model is None:
            own = {"config": atss.config_name, "checkpoint": atss.checkpoint, "spec": atss.spec_file}
            predict_pytorch(**own, cut=cut, **part)
        else:
            predict_onnx(model=model, **part)
    predictions, images = (list(kind) for kind in zip(*paths, strict=True))
    files = {name: str(folder / name) for name in ("detections", "metrics", "samples")}
    own = {"spec": atss.spec_file, "labels": street["labels"], "cut": cut, "recipe": "mmdet3"}
    if shards == 1:
        postprocess(predictions=predictions, images=images, **own, out=files["detections"])
    else:
        parts = [str(folder / f"{n}.json") for n in range(shards)]
        for (path, image_path), part in zip(paths, parts, strict=True):
            postprocess(predictions=[path], images=[image_path], **own, out=part, part=True)
        merge_detections(parts=parts, out=files["detections"])
    evaluate(truth=street["truth"], detections=files["detections"], out=files["metrics"])
    sample_ap(truth=street["truth"], detections=files["detections"], out=files["samples"], resamples=20)
    rows = list(read_predictions(predictions, images))
    return rows, [Path(file).read_bytes() for file in files.values()]


def same_rows(first, second):
    for (image, sizes, rows), (other, other_sizes, other_rows) in zip(first, second, strict=True):
        assert (image, sizes) == (other, other_sizes)
        for name, column in vars(rows).items():
            assert np.array_equal(column, getattr(other_rows, name)), (image, name)


# shards, cores; ONNX Runtime gets two threads for a run of the network from 16 cores on
RUNS = [(1, 1), (1, 2), (3, 1), (3, 2), (16, 2), (1, 16)]


def test_the_runs_have_one_and_two_threads_of_the_network():
    assert [share_threads(cores, "cpu")[0] for _, cores in RUNS] == [1, 1, 1, 1, 1, 2]


@pytest.mark.parametrize(("cut", "batch"), [("raw", 1), ("raw", 2), ("decoded", 1), ("e2e", 1)])
def test_onnx_runtime_at_any_number_of_shards_and_cores(atss, street, exports, tmp_path, cut, batch):
    model = exports[cut]
    rows, files = make(atss, street, tmp_path / "first", cut, shards=1, threads=1, batch=batch, model=model)
    assert sum(len(found) for _, _, found in rows) > 100
    assert json.loads(files[1])["detections"] > 50
    for number, (shards, cores) in enumerate(RUNS):
        again, other = make(
            atss, street, tmp_path / str(number), cut, shards=shards, threads=cores, batch=batch, model=model
        )
        same_rows(rows, again)
        assert other == files, (shards, cores)


@pytest.mark.parametrize("cut", ["e2e", "raw"])
def test_pytorch_on_one_core_at_any_number_of_shards(atss, street, tmp_path, cut):
    """The workflow gives it one core, because torch's results may depend on its threads."""
    rows, files = make(atss, street, tmp_path / "first", cut, shards=1, threads=1)
    for number, shards in enumerate((1, 3, 16)):
        again, other = make(atss, street, tmp_path / str(number), cut, shards=shards, threads=1)
        same_rows(rows, again)
        assert other == files, shards


def test_candidates_have_one_order(atss, street, exports, tmp_path):
    """Images as in the manifest, then the prior, then the label; nothing is there twice."""
    rows, _ = make(atss, street, tmp_path / "run", "decoded", shards=3, threads=2, model=exports["decoded"])
    assert [image for image, _, _ in rows] == [10 * number for number in range(1, len(SIZES) + 1)]
    for _, _, found in rows:
        assert isinstance(found, Candidates)
        assert not isinstance(found, Detections)
        keys = list(zip(found.prior.tolist(), found.label.tolist(), strict=True))
        assert keys == sorted(set(keys))
