"""``python -m cutpoint describe``: what it prints, and the config that it writes."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from format_sets import write_files
from layout_files import NAMES, SAID, save

from cutpoint.__main__ import main
from cutpoint.plan.config import complete_config
from cutpoint.plan.digests import Digests
from cutpoint.plan.recognition import Recogniser
from cutpoint.plan.resolve import build_plan

SCHEMA = Path(__file__).resolve().parents[3] / "workflow/schemas/config.schema.yaml"
IMAGE = ("images", "float32", [1, 3, 64, 96])


def write(name, output, image=IMAGE, metadata=SAID):
    """A file that gives zeros of this shape, as ``(name, *shape)`` or several of them."""
    outputs = output if isinstance(output, list) else [output]
    nodes = [("Identity", [f"zeros_{given[0]}"], [given[0]]) for given in outputs]
    kinds = [(given[0], given[1], list(given[2:])) for given in outputs]
    zeros = {f"zeros_{name}": np.zeros(shape, dtype) for name, dtype, shape in kinds}
    return save(name, nodes, [image], kinds, zeros, metadata)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a data set, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "val").mkdir()
    cv2.imwrite("val/1.png", np.zeros((20, 30, 3), np.uint8))
    categories = [{"id": number, "name": name} for number, name in ((3, "bus"), (5, "car"), (9, "tram"))]
    images = [{"id": 1, "file_name": "1.png", "height": 20, "width": 30}]
    Path("val.json").write_text(json.dumps({"images": images, "annotations": [], "categories": categories}))
    return tmp_path


def test_what_a_file_is(here, capsys):
    assert main(["describe", write("a.onnx", ("output0", "float32", 1, 7, 189))]) == 0
    said = capsys.readouterr().out
    for text in (
        "images float32 (1, 3, 64, 96)",
        "output0 float32 (1, 7, 189)",
        "ultralytics: Ultralytics YOLOv8",
        "columns of 7 channels, 4 and 3 classes",
        "3: car, bus, person",
        "letterbox 64x96 (height x width), centred, fill 114",
        "RGB, / 255",
        "nms iou_threshold 0.7",
        "the file does not say them",
    ):
        assert text in said, said
    assert not list(here.glob("*.yaml"))


def test_the_config_is_planned_without_an_edit(here, capsys):
    file = write("best v8.onnx", ("output0", "float32", 1, 7, 189))
    assert main(["describe", file, "--images", "val", "--annotations", "val.json"]) == 0
    assert "snakemake --configfile best v8.yaml" in capsys.readouterr().out
    text = Path("best v8.yaml").read_text()
    assert "label_order" not in text  # bus comes before car in the annotations, and the names decide
    assert "leave_out  # or count, as AP 0; no class for tram" in text
    config = complete_config(yaml.safe_load(text), SCHEMA)
    plan = build_plan(config, "cpu", Recogniser([], Digests("cache.json")))
    [evaluation] = plan.evaluations
    [variant] = evaluation.variants
    assert (evaluation.model.name, variant.name, variant.recipe.name) == ("best_v8", "fp32", "ultralytics")
    assert (variant.export.external.path, variant.export.cut) == ("best v8.onnx", "decoded")


@pytest.mark.parametrize(
    ("classes", "written"), [(list(NAMES), list(NAMES)), (["names.txt"], "names.txt"), (["coco80"], "coco80")]
)
def test_classes_of_the_command_line(here, classes, written):
    Path("names.txt").write_text("\n".join(NAMES))
    width = 84 if written == "coco80" else 7
    file = write("a.onnx", ("output0", "float32", 1, width, 189), metadata={})
    assert main(["describe", file, "--images", "val", "--classes", *classes]) == 0
    config = yaml.safe_load(Path("a.yaml").read_text())
    assert config["models"] == {"a": {"classes": written}}
    assert config["datasets"]["images"]["annotations"] is None


def test_without_class_names_it_says_so_and_writes_nothing(here, capsys):
    file = write("a.onnx", ("output0", "float32", 1, 7, 189), metadata={})
    assert main(["describe", file]) == 0
    assert "not known  classes: null" in capsys.readouterr().out
    assert main(["describe", file, "--images", "val"]) == 1
    assert "no config is written; give --classes" in capsys.readouterr().err
    assert not list(here.glob("*.yaml"))


def test_an_open_input_is_left_to_the_user(here, capsys):
    dets = [("dets", "float32", 1, 9, 5), ("labels", "int64", 1, 9)]
    file = write("a.onnx", dets, metadata={})
    assert main(["describe", file, "--images", "val", "--classes", *NAMES]) == 0
    assert "the config must say it: input: {resize: letterbox" in capsys.readouterr().out
    text = Path("a.yaml").read_text()
    assert "    # input: {resize: letterbox" in text
    dynamic = write("b.onnx", ("output0", "float32", 1, 7, 189), ("images", "float32", [1, 3, "h", "w"]), {})
    assert main(["describe", dynamic, "--images", "val", "--classes", *NAMES]) == 0
    assert "# input: {size: [640, 640]}" in Path("b.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["a.onnx", "--images", "val", "--out", "val.json"], "--out val.json: there is a file of this name"),
        (["a.onnx", "--annotations", "val.json"], "a config is for a data set; give --images too"),
        (["a.onnx", "--images", "nowhere"], "--images nowhere: no such folder"),
        (["a.onnx", "--images", "val", "--format", "yolo"], "--format: it is the format of --annotations"),
        (
            ["a.onnx", "--images", "val", "--annotations", "nowhere", "--format", "cvat"],
            "nowhere: no file annotations.xml",
        ),
        (["missing.onnx"], "missing.onnx: not an ONNX file that can be read"),
        (["a.onnx", "--classes", "dog"], "7 channels are not 4 and 1 classes"),
        (["a.onnx", "--layout", "rfdetr"], "a.onnx: it has no output 'labels'"),
        (["other.onnx"], "no layout fits"),
        (["a.onnx", "--images", "val", "--annotations", "a.onnx"], "a.onnx: not UTF-8 text"),
    ],
)
def test_mistakes_are_one_message(here, capsys, arguments, text):
    write("a.onnx", ("output0", "float32", 1, 7, 189))
    write("other.onnx", ("x", "float32", 1, 7))
    before = Path("val.json").read_text()
    assert main(["describe", *arguments]) == 1
    said = capsys.readouterr()
    assert text in said.err
    assert "Traceback" not in said.err
    assert Path("val.json").read_text() == before
    assert not list(here.glob("*.yaml"))


YOLO = {"data.yaml": "names: [bus, car, tram]\n", "labels/1.txt": "2 0.5 0.5 0.5 0.5\n"}
CVAT = (
    "<annotations><meta><label><name>bus</name></label><label><name>tram</name></label></meta>"
    '<image name="1.png" width="30" height="20"/></annotations>'
)


@pytest.mark.parametrize(
    ("kind", "given", "files"),
    [("yolo", "data.yaml", YOLO), ("cvat", "annotations.xml", {"annotations.xml": CVAT})],
)
def test_annotations_of_another_format(here, kind, given, files):
    write_files(here, files)
    file = write("a.onnx", ("output0", "float32", 1, 7, 189))
    arguments = ["--images", "val", "--annotations", given, "--format", kind]
    assert main(["describe", file, *arguments]) == 0
    text = Path("a.yaml").read_text()
    assert "no class for tram" in text
    config = complete_config(yaml.safe_load(text), SCHEMA)
    assert config["datasets"]["images"]["format"] == kind
    [evaluation] = build_plan(config, "cpu", Recogniser([], Digests("cache.json"))).evaluations
    assert evaluation.dataset.converted_from == given


def test_what_cannot_be_read_of_another_format(here, capsys):
    write_files(here, {**YOLO, "labels/1.txt": "7 0.5 0.5 0.5 0.5\n0 nan 0 0 0\n"})
    file = write("a.onnx", ("output0", "float32", 1, 7, 189))
    arguments = ["--images", "val", "--annotations", "data.yaml", "--format", "yolo"]
    assert main(["describe", file, *arguments]) == 1
    said = capsys.readouterr().err
    assert "2 problems" in said
    assert "class number that the list of classes does not have: 1, first labels/1.txt, line 1 ('7')" in said
    assert not list(here.glob("a.yaml"))


def test_classes_that_no_category_has(here, capsys):
    file = write("a.onnx", ("output0", "float32", 1, 5, 189), metadata={})
    assert main(["describe", file, "--images", "val", "--annotations", "val.json", "--classes", "dog"]) == 1
    assert (
        "no category is a class of the file: categories bus, car, tram; classes dog"
        in capsys.readouterr().err
    )


def test_it_runs_as_a_module(here):
    file = write("a.onnx", ("output0", "float32", 1, 7, 189))
    done = subprocess.run(
        [sys.executable, "-m", "cutpoint", "describe", file], capture_output=True, text=True, check=True
    )
    assert "ultralytics" in done.stdout
