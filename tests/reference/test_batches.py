"""Batches of images of different sizes: padded, predicted and read as mmdet does on the same batch."""

import math
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from datasets import make_image, save_manifest
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.dataset import Compose, pseudo_collate
from models import noise
from parity import match_detections
from test_mmdet_input import make_config

from cutpoint.data.image import prepare
from cutpoint.detector.describe import describe_input
from cutpoint.detector.reference import HeadTensorPipeline, MmdetPipeline, open_pytorch, predict_pytorch
from cutpoint.errors import UserError
from cutpoint.predict.pipeline import OnnxPipeline, stack
from cutpoint.predict.runtime import Session
from cutpoint.predict.shard import predict_onnx, write_predictions
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.records import predictions as records
from cutpoint.records.predictions import PredictionWriter, read_metadata

SIZES = [(201, 333), (240, 120), (90, 250), (160, 160), (333, 201)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    paths = []
    for number, (height, width) in enumerate(SIZES):
        paths.append(str(folder / f"{number}.png"))
        pixels = noise(height, width, seed=number)[0].transpose(1, 2, 0) * 50 + 120
        cv2.imwrite(paths[-1], pixels.clip(0, 255).astype(np.uint8))
    return paths


def load(pipeline, paths):
    return pipeline.batch([pipeline.prepare(pipeline.decode(path)) for path in paths])


@pytest.mark.parametrize("name", ["atss", "caffe", "rtmdet", "yolox"])
def test_a_batch_is_bit_equal_to_mmdets(name):
    register_all_modules(init_default_scope=True)
    config = make_config(name)
    recipe = describe_input(config)
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (*size, 3), dtype=np.uint8) for size in SIZES[:3]]
    steps = Compose(config.test_dataloader.dataset.pipeline[1:])
    data = [
        steps({"img": i, "ori_shape": i.shape[:2], "img_shape": i.shape[:2], "img_path": "", "img_id": 0})
        for i in images
    ]
    preprocessor = MODELS.build(config.model.data_preprocessor)
    expected = preprocessor(pseudo_collate(data), training=False)["inputs"].numpy()
    tensor, geometries = stack([prepare(image, recipe) for image in images], recipe.pad_value)
    assert len({prepare(image, recipe)[0].shape for image in images}) > 1 or name == "yolox"
    np.testing.assert_array_equal(tensor, expected)
    assert {(g.padded_height, g.padded_width) for g in geometries} == {expected.shape[2:]}


def test_the_pytorch_pipeline_equals_test_step_on_the_batch(atss, photos):
    steps = Compose([s for s in atss.pipeline if s.type != "LoadAnnotations"])
    data = [steps({"img_path": path, "img_id": 0}) for path in photos]
    with torch.no_grad():
        expected = [sample.pred_instances for sample in atss.detector.test_step(pseudo_collate(data))]
    pipeline = MmdetPipeline(atss.detector, atss.pipeline, atss.spec, "cpu")
    tensor, sizes = load(pipeline, photos)
    outputs = pipeline.infer(tensor, *sizes)
    changed = 0
    for number, (geometry, theirs) in enumerate(zip(sizes, expected, strict=True)):
        found = pipeline.read(outputs, geometry, number)
        assert len(found) > 20
        np.testing.assert_array_equal(found.boxes, theirs.bboxes.numpy())
        np.testing.assert_array_equal(found.scores, theirs.scores.numpy())
        np.testing.assert_array_equal(found.labels, theirs.labels.numpy())
        alone, own = load(pipeline, photos[number : number + 1])
        single = pipeline.read(pipeline.infer(alone, *own), own[0])
        changed += not np.array_equal(single.scores, found.scores)
    # the padding is part of what the network sees: a batch is another measurement than single images
    assert changed >= 3


@pytest.mark.parametrize("cut", ["raw", "decoded"])
def test_candidates_of_a_batch_are_pytorchs(atss, atss_exports, photos, cut):
    theirs, ours = (
        HeadTensorPipeline(atss.detector, atss.spec, "cpu"),
        OnnxPipeline(getattr(atss_exports, cut)),
    )
    tensor, sizes = load(theirs, photos)
    own_tensor, own_sizes = load(ours, photos)
    np.testing.assert_array_equal(own_tensor, tensor)
    assert own_sizes == sizes
    expected, outputs = theirs.infer(tensor, *sizes), ours.infer(tensor, *sizes)
    found = [ours.read(outputs, geometry, number) for number, geometry in enumerate(sizes)]
    for number, (geometry, rows) in enumerate(zip(sizes, found, strict=True)):
        wanted = theirs.read(expected, geometry, number)
        both, i, j = np.intersect1d(keys(wanted), keys(rows), return_indices=True)
        assert len(both) > 1000
        # a score at the floor may fall to either side
        assert max(len(wanted), len(rows)) - len(both) <= 2
        np.testing.assert_allclose(rows.score[j], wanted.score[i], atol=1e-5)
        np.testing.assert_allclose(rows.factor[j], wanted.factor[i], atol=1e-5)
        np.testing.assert_allclose(rows.boxes[j], wanted.boxes[i], atol=1e-2)
    assert not np.array_equal(keys(found[0]), keys(found[1]))


def keys(candidates):
    return candidates.prior.astype(np.int64) * 10 + candidates.label


def test_detections_of_a_batch_are_mmdets(atss, atss_exports, photos):
    mmdet = MmdetPipeline(atss.detector, atss.pipeline, atss.spec, "cpu")
    theirs, ours = load(mmdet, photos), load(OnnxPipeline(atss_exports.e2e), photos)
    assert theirs[1] == ours[1]
    sizes = ours[1]
    expected = mmdet.infer(theirs[0], *sizes)
    pipeline = OnnxPipeline(atss_exports.e2e)
    outputs = pipeline.infer(ours[0], *sizes)
    raw = HeadTensorPipeline(atss.detector, atss.spec, "cpu")
    tensors = raw.infer(ours[0], *sizes)
    recipe = resolve_recipe("mmdet3", atss.spec.head)
    for number, geometry in enumerate(sizes):
        wanted = mmdet.read(expected, geometry, number)
        candidates = raw.read(tensors, geometry, number)
        for found in (
            pipeline.read(outputs, geometry, number),
            apply_recipe(recipe, candidates, geometry, atss.spec),
        ):
            assert min(len(found), len(wanted)) > 20
            # in the padding whole rows of cells have one score, and NMS keeps any of them
            tied = np.round(candidates.score * candidates.factor, 5)
            values, counts = np.unique(tied, return_counts=True)
            tied = values[counts > 1]
            pairs = match_detections(wanted, found)
            lost = [
                np.delete(np.arange(len(side)), rows)
                for side, rows in ((wanted, pairs.left), (found, pairs.right))
            ]
            scores = np.concatenate([wanted.scores[lost[0]], found.scores[lost[1]]])
            near = np.abs(scores[:, None] - tied).min(axis=1, initial=1) <= 2e-5
            assert (~near).sum() <= 2
            assert len(pairs) >= 0.75 * len(wanted)


def test_predictions_of_batches_say_how_they_were_padded(atss, atss_exports, photos, tmp_path):
    images = [
        make_image(number, path, *size) for number, (path, size) in enumerate(zip(photos, SIZES, strict=True))
    ]
    save_manifest(tmp_path / "manifest.json", images)
    files = {"out": str(tmp_path / "0.parquet"), "out_images": str(tmp_path / "0.images.parquet")}
    common = {"manifest": str(tmp_path / "manifest.json"), "provider": "cpu", "threads": 2} | files
    predict_onnx(model=str(atss.folder / "rawimage.onnx"), shard=0, shards=1, batch=2, **common)
    padded = padded_sizes(files)
    assert padded == [(256, 256), (256, 256), (192, 256), (192, 256), (256, 160)]
    assert read_metadata(files["out"]).input == "mmdet"
    model = {"config": atss.config_name, "checkpoint": atss.checkpoint, "spec": atss.spec_file}
    predict_pytorch(**model, cut="raw", shard=1, shards=2, batch=2, input="seed-225", **common)
    # the second of two shards: images 2 to 4, each alone or beside the next, at their own size
    own = [tuple(math.ceil(side / 32) * 32 for side in SIZES[number]) for number in (2, 3, 4)]
    pair = tuple(map(max, zip(*own[:2], strict=True)))
    assert padded_sizes(files) == [pair, pair, own[2]]
    assert read_metadata(files["out"]).input == "seed-225"


@pytest.mark.parametrize(("cut", "batch"), [("raw", 1), ("raw", 2), ("e2e", 1), ("e2e", 2), ("pytorch", 1)])
def test_files_are_byte_equal_to_a_plain_loops_for_any_number_of_threads(
    atss, atss_exports, photos, tmp_path, monkeypatch, cut, batch
):
    monkeypatch.setattr(records, "GROUP_ROWS", 5_000)
    pairs = list(zip(photos, SIZES, strict=True)) * (1 if cut == "pytorch" else 2)
    images = [make_image(7 * number, path, *size) for number, (path, size) in enumerate(pairs)]
    manifest = save_manifest(tmp_path / "manifest.json", images)
    own = MmdetPipeline(atss.detector, atss.pipeline, atss.spec, "cpu")
    model = str(atss.folder / f"{cut}image.onnx")
    for threads in (1, 2, 5):
        files = make_paths(tmp_path, threads)
        if cut == "pytorch":
            # torch's own threads stay, since its results depend on them
            part = {"manifest": manifest, "shard": 0, "shards": 1, "input": "mmdet", "batch": batch}
            write_predictions(own, **part, workers=threads, out=files[0], out_images=files[1])
        else:
            common = {"model": model, "manifest": manifest, "provider": "cpu", "shard": 0, "shards": 1}
            predict_onnx(**common, threads=threads, batch=batch, out=files[0], out_images=files[1])
    assert pq.read_metadata(files[0]).num_rows > 200
    pipeline = own if cut == "pytorch" else OnnxPipeline(Session(model, "cpu", 2))
    loop = make_paths(tmp_path, "loop")
    with PredictionWriter(*loop, candidates=cut == "raw", metadata=read_metadata(files[0])) as writer:
        for start in range(0, len(images), batch):
            chosen = images[start : start + batch]
            tensor, sizes = load(pipeline, [listed.path for listed in chosen])
            outputs = pipeline.infer(tensor, *sizes)
            for number, (listed, geometry) in enumerate(zip(chosen, sizes, strict=True)):
                writer.add(listed.id, geometry, pipeline.read(outputs, geometry, number))
    expected = [Path(file).read_bytes() for file in loop]
    for threads in (1, 2, 5):
        assert [Path(file).read_bytes() for file in make_paths(tmp_path, threads)] == expected


def make_paths(folder, name):
    return str(folder / f"{name}.parquet"), str(folder / f"{name}.images.parquet")


def padded_sizes(files):
    rows = pq.read_table(files["out_images"]).to_pylist()
    return [(row["padded_height"], row["padded_width"]) for row in rows]


def test_mmdets_own_pipeline_takes_no_other_input_recipe(atss):
    with pytest.raises(UserError, match="input 'stretch': pytorch with cut e2e is mmdet's own pipeline"):
        open_pytorch(atss.config_name, atss.checkpoint, atss.spec, "e2e", "cpu", 1, "stretch")
