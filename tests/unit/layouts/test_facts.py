"""What is read of a file without running it."""

import json

import numpy as np
import pytest
from layout_files import save

from cutpoint.errors import UserError
from cutpoint.layouts.facts import read_facts
from cutpoint.records.graph_facts import GraphFacts, Tensor
from cutpoint.records.json_file import as_content, as_record

KERNEL = np.zeros((8, 3, 3, 3), np.float32)
IMAGE = ("images", "float32", [1, 3, "h", None])


def conv(source, target, kernel="kernel", **attributes):
    return ("Conv", [source, kernel], [target], attributes)


def test_inputs_outputs_metadata_and_opset(tmp_path):
    nodes = [conv("images", "a", pads=[1, 1, 1, 1]), ("Sigmoid", ["a"], ["out"])]
    inputs = [IMAGE, ("kernel", "float32", [8, 3, 3, 3])]
    file = save(
        tmp_path / "a.onnx",
        nodes,
        inputs,
        [("out", "float32", None)],
        {"kernel": KERNEL},
        {"names": "{}"},
        13,
    )
    facts = read_facts(file)
    assert facts.inputs == (Tensor("images", "float32", (1, 3, "h", None)),)
    assert facts.output("out").shape[:2] == (1, 8)  # what the nodes tell
    assert (facts.opset, facts.metadata, facts.precision) == (13, {"names": "{}"}, "fp32")
    assert facts.tails == {"out": ("Sigmoid",)}
    assert as_record(json.loads(json.dumps(as_content(facts))), GraphFacts, "") == facts


def test_a_tail_ends_at_the_last_weights(tmp_path):
    nodes = [
        conv("images", "a"),
        ("Exp", ["a"], ["b"], {}),
        conv("b", "c", "second"),
        ("Relu", ["c"], ["d"], {}),
        ("Concat", ["d", "d"], ["out"], {"axis": 1}),
        ("Identity", ["b"], ["other"], {}),
    ]
    constants = {"kernel": KERNEL, "second": np.zeros((2, 8, 1, 1), np.float32)}
    outputs = [("out", "float32", [1, 4, None, None]), ("other", "float32", [1, 8, None, None])]
    file = save(tmp_path / "a.onnx", nodes, [IMAGE], outputs, constants)
    assert read_facts(file).tails == {"out": ("Concat", "Relu"), "other": ("Exp", "Identity")}


def test_the_scale_of_a_dynamically_quantised_sum_is_not_in_a_tail(tmp_path):
    nodes = [
        ("DynamicQuantizeLinear", ["images"], ["q", "s", "z"], {}),
        ("ConvInteger", ["q", "kernel", "z"], ["sum"], {}),
        ("Cast", ["sum"], ["float"], {"to": 1}),
        ("Mul", ["float", "s"], ["scaled"], {}),
        ("Add", ["scaled", "bias"], ["a"], {}),
        ("Sigmoid", ["a"], ["out"], {}),
    ]
    constants = {"kernel": np.zeros((8, 3, 3, 3), np.int8), "bias": np.zeros((1, 8, 1, 1), np.float32)}
    file = save(tmp_path / "a.onnx", nodes, [IMAGE], [("out", "float32", [1, 8, None, None])], constants)
    facts = read_facts(file)
    assert facts.tails == {"out": ("Sigmoid",)}
    assert facts.precision == "int8"


@pytest.mark.parametrize(("strides", "patch"), [([14, 14], 14), ([2, 2], None), ([7, 7], None)])
def test_patches_of_a_vision_transformer(tmp_path, strides, patch):
    kernel = np.zeros((8, 3, 14, 14), np.float32)
    nodes = [
        ("Sub", ["images", "mean"], ["a"], {}),
        conv("a", "out", kernel_shape=[14, 14], strides=strides),
    ]
    constants = {"kernel": kernel, "mean": np.zeros((1, 3, 1, 1), np.float32)}
    file = save(tmp_path / "a.onnx", nodes, [IMAGE], [("out", "float32", [1, 8, None, None])], constants)
    assert read_facts(file).patch == patch


@pytest.mark.parametrize(("perm", "turned"), [([0, 3, 1, 2], True), ([0, 2, 1, 3], False)])
def test_channels_that_come_last(tmp_path, perm, turned):
    nodes = [
        ("Cast", ["x"], ["a"], {"to": 1}),
        ("Transpose", ["a"], ["b"], {"perm": perm}),
        ("Relu", ["b"], ["out"], {}),
    ]
    inputs, outputs = [("x", "uint8", [1, "a", "b", "c"])], [("out", "float32", [1, "a", "b", "c"])]
    facts = read_facts(save(tmp_path / "a.onnx", nodes, inputs, outputs))
    assert facts.transposed_input == turned
    assert facts.inputs[0].dtype == "uint8"


def test_a_file_that_is_none(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"\x08\x07\xff\xff broken")
    with pytest.raises(UserError, match="not an ONNX file that can be read"):
        read_facts(str(tmp_path / "a.onnx"))
