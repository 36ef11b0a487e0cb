"""What knows dense heads only refuses a model of another kind before it builds the detector."""

import pytest
from tiny import Queries, query_spec, write_one_node

from cutpoint.detector.trace import trace_model
from cutpoint.detector.verify import verify_export
from cutpoint.errors import UserError
from cutpoint.records import model as records
from cutpoint.records.model import write_spec


@pytest.fixture
def spec(monkeypatch, tmp_path):
    monkeypatch.setitem(records.KINDS, "queries", Queries)
    write_spec(tmp_path / "spec.json", query_spec())
    return str(tmp_path / "spec.json")


def test_a_trace_refuses_by_name(spec, tmp_path):
    with pytest.raises(UserError, match=r"^model detr: the trace works for dense heads only, .* 'queries'"):
        trace_model(config="x.py", checkpoint=None, spec=spec, shape="dynamic", out=str(tmp_path / "t.onnx"))


def test_a_verification_refuses_by_name(spec, tmp_path):
    metadata = {"cut": "raw", "spec": query_spec().to_dict()}
    export = str(write_one_node(tmp_path / "raw.onnx", [2, 2], metadata))
    with pytest.raises(UserError, match=r"^model detr: the verification works for dense heads only"):
        verify_export(
            export=export, config="x.py", checkpoint=None, spec=spec, manifest="m", images=3, out="v"
        )
