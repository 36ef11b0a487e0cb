"""What knows dense heads only refuses a model of another kind before it builds the detector."""

import pytest
from tiny import Polygons, polygon_spec, write_one_node

from cutpoint.detector.trace import trace_model
from cutpoint.detector.verify import verify_export
from cutpoint.errors import UserError
from cutpoint.records import head as records
from cutpoint.records.model import write_spec


@pytest.fixture
def spec(monkeypatch, tmp_path):
    monkeypatch.setitem(records.KINDS, "polygons", Polygons)
    write_spec(tmp_path / "spec.json", polygon_spec())
    return str(tmp_path / "spec.json")


def test_a_trace_refuses_by_name(spec, tmp_path):
    with pytest.raises(
        UserError, match=r"^model polygons: the trace does not work for PolygonHead, .* 'polygons'"
    ):
        trace_model(config="x.py", checkpoint=None, spec=spec, shape="dynamic", out=str(tmp_path / "t.onnx"))


def test_a_verification_refuses_by_name(spec, tmp_path):
    metadata = {"cut": "raw", "spec": polygon_spec().to_dict()}
    export = str(write_one_node(tmp_path / "raw.onnx", [2, 2], metadata))
    with pytest.raises(UserError, match=r"^model polygons: the verification does not work for PolygonHead"):
        verify_export(
            export=export, config="x.py", checkpoint=None, spec=spec, manifest="m", images=3, out="v"
        )
