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


@pytest.mark.parametrize("dtype", [np.uint8, np.float16])
@pytest.mark.parametrize("fixed", [False, True])
def test_pixels_and_halves_are_bound_as_they_are(dtype, fixed):
    """Channels last, and an output in the input's type where that is a float."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    values = [helper.make_tensor_value_info("images", kind, [1, 4, 5, 3])]
    half = TensorProto.FLOAT16 if kind == TensorProto.FLOAT16 else TensorProto.FLOAT
    values.append(helper.make_tensor_value_info("out", half, [1, 3, 4, 5]))
    nodes = [
        helper.make_node("Cast", ["images"], ["cast"], to=half),
        helper.make_node("Transpose", ["cast"], ["out"], perm=[0, 3, 1, 2]),
    ]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    plain = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    binding = Binding(plain, fixed=fixed, device="cpu")
    for seed in range(2):
        given = np.random.default_rng(seed).integers(0, 256, (1, 4, 5, 3)).astype(dtype)
        (found,) = binding.download(binding.run(binding.upload({"images": given})))
        np.testing.assert_array_equal(found, given.transpose(0, 3, 1, 2).astype(found.dtype))


def test_shapes_may_change_where_they_are_free(session):
    binding = Binding(session("rows"), fixed=False, device="cpu")
    one, two = binding.upload(feeds(2, 0)), binding.upload(feeds(5, 1))
    counts = [binding.download(binding.run(uploaded))[1].tolist() for uploaded in (two, one)]
    assert counts == [[5, 3], [2, 3]]


def test_fixed_tensors_stay_where_they_are(session):
    binding = Binding(session(2), fixed=True, device="cpu")
    assert binding.upload(feeds(2, 0)) is binding.upload(feeds(2, 1))
