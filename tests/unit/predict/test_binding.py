import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from cutpoint.predict.binding import Binding


@pytest.fixture
def session():
    """``out = images + image_sizes``, and the number of rows; of fixed or free shape."""

    def make(rows):
        values = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, 3])
            for name in ("images", "image_sizes", "out")
        ]
        count = helper.make_tensor_value_info("count", TensorProto.INT64, [2])
        nodes = [
            helper.make_node("Add", ["images", "image_sizes"], ["out"]),
            helper.make_node("Shape", ["images"], ["count"]),
        ]
        graph = helper.make_graph(nodes, "g", values[:2], [values[2], count])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        onnx.checker.check_model(model)
        content = model.SerializeToString()
        return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    return make


def feeds(rows, seed):
    rng = np.random.default_rng(seed)
    return {name: rng.random((rows, 3), dtype=np.float32) for name in ("images", "image_sizes")}


@pytest.mark.parametrize("fixed", [False, True])
def test_bound_runs_equal_plain_ones(session, fixed):
    plain = session(4 if fixed else "rows")
    binding = Binding(plain, fixed=fixed, device="cpu")
    for seed in range(3):
        given = feeds(4, seed)
        found = binding.download(binding.run(binding.upload(given)))
        for value, expected in zip(found, plain.run(None, given), strict=True):
            np.testing.assert_array_equal(value, expected)


def test_shapes_may_change_where_they_are_free(session):
    binding = Binding(session("rows"), fixed=False, device="cpu")
    one, two = binding.upload(feeds(2, 0)), binding.upload(feeds(5, 1))
    counts = [binding.download(binding.run(uploaded))[1].tolist() for uploaded in (two, one)]
    assert counts == [[5, 3], [2, 3]]


def test_fixed_tensors_stay_where_they_are(session):
    binding = Binding(session(2), fixed=True, device="cpu")
    assert binding.upload(feeds(2, 0)) is binding.upload(feeds(2, 1))
