"""Layouts in a plan: found in the files, and what the config must say where they do not."""

from pathlib import Path

import numpy as np
import pytest
from layout_files import NAMES, SAID, save

from cutpoint.errors import UserError
from cutpoint.plan.config import complete_config
from cutpoint.plan.digests import Digests
from cutpoint.plan.recognition import Recogniser
from cutpoint.plan.resolve import build_plan

SCHEMA = Path(__file__).resolve().parents[3] / "workflow/schemas/config.schema.yaml"


@pytest.fixture
def plan_of(tmp_path, monkeypatch):
    """Plans variants of a model without mmdet, given with their names."""
    monkeypatch.chdir(tmp_path)

    def plan(sources=(), classes=None, **variants):
        config = {
            "models": {"m": {"classes": classes}},
            "datasets": {"d": {"images": "images", "annotations": None}},
            "variants": variants,
            "evaluations": [{"model": "m", "dataset": "d", "variants": list(variants)}],
        }
        built = build_plan(complete_config(config, SCHEMA), "cpu", Recogniser(sources, Digests("cache.json")))
        return {variant.name: variant for variant in built.evaluations[0].variants}

    return plan


def columns(name, sides, metadata):
    zeros = {"zeros": np.zeros((1, 7, 189), np.float32)}
    nodes = [("Identity", ["zeros"], ["output0"])]
    image, output = ("images", "float32", [1, 3, *sides]), ("output0", "float32", [1, 7, 189])
    return save(name, nodes, [image], [output], zeros, metadata)


def test_the_layout_is_found_in_the_file(plan_of):
    columns("a.onnx", [64, 96], SAID)
    external = plan_of(own={"onnx": "a.onnx"})["own"].export.external
    assert (external.layout, external.recipe.name, external.written) == ("ultralytics", "ultralytics", "{}")


def test_a_size_that_the_file_leaves_open_must_be_written(plan_of):
    columns("a.onnx", ["h", "w"], {})
    with pytest.raises(UserError, match=r"^variants\.own\.input\.size: a\.onnx takes images of any size"):
        plan_of(classes=list(NAMES), own={"onnx": "a.onnx"})
    written = {"size": [64, 96], "place": "corner"}
    found = plan_of(
        classes=list(NAMES),
        own={"onnx": "a.onnx", "input": written},
        fill={"onnx": "a.onnx", "input": written | {"fill": 0}},
        free={"onnx": "a.onnx", "input": {"resize": "none", "divisor": 32}},
    )
    texts = [variant.export.external.written for variant in found.values()]
    assert texts == ['{"input": {"size": [64, 96]}}'] * 2 + ['{"input": {"resize": "none"}}']
    assert found["own"].export == found["fill"].export


@pytest.mark.parametrize("layout", ["mmdeploy", "written"])
def test_an_input_that_no_layout_knows_must_be_written(plan_of, layout):
    columns("a.onnx", [64, 96], SAID)
    with pytest.raises(
        UserError, match=rf"^variants\.own\.input: nothing in a\.onnx .* layout {layout} does not"
    ):
        plan_of(own={"onnx": "a.onnx", "layout": layout})
    written = plan_of(own={"onnx": "a.onnx", "layout": layout, "input": {"colour": "bgr"}})[
        "own"
    ].export.external
    assert written.written == '{"input": {"colour": "bgr"}}'


def test_a_fetched_file_has_one_plan_before_and_after(plan_of):
    entry = {"onnx": "a.onnx", "layout": "ultralytics", "input": {"size": [64, 96]}}
    before = plan_of(sources=["a.onnx"], own=entry)["own"].export
    columns("a.onnx", [64, 96], SAID)
    assert plan_of(sources=["a.onnx"], own=entry)["own"].export == before
    assert before.external.written == '{"input": {"size": [64, 96]}}'


def test_a_broken_file_is_named_with_its_key(plan_of):
    Path("a.onnx").write_text("<html>")
    with pytest.raises(UserError, match=r"^variants\.own\.onnx: a\.onnx: not an ONNX file"):
        plan_of(own={"onnx": "a.onnx", "layout": "ultralytics"})


@pytest.mark.parametrize("layout", [None, "ultralytics"])
def test_a_file_that_is_reduced_already_is_not_converted(plan_of, layout):
    half = {"zeros": np.zeros((1, 7, 189), np.float16)}
    nodes = [("Identity", ["zeros"], ["half"]), ("Cast", ["half"], ["output0"], {"to": 1})]
    image, output = ("images", "float32", [1, 3, 64, 96]), ("output0", "float32", [1, 7, 189])
    save("half.onnx", nodes, [image], [output], half, SAID)
    entry = {"onnx": "half.onnx", "layout": layout}
    assert plan_of(own=entry)["own"].run.precision == "fp32"  # the file as it is
    said = r"variants\.own\.precision: half\.onnx is fp16 already, .* remove precision and calibration"
    with pytest.raises(UserError, match=said):
        plan_of(own={**entry, "precision": "fp16"})
    # a file that is fetched is not looked at
    plan_of(sources=["half.onnx"], own={**entry, "layout": "ultralytics", "precision": "fp16"})
