"""Two-stage detectors in PyTorch: their cuts and halves against mmdet's own ``predict``."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from models import Model, make_model
from roi_models import PROPOSALS, build_roi_model
from zoo_models import SIZES, noise_images

from cutpoint.data.inputs import resolve_input
from cutpoint.detector.reference import HeadTensorPipeline, MmdetPipeline
from cutpoint.detector.rpn import NO_PRIOR, Proposals
from cutpoint.predict.pipeline import image_sizes
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.records.image import Geometry

NAMES = {"rois": "proposals", "cls_scores": "logits", "bbox_preds": "deltas"}


@dataclass
class Batch:
    """mmdet's own results of images that are padded together, and the outputs of the cuts."""

    geometries: list[Geometry]
    taken: dict[str, Any]  # what mmdet's last box head gets, by its names of the arguments
    outputs: Any
    named: dict[str, np.ndarray]
    samples: list[Any]


class Bed:
    """A narrow two-stage detector with spread weights, and images of three sizes."""

    def __init__(self, name: str, folder: Any) -> None:
        self.paths = noise_images(folder)
        self.model: Model = make_model(folder, *build_roi_model(name, True, self.paths, folder))
        model = self.model
        self.pipeline = MmdetPipeline(model.detector, model.pipeline, model.spec, "cpu")

    def run(self, paths: list[str]) -> Batch:
        pipeline, spec = self.pipeline, self.model.spec
        data, geometries = pipeline.batch([pipeline.prepare(pipeline.decode(path)) for path in paths])
        images = self.model.detector.data_preprocessor(pseudo_collate(data))["inputs"].numpy()
        made = resolve_input("mmdet", spec.input, None)
        sizes = np.concatenate([image_sizes(geometry, made) for geometry in geometries])
        outputs = pipeline.infer(data, *geometries)
        samples = self.model.detector.test_step(pseudo_collate(data))
        return Batch(geometries, outputs[0], outputs, self.model.cuts(images, sizes), samples)


@pytest.fixture(scope="module", params=["faster_rcnn", "cascade_rcnn", "mask_rcnn"])
def bed(request, tmp_path_factory) -> Bed:
    return Bed(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def batch(bed) -> Batch:
    return bed.run(bed.paths[: len(SIZES)])


def test_the_raw_tensors_are_those_that_mmdet_post_processes(batch):
    assert len({geometry.resized_height for geometry in batch.geometries}) == len(SIZES)
    for image in range(len(SIZES)):
        count = batch.named["proposal_count"][image]
        assert 50 < count <= PROPOSALS
        for theirs, ours in NAMES.items():
            expected = batch.taken[theirs][image].numpy()
            expected = expected[:, 1:] if theirs == "rois" else expected
            assert len(expected) == count
            np.testing.assert_array_equal(batch.named[ours][image, :count], expected)


def test_both_halves_together_are_mmdets_predict(bed, batch):
    for image, (geometry, sample) in enumerate(zip(batch.geometries, batch.samples, strict=True)):
        found, expected = bed.pipeline.read(batch.outputs, geometry, image), sample.pred_instances
        assert len(found.scores) > 20
        np.testing.assert_array_equal(found.boxes, expected.bboxes.numpy())
        np.testing.assert_array_equal(found.scores, expected.scores.numpy())
        np.testing.assert_array_equal(found.labels, expected.labels.numpy())


@torch.no_grad()
def test_a_prior_is_the_anchor_that_the_proposal_comes_from(bed):
    """mmdet's own grid of anchors and its own coder give the proposal again."""
    images = torch.randn(1, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    head = bed.model.detector.rpn_head
    maps = head(bed.model.detector.extract_feat(images))
    sides = torch.tensor([[110.0, 90.0, 110.0, 90.0]])
    boxes, priors, count = Proposals(head)(*maps, sides)
    sizes = [level.shape[2:] for level in maps[0]]
    anchors = torch.cat(head.prior_generator.grid_priors(sizes, device="cpu"))
    deltas = torch.cat([level.permute(0, 2, 3, 1).reshape(-1, 4) for level in maps[1]])
    everything = head.bbox_coder.decode(anchors, deltas, max_shape=(90, 110))
    live = priors[0, : count[0]]
    assert len(set(live.tolist())) == count[0] > 50
    torch.testing.assert_close(boxes[0, : count[0]], everything[live], atol=0, rtol=0)


def test_torchs_raw_tensors_give_mmdets_detections(bed, batch):
    """``pytorch`` + ``raw`` is our input recipe, our cuts and our recipe."""
    pipeline = HeadTensorPipeline(bed.model.detector, bed.model.spec, "cpu")
    prepared = [pipeline.prepare(pipeline.decode(path)) for path in bed.paths[: len(SIZES)]]
    tensor, geometries = pipeline.batch(prepared)
    outputs = pipeline.infer(tensor, *geometries)
    recipe = resolve_recipe("mmdet3", bed.model.spec.head)
    for image, (geometry, sample) in enumerate(zip(geometries, batch.samples, strict=True)):
        candidates = pipeline.read(outputs, geometry, image)
        found = apply_recipe(recipe, candidates, geometry, bed.model.spec)
        expected = sample.pred_instances
        np.testing.assert_array_equal(found.labels, expected.labels.numpy())
        np.testing.assert_allclose(found.scores, expected.scores.numpy(), rtol=0, atol=1e-6)
        np.testing.assert_allclose(found.boxes, expected.bboxes.numpy(), rtol=0, atol=1e-3)


def test_images_without_a_proposal_have_no_detections(bed, monkeypatch):
    monkeypatch.setitem(bed.model.detector.rpn_head.test_cfg, "min_bbox_size", 10000)
    batch = bed.run(bed.paths[:2])
    assert batch.outputs[0] is None
    assert not list(bed.pipeline.tensors(batch.outputs, 0))
    for image, geometry in enumerate(batch.geometries):
        assert not batch.named["proposal_count"][image]
        assert not batch.named["proposals"][image].any()
        assert not batch.named["scores"][image].any()
        assert len(bed.pipeline.read(batch.outputs, geometry, image).scores) == 0
        assert len(batch.samples[image].pred_instances) == 0


def test_rows_from_the_count_on_are_padding(bed):
    """A tiny image has fewer proposals than rows."""
    images, sizes = np.zeros((2, 3, 32, 32), np.float32), np.float32([[32, 32, 1, 1], [9, 14, 1, 1]])
    images[:] = np.random.default_rng(0).normal(0, 1, images.shape)
    named = bed.model.cuts(images, sizes)
    for image, (height, width) in enumerate(sizes[:, :2]):
        count = named["proposal_count"][image]
        assert 0 < count < PROPOSALS
        assert (named["priors"][image, count:] == NO_PRIOR).all()
        for name in ("proposals", "logits", "deltas", "boxes", "scores"):
            assert not named[name][image, count:].any(), name
            assert named[name][image, :count].any(), name
        live = named["proposals"][image, :count]
        assert (live >= 0).all()
        assert (live[:, 0::2] <= width).all()
        assert (live[:, 1::2] <= height).all()


def test_an_image_in_a_padded_batch_has_the_boxes_that_it_has_alone(bed):
    random = np.random.default_rng(1)
    small = random.normal(0, 1, (1, 3, 64, 96)).astype(np.float32)
    large = random.normal(0, 1, (1, 3, 128, 128)).astype(np.float32)
    padded = np.zeros((2, 3, 128, 128), np.float32)
    padded[0, :, :64, :96], padded[1] = small[0], large[0]
    together = bed.model.cuts(padded, np.float32([[64, 96, 1, 1], [128, 128, 1, 1]]))
    alone = bed.model.cuts(large, np.float32([[128, 128, 1, 1]]))
    # by the prior, because convolutions round differently in a batch and nearly equal scores may swap
    shared, left, right = np.intersect1d(together["priors"][1], alone["priors"][0], return_indices=True)
    assert len(shared) >= 0.99 * PROPOSALS
    for name in ("proposals", "logits", "deltas", "boxes", "scores"):
        np.testing.assert_allclose(together[name][1, left], alone[name][0, right], atol=1e-2, err_msg=name)
    count = together["proposal_count"][0]
    assert (together["proposals"][0, :count] <= [96, 64, 96, 64]).all()
