"""Our candidates and recipes against mmdet's own ``predict_by_feat``, and both PyTorch pipelines."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose, pseudo_collate
from models import geometry, noise, pixel_deviation

from cutpoint.data.image import decode
from cutpoint.decode.candidates import from_decoded, from_raw
from cutpoint.detector.reference import HeadTensorPipeline, MmdetPipeline, open_pytorch
from cutpoint.errors import UserError
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import resolve_recipe

# clip 333 x 470 in a 352 x 480 tensor, scales that differ per axis
GEOMETRY = geometry((333, 470), (352, 480), (0.78125, 0.7345))
SIZES = {
    "ATSSHead": [(44, 60), (22, 30), (11, 15), (6, 8), (3, 4)],
    "YOLOXHead": [(44, 60), (22, 30), (11, 15)],
}
# mean logits of class and factor such that some thousand candidates pass
MEANS = {"ATSSHead": (-4.0, 0.5), "YOLOXHead": (-5.4, -2.0)}


def random_raw(spec, seed):
    """Head tensors of one image: objects are blobs, so that neighbours overlap as they do in life."""
    random = np.random.default_rng(seed)
    cls_mean, factor_mean = MEANS[spec.head]
    outputs = {}
    for level, (height, width) in enumerate(SIZES[spec.head]):
        for kind, channels, deviation, mean in (
            ("cls", spec.num_classes, 1.3, cls_mean),
            ("box", 4, 0.6, 0.3),
            (spec.factor.tensor, 1, 1.0, factor_mean),
        ):
            grid = random.normal(0, deviation, (height // 3 + 2, width // 3 + 2, channels)).astype(np.float32)
            smooth = cv2.resize(grid, (width, height)).reshape(height, width, channels)
            fine = random.normal(0, deviation / 3, smooth.shape)
            outputs[f"{kind}_{level}"] = (
                (smooth + fine + mean).astype(np.float32).transpose(2, 0, 1)[None].copy()
            )
    return outputs


def run_mmdet(detector, outputs, spec, sizes):
    tensors = [torch.from_numpy(outputs[name]) for name in spec.raw_names]
    levels = [tensors[i : i + spec.levels] for i in range(0, len(tensors), spec.levels)]
    meta = {
        "img_shape": (sizes.resized_height, sizes.resized_width),
        "ori_shape": (sizes.height, sizes.width),
        "scale_factor": (sizes.scale_x, sizes.scale_y),
    }
    return detector.bbox_head.predict_by_feat(*levels, batch_img_metas=[meta], rescale=True)[0]


def assert_equal_unless_tied(found, boxes, scores, labels):
    """Same detections in the same order; only rows of equal score may be swapped."""
    assert len(found) == len(scores)
    np.testing.assert_allclose(found.scores, scores, rtol=0, atol=1e-6)
    same = (found.labels == labels) & (np.abs(found.boxes - boxes).max(axis=1) <= 1e-3)
    for row in np.flatnonzero(~same):
        tied = np.flatnonzero(np.abs(scores - found.scores[row]) <= 1e-6)
        near = np.abs(boxes[tied] - found.boxes[row]).max(axis=1) <= 1e-3
        assert (near & (labels[tied] == found.labels[row])).any(), f"row {row} of {len(found)} differs"


@pytest.mark.parametrize("seed", range(4))
def test_recipe_equals_predict_by_feat(model, seed):
    spec = model.spec
    outputs = random_raw(spec.head, seed)
    candidates = from_raw(outputs, spec.head)
    assert 500 < len(candidates) < 3000
    if spec.head.head == "ATSSHead":
        assert np.bincount(candidates.level).max() > model.detector.bbox_head.test_cfg.nms_pre
    expected = run_mmdet(model.detector, outputs, spec.head, GEOMETRY)
    found = apply_recipe(resolve_recipe("mmdet3", spec.head), candidates, GEOMETRY, spec)
    assert len(found) > 50
    assert_equal_unless_tied(found, expected.bboxes.numpy(), expected.scores.numpy(), expected.labels.numpy())


def test_nothing_above_the_threshold(model):
    outputs = {name: np.full_like(value, -12) for name, value in random_raw(model.spec.head, 0).items()}
    expected = run_mmdet(model.detector, outputs, model.spec.head, GEOMETRY)
    recipe = resolve_recipe("mmdet3", model.spec.head)
    found = apply_recipe(recipe, from_raw(outputs, model.spec.head), GEOMETRY, model.spec)
    assert len(found) == len(expected) == 0


def test_nms_pre_of_minus_one_is_mmdets_quirk(atss):
    # `scores[:min(-1, n)]` drops the worst pair of each level
    head = atss.detector.bbox_head
    outputs = random_raw(atss.spec.head, 5)
    recipe = resolve_recipe({"base": "mmdet3", "nms_pre": -1}, atss.spec.head)
    found = apply_recipe(recipe, from_raw(outputs, atss.spec.head), GEOMETRY, atss.spec)
    before = head.test_cfg.nms_pre
    try:
        head.test_cfg.nms_pre = -1
        expected = run_mmdet(atss.detector, outputs, atss.spec.head, GEOMETRY)
    finally:
        head.test_cfg.nms_pre = before
    assert_equal_unless_tied(found, expected.bboxes.numpy(), expected.scores.numpy(), expected.labels.numpy())


@pytest.mark.parametrize("size", [(192, 256), (96, 160)])
def test_decoded_by_torch_equals_numpy_decode_of_raw(model, size):
    images = noise(*size, seed=3, batch=2) * pixel_deviation(model.detector)
    outputs = model.cuts(images)
    head = model.spec.head
    raw = {name: outputs[name] for name in head.raw_names}
    decoded = {name: outputs[name] for name in head.decoded_names}
    assert decoded["boxes"].shape == (2, decoded["level_counts"].sum(), 4)
    spec = head.__class__(**vars(head) | {"floor": replace(head.floor, value=0.0, inclusive=True)})
    for image in range(2):
        from_head, from_graph = from_raw(raw, spec, image), from_decoded(decoded, spec, image)
        # floor 0: all pairs, so every prior of the two is compared
        assert len(from_head) == len(from_graph) == decoded["scores"][0].size
        for name in ("level", "prior", "label"):
            np.testing.assert_array_equal(getattr(from_head, name), getattr(from_graph, name))
        np.testing.assert_allclose(from_head.score, from_graph.score, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(from_head.factor, from_graph.factor, rtol=1e-5, atol=1e-7)
        largest = np.abs(from_graph.boxes).max(axis=1, keepdims=True)
        assert (np.abs(from_head.boxes - from_graph.boxes) <= 1e-4 + 1e-6 * largest).all()


def test_priors_are_mmdets_own(model):
    generator = model.detector.bbox_head.prior_generator
    sizes = SIZES[model.spec.head.head]
    from cutpoint.decode.boxes import level_priors

    theirs = generator.grid_priors([torch.Size(s) for s in sizes], device="cpu")
    for level, (height, width) in enumerate(sizes):
        y, x = np.divmod(np.arange(height * width), width)
        ours = level_priors(model.spec.head, level, y, x, np.zeros(height * width, int))
        np.testing.assert_array_equal(ours, theirs[level].numpy())


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    image = noise(201, 333, seed=1)[0].transpose(1, 2, 0) * 50 + 120
    cv2.imwrite(str(path), image.clip(0, 255).astype(np.uint8))
    return str(path)


def test_the_pytorch_pipeline_equals_test_step(model, photo):
    data = Compose([s for s in model.pipeline if s.type != "LoadAnnotations"])(
        {"img_path": photo, "img_id": 0}
    )
    with torch.no_grad():
        expected = model.detector.test_step(pseudo_collate([data]))[0].pred_instances
    pipeline = MmdetPipeline(model.detector, model.pipeline, model.spec, "cpu")
    tensor, sizes = pipeline.prepare(pipeline.decode(photo))
    found = pipeline.read(pipeline.infer(tensor, sizes), sizes)
    assert len(found) > 20
    np.testing.assert_array_equal(found.boxes, expected.bboxes.numpy())
    np.testing.assert_array_equal(found.scores, expected.scores.numpy())
    np.testing.assert_array_equal(found.labels, expected.labels.numpy())
    assert (sizes.height, sizes.width) == (201, 333)


def test_both_pytorch_pipelines_agree_on_sizes_and_detections(model, photo):
    whole = MmdetPipeline(model.detector, model.pipeline, model.spec, "cpu")
    tensors = HeadTensorPipeline(model.detector, model.spec, "cpu")
    data, sizes = whole.prepare(whole.decode(photo))
    image, own_sizes = tensors.prepare(tensors.decode(photo))
    assert sizes == own_sizes
    expected = whole.read(whole.infer(data, sizes), sizes)
    candidates = tensors.read(tensors.infer(image, sizes), sizes)
    found = apply_recipe(resolve_recipe("mmdet3", model.spec.head), candidates, sizes, model.spec)
    assert_equal_unless_tied(found, expected.boxes, expected.scores, expected.labels)


def test_an_image_that_mmdet_cannot_load_is_one_message(atss, tmp_path):
    pipeline = MmdetPipeline(atss.detector, atss.pipeline, atss.spec, "cpu")
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    for name in ("broken.jpg", "absent.jpg"):
        with pytest.raises(UserError, match=name):
            pipeline.decode(str(tmp_path / name))
        with pytest.raises(UserError, match=name):
            decode(tmp_path / name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_a_device_is_refused(atss):
    with pytest.raises(UserError, match="device cuda: torch finds none here"):
        open_pytorch(atss.config_name, atss.checkpoint, atss.spec, "raw", "cuda", 1)
