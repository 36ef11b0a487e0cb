"""Outputs of which no number may be made end a run by name, and never a timing."""

import json

import numpy as np
import pytest
from datasets import make_image, save_labels, save_manifest
from tiny import (
    atss_head,
    detr_head,
    geometry,
    model_spec,
    query_head,
    raw_outputs,
    roi_head,
    sparse_head,
    yolox_head,
)

from cutpoint.errors import UserError
from cutpoint.predict import stream as module
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.postprocess import postprocess
from cutpoint.predict.shard import write_predictions
from cutpoint.predict.stream import stream
from cutpoint.predict.validity import find_invalid, find_misshapen, read_valid
from cutpoint.records.detections import Refused, refusal
from cutpoint.records.predictions import find_refusal, read_predictions

SIZES = [(3, 4), (2, 2)]
HEAD = atss_head()
IMAGES = [make_image(5 + n, f"{n}.jpg", 10, 20) for n in range(6)]


class Session:
    """Outputs as if a graph had made them."""

    provider, clip, scores, batch, shape = "cpu", None, None, None, None
    empty = staticmethod(np.empty)

    def __init__(self, cut, outputs, head=HEAD):
        self.cut, self.outputs, self.spec = cut, outputs, model_spec(head)


class Prepared(OnnxPipeline):
    """An image is its number: the ``bad``-th one's outputs are not finite."""

    def __init__(self, session, bad, name, value):
        super().__init__(session)
        self._bad = bad, name, value

    def decode(self, path):
        return int(path.removesuffix(".jpg"))

    def prepare(self, image):
        return image, geometry(height=10, width=20)

    def batch(self, prepared):
        return [number for number, _ in prepared], [sizes for _, sizes in prepared]

    def infer(self, tensor, *sizes):
        bad, name, value = self._bad
        outputs = {k: np.repeat(v, len(tensor), axis=0) for k, v in self._session.outputs.items()}
        if bad in tensor:
            outputs[name][tensor.index(bad)].reshape(-1)[-1] = value
        return outputs


def e2e(labels, scores=(0.9, 0.5, 0.0), count=2):
    boxes = np.float32([[[0, 0, 4, 4], [1, 1, 5, 5], [0, 0, 0, 0]]])
    found = {"boxes": boxes, "scores": np.float32([scores]), "labels": np.int64([labels])}
    return found | {"count": np.int64([count])}


@pytest.mark.parametrize(
    ("value", "said"), [(np.nan, "t has NaN"), (np.inf, "t has infinity"), (-np.inf, "t has infinity")]
)
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_what_is_not_finite_is_named(value, said, kind):
    assert find_invalid([("s", np.ones(3, kind)), ("t", np.array([1, value], kind))]) == said


def test_a_sum_that_overflows_is_no_infinity():
    assert find_invalid([("t", np.full(9, 3e38, np.float32)), ("n", np.int64([1, 2]))]) is None
    assert find_invalid([("t", np.float32([np.inf, -np.inf]))]) == "t has infinity"


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("workers", [1, 3])
def test_the_first_bad_image_is_named_by_tensor_id_and_path(batch, workers):
    name = HEAD.raw_names[0]
    pipeline = Prepared(Session("raw", raw_outputs(HEAD, SIZES)), 4, name, np.nan)
    settings = {"batch": batch, "workers": workers, "runs": workers}
    with pytest.raises(Refused) as refused:
        list(stream(pipeline, IMAGES, check=True, **settings))
    assert refused.value.reason == f"{name} has NaN on image id 9 (4.jpg)"
    # what is timed looks at no tensor
    assert len(list(stream(pipeline, IMAGES, **settings))) == 6


def decoded():
    shapes = {"boxes": (1, 32, 4), "scores": (1, 32, 3), "factors": (1, 32)}
    return {k: np.ones(v, np.float32) for k, v in shapes.items()} | {"level_counts": np.int64([24, 8])}


@pytest.mark.parametrize("name", ["boxes", "scores", "factors"])
def test_decoded_tensors_are_looked_at_where_nothing_reaches_the_floor(name):
    outputs = decoded()
    outputs["scores"][:] = 0
    outputs[name][0].reshape(-1)[0] = np.inf
    with pytest.raises(Refused, match=f"{name} has infinity"):
        read_valid(OnnxPipeline(Session("decoded", outputs)), outputs, geometry(), 0)


def test_finite_tensors_whose_boxes_are_not_are_refused():
    head = yolox_head()
    outputs = raw_outputs(head, SIZES, seed=1)
    outputs["box_0"][:] = 200  # its exponential is no float32
    with pytest.raises(Refused, match="the decoded boxes has infinity"), np.errstate(over="ignore"):
        read_valid(OnnxPipeline(Session("raw", outputs, head)), outputs, geometry(), 0)


def read(outputs):
    return read_valid(OnnxPipeline(Session("e2e", outputs)), outputs, geometry(), 0)


def test_rows_behind_the_count_are_free():
    outputs = e2e([1, 2, 99])
    outputs["boxes"][0, 2] = np.nan
    assert read(outputs).labels.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": [1, 3, -1]}, r"^labels has 3 \(the model's 3 classes are 0 to 2: outputs\.label\.offset"),
        ({"labels": [1, -1, -1]}, r"^labels has -1 \("),
        ({"labels": [1, 0, -1], "scores": [np.nan, 0.5, 0]}, r"^scores has NaN$"),
        ({"labels": [1, 0, -1], "count": -1}, r"^count has -1, of 3 rows$"),
        ({"labels": [1, 0, -1], "count": 4}, r"^count has 4, of 3 rows$"),
    ],
)
def test_counted_rows_of_no_class_or_value_are_refused(changes, said):
    with pytest.raises(Refused, match=said):
        read(e2e(**changes))


def test_padding_is_dropped_where_the_count_includes_it():
    # by label and score: a wrong label of a real score is refused above
    found = read(e2e([1, -1, 0], scores=(0.9, 0.0, 0.4), count=3))
    assert (found.labels.tolist(), found.scores.tolist()) == ([1, 0], [np.float32(0.9), np.float32(0.4)])


@pytest.mark.parametrize(
    ("cut", "name", "shape", "said"),
    [
        (
            "raw",
            "cls_0",
            (1, 2, 3, 4),
            r"cls_0 has shape \(1, 2, 3, 4\), \(any, 6, any, any\) is needed",
        ),
        ("decoded", "scores", (1, 32, 4), r"output scores has shape \(1, 32, 4\), \(any, 32, 3\)"),
        ("decoded", "boxes", (32, 4), r"output boxes has shape \(32, 4\)"),
        ("decoded", "level_counts", (2,), r"boxes has 32 rows, ATSSHead has 2 priors at this size"),
        ("e2e", "labels", (3,), r"output labels has shape \(3,\), \(any, 3\)"),
    ],
)
def test_an_output_of_another_shape_is_one_message(cut, name, shape, said):
    outputs = {"raw": raw_outputs(HEAD, SIZES), "decoded": decoded(), "e2e": e2e([0, 1, 2])}[cut]
    assert find_misshapen(cut, outputs, model_spec(HEAD)) is None
    kind = outputs[name].dtype
    with pytest.raises(UserError, match=said):
        read_valid(OnnxPipeline(Session(cut, outputs)), outputs | {name: np.ones(shape, kind)}, geometry(), 0)


def row_outputs(spec, cut):
    kinds = dict.fromkeys(("priors", "proposal_count"), np.int64)
    sides = {
        name: [1 if side == "batch" else side for side in shape] for name, shape in spec.shapes(cut).items()
    }
    return {name: np.ones(shape, kinds.get(name, np.float32)) for name, shape in sides.items()}


@pytest.mark.parametrize(
    ("head", "cut", "name", "shape"),
    [
        (roi_head(), "raw", "proposals", (1, 4, 4)),
        (roi_head(), "raw", "priors", (1, 4)),
        (roi_head(), "raw", "proposal_count", (1,)),
        (roi_head(), "raw", "logits", (1, 4, 4)),
        (roi_head(), "raw", "deltas", (1, 4, 12)),
        (roi_head(class_boxes=False), "raw", "deltas", (1, 4, 4)),
        (roi_head(), "decoded", "boxes", (1, 4, 3, 4)),
        (roi_head(class_boxes=False), "decoded", "boxes", (1, 4, 4)),
        (sparse_head(), "raw", "logits", (1, 4, 3)),
        (sparse_head(), "decoded", "scores", (1, 4, 3)),
        (query_head(), "raw", "logits", (1, 5, 3)),
        (detr_head(), "raw", "logits", (1, 5, 4)),
        (query_head(), "raw", "cxcywh", (1, 5, 4)),
        (query_head(), "decoded", "priors", (1, 5)),
    ],
)
def test_each_kind_states_the_shapes_of_its_outputs(head, cut, name, shape):
    outputs = row_outputs(head, cut)
    assert outputs[name].shape == shape
    assert find_misshapen(cut, outputs, model_spec(head)) is None
    text = ", ".join(map(str, shape[1:]))
    for wrong in ((*shape, 1), (1, shape[-1] + 1) if len(shape) > 1 else (1, 1)):
        found = find_misshapen(cut, outputs | {name: np.ones(wrong)}, model_spec(head))
        assert found.startswith(
            f"output {name} has shape {wrong}, (any{', ' if text else ''}{text}) is needed"
        )
    with pytest.raises(UserError, match="for 2 images or more"):
        read_valid(OnnxPipeline(Session(cut, outputs, head)), outputs, geometry(), 1)


def test_outputs_of_fewer_images_than_went_in_are_one_message():
    outputs = e2e([0, 1, 2])
    with pytest.raises(UserError, match=r"boxes has shape \(1, 3, 4\) for 2 images or more; use batch 1"):
        read_valid(OnnxPipeline(Session("e2e", outputs)), outputs, geometry(), 1)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Predicts in shards and post-processes; returns the shards and the detections file."""

    def call(pipeline, shards=2, **settings):
        save_manifest(tmp_path / "m.json", IMAGES)
        save_labels(tmp_path / "labels.json", [1, 2, 3])
        (tmp_path / "spec.json").write_text(json.dumps(pipeline.spec.to_dict()))
        files = []
        for shard in range(shards):
            files.append([str(tmp_path / f"{shard}.parquet"), str(tmp_path / f"{shard}.images.parquet")])
            out = {"out": files[-1][0], "out_images": files[-1][1]}
            part = {"manifest": str(tmp_path / "m.json"), "shard": shard, "shards": shards}
            write_predictions(pipeline, **part, input="mmdet", **out)
        predictions, images = (list(side) for side in zip(*files, strict=True))
        arguments = {"spec": str(tmp_path / "spec.json"), "labels": str(tmp_path / "labels.json")}
        arguments |= {"cut": pipeline.cut, "recipe": "mmdet3"} | settings
        out = str(tmp_path / "detections.json")
        postprocess(predictions=predictions, images=images, **arguments, out=out)
        return files, out

    return call


def test_a_refused_run_keeps_what_came_before_and_has_no_detections(run):
    name = HEAD.raw_names[0]
    files, out = run(Prepared(Session("raw", raw_outputs(HEAD, SIZES)), 3, name, np.nan))
    # images 0, 1, 2 and 3, 4, 5: the second shard ends at its first
    assert [len(list(read_predictions(*[[path] for path in pair]))) for pair in files] == [3, 0]
    reason = f"{name} has NaN on image id 8 (3.jpg)"
    assert [find_refusal(list(pair)) for pair in files] == [None, reason]
    assert refusal(out) == reason


def test_a_graph_that_hides_nan_is_refused_by_the_tensors_before_it(run, tmp_path):
    # its threshold drops a score of NaN: nothing found, and AP 0.0 in the table
    nothing = Session("e2e", e2e([-1, -1, -1], scores=(0, 0, 0), count=0))
    bad = Prepared(Session("raw", raw_outputs(HEAD, SIZES)), 0, HEAD.raw_names[0], np.nan)
    raw, _ = run(bad, shards=1)
    kept = tmp_path / "raw.parquet"
    kept.write_bytes((tmp_path / "0.parquet").read_bytes())
    assert find_refusal([raw[0][0]])
    _, out = run(Prepared(nothing, None, "", 0), candidates=[str(kept)])
    assert refusal(out) == f"{HEAD.raw_names[0]} has NaN on image id 5 (0.jpg)"
    _, out = run(Prepared(nothing, None, "", 0))
    assert refusal(out) is None


def test_what_the_network_cannot_run_is_one_message_with_the_images(monkeypatch):
    class Failing(Prepared):
        def infer(self, tensor, *sizes):
            raise UserError("x.onnx: ONNX Runtime cannot run it (a shape)")

    pipeline = Failing(Session("raw", {}), None, "", 0)
    monkeypatch.setattr(module, "WAITING", 1)
    with pytest.raises(UserError, match=r"^x\.onnx: .*\(a shape\), on image id 5 \(0\.jpg\), image id 6"):
        list(stream(pipeline, IMAGES, batch=2))
