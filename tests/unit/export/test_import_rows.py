"""External files of models with an mmdet config whose rows are proposals or queries."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny import detr_head, geometry, model_spec, query_head, roi_head, sparse_head

from cutpoint.decode.candidates import from_decoded
from cutpoint.errors import UserError
from cutpoint.export.external import import_onnx
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.runtime import Session
from cutpoint.predict.validity import read_valid
from cutpoint.records.model import write_spec

ROWS = {"box": {"tensor": "dets", "channels": [0, 4]}, "score": {"tensor": "dets", "channels": [4, 5]}}
E2E = ROWS | {"label": {"tensor": "labels"}}
QUERIES = {
    "box": {"tensor": "pred_boxes", "format": "cxcywh", "normalised": True},
    "score": {"tensor": "pred_logits", "activation": "softmax", "background": "last"},
}


@pytest.fixture
def imported(tmp_path):
    """Import a file whose outputs are these constants for every input."""

    def run(head, cut, described, **outputs):
        values = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 32, 40])]
        constants, nodes, results = [], [], []
        for name, array in outputs.items():
            constants.append(numpy_helper.from_array(array, f"{name}_given"))
            nodes.append(helper.make_node("Identity", [f"{name}_given"], [name]))
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            results.append(helper.make_tensor_value_info(name, kind, array.shape))
        graph = helper.make_graph(nodes, "g", values, results, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, tmp_path / "theirs.onnx")
        write_spec(tmp_path / "spec.json", model_spec(head))
        paths = {"onnx": str(tmp_path / "theirs.onnx"), "spec": str(tmp_path / "spec.json")}
        import_onnx(**paths, outputs=described, cut=cut, out=str(tmp_path / "ours.onnx"))
        session = Session(str(tmp_path / "ours.onnx"), "cpu")
        pipeline = OnnxPipeline(session)
        found = pipeline.infer(np.zeros((1, 3, 32, 40), np.float32), geometry())
        return found, read_valid(pipeline, found, geometry(), 0)

    return run


DETS = np.array([[[2, 4, 10, 20, 0.9], [0, 0, 8, 8, 0.4], [0, 0, 0, 0, 0]]], np.float32)
LABELS = np.array([[1, 2, -1]])


@pytest.mark.parametrize("head", [roi_head(), sparse_head(), query_head(), detr_head()])
def test_the_detections_of_another_exporter_are_compared(imported, head):
    outputs, found = imported(head, "e2e", E2E, dets=DETS, labels=LABELS)
    assert outputs["count"].tolist() == [2]
    # half the scale of the original image
    np.testing.assert_allclose(found.boxes, [[4, 8, 20, 40], [0, 0, 16, 16]])
    assert found.labels.tolist() == [1, 2]


def test_learned_queries_are_read_before_their_recipe(imported):
    head, random = detr_head(), np.random.default_rng(0)
    logits = random.normal(0, 2, (1, 5, 4)).astype(np.float32)
    boxes = random.uniform(0.2, 0.6, (1, 5, 4)).astype(np.float32)
    outputs, found = imported(head, "decoded", QUERIES, pred_logits=logits, pred_boxes=boxes)
    assert list(outputs) == ["boxes", "scores"]
    powers = np.exp(logits)
    scores = (powers / powers.sum(-1, keepdims=True))[..., :-1]
    low, high = boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2
    corners = np.concatenate([low, high], -1) * np.array([40, 32, 40, 32], np.float32)
    expected = from_decoded({"boxes": corners, "scores": scores}, head)
    assert found.prior.tolist() == expected.prior.tolist()
    np.testing.assert_allclose(found.score, expected.score, rtol=1e-5)
    np.testing.assert_allclose(found.boxes, expected.boxes, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("head", "cut", "said"),
    [
        (roi_head(), "decoded", "of Shared2FCBBoxHead, a head of the kind 'rois', only e2e can"),
        (roi_head(), "raw", "of Shared2FCBBoxHead, a head of the kind 'rois', only e2e can"),
        (
            query_head(),
            "decoded",
            "of DINOHead, a head of the kind 'queries', only decoded of learned queries",
        ),
        (
            detr_head(),
            "raw",
            "of DETRHead, a head of the kind 'queries', only decoded of learned queries, e2e",
        ),
    ],
)
def test_rows_that_do_not_say_where_they_come_from_are_refused(imported, head, cut, said):
    array = np.zeros((1, 5, 4), np.float32)
    described = {key: {"tensor": part["tensor"]} for key, part in QUERIES.items()}
    with pytest.raises(UserError, match=rf"theirs\.onnx: cut {cut}: the rows .* {said}"):
        imported(head, cut, described, pred_logits=array, pred_boxes=array)
