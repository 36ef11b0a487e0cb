"""Sparse R-CNN and QueryInst in PyTorch: their cuts and halves against mmdet's own ``predict``."""

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from models import make_model
from sparse_models import MAX_PER_IMG, PROPOSALS, build_sparse_model
from zoo_models import SIZES, noise_images

from cutpoint.data.inputs import resolve_input
from cutpoint.decode.candidates import from_decoded, from_raw
from cutpoint.detector.reference import MmdetPipeline
from cutpoint.detector.sparse import describe_sparse
from cutpoint.errors import UserError
from cutpoint.predict.pipeline import image_sizes
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import resolve_recipe


@pytest.fixture(scope="module", params=["sparse_rcnn", "queryinst"])
def bed(request, tmp_path_factory):
    """The model, and for a padded batch: mmdet's pipeline, its outputs, the cuts' and mmdet's detections."""
    folder = tmp_path_factory.mktemp(request.param)
    paths = noise_images(folder)[: len(SIZES)]
    model = make_model(folder, *build_sparse_model(request.param, True, paths, folder))
    pipeline = MmdetPipeline(model.detector, model.pipeline, model.spec, "cpu")
    data, geometries = pipeline.batch([pipeline.prepare(pipeline.decode(path)) for path in paths])
    samples = model.detector.test_step(pseudo_collate(data))
    images = model.detector.data_preprocessor(pseudo_collate(data))["inputs"].numpy()
    made = resolve_input("mmdet", model.spec.input, None)
    sizes = np.concatenate([image_sizes(geometry, made) for geometry in geometries])
    outputs = pipeline.infer(data, *geometries)
    return model, pipeline, outputs, geometries, samples, model.cuts(images, sizes)


def test_both_halves_together_are_mmdets_predict(bed):
    _, pipeline, outputs, geometries, samples, _ = bed
    for image, (geometry, sample) in enumerate(zip(geometries, samples, strict=True)):
        found, expected = pipeline.read(outputs, geometry, image), sample.pred_instances
        assert len(found.scores) == MAX_PER_IMG
        np.testing.assert_array_equal(found.boxes, expected.bboxes.numpy())
        np.testing.assert_array_equal(found.scores, expected.scores.numpy())
        np.testing.assert_array_equal(found.labels, expected.labels.numpy())


@pytest.mark.parametrize("cut", ["raw", "decoded"])
def test_the_recipe_on_the_cuts_gives_mmdets_detections(bed, cut):
    model, _, _, geometries, samples, named = bed
    head = model.spec.head
    read = from_raw if cut == "raw" else from_decoded
    names = head.raw_names if cut == "raw" else head.decoded_names
    scores = set()
    for image, (geometry, sample) in enumerate(zip(geometries, samples, strict=True)):
        candidates = read({name: named[name] for name in names}, head, image)
        found = apply_recipe(resolve_recipe("mmdet3", head), candidates, geometry, model.spec)
        expected = sample.pred_instances
        order = expected.scores.argsort(descending=True, stable=True)
        np.testing.assert_allclose(found.scores, expected.scores[order].numpy(), atol=1e-6)
        np.testing.assert_allclose(found.boxes, expected.bboxes[order].numpy(), atol=1e-3)
        assert found.labels.tolist() == expected.labels[order].tolist()
        scores |= {round(float(score), 1) for score in found.scores}
    assert len(scores) > 3


def test_an_image_in_a_padded_batch_has_the_boxes_that_it_has_alone(bed):
    model = bed[0]
    generator = np.random.default_rng(0)
    images = generator.normal(size=(2, 3, 128, 160)).astype(np.float32)
    sizes = np.float32([[128, 160, 1, 1], [100, 90, 1, 1]])
    together = model.cuts(images, sizes)
    for image in range(2):
        alone = model.cuts(images[image : image + 1], sizes[image : image + 1])
        for name, values in alone.items():
            np.testing.assert_allclose(together[name][image], values[0], atol=2e-4, err_msg=name)
    # the learned boxes are fractions of the image without padding
    assert not np.allclose(together["proposals"][0], together["proposals"][1], atol=10)


def test_the_floor_is_a_number_of_pairs(bed):
    model = bed[0]
    head = model.spec.head
    assert (head.kind, head.selected, head.proposals, head.floor.pairs) == (
        "rois",
        False,
        PROPOSALS,
        MAX_PER_IMG,
    )
    assert describe_sparse(model.detector, 200).floor.pairs == 200
    with pytest.raises(UserError, match=f"candidate_floor 0.05.* {MAX_PER_IMG} or more"):
        describe_sparse(model.detector, 0.05)


def test_stages_that_clip_differently_are_refused(bed):
    detector = bed[0].detector
    coder = detector.roi_head.bbox_head[0].bbox_coder
    coder.clip_border = True
    try:
        with pytest.raises(UserError, match="clip_border must be the same"):
            describe_sparse(detector, None)
    finally:
        coder.clip_border = False
