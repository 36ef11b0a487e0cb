"""A small Deformable DETR: its cuts, halves and recipe against mmdet's own ``predict``."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from models import write_export

from cutpoint.decode.candidates import from_decoded, from_raw
from cutpoint.detector.build import build_detector, load_config
from cutpoint.detector.describe import describe_model
from cutpoint.detector.describe_queries import describe_queries, pairs_floor
from cutpoint.detector.kinds import open_cuts, open_halves
from cutpoint.detector.queries import QueryCuts, QueryHalves
from cutpoint.detector.trace import trace_model
from cutpoint.errors import UserError
from cutpoint.predict.runtime import Session
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.records.head import QueryHead
from cutpoint.records.image import Geometry
from cutpoint.records.model import read_spec

CONFIG = "mmdet::deformable_detr/deformable-detr-refine_r50_16xb2-50e_coco.py"
SELECTING = {
    "two_stage": "mmdet::deformable_detr/deformable-detr-refine-twostage_r50_16xb2-50e_coco.py",
    "dino": "mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py",
}
SIDES = (96, 128)  # of the network input
CLIPS = ((96, 128), (77, 101))
SCALE = (0.5, 0.45)  # x, y
MAX_PER_IMG = 20


def small_config():
    config = load_config(CONFIG)
    model = config.model
    model.num_queries = 30
    model.backbone.depth, model.backbone.base_channels = 18, 8
    model.neck.in_channels, model.neck.out_channels = [16, 32, 64], 64
    model.positional_encoding.num_feats = 32
    model.bbox_head.embed_dims, model.bbox_head.num_classes = 64, 5
    model.test_cfg = {"max_per_img": MAX_PER_IMG}
    config.test_dataloader.dataset.metainfo = {"classes": tuple("abcde")}
    for part in (model.encoder, model.decoder):
        part.num_layers = 2
        for settings in part.layer_cfg.values():
            settings.embed_dims = 64
        part.layer_cfg.ffn_cfg.feedforward_channels = 64
    return config


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("deformable")
    config = small_config()
    detector = build_detector(config, None)
    for name, parameter in detector.named_parameters():
        if parameter.ndim > 1 and any(part in name for part in ("sampling_offsets", "attention_weights")):
            parameter.normal_(0, 0.05)
        if "branches" in name and parameter.ndim > 1:
            parameter.normal_(0, 0.2)
    file, weights = str(folder / "small.py"), str(folder / "small.pth")
    config.dump(file)
    torch.save({"state_dict": detector.state_dict()}, weights)
    out = str(folder / "spec.json")
    names = {"model": "m", "config": file, "checkpoint": weights}
    describe_model(**names, candidate_floor=None, class_names="config", out=out)
    return SimpleNamespace(detector=detector, spec=read_spec(out), spec_file=out, **names)


@pytest.fixture(scope="module")
def batch(small):
    """Two images in one input, the second one padded; and mmdet's own detections of them."""
    images = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 3, *SIDES)).astype(np.float32))
    images[1, :, CLIPS[1][0] :], images[1, :, :, CLIPS[1][1] :] = 0, 0
    samples = []
    for height, width in CLIPS:
        meta = {"img_shape": (height, width), "batch_input_shape": SIDES, "scale_factor": SCALE}
        samples.append(DetDataSample(metainfo=meta))
    with torch.no_grad():
        found = [sample.pred_instances for sample in small.detector.predict(images, samples)]
    sizes = np.array([[*clip, SCALE[1], SCALE[0]] for clip in CLIPS], np.float32)
    return SimpleNamespace(images=images, samples=samples, sizes=sizes, found=found)


@pytest.fixture(scope="module")
def files(small, tmp_path_factory):
    """A session a cut, from one dynamic trace."""
    folder = tmp_path_factory.mktemp("files")
    trace = str(folder / "trace.onnx")
    made = {"config": small.config, "checkpoint": small.checkpoint, "spec": small.spec_file}
    trace_model(**made, shape="dynamic", out=trace, exporter="torchscript")
    paths = {cut: str(folder / f"{cut}.onnx") for cut in ("raw", "decoded", "e2e")}
    for cut, path in paths.items():
        write_export(trace=trace, spec=small.spec_file, cut=cut, out=path)
    return {cut: Session(path, "cpu", 1) for cut, path in paths.items()}


def geometry(clip):
    height, width = clip
    original = round(height / SCALE[1]), round(width / SCALE[0])
    return Geometry(*original, height, width, *SIDES, SCALE[0], SCALE[1], gain=SCALE[0])


def test_its_head_ranks_and_does_not_threshold(small):
    head = small.spec.head
    assert head == QueryHead(
        head="DeformableDETRHead",
        num_classes=5,
        raw_names=("logits", "cxcywh"),
        floor=pairs_floor(MAX_PER_IMG, None),
        recipe=(
            {"step": "max_per_img", "k": MAX_PER_IMG},
            {"step": "clip"},
            {"step": "rescale", "operation": "divide"},
        ),
        queries=30,
        selected=False,
        score_activation="sigmoid",
    )


@pytest.mark.parametrize("cut", ["raw", "decoded"])
def test_a_padded_batch_gives_mmdets_detections(small, batch, cut):
    outputs = open_cuts(small.detector, small.spec, "test").named(batch.images.numpy(), batch.sizes)
    recipe = resolve_recipe("mmdet3", small.spec.head)
    for image, (clip, theirs) in enumerate(zip(CLIPS, batch.found, strict=True)):
        if cut == "raw":
            candidates = from_raw(outputs, small.spec.head, image, clip)
        else:
            candidates = from_decoded(outputs, small.spec.head, image)
        ours = apply_recipe(recipe, candidates, geometry(clip), small.spec)
        assert len(ours.scores) == MAX_PER_IMG
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-6)
        np.testing.assert_allclose(ours.boxes, theirs.bboxes, atol=1e-3)
        assert len(np.unique(ours.labels)) > 1
        assert np.ptp(ours.boxes[:, 0]) > 10


def test_padding_that_is_taken_for_image_changes_the_logits(small, batch):
    cuts = open_cuts(small.detector, small.spec, "test")
    whole = batch.sizes.copy()
    whole[:, :2] = SIDES
    masked, plain = (cuts.named(batch.images.numpy(), sizes)["logits"] for sizes in (batch.sizes, whole))
    np.testing.assert_array_equal(masked[0], plain[0])
    assert np.abs(masked[1] - plain[1]).max() > 1e-3


def test_the_halves_are_mmdets_predict(small, batch):
    halves = open_halves(small.detector, small.spec)
    with torch.no_grad():
        outputs = halves.first({"inputs": batch.images, "data_samples": batch.samples})
        for image, theirs in enumerate(batch.found):
            ours = halves.second(outputs, [sample.metainfo for sample in batch.samples], image)
            for name in ("bboxes", "scores", "labels"):
                assert torch.equal(ours[name], theirs[name])
            shapes = {name: tuple(value.shape) for name, value in halves.tensors(outputs, image)}
            assert shapes == {"logits": (30, 5), "cxcywh": (30, 4)}


def test_the_floor_is_a_number_of_pairs(small):
    assert describe_queries(small.detector, 50).floor.pairs == 50
    for wrong in (0.05, 19, 20.5):
        with pytest.raises(UserError, match="keeps the 20 best pairs"):
            describe_queries(small.detector, wrong)


@pytest.mark.parametrize("cut", ["raw", "decoded"])
@pytest.mark.parametrize("sides", [(96, 128), (75, 133), (160, 64)])
@pytest.mark.parametrize("count", [1, 3])
def test_a_file_equals_torch_at_any_size(small, files, cut, sides, count):
    images = np.random.default_rng(count).normal(size=(count, 3, *sides)).astype(np.float32)
    sizes = np.array([[sides[0] - 17 * i, sides[1] - 5 * i, 1, 1] for i in range(count)], np.float32)
    theirs = open_cuts(small.detector, small.spec, "test").named(images, sizes)
    ours = files[cut].run({"images": images, "image_sizes": sizes})
    assert set(ours) == set(small.spec.head.raw_names if cut == "raw" else small.spec.head.decoded_names)
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name], atol=2e-3 if name == "boxes" else 1e-4)


def test_e2e_gives_mmdets_detections(batch, files):
    ours = files["e2e"].run({"images": batch.images.numpy(), "image_sizes": batch.sizes})
    assert ours["count"].tolist() == [MAX_PER_IMG, MAX_PER_IMG]
    for image, theirs in enumerate(batch.found):
        np.testing.assert_array_equal(ours["labels"][image], theirs.labels)
        np.testing.assert_allclose(ours["scores"][image], theirs.scores, atol=1e-5)
        np.testing.assert_allclose(ours["boxes"][image], theirs.bboxes, atol=0.01)


@pytest.mark.parametrize("form", SELECTING)
def test_priors_are_the_cells_that_mmdet_chooses(form, batch):
    torch.manual_seed(0)
    config = load_config(SELECTING[form])
    model = config.model
    model.num_queries = 30
    model.backbone.depth, model.backbone.base_channels = 18, 8
    model.neck.in_channels = [16, 32, 64]
    for part in (model.encoder, model.decoder):
        part.num_layers = 1
    detector = build_detector(config, None)
    chooser = detector.bbox_head.cls_branches[1]
    chooser.weight.normal_()
    seen = []
    chooser.register_forward_hook(lambda module, inputs, output: seen.append(output))
    head = describe_queries(detector, None)
    assert head.selected
    assert head.raw_names == ("logits", "cxcywh", "priors")
    with torch.no_grad():
        mine = QueryCuts(detector, head).named(batch.images.numpy(), batch.sizes)
        halves = QueryHalves(detector, head)
        logits, boxes = halves.first({"inputs": batch.images, "data_samples": batch.samples})
    scores = seen[1][..., 0] if form == "two_stage" else seen[1].amax(-1)
    np.testing.assert_array_equal(mine["priors"], scores.topk(30)[1])
    assert mine["priors"].max() > 30
    np.testing.assert_allclose(mine["logits"], logits[-1], atol=1e-4)
    np.testing.assert_allclose(mine["cxcywh"], boxes[-1], atol=1e-5)
