"""What the outputs of a cut are, by the kind of its head."""

import onnx
import pytest
from onnx import TensorProto, helper
from tiny import atss_head, detr_head, model_spec, query_head, roi_head, sparse_head

from cutpoint.errors import UserError
from cutpoint.export.cut import write_cut
from cutpoint.records.model import write_spec


@pytest.fixture
def cut(tmp_path):
    def run(head, cut, scores="class"):
        write_spec(tmp_path / "spec.json", model_spec(head))
        names = ("images", "image_sizes", *head.output_names)
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
        nodes = [helper.make_node("Add", list(names[:2]), [name]) for name in names[2:]]
        graph = helper.make_graph(nodes, "g", values[:2], values[2:])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        onnx.save(model, tmp_path / "trace.onnx")
        paths = {"trace": str(tmp_path / "trace.onnx"), "spec": str(tmp_path / "spec.json")}
        write_cut(**paths, cut=cut, scores=scores, out=str(tmp_path / "out.onnx"))
        written = onnx.load(tmp_path / "out.onnx")
        names = [value.name for value in written.graph.output]
        return [value.name for value in written.graph.input], names

    return run


@pytest.mark.parametrize(
    ("head", "raw", "decoded"),
    [
        (
            roi_head(),
            ["proposals", "priors", "proposal_count", "logits", "deltas"],
            ["boxes", "scores", "priors"],
        ),
        (sparse_head(), ["proposals", "logits", "deltas"], ["boxes", "scores"]),
        (query_head(), ["logits", "cxcywh", "priors"], ["boxes", "scores", "priors"]),
        (detr_head(), ["logits", "cxcywh"], ["boxes", "scores"]),
    ],
)
def test_each_kind_gives_its_outputs_in_order_and_takes_the_sizes(cut, head, raw, decoded):
    inputs = ["images", "image_sizes"]
    assert cut(head, "raw") == (inputs, raw)
    assert cut(head, "decoded") == (inputs, decoded)
    # without a factor there is nothing to fuse
    assert cut(head, "decoded", "fused") == (inputs, decoded)


def test_a_factor_that_filters_is_not_fused(cut):
    steps = [step for step in atss_head().recipe if step["step"] != "multiply_factor"]
    head = atss_head(head="GARetinaHead", recipe=steps)
    with pytest.raises(
        UserError, match=r"^model tiny: scores: fused: GARetinaHead filters cells by its factor"
    ):
        cut(head, "decoded", "fused")
    assert cut(head, "decoded")[1] == ["boxes", "scores", "factors", "level_counts"]
    assert cut(atss_head(), "decoded", "fused")[1] == ["boxes", "scores", "level_counts"]
