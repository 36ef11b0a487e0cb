import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from tiny import atss_head, candidates, geometry, input_recipe, model_spec, raw_outputs, yolox_head

from cutpoint.candidates import Candidates
from cutpoint.errors import UserError
from cutpoint.headspec import ModelSpec
from cutpoint.image import Pad
from cutpoint.pipeline import OnnxPipeline, detect, image_sizes
from cutpoint.predict import write_predictions
from cutpoint.recipes import Detections, floor_of, resolve_recipe
from cutpoint.store import read_metadata, read_predictions


class FakeSession:
    """Stands in for ``runtime.Session``: chosen outputs, remembers its feeds."""

    provider = "cpu"

    def __init__(self, spec, cut, outputs, clip=None, shape=None):
        self.spec, self.cut, self.clip, self.shape = spec, cut, clip, shape
        self._outputs, self.feeds = outputs, None

    def run(self, feeds):
        self.feeds = feeds
        return self._outputs


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
    cut, provider = "raw", "cpu"
    spec: ModelSpec = model_spec(atss_head())

    def decode(self, path):
        if "broken" in path:
            raise UserError(f"image {path}: not an image")
        return path

    def prepare(self, image):
        return image, geometry(height=10, width=20)

    def infer(self, tensor, sizes):
        return tensor

    def read(self, outputs, sizes):
        number = int(outputs.removesuffix(".jpg"))
        return candidates(*[(0, i, 0, 0.5, 1, (0, 0, 1, 1)) for i in range(number)])


@pytest.fixture
def predict(tmp_path):
    def run(entries, shard=0, shards=1):
        images = [{"id": 10 + n, "path": p, "height": h, "width": 20} for n, (p, h) in enumerate(entries)]
        (tmp_path / "m.json").write_text(json.dumps({"dataset": "street", "images": images}))
        out = str(tmp_path / f"{shard}.parquet"), str(tmp_path / f"{shard}.images.parquet")
        write_predictions(
            StubPipeline(), str(tmp_path / "m.json"), shard, shards, *out, {"onnx_sha256": "ab"}
        )
        return out

    return run


def test_shards_part_the_images(predict):
    entries = [(f"{n}.jpg", 10) for n in (2, 0, 1, 3, 0)]
    found = {}
    for shard in range(2):
        path, image_path = predict(entries, shard, 2)
        found[shard] = [(i, len(rows)) for i, _, rows in read_predictions([path], [image_path])]
    assert found == {0: [(10, 2), (12, 1), (14, 0)], 1: [(11, 0), (13, 3)]}


def test_prediction_files_say_what_they_were_made_with(predict):
    path, image_path = predict([("1.jpg", 10)])
    for file in (path, image_path):
        assert read_metadata(file) == {
            "onnx_sha256": "ab",
            "cut": "raw",
            "provider": "cpu",
            "floor": {"on": "class", "value": 0.05, "inclusive": False},
            "spec": StubPipeline.spec.digest,
        }
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
