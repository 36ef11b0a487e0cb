import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import make_image, save_manifest
from tiny import (
    FakeSession,
    atss_head,
    candidates,
    geometry,
    input_recipe,
    model_spec,
    raw_outputs,
    yolox_head,
)

from cutpoint.data.inputs import resolve_input
from cutpoint.errors import UserError
from cutpoint.predict.pipeline import OnnxPipeline, image_sizes, stack
from cutpoint.predict.shard import write_predictions
from cutpoint.recipes.apply import detect
from cutpoint.recipes.recipe import floor_of, resolve_recipe
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections
from cutpoint.records.head import Floor
from cutpoint.records.image import Pad
from cutpoint.records.model import ModelSpec
from cutpoint.records.predictions import RunMetadata, read_metadata, read_predictions

E2E = {
    "boxes": np.float32([[[1, 2, 3, 4], [5, 6, 7, 8], [0, 0, 0, 0]]]),
    "scores": np.float32([[0.9, 0.5, 0]]),
    "labels": np.int64([[2, 0, -1]]),
    "count": np.int64([2]),
}


def test_image_sizes_are_clip_height_clip_width_scale_y_scale_x():
    sizes = geometry(resized_height=20, resized_width=48, scale_x=0.5, scale_y=0.25)
    assert image_sizes(sizes, input_recipe()).tolist() == [[20, 48, 0.25, 0.5]]
    assert image_sizes(sizes, input_recipe(pad=Pad(to_square=True))).tolist() == [[48, 48, 0.25, 0.5]]
    assert image_sizes(sizes, input_recipe()).dtype == np.float32


def test_e2e_has_two_inputs_and_drops_the_padding_rows():
    session = FakeSession(model_spec(atss_head()), "e2e", E2E, clip="image")
    pipeline = OnnxPipeline(session)
    tensor, sizes = pipeline.prepare(np.zeros((64, 96, 3), np.uint8))
    found = pipeline.read(pipeline.infer(tensor, sizes), sizes)
    assert set(session.feeds) == {"images", "image_sizes"}
    assert session.feeds["image_sizes"].tolist() == [[32, 48, 0.5, 0.5]]
    assert isinstance(found, Detections)
    assert found.boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert (found.scores.tolist(), found.labels.tolist()) == ([np.float32(0.9), 0.5], [2, 0])


def test_the_one_input_form_scales_boxes_back_itself():
    session = FakeSession(model_spec(atss_head()), "e2e", E2E, clip="tensor")
    pipeline = OnnxPipeline(session)
    pipeline.infer(np.zeros((1, 3, 32, 48)), geometry())
    assert set(session.feeds) == {"images"}
    found = pipeline.read(E2E, geometry(scale_x=0.5, scale_y=0.25))
    assert found.boxes.tolist() == [[2, 8, 6, 16], [10, 24, 14, 32]]


def test_a_static_export_gets_its_shape():
    pipeline = OnnxPipeline(FakeSession(model_spec(atss_head()), "raw", {}, shape=(64, 64)))
    tensor, _ = pipeline.prepare(np.zeros((64, 96, 3), np.uint8))
    assert tensor.shape == (1, 3, 64, 64)


def test_a_batch_is_padded_to_its_largest_sides():
    # each image at the top left, the rest padding
    images = [np.full((1, 3, 32, 64), 1, np.float32), np.full((1, 3, 64, 32), 2, np.float32)]
    sizes = [geometry(padded_height=32, padded_width=64), geometry(padded_height=64, padded_width=32)]
    tensor, together = stack(list(zip(images, sizes, strict=True)), pad_value=7)
    assert (tensor.shape, tensor.dtype) == ((2, 3, 64, 64), np.float32)
    assert (tensor[0, :, :32] == 1).all()
    assert (tensor[0, :, 32:] == 7).all()
    assert (tensor[1, :, :, :32] == 2).all()
    assert (tensor[1, :, :, 32:] == 7).all()
    assert [(g.padded_height, g.padded_width) for g in together] == [(64, 64), (64, 64)]
    assert [(g.resized_height, g.resized_width) for g in together] == [(32, 40), (32, 40)]


def test_a_batch_of_e2e_has_a_row_of_sizes_an_image_and_is_read_image_by_image():
    two = {
        "boxes": np.float32([[[1, 2, 3, 4], [5, 6, 7, 8]], [[9, 9, 10, 10], [0, 0, 0, 0]]]),
        "scores": np.float32([[0.9, 0.5], [0.8, 0]]),
        "labels": np.int64([[2, 0], [1, -1]]),
        "count": np.int64([2, 1]),
    }
    session = FakeSession(model_spec(atss_head()), "e2e", two, clip="image")
    pipeline = OnnxPipeline(session)
    shapes = [(64, 96, 3), (96, 64, 3)]
    tensor, sizes = pipeline.batch([pipeline.prepare(np.zeros(shape, np.uint8)) for shape in shapes])
    outputs = pipeline.infer(tensor, *sizes)
    assert session.feeds["images"].shape == (2, 3, 48, 48)
    assert session.feeds["image_sizes"].tolist() == [[32, 48, 0.5, 0.5], [48, 32, 0.5, 0.5]]
    first, second = (pipeline.read(outputs, size, number) for number, size in enumerate(sizes))
    assert first.boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert (second.boxes.tolist(), second.labels.tolist()) == ([[9, 9, 10, 10]], [1])


def test_a_static_export_takes_no_other_batch():
    pipeline = OnnxPipeline(FakeSession(model_spec(atss_head()), "raw", {}, shape=(64, 64), batch=1))
    image = pipeline.prepare(np.zeros((64, 96, 3), np.uint8))
    assert pipeline.batch([image])[0].shape == (1, 3, 64, 64)
    with pytest.raises(UserError, match=r"a batch of 2: the export takes 1; .*shape: dynamic"):
        pipeline.batch([image, image])


def test_an_external_file_is_not_asked_for_a_key_that_it_refuses():
    session = FakeSession(model_spec(atss_head()), "raw", {}, shape=(64, 64), batch=2)
    session.external = "detector.onnx"
    pipeline = OnnxPipeline(session)
    image = pipeline.prepare(np.zeros((64, 96, 3), np.uint8))
    with pytest.raises(
        UserError, match=r"a batch of 1: detector\.onnx takes 2; set `batch` .* any size"
    ) as told:
        pipeline.batch([image])
    assert "shape" not in str(told.value)


def test_the_input_recipe_is_the_runs_and_the_specification_stays():
    spec = model_spec(atss_head())
    image = np.random.default_rng(0).integers(0, 255, (40, 70, 3), dtype=np.uint8)
    session = FakeSession(spec, "e2e", E2E, clip="image")
    pipeline = OnnxPipeline(session, "seed-225")
    tensor, sizes = pipeline.prepare(image)
    assert (sizes.resized_height, sizes.resized_width) == (40, 70)
    pipeline.infer(tensor, sizes)
    assert session.feeds["image_sizes"].tolist() == [[40, 70, 1, 1]]
    own, _ = OnnxPipeline(session).prepare(image)
    assert own.shape != tensor.shape
    assert pipeline.spec.digest == spec.digest
    assert resolve_input("seed-225", spec.input, None) != spec.input


@pytest.mark.parametrize("head", [atss_head(), yolox_head()])
def test_raising_the_floor_to_the_recipes_threshold_changes_no_detection(head):
    # what latency does, for less work
    outputs = raw_outputs(head, [(6, 8), (3, 4)], seed=3)
    threshold = 0.4
    recipe = resolve_recipe({"base": "mmdet3", "score_thr": threshold}, head)
    spec = model_spec(head)
    low = OnnxPipeline(FakeSession(spec, "raw", outputs)).read(outputs, geometry())
    pipeline = OnnxPipeline(FakeSession(spec, "raw", outputs))
    pipeline.spec = pipeline.spec.with_floor(floor_of(recipe))
    high = pipeline.read(outputs, geometry())
    assert 10 < len(high) < len(low)
    slow, fast = (detect(rows, recipe, geometry(), spec) for rows in (low, high))
    assert len(slow) > 1
    for name in ("boxes", "scores", "labels"):
        np.testing.assert_array_equal(getattr(slow, name), getattr(fast, name))


def test_detections_are_finished_already():
    found = Detections(np.zeros((1, 4), np.float32), np.float32([1]), np.int64([0]))
    assert detect(found, None, geometry(), model_spec(atss_head())) is found


class StubPipeline:
    cut, provider, fixed_batch = "raw", "cpu", None
    spec: ModelSpec = model_spec(atss_head())

    def decode(self, path):
        if "broken" in path:
            raise UserError(f"image {path}: not an image")
        return path

    def prepare(self, image):
        return image, geometry(height=10, width=20)

    def batch(self, prepared):
        return [path for path, _ in prepared], [sizes for _, sizes in prepared]

    def infer(self, tensor, *sizes):
        assert len(tensor) == len(sizes)
        self.batches = [*getattr(self, "batches", []), len(tensor)]
        return tensor

    def tensors(self, outputs, image):
        return {"cls_0": np.float32([1, np.inf if "infinite" in outputs[image] else 0])}.items()

    def read(self, outputs, sizes, image=0):
        number = int(outputs[image].removesuffix(".jpg"))
        return candidates(*[(0, i, 0, 0.5, 1, (0, 0, 1, 1)) for i in range(number)])


@pytest.fixture
def predict(tmp_path):
    def run(entries, shard=0, shards=1, batch=1, pipeline=None):
        images = [make_image(10 + n, path, height, 20) for n, (path, height) in enumerate(entries)]
        manifest = save_manifest(tmp_path / "m.json", images)
        out = str(tmp_path / f"{shard}.parquet"), str(tmp_path / f"{shard}.images.parquet")
        made = {"input": "stretch", "scores": "fused", "onnx_sha256": "ab"}
        settings = {"manifest": manifest, "shard": shard, "shards": shards, "batch": batch} | made
        write_predictions(pipeline or StubPipeline(), **settings, out=out[0], out_images=out[1])
        return out

    return run


def test_shards_part_the_images(predict):
    entries = [(f"{n}.jpg", 10) for n in (2, 0, 1, 3, 0)]
    found = {}
    for shard in range(2):
        path, image_path = predict(entries, shard, 2)
        found[shard] = [(i, len(rows)) for i, _, rows in read_predictions([path], [image_path])]
    assert found == {0: [(10, 2), (11, 0)], 1: [(12, 1), (13, 3), (14, 0)]}


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_what_is_written_does_not_depend_on_the_number_of_shards(predict, batch):
    class Counting(StubPipeline):
        """What it finds depends on how many images share the batch, as padding does."""

        def read(self, outputs, sizes, image=0):
            return candidates(*[(0, i, 0, 0.5, 1, (0, 0, 1, 1)) for i in range(len(outputs))])

    entries = [(f"{n}.jpg", 10) for n in range(7)]
    found = {}
    for shards in (1, 2, 3, 7, 9):
        parts = [predict(entries, n, shards, batch, Counting()) for n in range(shards)]
        rows = read_predictions(*zip(*parts, strict=True))
        found[shards] = [(image, len(row)) for image, _, row in rows]
    assert [image for image, _ in found[1]] == list(range(10, 17))
    assert {count for _, count in found[1]} == ({batch, 1} if batch > 1 else {1})
    assert all(rows == found[1] for rows in found.values())


@pytest.mark.parametrize(("shard", "batches"), [(0, [2]), (1, [2, 1])])
def test_batches_follow_the_order_of_the_manifest_and_the_last_may_be_smaller(predict, shard, batches):
    entries = [(f"{n}.jpg", 10) for n in (2, 0, 1, 3, 0)]
    pipeline = StubPipeline()
    paths = predict(entries, shard, 2, batch=2, pipeline=pipeline)
    assert pipeline.batches == batches
    found = [(i, len(rows)) for i, _, rows in read_predictions(*([path] for path in paths))]
    assert found == [[(10, 2), (11, 0)], [(12, 1), (13, 3), (14, 0)]][shard]


def test_prediction_files_say_what_they_were_made_with(predict):
    path, image_path = predict([("1.jpg", 10)])
    for file in (path, image_path):
        assert read_metadata(file) == RunMetadata(
            cut="raw",
            provider="cpu",
            floor=Floor("class", 0.05, False),
            spec=StubPipeline.spec.digest,
            input="stretch",
            scores="fused",
            onnx_sha256="ab",
        )
    assert pq.read_table(image_path)["height"].to_pylist() == [10]
    assert isinstance(next(iter(read_predictions([path], [image_path])))[2], Candidates)


def test_an_image_of_another_size_than_annotated_is_refused_and_nothing_is_written(predict, tmp_path):
    message = r"image id 11 \(2\.jpg\) is 10x20 pixels, the annotations say 11x20"
    with pytest.raises(UserError, match=message):
        predict([("1.jpg", 10), ("2.jpg", 11)])
    assert [p.name for p in tmp_path.iterdir()] == ["m.json"]


def test_a_broken_image_is_named_with_its_id(predict):
    with pytest.raises(UserError, match=r"image id 11 \(broken\.jpg\): .*not an image"):
        predict([("1.jpg", 10), ("broken.jpg", 10)])
