"""External ONNX files that lie: one message, before their tensors are read or a session opens."""

import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cutpoint.errors import UserError
from cutpoint.layouts.facts import read_facts
from cutpoint.layouts.read import read_onnx

FLOAT = TensorProto.FLOAT
WEIGHTS = np.arange(6, dtype=np.float32).reshape(2, 3)


def model(nodes=(), tensors=()):
    """``y = x @ w``, with more nodes behind it and more tensors."""
    x, y = (helper.make_tensor_value_info(name, FLOAT, [1, side]) for name, side in (("x", 2), ("y", 3)))
    first = helper.make_node("MatMul", ["x", "w"], ["y"])
    tensors = [numpy_helper.from_array(WEIGHTS, "w"), *tensors]
    graph = helper.make_graph([first, *nodes], "g", [x], [y], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def message(folder, made):
    path = folder / "theirs.onnx"
    path.write_bytes(made.SerializeToString())
    with pytest.raises(UserError) as error:
        read_facts(str(path))
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(str(path))
    assert len(text) < 600
    return text


def beside(location, folder=None, size=24, **more):
    """The weights lie in another file of ``size`` bytes."""
    made = model()
    weights = made.graph.initializer[0]
    if folder is not None:
        (folder / location).write_bytes(weights.raw_data.ljust(size, b"\0")[:size])
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        weights.external_data.add(key=key, value=str(value))
    return made


def test_tensors_of_other_folders_are_never_read(tmp_path):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(WEIGHTS.tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link.bin").symlink_to(secret)
    (folder / "there").symlink_to(tmp_path)
    outside = "which is not in its folder; export it again"
    for location, wrong in {
        "../secret.bin": outside,
        str(secret): outside,
        "/etc/passwd": outside,
        "sub/../../secret.bin": outside,
        "": outside,
        ".": outside,
        "a\0b": outside,
        "a\nb": outside,
        "link.bin": "which is a link, or lies behind one; put the file itself there",
        "there/secret.bin": "which is a link, or lies behind one",
        "x" * 300: "which cannot be read (File name too long)",
    }.items():
        assert wrong in message(folder, beside(location)), location


def test_what_lies_there_must_be_a_file(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for location in ("folder", "pipe"):
        assert "which is no file; export it again" in message(tmp_path, beside(location))


@pytest.mark.parametrize(
    ("size", "more", "said"),
    [
        (24, {"offset": -5}, "tensor 'w' has the offset '-5' in another file, which is no number of bytes"),
        (24, {"length": "many"}, "has the length 'many' in another file"),
        (24, {"offset": 10**15}, "the shape [2, 3], which needs 24 bytes; w.bin has 0 of them"),
        (24, {"length": 10**15}, "which needs 24 bytes; the file says 1000000000000000"),
        (5, {}, "which needs 24 bytes; w.bin has 5 of them"),
    ],
)
def test_a_part_of_another_file_must_be_as_long_as_the_tensor(tmp_path, size, more, said):
    assert said in message(tmp_path, beside("w.bin", tmp_path, size, **more))


def test_sound_files_beside_it_are_read(tmp_path):
    for more in ({}, {"offset": 0, "length": 24}, {"offset": 8}):
        size = 24 + more.get("offset", 0)
        onnx.save(beside("w.bin", tmp_path, size, **more), tmp_path / "a.onnx")
        assert read_onnx(str(tmp_path / "a.onnx")).graph.initializers["w"].const_value.numpy().shape == (2, 3)


def shaped(*dims, kind=FLOAT):
    """The weights say that they have another shape."""
    made = model()
    made.graph.initializer[0].dims[:] = dims
    made.graph.initializer[0].data_type = kind
    return made


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            shaped(10**12, 3),
            "tensor 'w' has the shape [1000000000000, 3], which needs 12000000000000 bytes; 24 are",
        ),
        (shaped(2**62, 2**62), "which needs 85070591730234615865843651857942052864 bytes; 24 are there"),
        (shaped(-2, 3), "tensor 'w' has a side of -2"),
        (shaped(2, 3, kind=99), "has the type 99, which ONNX"),
        (
            model(tensors=[TensorProto(name="t", data_type=1, dims=[10**6, 10**6])]),
            "tensor 't' has the shape [1000000, 1000000], which needs 4000000000000 bytes; it has 0 numbers",
        ),
        (
            model([helper.make_node("Constant", [], ["c"], value=TensorProto(data_type=1, dims=[10**12]))]),
            "which needs 4000000000000 bytes; it has 0 numbers",
        ),
    ],
)
def test_a_tensor_has_the_numbers_that_it_says(tmp_path, made, said):
    assert said in message(tmp_path, made)


def numbers(*values, kind=np.int64):
    return numpy_helper.from_array(np.array(values, kind), "n")


@pytest.mark.parametrize(
    ("kind", "tensor"),
    [
        ("ConstantOfShape", numbers(10**6, 10**6)),
        ("Expand", numbers(10**12, 1)),
        ("Tile", numbers(10**12, 1)),
        ("Resize", numbers(1, 1e12, kind=np.float32)),
    ],
)
def test_a_node_that_makes_more_than_memory_holds_is_refused(tmp_path, kind, tensor):
    inputs = {"ConstantOfShape": ["n"], "Resize": ["y", "", "n"]}.get(kind, ["y", "n"])
    made = model([helper.make_node(kind, inputs, ["huge"])], [tensor])
    assert "its nodes make 'huge' of shape [" in message(tmp_path, made)


def function(name, *nodes):
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, ["a"], ["b"], list(nodes), imports)


def calls(name, value="a", result="b"):
    return helper.make_node(name, [value], [result], domain="own")


def with_functions(*functions):
    made = model([calls("F", "y", "z")])
    made.opset_import.add(domain="own", version=1)
    made.functions.extend(functions)
    return made


def test_functions_that_no_session_can_open_are_refused(tmp_path):
    assert "its function 'own:F' contains itself" in message(
        tmp_path, with_functions(function("F", calls("F")))
    )
    doubling = [function("F0", helper.make_node("Relu", ["a"], ["b"]))]
    for number in range(1, 40):
        inner = f"F{number - 1}"
        name = "F" if number == 39 else f"F{number}"
        doubling.append(function(name, calls(inner, "a", "t"), calls(inner, "t", "b")))
    assert "its functions become 5.5e+11 nodes" in message(tmp_path, with_functions(*doubling))


def test_functions_and_branches_of_a_sound_file_are_read(tmp_path):
    onnx.save(with_functions(function("F", helper.make_node("Relu", ["a"], ["b"]))), tmp_path / "a.onnx")
    assert read_facts(str(tmp_path / "a.onnx")).outputs[0].name == "y"


def changed(change):
    made = model()
    change(made.graph)
    return made


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda g: g.output.append(g.output[0]), "two of its outputs are called 'y'"),
        (lambda g: g.input.append(g.input[0]), "two of its inputs are called 'x'"),
        (lambda g: g.initializer.append(g.initializer[0]), "two of its tensors are called 'w'"),
        (lambda g: g.node.append(g.node[0]), "two of its nodes' results are called 'y'"),
        (lambda g: setattr(g.output[0], "name", ""), "an output has no name"),
    ],
)
def test_a_name_stands_for_one_value(tmp_path, change, said):
    assert said in message(tmp_path, changed(change))


def test_a_name_that_is_no_text_is_refused(tmp_path):
    made = changed(lambda g: (setattr(g.output[0], "name", "yyyy"), g.node[0].output.__setitem__(0, "yyyy")))
    (tmp_path / "a.onnx").write_bytes(made.SerializeToString().replace(b"yyyy", b"y\xff\xfey"))
    with pytest.raises(UserError, match="the name of an output is not UTF-8 text"):
        read_facts(str(tmp_path / "a.onnx"))


def test_a_side_of_minus_one_is_left_open(tmp_path):
    made = changed(lambda g: setattr(g.input[0].type.tensor_type.shape.dim[0], "dim_value", -1))
    onnx.save(made, tmp_path / "a.onnx")
    assert read_facts(str(tmp_path / "a.onnx")).inputs[0].shape == (None, 2)


def wrap(number, inner):
    """A message of protobuf in a field of another one."""
    length, size = len(inner), b""
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + inner


def test_deep_nesting_is_one_message(tmp_path):
    inner = b""
    for number in (6, 5, 1) * 1000:  # a graph in an attribute of a node
        inner = wrap(number, inner)
    (tmp_path / "a.onnx").write_bytes(b"\x08\x08" + wrap(7, inner))
    with pytest.raises(UserError, match=r"not an ONNX file that can be read \(.*MaxDepth"):
        read_facts(str(tmp_path / "a.onnx"))


@pytest.mark.parametrize("field", ["op_type", "name", "domain", "input", "output"])
def test_a_text_of_a_node_that_is_none_is_refused(tmp_path, field):
    def change(graph):
        node = graph.node[0]
        node.name, node.domain = "name", ""
        value = getattr(node, field)
        if isinstance(value, str):
            setattr(node, field, "yyyy")
        else:
            value[0] = "yyyy"

    raw = changed(change).SerializeToString()
    (tmp_path / "a.onnx").write_bytes(raw.replace(b"yyyy", b"y\xff\xfey"))
    with pytest.raises(UserError, match="not UTF-8"):
        read_facts(str(tmp_path / "a.onnx"))
