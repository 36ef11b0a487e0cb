"""What the name of a layout stands for in a file, and what is refused because nothing says it."""

from dataclasses import replace

import pytest
from layout_files import (
    ANY_SIZE,
    CELLS,
    CELLS4,
    DETR,
    FILES,
    FOUR,
    IMAGE,
    NAMES,
    PADDLE,
    RTDETR,
    SAID,
    SELECTED,
    SIZES,
    TF,
    UINT8,
    UNDECODED,
    facts,
    out,
)

from cutpoint.data.image import resized_size
from cutpoint.data.inputs import resolve_input
from cutpoint.errors import UserError
from cutpoint.layouts.classes import read_class_names
from cutpoint.layouts.coco import COCO80, COCO91
from cutpoint.layouts.describe import describe, open_input
from cutpoint.layouts.table import TABLE
from cutpoint.recipes.names import RECIPES
from cutpoint.records.graph_facts import Tensor
from cutpoint.records.head import DenseHead, Floor
from cutpoint.records.image import Pad

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def read(file, layout, classes=NAMES, floor=None, **written):
    return describe("a.onnx", file, layout, written, classes, floor)


def test_columns_of_ultralytics():
    found = read(FILES["v8"][1], "ultralytics")
    assert (found.cut, found.constants, found.head.has_factor) == ("decoded", {}, False)
    assert found.outputs == {
        "layout": "columns",
        "box": {"tensor": "output0", "channels": [0, 4], "format": "cxcywh"},
        "score": {"tensor": "output0", "channels": [4, 7], "activation": "none"},
    }
    recipe = found.input
    assert (recipe.fit, recipe.place, recipe.rounding, recipe.enlarge) == ("frame", "centre", "even", True)
    assert (recipe.scale, recipe.pad) == ((64, 96), Pad(size=(64, 96), value=(114, 114, 114)))
    assert (recipe.bgr_to_rgb, recipe.divide_by, recipe.mean) == (True, 255, None)
    assert found.head.floor == Floor("class", 0.001, False)


@pytest.mark.parametrize("case", ["v8 segment", "v8 pose"])
def test_classes_come_from_the_names_where_rows_are_wider(case):
    file = FILES[case][1]
    found = read(file, "ultralytics", read_class_names(None, file, "k"))
    assert found.outputs["score"]["channels"] == [4, 7]


def test_rows_with_a_factor():
    found = read(FILES["v5"][1], "yolov5")
    assert found.outputs["factor"] == {"tensor": "output0", "channels": [4, 5], "activation": "none"}
    assert found.outputs["score"]["channels"] == [5, 8]
    assert found.head.decoded_names == ["boxes", "scores", "factors", "level_counts"]
    assert found.head.floor == Floor("product", 0.001, False)


@pytest.mark.parametrize(
    ("layout", "box", "score", "label", "image"),
    [
        ("ultralytics-end2end", [0, 4], [4, 5], [5, 6], None),
        ("yolov7-end2end", [1, 5], [6, 7], [5, 6], [0, 1]),
        ("yolonas-flat", [1, 5], [5, 6], [6, 7], [0, 1]),
        ("paddle", [2, 6], [1, 2], [0, 1], None),
        ("efficientdet", [1, 5], [5, 6], [6, 7], None),
    ],
)
def test_the_order_of_columns_in_rows_of_detections(layout, box, score, label, image):
    file = PADDLE if layout == "paddle" else next(f for name, f in FILES.values() if name == layout)
    outputs = read(file, layout).outputs
    found = [outputs[key]["channels"] for key in ("box", "score", "label")]
    assert found == [box, score, label]
    assert outputs.get("image", {}).get("channels") == image


def test_yolox_is_a_dense_head():
    found = read(FILES["yolox"][1], "yolox")
    head = found.head
    assert isinstance(head, DenseHead)
    assert (found.cut, head.strides, head.point_offset) == ("raw", ((8, 8), (16, 16), (32, 32)), 0)
    assert (head.score_activation, head.factor_activation, head.has_factor) == ("none", "none", True)
    assert head.raw_names == tuple(f"{kind}_{level}" for kind in ("cls", "box", "obj") for level in range(3))
    assert (found.input.rounding, found.input.place, found.input.bgr_to_rgb) == ("down", "corner", False)
    assert head.floor == Floor("product", 0.01, True)
    assert read(FILES["yolox of four levels"][1], "yolox").head.strides == ((16, 16), (32, 32))
    with pytest.raises(UserError, match=rf"100 rows; at 64x96 the strides 8 16 32 have {CELLS}"):
        read(facts(out("output", 1, 100, 8), tail=UNDECODED), "yolox")


def test_nanodet_has_distances_of_four_levels():
    found = read(facts(out("output", 1, CELLS4, 35), tail=UNDECODED), "nanodet")
    head = found.head
    assert head.coder == {"type": "distance", "bins": 8, "exp": False, "unit": [8, 16, 32, 64]}
    assert found.outputs["box"]["channels"] == [3, 35]
    assert found.input.mean == (103.53, 116.28, 123.675)
    with pytest.raises(UserError, match="35 channels, not 4 classes and 4 distributions"):
        read(facts(out("output", 1, CELLS4, 35), tail=UNDECODED), "nanodet", (*NAMES, "dog"))


def test_inputs_besides_the_images_are_constants():
    assert read(facts(*RTDETR, inputs=(IMAGE, SIZES)), "rtdetr").constants == {
        "orig_target_sizes": "network_wh"
    }
    shape = Tensor("im_shape", "float32", (1, 2))
    inputs = (shape, *PADDLE.inputs)
    found = read(replace(PADDLE, inputs=inputs), "paddle")
    assert found.constants == {"im_shape": "network_hw", "scale_factor": 1}
    other = facts(*RTDETR, inputs=(IMAGE, SIZES, Tensor("threshold", "float32", (1,))))
    with pytest.raises(UserError, match=r"^a\.onnx: input threshold float32 \(1\).*`constants`"):
        read(other, "rtdetr")
    assert read(other, "rtdetr", constants={"threshold": 0.0}).constants["threshold"] == 0.0
    with pytest.raises(UserError, match=r"constants\.treshold: no such input; did you mean 'threshold'"):
        read(other, "rtdetr", constants={"treshold": 0.0})


def test_the_mean_of_imagenet_only_where_the_layout_has_it():
    file = facts(*RTDETR, inputs=(IMAGE, SIZES))
    for layout, mean in (("rtdetr", None), ("deimv2", IMAGENET[0])):
        recipe = read(file, layout).input
        assert (recipe.keep_ratio, recipe.scale, recipe.mean) == (False, (64, 96), mean)


def test_activations_of_queries():
    score = read(facts(*DETR), "detr", COCO91).outputs["score"]
    assert score == {"tensor": "logits", "activation": "softmax", "background": "last"}
    sigmoid = facts(out("logits", 1, 300, 80), DETR[1])
    found = read(sigmoid, "detr-sigmoid", COCO80).outputs
    assert found["score"] == {"tensor": "logits", "activation": "sigmoid", "channels": [0, 80]}
    assert found["box"] == {"tensor": "pred_boxes", "format": "cxcywh", "normalised": True}


@pytest.mark.parametrize(
    ("slots", "classes", "channels"), [(91, COCO91, [0, 91]), (4, NAMES, [0, 3]), (3, NAMES, [0, 3])]
)
def test_slots_of_rfdetr(slots, classes, channels):
    file = facts(out("dets", 1, 300, 4), out("labels", 1, 300, slots))
    assert read(file, "rfdetr", classes).outputs["score"]["channels"] == channels


def test_slots_that_are_not_the_classes():
    file = facts(out("dets", 1, 300, 4), out("labels", 1, 300, 91))
    with pytest.raises(UserError, match="91 slots for 80 classes; write `classes: coco91`"):
        read(file, "rfdetr", COCO80)


@pytest.mark.parametrize(("classes", "offset"), [(NAMES, 1), (COCO91, 0), (("background", *NAMES), 0)])
@pytest.mark.parametrize("layout", ["tf", "torchvision", "efficientdet"])
def test_ids_that_start_at_1(layout, classes, offset):
    file = next(file for name, file in FILES.values() if name == layout)
    assert read(file, layout, classes).outputs["label"]["offset"] == offset


def test_the_files_own_type_and_axes():
    found = read(facts(*TF, inputs=(Tensor("input_tensor", "uint8", (1, 416, 320, 3)),)), "tf")
    assert (found.tensor.dtype, found.tensor.channels_last, found.input.scale) == ("uint8", True, (416, 320))
    assert (found.input.keep_ratio, found.input.divide_by) == (False, None)
    half = facts(out("output0", 1, 7, 189), inputs=(replace(IMAGE, dtype="float16"),), metadata=SAID)
    assert read(half, "ultralytics").tensor.dtype == "float16"
    unknown = Tensor("x", "uint8", (1, None, None, None))
    turned = facts(*TF, inputs=(unknown,), transposed_input=True)
    assert read(turned, "tf").tensor.channels_last


def test_detr_keeps_the_ratio_where_the_size_is_free():
    fixed = read(facts(*DETR), "detr", COCO91).input
    assert (fixed.keep_ratio, fixed.scale, fixed.mean) == (False, (64, 96), IMAGENET[0])
    free = facts(*DETR, inputs=(ANY_SIZE,))
    assert open_input(free, "detr") == "size"
    own = read(free, "detr", COCO91, input={"size": [800, 1333]}).input
    for recipe in (own, resolve_input({"size": [800, 1333]}, own, None)):
        assert (recipe.fit, recipe.pad, recipe.scale) == ("sides", None, (800, 1333))
        assert resized_size(640, 480, recipe) == (1067, 800)
        assert resized_size(480, 640, recipe) == (800, 1067)


def test_a_file_that_resizes_keeps_the_images_own_size():
    recipe = read(FILES["torchvision"][1], "torchvision").input
    assert (recipe.scale, recipe.pad, recipe.divide_by) == (None, None, 255)
    fixed = replace(FILES["torchvision"][1], inputs=(Tensor("image", "float32", (3, 320, 320)),))
    recipe = read(fixed, "torchvision").input
    assert (recipe.keep_ratio, recipe.place, recipe.pad.size) == (True, "corner", (320, 320))


def test_yolonas_leaves_a_border_in_its_own_frame():
    file = facts(out("num_predictions", 1, 1), *FOUR, inputs=(UINT8,))
    recipe = read(file, "yolonas").input
    assert (recipe.scale, recipe.pad.size, recipe.divide_by) == ((636, 636), (640, 640), None)
    other = replace(file, inputs=(replace(UINT8, shape=(1, 3, 416, 416), dtype="float32"),))
    recipe = read(other, "yolonas").input
    assert (recipe.scale, recipe.pad.size, recipe.divide_by) == ((416, 416), (416, 416), 255)


@pytest.mark.parametrize(
    ("imgsz", "size"), [("[480, 640]", (480, 640)), ("640", (640, 640)), ("[640]", (640, 640))]
)
def test_the_size_in_the_metadata(imgsz, size):
    file = facts(out("output0", 1, 7, "n"), inputs=(ANY_SIZE,), metadata=SAID | {"imgsz": imgsz})
    assert read(file, "ultralytics").input.scale == size
    assert open_input(file, "ultralytics") is None


@pytest.mark.parametrize("imgsz", ["", "__import__('os')", "[0, 64]", "[True, 64]", "['a', 2]", "[1, 2, 3]"])
def test_no_size_is_guessed(imgsz):
    file = facts(out("output0", 1, 7, "n"), inputs=(ANY_SIZE,), metadata=SAID | {"imgsz": imgsz})
    assert open_input(file, "ultralytics") == "size"
    with pytest.raises(
        UserError, match=r"^a\.onnx: the file takes images of any size.*size: \[height, width\]"
    ):
        read(file, "ultralytics")
    found = read(file, "ultralytics", input={"size": [96, 160], "place": "corner"}).input
    assert (found.scale, found.pad.size, found.place) == ((96, 160), (96, 160), "centre")
    assert read(file, "ultralytics", input={"resize": "none", "divisor": 32}).input.scale is None


@pytest.mark.parametrize("layout", ["mmdeploy", "written"])
def test_an_input_that_nothing_says(layout):
    file = FILES["mmdeploy"][1]
    outputs = TABLE["mmdeploy"].outputs(file, NAMES)
    assert open_input(file, layout) == "input"
    with pytest.raises(UserError, match=rf"the layout {layout} does not say what the file's input is"):
        read(file, layout, outputs=outputs)
    found = read(file, layout, outputs=outputs, input={"resize": "stretch"})
    assert (found.cut, found.outputs) == ("e2e", outputs)


def test_what_is_written_wins():
    score = {"tensor": "other", "activation": "sigmoid"}
    found = read(FILES["v8"][1], "ultralytics", outputs={"score": score})
    assert found.outputs["score"] == score
    assert found.outputs["box"]["tensor"] == "output0"
    whole = {"box": {"tensor": "b"}, "score": {"tensor": "s"}, "label": {"tensor": "l"}}
    found = read(FILES["v8"][1], "ultralytics", cut="e2e", outputs=whole)
    assert (found.cut, found.outputs, found.head.floor.value) == ("e2e", whole, 0)
    with pytest.raises(UserError, match="cut e2e: the layout ultralytics is decoded"):
        read(FILES["v8"][1], "ultralytics", cut="e2e")
    with pytest.raises(UserError, match="cut raw: only the layouts yolox and nanodet"):
        read(FILES["v8"][1], "ultralytics", cut="raw", outputs=whole)


def test_a_file_that_is_not_of_the_named_layout():
    with pytest.raises(
        UserError, match=r"^a\.onnx: columns of 84 channels are not 4 and 3 classes; it has output0"
    ):
        read(FILES["v8 without metadata"][1], "ultralytics")
    with pytest.raises(UserError, match="no output 'labels'"):
        read(FILES["v8"][1], "rfdetr")
    with pytest.raises(UserError, match="layout 'ultralitics': unknown; did you mean 'ultralytics'"):
        read(FILES["v8"][1], "ultralitics")
    with pytest.raises(UserError, match=r"no input takes images.*ids int64"):
        read(facts(out("o", 1, 7, 9), inputs=(Tensor("ids", "int64", (1, 9)),)), "ultralytics")


def test_a_named_layout_takes_a_file_of_libreyolo():
    file = facts(out("output", 1, 7, 189), metadata=SAID | {"model_family": "yolo9"})
    assert read(file, "ultralytics").outputs["layout"] == "columns"


def test_a_floor_of_the_config():
    assert read(FILES["v8"][1], "ultralytics", floor=0.0005).head.floor == Floor("class", 0.0005, False)
    with pytest.raises(UserError, match=r"candidate_floor 0.01 lies above the layout's own threshold 0.001"):
        read(FILES["v8"][1], "ultralytics", floor=0.01)
    end = facts(out("output0", 1, 300, 6), tail=SELECTED, metadata=SAID)
    assert read(end, "ultralytics-end2end").head.floor == Floor("class", 0.0, False)


def test_every_layout_names_a_recipe():
    assert {row.recipe for row in TABLE.values()} <= set(RECIPES)
