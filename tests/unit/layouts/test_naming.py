"""The class names of a model without mmdet come from the config, its files, or its data sets."""

import json

import onnx
import pytest
from onnx import TensorProto, helper

from cutpoint.errors import UserError
from cutpoint.layouts.naming import name_classes
from cutpoint.records.classes import Classes, read_classes
from cutpoint.records.manifest import Category, Manifest, write_manifest


def write_model(path, names=None):
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value], [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if names:
        helper.set_model_props(model, {"names": str(names)})
    onnx.save(model, path)
    return str(path)


def write_data(path, *names):
    categories = tuple(Category(number, name) for number, name in enumerate(names, start=1))
    write_manifest(path, Manifest("d", "d.json", None, (), (), categories))
    return str(path)


@pytest.fixture
def name(tmp_path):
    def run(classes=None, files=(), manifests=()):
        out = str(tmp_path / "classes.json")
        name_classes(model="m", classes=json.dumps(classes), files=files, manifests=manifests, out=out)
        return read_classes(out)

    return run


def test_what_the_config_says_holds(name, tmp_path):
    file = write_model(tmp_path / "a.onnx", {0: "other"})
    assert name(["car", "bus"], [file]) == Classes("m", ("car", "bus"), fixed=True)
    # JSON's keys are text
    assert name({"1": "car", "3": "bus"}).classes == ("", "car", "", "bus")
    assert len(name("coco91").classes) == 91


def test_names_in_the_files_agree(name, tmp_path):
    named = enumerate((None, {0: "car"}, ["car"]))
    files = [write_model(tmp_path / f"{number}.onnx", names) for number, names in named]
    assert name(None, files).classes == ("car",)
    other = write_model(tmp_path / "other.onnx", {0: "bus"})
    with pytest.raises(UserError, match=r"^models\.m\.classes: .*1\.onnx names 1 classes, and .*other\.onnx"):
        name(None, [*files, other])
    with pytest.raises(UserError, match=r"names class 0 'bus' instead of 'car'; write classes, or make"):
        name(None, [files[1], other])
    more = write_model(tmp_path / "more.onnx", {0: "car", 1: "bus"})
    with pytest.raises(UserError, match=r"names 1 classes, and .*more\.onnx 2; write classes"):
        name(None, [files[1], more])


def test_files_without_names_need_the_config(name, tmp_path):
    with pytest.raises(UserError, match=r"^models\.m\.classes: null, .* write `classes`: a list"):
        name(None, [write_model(tmp_path / "a.onnx")])


def test_results_alone_have_the_categories_of_the_data(name, tmp_path):
    one = write_data(tmp_path / "one.json", "car", "bus")
    other = write_data(tmp_path / "other.json", "bus", "tram")
    assert name(None, [], [one, other]).classes == ("car", "bus", "tram")
    with pytest.raises(UserError, match=r"neither an ONNX file nor annotations name the classes; write"):
        name(None, [], [write_data(tmp_path / "none.json")])
