"""The plan recognises the layout of a file, once, and says what to write where it cannot."""

import json

import onnx
import pytest
from onnx import TensorProto, helper

from cutpoint.errors import UserError
from cutpoint.layouts import facts as facts_module
from cutpoint.plan.choices import RecipeChoice
from cutpoint.plan.digests import Digests
from cutpoint.plan.evaluations import Model
from cutpoint.plan.recognition import Recogniser
from cutpoint.plan.resolve_external import Layout

NAMES = {0: "car", 1: "bus", 2: "person"}
ULTRALYTICS = Layout("ultralytics", "decoded", RecipeChoice("ultralytics"), precision="fp32")


def write(path, width=7, names=NAMES):
    """A file with the outputs of Ultralytics: 4 + C columns for 84 places."""
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])
    shape = [1, width, 84]
    output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, shape)
    nodes = [
        helper.make_node("RandomUniform", [], ["noise"], shape=shape),
        helper.make_node("Sigmoid", ["noise"], ["output0"]),
    ]
    graph = helper.make_graph(nodes, "g", [image], [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if names:
        helper.set_model_props(model, {"names": str(names), "task": "detect", "stride": "32"})
    onnx.save(model, path)
    return str(path)


def model_of(classes=None):
    return Model("m", None, None, None, classes=json.dumps(classes))


def find(path, name=None, classes=None, sources=(), digests=None, folder="/nowhere"):
    digests = digests or Digests(f"{folder}/digests.json")
    return Recogniser(sources, digests)("variants.v", path, name, model_of(classes))


def test_a_layout_is_recognised_or_named(tmp_path):
    path = write(tmp_path / "a.onnx")
    assert find(path) == ULTRALYTICS
    assert find(path, name="yolox") == Layout("yolox", "raw", RecipeChoice("yolox"), precision="fp32")
    assert find(path, name="written").open_input == "input"


def test_a_file_is_read_once(tmp_path, monkeypatch):
    path, digests = write(tmp_path / "a.onnx"), Digests(tmp_path / "digests.json")
    reads, read_facts = [], facts_module.read_facts
    monkeypatch.setattr(facts_module, "read_facts", lambda path: reads.append(path) or read_facts(path))
    assert [find(path, digests=digests) for _ in range(2)] == [ULTRALYTICS] * 2
    assert reads == [path]
    digests.save()
    # another process, and then another file
    write(tmp_path / "a.onnx", names={**NAMES, 3: "tram"}, width=8)
    assert find(path, digests=Digests(tmp_path / "digests.json")) == ULTRALYTICS
    assert reads == [path] * 2


def test_classes_of_the_config_take_part(tmp_path):
    path = write(tmp_path / "a.onnx", names=None)
    assert find(path, classes=["a", "b", "c"]).name == "ultralytics"
    names = tmp_path / "names.txt"
    names.write_text("a\nb\nc\n")
    assert find(path, classes=str(names)).name == "ultralytics"
    # a file that is still to be fetched says nothing yet
    assert Recogniser((), Digests(tmp_path / "d"))._classes(model_of("later.txt")) is None
    with pytest.raises(UserError, match=r"^variants\.v\.onnx: .*a\.onnx: it has the inputs images"):
        find(path, classes=[f"c{number}" for number in range(30)])


def test_names_in_the_file(tmp_path):
    path, digests = write(tmp_path / "a.onnx"), Digests(tmp_path / "d")
    assert Recogniser((), digests).class_text(path) == str(NAMES)
    assert Recogniser((), digests).class_text(write(tmp_path / "b.onnx", names=None)) is None
    assert Recogniser((), digests).class_text(str(tmp_path / "later.onnx")) is None


def test_what_cannot_be_recognised_says_what_to_write(tmp_path):
    later, text = str(tmp_path / "later.onnx"), tmp_path / "text.onnx"
    text.write_text("no network")
    with pytest.raises(UserError, match=r"^variants\.v\.layout: 'ultralytic' is unknown; did you mean"):
        find(later, name="ultralytic")
    with pytest.raises(UserError, match=r"^variants\.v\.onnx: .*still to be fetched.* write layout, one of"):
        find(later, sources=(later,))
    assert find(later, name="rtdetr", sources=(later,)).cut == "e2e"
    with pytest.raises(UserError, match=r"^variants\.v\.onnx: no file .*later\.onnx"):
        find(later)
    with pytest.raises(UserError, match=r"^variants\.v\.onnx: .*text\.onnx: not an ONNX file .*it is text"):
        find(str(text))
