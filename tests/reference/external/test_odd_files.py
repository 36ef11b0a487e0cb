"""Files and images that are unusual, unclear or wrong: the right detections, or a message how to mend."""

import contextlib
import io
from dataclasses import replace
from functools import partial

import conventions as dress
import pytest
from cases import CASES, COLUMNS, NMS
from dressing import small
from odd import channels_last, open_sides, renamed, shaped, with_metadata, with_output
from painting import paint
from product import Reading, draw_data, run
from verdicts import compare, judge_all, kept

from cutpoint.errors import UserError
from cutpoint.files import read_json
from cutpoint.predict.check_external import check_external

# wide and tall ones of which a side becomes one pixel, the smallest there are, and a long one
EXTREME = ((3, 280), (400, 7), (2, 2), (1, 1), (2000, 60))
# a side becomes 0
THIN = (1, 1000)
NAMES = ("disc", "bar", "ring")


@pytest.fixture(scope="module")
def extreme(tmp_path_factory):
    """Images, manifest and ground truth of extreme shapes."""
    images = {number: paint(shape, number) for number, shape in enumerate(EXTREME, start=1)}
    folder = tmp_path_factory.mktemp("extreme")
    boxes = [{"image_id": 5, "category_id": number, "bbox": [5, 5, 20, 20]} for number in (1, 2, 3)]
    manifest = draw_data(folder, images, NAMES, boxes)
    return images, manifest, read_json(folder / "instances.json")


@pytest.fixture(scope="module")
def thin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("thin")
    box = {"image_id": 1, "category_id": 1, "bbox": [5, 0, 20, 1]}
    return draw_data(
        folder, {1: paint(THIN, 1)}, NAMES, [box, box | {"category_id": 2}, box | {"category_id": 3}]
    )


@pytest.mark.parametrize("name", CASES)
def test_images_of_extreme_shapes(name, tiny, extreme, tmp_path):
    case, (images, manifest, truth) = CASES[name], extreme
    model = case.build(tiny)
    wanted = judge_all(model, case, tiny, images, range(1, 4))
    compare(run(model, case.read(tiny), manifest, tmp_path), wanted, truth, case.pixels)


@pytest.mark.parametrize("name", ["ultralytics", "yolox", "yolonas flat", "mmdeploy"])
def test_an_image_too_thin_for_a_letterbox_is_named(name, tiny, thin, tmp_path):
    case = CASES[name]
    with pytest.raises(UserError, match=r"image id 1 .*1x1000 pixels .* becomes 0x96: .* leave it out"):
        run(case.build(tiny), case.read(tiny), thin, tmp_path)


@pytest.mark.parametrize("name", ["rtdetr", "tf any size"])
def test_an_image_too_thin_for_a_letterbox_can_be_stretched(name, tiny, thin, tmp_path):
    case = CASES[name]
    wanted = judge_all(case.build(tiny), case, tiny, {1: paint(THIN, 1)}, range(1, 4))
    found = run(case.build(tiny), case.read(tiny), thin, tmp_path).detections
    assert len(kept(found)) == len(kept(wanted)) > 0


# some images have no score above it
FEW = 0.9975
EMPTY = {
    "yolov7 end2end": partial(dress.yolov7_end2end, threshold=FEW),
    "yolonas flat": partial(dress.yolonas_flat, threshold=FEW),
    "paddle plus": partial(dress.paddle, shape=False, threshold=FEW),
    "torchvision": partial(dress.torchvision, threshold=FEW),
    "mmdeploy": partial(dress.mmdeploy, threshold=FEW),
}


@pytest.mark.parametrize("name", EMPTY)
def test_images_without_detections(name, tiny, drawn, drawn_data, tmp_path):
    """Outputs of no rows for some images; a second run of none for all."""
    case, (manifest, truth) = replace(CASES[name], build=EMPTY[name]), drawn_data
    model = case.build(tiny)
    wanted = judge_all(model, case, tiny, drawn, range(1, 4))
    assert 0 < len({entry["image_id"] for entry in wanted}) < len(drawn)
    compare(run(model, case.read(tiny), manifest, tmp_path), wanted, truth, case.pixels)
    nothing = run(EMPTY[name](tiny, threshold=2.0), case.read(tiny), manifest, tmp_path / "none")
    assert nothing.detections == []
    assert nothing.metrics["AP"] == 0


SIZE = {"size": [64, 96]}
OPEN = {
    "ultralytics": (open_sides(dress.ultralytics(small(), dynamic=True)), None),
    "yolov7 end2end": (open_sides(dress.yolov7_end2end(small())), None),
    "tensorrt": (open_sides(dress.tensorrt(small())), None),
    "rtdetr": (open_sides(dress.rtdetr(small())), None),
    "detr": (open_sides(dress.detr(small())), None),
    "ssd": (open_sides(dress.ssd(small())), None),
    "yolonas batch": (open_sides(dress.yolonas_batch(small())), None),
    "ultralytics nms": (open_sides(dress.ultralytics_nms(small())), NMS),
}


@pytest.mark.parametrize("name", OPEN)
def test_sides_of_any_length_everywhere(name, tiny, drawn, drawn_data, tmp_path):
    """What nodes determine is read off them; the size, which nothing says, is asked for.

    Padding inside hides the number of channels: there the layout is named.
    """
    case, (manifest, truth) = CASES[name], drawn_data
    model, layout = OPEN[name]
    model = with_metadata(model, imgsz=None)
    reading = replace(case.read(tiny), layout=layout)
    with pytest.raises(
        UserError, match=r"takes images of any size and does not say .* `size: \[height, width\]`"
    ):
        run(model, replace(reading, input="own"), manifest, tmp_path / "without")
    written = reading.input if isinstance(reading.input, dict) else {}
    if name == "detr":  # the network inside takes one size, and DETR's own resize gives many
        written = {"resize": "stretch"}
    wanted = judge_all(model, case, tiny, drawn, range(1, 4))
    compare(
        run(model, replace(reading, input=written | SIZE), manifest, tmp_path), wanted, truth, case.pixels
    )


def test_the_size_is_in_the_metadata(tiny, drawn, drawn_data, tmp_path):
    case, (manifest, truth) = CASES["ultralytics dynamic"], drawn_data
    model = open_sides(case.build(tiny))
    wanted = judge_all(model, case, tiny, drawn, range(1, 4))
    compare(run(model, case.read(tiny), manifest, tmp_path), wanted, truth, case.pixels)


def test_a_batch_of_any_size_in_rtdetr(tiny, drawn, drawn_data, tmp_path):
    """Both inputs and all outputs begin with N, as its exporter writes; run in batches of 3."""
    case, (manifest, truth) = CASES["rtdetr"], drawn_data
    model = open_sides(case.build(tiny), axes=[0])
    wanted = judge_all(model, case, tiny, drawn, range(1, 4))
    compare(run(model, case.read(tiny), manifest, tmp_path), wanted, truth, case.pixels)


def test_yolo26_with_open_sides(tiny, drawn, drawn_data, tmp_path):
    """Ultralytics calls the channels of its end-to-end rows ``anchors`` then; its metadata tell them."""
    case, (manifest, truth) = CASES["ultralytics end2end"], drawn_data
    model = shaped(case.build(tiny), 0, ["batch", 300, "anchors"])
    wanted = judge_all(model, case, tiny, drawn, range(1, 4))
    result = run(model, case.read(tiny), manifest, tmp_path)
    assert result.layout == NMS
    compare(result, wanted, truth, case.pixels)


def test_an_output_without_a_shape(tiny, drawn, drawn_data, tmp_path):
    case, (manifest, truth) = CASES["ultralytics"], drawn_data
    model = shaped(case.build(tiny), 0, None)
    wanted = judge_all(model, case, tiny, drawn, range(1, 4))
    compare(run(model, case.read(tiny), manifest, tmp_path), wanted, truth, case.pixels)


LAST = {
    "static": ("ultralytics", channels_last(dress.ultralytics(small()))),
    "fp16": ("ultralytics half", channels_last(dress.ultralytics(small(), half=True))),
    "uint8": ("yolonas batch", channels_last(dress.yolonas_batch(small()))),
    "open": ("ultralytics dynamic", channels_last(dress.ultralytics(small(), dynamic=True))),
    "all open": ("ultralytics dynamic", open_sides(channels_last(dress.ultralytics(small(), dynamic=True)))),
    "undecoded": ("yolox", channels_last(dress.yolox(small()))),
}


@pytest.mark.parametrize("name", LAST)
def test_channels_last(name, tiny, drawn, drawn_data, tmp_path):
    """The judge has the file with channels first."""
    key, model = LAST[name]
    case, (manifest, truth) = CASES[key], drawn_data
    wanted = judge_all(case.build(tiny), case, tiny, drawn, range(1, 4))
    compare(run(model, case.read(tiny), manifest, tmp_path), wanted, truth, case.pixels)


def test_a_static_batch_of_two(tiny, drawn, drawn_data, tmp_path):
    case, (manifest, truth) = CASES["ultralytics"], drawn_data
    model = dress.ultralytics(tiny, batch=2)
    with pytest.raises(UserError, match="takes 2; set `batch`"):
        run(model, case.read(tiny), manifest, tmp_path / "one")
    wanted = judge_all(case.build(tiny), case, tiny, drawn, range(1, 4))
    reading = replace(case.read(tiny), batch=2)
    compare(run(model, reading, manifest, tmp_path), wanted, truth, case.pixels)


@pytest.mark.parametrize("names", ["['disc', 'bar', 'ring']", '{"0": "disc", "1": "bar", "2": "ring"}'])
def test_names_in_other_texts(names, tiny, drawn, drawn_data, tmp_path):
    case, (manifest, truth) = CASES["ultralytics"], drawn_data
    model = with_metadata(case.build(tiny), names=names)
    wanted = judge_all(model, case, tiny, drawn, range(1, 4))
    compare(run(model, Reading(**COLUMNS), manifest, tmp_path), wanted, truth, case.pixels)


REFUSED = {
    "names that are code": (
        with_metadata(dress.ultralytics(small()), names="__import__('os').mkdir('made')"),
        Reading(),
        r"metadata 'names' is no dict or list of names .* write `classes`",
    ),
    "no names": (
        with_metadata(dress.ultralytics(small()), names=None),
        Reading(),
        r"the file has no class names; write `classes`",
    ),
    "a class too many": (
        dress.ultralytics(small()),
        Reading(classes=(*NAMES, "more")),
        r"columns of 7 channels are not 4 and 4 classes",
    ),
    "a class too few": (
        dress.ultralytics(small()),
        Reading(classes=NAMES[:2]),
        r"columns of 7 channels are not 4 and 2 classes",
    ),
    "a class too many, named": (
        dress.ultralytics(small()),
        Reading("ultralytics", classes=(*NAMES, "more")),
        r"columns of 7 channels are not 4 and 4 classes",
    ),
    "another task": (
        with_metadata(dress.ultralytics(small()), task="obb"),
        Reading(),
        r"its task is 'obb', not detection",
    ),
    "coco91 for three classes": (
        dress.rfdetr(small(), None),
        Reading(classes="coco91"),
        r"labels has 4 slots for 91 classes",
    ),
    "two of Paddle's": (
        dress.paddle(small()),
        Reading(classes=NAMES),
        r"2 layouts fit, and nothing in it tells which: paddle .* paddle-plus .* Write `layout`",
    ),
    "mmdeploy's input": (
        dress.mmdeploy(small()),
        Reading(classes=NAMES),
        r"does not say what the file's input is; write `input`",
    ),
    "yolov5 as ultralytics": (
        dress.yolov5(small()),
        Reading("ultralytics"),
        r"columns of 4 channels and class scores; it has output0 float32 \(1, 126, 8\)",
    ),
    "ultralytics as rtdetr": (
        dress.ultralytics(small()),
        Reading("rtdetr"),
        r"it has no output 'boxes'; it has output0",
    ),
    "scores called boxes": (
        renamed(dress.rtdetr(small()), boxes="scores", scores="boxes"),
        Reading(classes=NAMES),
        r"output boxes has 300 channels; the layout rtdetr has 4",
    ),
    "boxes called scores": (
        renamed(dress.ssd(small()), boxes="scores", scores="boxes"),
        Reading(classes=NAMES),
        r"no layout fits\. Near are ssd: no softmax before its scores",
    ),
    "two outputs of rows": (
        with_output(dress.ultralytics_nms(small()), "another", [1, 300, 6]),
        Reading(),
        r"no layout fits\. Near are .*ultralytics-end2end: one output of rank 3 is needed",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_as_said_is_refused(name, drawn_data, tmp_path, monkeypatch):
    model, reading, message = REFUSED[name]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        run(model, reading, drawn_data[0], tmp_path / "files")
    assert not (tmp_path / "made").exists()


# shapes do not tell these, values do
DOUBTED = {
    "TensorFlow's scores and classes exchanged": (
        renamed(
            dress.tf_od(small()), detection_classes="detection_scores", detection_scores="detection_classes"
        ),
        Reading(classes=dict(enumerate(NAMES, start=1))),
        "they are whole numbers, as labels are: exchange",
    ),
    "score and class of flat rows exchanged": (
        dress.yolonas_flat(small()),
        Reading("yolov7-end2end", classes=NAMES),
        "they are whole numbers, as labels are: exchange",
    ),
    "boxes called logits": (
        renamed(dress.rfdetr(small(), None), dets="labels", labels="dets"),
        Reading(classes=NAMES),
        "have x2 < x1 or y2 < y1: outputs.box is another tensor",
    ),
    "decoded twice": (
        dress.yolox_decoded(small()),
        Reading("yolox", classes=NAMES),
        "decoded already (name another layout, for yolox yolox-decoded)",
    ),
}


@pytest.mark.parametrize("name", DOUBTED)
def test_a_reading_that_cannot_be_true_is_a_doubt(name, drawn_data, tmp_path):
    model, reading, message = DOUBTED[name]
    result = run(model, reading, drawn_data[0], tmp_path)
    out = str(tmp_path / "verify.json")
    with contextlib.redirect_stdout(io.StringIO()):
        check_external(export=result.onnx, spec=result.spec, manifest=drawn_data[0], images=3, out=out)
    assert any(message in failure for failure in read_json(out)["failures"])


def test_outputs_beside_the_detections(tiny, drawn, drawn_data, tmp_path):
    """Raw maps behind the rows, as YOLOv5 writes them, and a copy of the rows that the config leaves out."""
    manifest, truth = drawn_data
    case = CASES["yolov5"]
    maps = with_output(case.build(tiny), "339", [1, 1, 1, 126, 8])
    wanted = judge_all(case.build(tiny), case, tiny, drawn, range(1, 4))
    compare(run(maps, case.read(tiny), manifest, tmp_path / "maps"), wanted, truth, case.pixels)
    case = CASES["ultralytics nms"]
    twice = with_output(case.build(tiny), "another", [1, 300, 6])
    parts = {"box": [0, 4], "score": [4, 5], "label": [5, 6]}
    outputs = {part: {"tensor": "output0", "channels": channels} for part, channels in parts.items()}
    wanted = judge_all(case.build(tiny), case, tiny, drawn, range(1, 4))
    reading = replace(case.read(tiny), layout=NMS, written={"outputs": outputs})
    compare(run(twice, reading, manifest, tmp_path / "twice"), wanted, truth, case.pixels)


def test_annotations_with_categories_in_another_order(tiny, drawn, drawn_data, tmp_path):
    """The names in the file say which label is which."""
    case, (_, truth) = CASES["ultralytics"], drawn_data
    turned = ("ring", "disc", "bar")
    numbers = [turned.index(name) + 1 for name in tiny.names]
    boxes = [box | {"category_id": numbers[box["category_id"] - 1]} for box in truth["annotations"]]
    manifest = draw_data(tmp_path, drawn, turned, boxes)
    wanted = judge_all(case.build(tiny), case, tiny, drawn, numbers)
    truth = read_json(tmp_path / "instances.json")
    compare(run(case.build(tiny), case.read(tiny), manifest, tmp_path / "run"), wanted, truth, case.pixels)
