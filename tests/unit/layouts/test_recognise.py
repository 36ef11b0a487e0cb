"""Which layout a file is found to have, and what the message says where there is not one."""

import re

import pytest
from layout_files import DETR, FILES, IMAGE, NAMES, PADDLE, RTDETR, SAID, facts, out

from cutpoint.errors import UserError
from cutpoint.layouts.names import LAYOUTS
from cutpoint.layouts.recognise import recognise
from cutpoint.records.graph_facts import Tensor


@pytest.mark.parametrize("case", FILES)
def test_the_layout_of_a_file(case):
    layout, file = FILES[case]
    assert recognise(file, "a.onnx").layout == layout


def test_every_layout_is_tried_here():
    tried = {layout for layout, _ in FILES.values()} | {"paddle", "paddle-plus", "written"}
    assert tried == set(LAYOUTS)


def test_why_names_what_the_file_shows():
    why = recognise(FILES["v8"][1], "a.onnx").why
    assert "columns of 7 channels, 4 and 3 classes" in why
    assert "task detect" in why


def test_the_number_of_classes_decides_where_shapes_do_not():
    one = facts(out("logits", 1, 100, 4), DETR[1])
    assert recognise(one, "a.onnx", NAMES).layout == "detr"
    assert recognise(one, "a.onnx", (*NAMES, "dog")).layout == "detr-sigmoid"
    with pytest.raises(UserError, match="the number of classes is not known"):
        recognise(one, "a.onnx")


def test_two_layouts_that_nothing_tells_apart():
    with pytest.raises(UserError, match=r"2 layouts fit.*paddle \(.*paddle-plus \(.*Write `layout`"):
        recognise(PADDLE, "a.onnx")


def test_the_classes_of_the_config_must_fit():
    with pytest.raises(UserError, match="84 channels are not 4 and 3 classes"):
        recognise(facts(out("output0", 1, 84, 8400)), "a.onnx", NAMES)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (
            facts(out("output0", 1, 8, 189), metadata=SAID | {"task": "obb"}),
            "its task is 'obb', not detection",
        ),
        (facts(out("output0", 1, 300, 6), metadata=SAID), "its rows were not chosen by NMS or top-k"),
        (
            facts(out("output", 1, 7, 189), metadata=SAID | {"model_family": "yolo9"}),
            "LibreYOLO made it, whose letterbox is at the top left",
        ),
        (
            facts(
                out("logits", 1, 300, 91), DETR[1], inputs=(IMAGE, Tensor("pixel_mask", "int64", (1, 64, 64)))
            ),
            "it takes pixel_mask, as conditional and deformable DETR",
        ),
        (facts(out("logits", 1, 300, 80), DETR[1], patch=16), "it is a vision transformer"),
        (facts(*RTDETR), "input orig_target_sizes is missing"),
        (facts(out("dets", 1, 300, 4), out("labels", 1, 300, dtype="int64")), "labels are not logits"),
        (facts(out("output0", 1, 300, 7), metadata=SAID), "no layout fits"),
    ],
)
def test_no_layout_fits(file, text):
    with pytest.raises(UserError, match=r"^a\.onnx: it has the inputs images float32") as caught:
        recognise(file, "a.onnx")
    assert text in str(caught.value)
    assert re.search(r"layout: written", str(caught.value))


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        ([out(f"{kind}{level}", 1, 10, 80) for kind in "cd" for level in range(3)], "NanoDet-m"),
        ([out("output", 1, 85, 22, 22)], "FastestDet"),
        ([out("537", 1, 1, 8, 8), out("538", 1, 2, 8, 8), out("539", 1, 2, 8, 8)], "CenterNet"),
        ([out("a", 1, 3, 8, 8, 85), out("b", 1, 3, 4, 4, 85)], "--grid"),
    ],
)
def test_own_decoders_go_by_results(outputs, text):
    with pytest.raises(UserError, match=rf"{text}.*run your own code, and give its detections as `results`"):
        recognise(facts(*outputs), "a.onnx")


def test_an_axis_with_a_formula_for_a_name_is_short_in_a_message():
    formula = "floor(floor(height/2 - 1/2)/2) + 1"
    with pytest.raises(UserError, match=r"outputs x float32 \(batch, \?\)"):
        recognise(facts(out("x", "batch", formula)), "a.onnx")
