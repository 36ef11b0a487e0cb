"""What lies on the disk: another kind of file, tensors in files beside it, how many bits it computes in."""

import subprocess
import sys

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from cutpoint.errors import UserError
from cutpoint.layouts.precision import read_precision
from cutpoint.layouts.read import read_onnx
from cutpoint.onnx_file import check_onnx_file, external_data_files


def graph(nodes, constants, outputs=("y",), inputs=("x",), shape=(1, 4), kind=TensorProto.FLOAT):
    values = [
        [helper.make_tensor_value_info(name, kind, shape) for name in names] for names in (inputs, outputs)
    ]
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    return helper.make_graph(nodes, "g", *values, initializers)


def model(*arguments, **settings):
    made = graph(*arguments, **settings)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def matmul(weights=None, kind=np.float32):
    weights = np.arange(400, dtype=kind).reshape(4, 100) if weights is None else weights
    return model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": weights}, shape=None)


@pytest.mark.parametrize("location", ["theirs.onnx.data", "w.bin", "sub/weights"])
def test_tensors_beside_the_file_are_found_without_loading_them(tmp_path, location):
    (tmp_path / "sub").mkdir()
    path = tmp_path / "theirs.onnx"
    onnx.save_model(matmul(), path, save_as_external_data=True, location=location, size_threshold=0)
    assert external_data_files(path) == [str(tmp_path / location)]
    check_onnx_file(path)
    read = read_onnx(str(path))
    np.testing.assert_array_equal(read.graph.initializers["w"].const_value.numpy(), matmul_weights())
    (tmp_path / location).unlink()
    assert external_data_files(path) == [str(tmp_path / location)]
    with pytest.raises(
        UserError, match=rf"theirs\.onnx: .*its tensors lie in .*{location}, which does not exist"
    ):
        check_onnx_file(path)
    with pytest.raises(UserError, match="which does not exist"):
        read_onnx(str(path))


def matmul_weights():
    return np.arange(400, dtype=np.float32).reshape(4, 100)


def test_tensors_of_attributes_and_subgraphs_may_lie_elsewhere_too(tmp_path):
    def external(name, location):
        tensor = numpy_helper.from_array(np.ones(3, np.float32), name)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        tensor.external_data.add(key="offset", value="0")
        return tensor

    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value=external("c", "inner.bin"))],
        "then",
        [],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [3])],
        [external("d", "other.bin")],
    )
    branches = {"then_branch": inner, "else_branch": inner}
    outer = [helper.make_node("If", ["x"], ["y"], **branches)]
    onnx.save(model(outer, {}), tmp_path / "a.onnx")
    expected = [str(tmp_path / "other.bin"), str(tmp_path / "inner.bin")]
    assert external_data_files(tmp_path / "a.onnx") == expected


def test_a_file_without_such_tensors_needs_no_onnx(tmp_path):
    onnx.save(matmul(), tmp_path / "a.onnx")
    code = f"""
import sys
from cutpoint.onnx_file import check_onnx_file, external_data_files
check_onnx_file({str(tmp_path / "a.onnx")!r})
assert external_data_files({str(tmp_path / "a.onnx")!r}) == []
assert not {{"onnx", "torch", "numpy"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "it is a Git LFS pointer"),
        (b"", "it is empty"),
        (b"\n <!DOCTYPE html><html>", "it is a web page"),
        (b"PK\x03\x04rest", "it is a zip archive"),
        (b"to do: export the model\n", "it is text"),
    ],
)
def test_another_kind_of_file_is_named(tmp_path, content, said):
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(UserError, match=rf"x\.onnx: not an ONNX file that can be read: {said}"):
        check_onnx_file(tmp_path / "x.onnx")
    assert external_data_files(tmp_path / "x.onnx") == []


def quantised(node, **constants):
    return model([node], constants, shape=None)


HALF = np.ones((4, 4), np.float16)
INT8 = np.ones((4, 4), np.int8)
SCALE = np.float32(0.1)


@pytest.mark.parametrize(
    ("made", "precision"),
    [
        (matmul(), "fp32"),
        (matmul(kind=np.float64), "fp32"),
        (matmul(HALF), "fp16"),
        (model([helper.make_node("Constant", [], ["y"], value=numpy_helper.from_array(HALF))], {}), "fp16"),
        # float32 outside, float16 inside, and a part that stays float32
        (
            model(
                [
                    helper.make_node("Cast", ["x"], ["a"], to=TensorProto.FLOAT16),
                    helper.make_node("MatMul", ["a", "h"], ["b"]),
                    helper.make_node("Cast", ["b"], ["c"], to=TensorProto.FLOAT),
                    helper.make_node("MatMul", ["c", "w"], ["y"]),
                ],
                {"h": HALF, "w": np.ones((4, 4), np.float32)},
            ),
            "fp16",
        ),
        (quantised(helper.make_node("QuantizeLinear", ["x", "s"], ["y"]), s=SCALE), "int8"),
        # of the weights alone
        (quantised(helper.make_node("DequantizeLinear", ["w", "s"], ["y"]), w=INT8, s=SCALE), "int8"),
        (quantised(helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "b", "c"])), "int8"),
        (quantised(helper.make_node("MatMulInteger", ["w", "w"], ["y"]), w=INT8), "int8"),
        (quantised(helper.make_node("ConvInteger", ["w", "w"], ["y"]), w=INT8), "int8"),
        (quantised(helper.make_node("QLinearConv", ["x"] * 8, ["y"])), "int8"),
        (quantised(helper.make_node("QLinearAdd", ["x"] * 8, ["y"], domain="com.microsoft")), "int8"),
        (quantised(helper.make_node("MatMulNBits", ["x"] * 3, ["y"], domain="com.microsoft")), "int8"),
    ],
)
def test_the_least_precision_is_that_of_the_file(made, precision):
    assert read_precision(ir.from_proto(made)) == precision


def test_what_is_quantised_inside_a_branch_counts():
    inner = graph([helper.make_node("QuantizeLinear", ["x", "s"], ["y"])], {"s": SCALE}, inputs=())
    branches = {"then_branch": inner, "else_branch": inner}
    made = model([helper.make_node("If", ["x"], ["y"], **branches)], {})
    assert read_precision(ir.from_proto(made)) == "int8"


def test_dynamic_quantisation_by_onnx_runtime_is_int8(tmp_path):
    from onnxruntime.quantization import quantize_dynamic

    onnx.save(
        model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": matmul_weights()}), tmp_path / "a.onnx"
    )
    quantize_dynamic(tmp_path / "a.onnx", tmp_path / "q.onnx")
    assert read_precision(read_onnx(str(tmp_path / "q.onnx"))) == "int8"


def test_a_damaged_file_is_one_message(tmp_path):
    path = tmp_path / "x.onnx"
    path.write_bytes(matmul().SerializeToString()[:200])
    with pytest.raises(UserError, match=r"^\S*x\.onnx: not an ONNX file that can be read"):
        read_onnx(str(path))
