"""A second kind of head is a class and a row; what knows dense heads only refuses it by name."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tiny import POLYGON_STEPS, FakeSession, Polygons, geometry, polygon_spec

from cutpoint.compare.follow import open_candidates
from cutpoint.compare.mistakes import mistakes_of
from cutpoint.errors import UserError
from cutpoint.export.cut import write_cut
from cutpoint.export.e2e import write_e2e
from cutpoint.export.external import import_onnx
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.validity import read_valid
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.records import head as records
from cutpoint.records.head import Floor
from cutpoint.records.model import as_spec, read_spec, write_spec
from cutpoint.records.predictions import PredictionWriter, RunMetadata


@pytest.fixture
def spec(monkeypatch):
    monkeypatch.setitem(records.KINDS, "polygons", Polygons)
    return polygon_spec()


@pytest.fixture
def spec_file(spec, tmp_path):
    write_spec(tmp_path / "spec.json", spec)
    return str(tmp_path / "spec.json")


def test_the_new_kind_is_written_and_read(spec, spec_file):
    assert read_spec(spec_file) == spec
    content = json.loads(json.dumps(spec.to_dict()))
    assert (content["head"]["kind"], content["head"]["corners"]) == ("polygons", 5)
    assert as_spec(content, "a file").digest == spec.digest
    other = spec.with_floor(Floor("class", 0.2, False))
    assert (other.head.corners, other.digest != spec.digest) == (5, True)
    with pytest.raises(UserError, match=r"spec\.json: head: corners: expected int, got str"):
        as_spec({**content, "head": content["head"] | {"corners": "5"}}, "spec.json")


def test_recipes_and_cuts_need_no_kind(spec, spec_file, tmp_path):
    assert [step.name for step in resolve_recipe("mmdet3", spec.head).steps] == [
        step["step"] for step in POLYGON_STEPS
    ]
    write_cut(trace=trace(tmp_path), spec=spec_file, cut="raw", out=str(tmp_path / "raw.onnx"))
    outputs = onnx.load(tmp_path / "raw.onnx").graph.output
    assert [value.name for value in outputs] == ["logits", "deltas"]


def trace(folder):
    """A graph with the outputs of both cuts."""
    names = ("logits", "deltas", "boxes", "scores")
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in ("images", *names)]
    nodes = [helper.make_node("Neg", ["images"], [name]) for name in names]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, folder / "trace.onnx")
    return str(folder / "trace.onnx")


def refused(what):
    message = (
        rf"^model polygons: {what} works for dense heads only, and PolygonHead is of the kind 'polygons'"
    )
    return pytest.raises(UserError, match=message)


def test_what_knows_dense_heads_only_refuses_by_name(spec, spec_file, tmp_path):
    unknown = r"^model polygons: no mistakes are known for PolygonHead, a head of the kind 'polygons'"
    with pytest.raises(UserError, match=unknown):
        mistakes_of(spec)
    out = str(tmp_path / "out.onnx")
    with pytest.raises(
        UserError, match=r"^model polygons: an export of the cut e2e works for heads of mmdet"
    ):
        write_e2e(trace=trace(tmp_path), spec=spec_file, out=out, topk_limit=3840)
    with pytest.raises(UserError, match=r"the import of an ONNX file works for heads of mmdet only"):
        import_onnx(onnx=trace(tmp_path), outputs={}, spec=spec_file, cut="raw", out=out)
    outputs = {name: np.zeros((1, 5, 2), np.float32) for name in ("logits", "deltas", "boxes", "scores")}
    with pytest.raises(UserError, match=r"^PolygonHead, a head of the kind 'polygons', has no cut raw"):
        OnnxPipeline(FakeSession(spec, "raw", outputs)).read(outputs, geometry())
    with pytest.raises(UserError, match=r"^PolygonHead, a head of the kind 'polygons', has no cut raw"):
        read_valid(OnnxPipeline(FakeSession(spec, "raw", outputs)), outputs, geometry(), 0)


def test_candidates_are_followed_without_priors_on_levels(spec, spec_file, tmp_path):
    paths = [str(tmp_path / name) for name in ("0.parquet", "0.images.parquet")]
    made = RunMetadata("decoded", "cpu", spec.head.floor, spec.digest, "mmdet", None)
    with PredictionWriter(*paths, candidates=True, metadata=made):
        pass
    assert open_candidates(paths[:1], spec_file) == (spec, made)
