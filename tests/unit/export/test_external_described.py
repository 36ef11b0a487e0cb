"""External files of models without mmdet: whatever their form, Cutpoint's outputs in network pixels."""

from functools import partial

import numpy as np
import onnx
import onnxruntime
import pytest
from described import CLASSES, HEIGHT, WIDTH, external_head, import_tensors
from onnx import TensorProto, helper, numpy_helper
from tiny import input_recipe, yolox_head

from cutpoint.decode.candidates import from_decoded, from_rows, rows_of
from cutpoint.errors import UserError
from cutpoint.export.external import write_described
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.runtime import Session
from cutpoint.records.description import Description
from cutpoint.records.image import TensorForm


@pytest.fixture
def imported(tmp_path):
    return partial(import_tensors, tmp_path)


def infer(session, batch=1, sides=(HEIGHT, WIDTH)):
    form = session.tensor
    shape = (batch, *sides, 3) if form.channels_last else (batch, 3, *sides)
    return session.run({"images": np.zeros(shape, form.dtype)})


CORNERS = np.float32([[[10, 20, 30, 40], [0, 5, 6, 11], [-2, -4, 60, 44]]])
CENTRES = np.float32([[[20, 30, 20, 20], [3, 8, 6, 6], [29, 20, 62, 48]]])
SCORES = np.float32([[[0.9, 0.5, 0], [0.25, 0.125, 0.75], [0.02, 0.005, 1]]])
SIZE = np.float32([WIDTH, HEIGHT, WIDTH, HEIGHT])


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("kind", ["xyxy", "cxcywh", "yxyx"])
@pytest.mark.parametrize("form", [TensorForm(), TensorForm("uint8", True), TensorForm("float16")])
def test_boxes_of_every_form_become_corners_in_pixels(imported, layout, normalised, kind, form):
    boxes = CENTRES if kind == "cxcywh" else CORNERS
    boxes = boxes / SIZE if normalised else boxes
    boxes = boxes[..., [1, 0, 3, 2]] if kind == "yxyx" else boxes
    tensors = {"b": boxes, "s": SCORES}
    if layout == "columns":
        tensors = {name: value.transpose(0, 2, 1) for name, value in tensors.items()}
    box = {"tensor": "b", "format": kind, "normalised": normalised}
    outputs = {"layout": layout, "box": box, "score": {"tensor": "s", "activation": "none"}}
    session = imported(tensors, outputs, "decoded", form=form)
    assert (session.tensor, session.shape, session.batch) == (form, (HEIGHT, WIDTH), 1)
    found = infer(session)
    assert list(found) == ["boxes", "scores", "level_counts"]
    np.testing.assert_allclose(found["boxes"], CORNERS, atol=1e-4)
    np.testing.assert_array_equal(found["scores"], SCORES)
    assert found["level_counts"].tolist() == [3]
    candidates = from_decoded(found, session.spec.head)
    assert list(zip(candidates.prior, candidates.label, strict=True)) == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
        (1, 2),
        (2, 0),
        (2, 2),
    ]


LOGITS = np.float32([[[2, -1, 0.5, 3], [0, 1, -2, -3]]])
SOFTMAX = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=2, keepdims=True)


@pytest.mark.parametrize("opset", [11, 13])
@pytest.mark.parametrize(
    ("given", "activation", "background", "expected"),
    [
        (LOGITS[..., :3], "sigmoid", None, 1 / (1 + np.exp(-LOGITS[..., :3]))),
        (LOGITS, "softmax", "last", SOFTMAX[..., :3]),
        (LOGITS, "softmax", "first", SOFTMAX[..., 1:]),
        (SOFTMAX, "none", "first", SOFTMAX[..., 1:]),
        (SOFTMAX, "none", "last", SOFTMAX[..., :3]),
        (LOGITS, "sigmoid", "last", 1 / (1 + np.exp(-LOGITS[..., :3]))),
        (LOGITS[..., :3], "softmax", None, None),
    ],
)
def test_scores_are_activated_and_lose_their_background(
    imported, opset, given, activation, background, expected
):
    if expected is None:
        expected = np.exp(given) / np.exp(given).sum(axis=2, keepdims=True)
    score = {"tensor": "s", "activation": activation, "background": background}
    tensors = {"b": CORNERS[:, :2], "s": given}
    session = imported(tensors, {"box": {"tensor": "b"}, "score": score}, "decoded", opset=opset)
    np.testing.assert_allclose(infer(session)["scores"], expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1)])
def test_a_factor_is_kept_beside_the_scores(imported, shape):
    logits = np.float32([1, -1, 0])
    tensors = {"b": CORNERS, "s": SCORES, "f": logits.reshape(shape)}
    outputs = {"box": {"tensor": "b"}, "score": {"tensor": "s"}}
    outputs["factor"] = {"tensor": "f", "activation": "sigmoid"}
    found = infer(imported(tensors, outputs, "decoded", external_head(factor=True)))
    np.testing.assert_allclose(found["factors"], [1 / (1 + np.exp(-logits))], atol=1e-6)
    np.testing.assert_array_equal(found["scores"], SCORES)
    with pytest.raises(UserError, match=r"outputs\.factor: the layout tiny has none; remove it"):
        imported(tensors, outputs, "decoded")
    del outputs["factor"]
    with pytest.raises(UserError, match=r"outputs\.factor is missing; the layout multiplies the scores"):
        imported(tensors, outputs, "decoded", external_head(factor=True))


def test_one_tensor_holds_all_and_levels_are_joined_in_their_order(imported):
    whole = np.concatenate([CENTRES, np.float32([[[1], [0.5], [0.25]]]), SCORES], axis=2)
    outputs = {
        "box": {"tensor": ["p", "q"], "channels": [0, 4], "format": "cxcywh"},
        "factor": {"tensor": ["p", "q"], "channels": [4, 5]},
        "score": {"tensor": ["p", "q"], "channels": [5, 8]},
    }
    tensors = {"p": whole[:, :1], "q": whole[:, 1:]}
    found = infer(imported(tensors, outputs, "decoded", external_head(factor=True)))
    np.testing.assert_array_equal(found["boxes"], CORNERS)
    np.testing.assert_array_equal(found["scores"], SCORES)
    assert found["factors"].tolist() == [[1, 0.5, 0.25]]


def test_boxes_with_an_axis_for_classes_of_length_one_are_rows(imported):
    tensors = {"b": CORNERS[:, :, None], "s": SCORES}
    outputs = {"box": {"tensor": "b"}, "score": {"tensor": "s"}}
    np.testing.assert_array_equal(infer(imported(tensors, outputs, "decoded"))["boxes"], CORNERS)
    with pytest.raises(UserError, match=r"output b has shape \[1,3,3,4\]; rows are \(B, N, channels\)"):
        imported(tensors | {"b": np.repeat(CORNERS[:, :, None], 3, axis=2)}, outputs, "decoded")


ROW = {"x1": 10, "y1": 20, "x2": 30, "y2": 40, "score": 0.5, "label": 2, "image": 0}
ORDERS = {
    "score last but one": ("x1", "y1", "x2", "y2", "score", "label"),
    "label last but one": ("image", "x1", "y1", "x2", "y2", "label", "score"),
    "flat, label last": ("image", "x1", "y1", "x2", "y2", "score", "label"),
    "label first": ("label", "score", "x1", "y1", "x2", "y2"),
    "y first": ("image", "y1", "x1", "y2", "x2", "score", "label"),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("batched", [True, False])
def test_rows_in_every_order_of_columns(imported, order, batched):
    columns = ORDERS[order]
    better = ROW | {"x1": 1, "score": 0.75, "label": 0}
    rows = [[ROW[name] for name in columns], [0] * len(columns), [better[name] for name in columns]]
    rows = np.float32(rows)[None] if batched else np.float32(rows)
    first = min(columns.index("x1"), columns.index("y1"))
    format_ = "xyxy" if columns[first] == "x1" else "yxyx"
    outputs = {"box": {"tensor": "d", "channels": [first, first + 4], "format": format_}}
    for key in ("score", "label"):
        outputs[key] = {"tensor": "d", "channels": [columns.index(key), columns.index(key) + 1]}
    session = imported({"d": rows}, outputs, "e2e")
    found = infer(session)
    assert list(found) == ["boxes", "scores", "labels", "count"]
    assert found["labels"].dtype == np.int64
    assert found["count"].tolist() == [2]
    boxes, scores, labels = rows_of(found)
    assert boxes.tolist() == [[1, 20, 30, 40], [10, 20, 30, 40]]
    assert (scores.tolist(), labels.tolist()) == ([0.75, 0.5], [0, 2])
    assert from_rows(found, session.spec.head).prior.tolist() == [0, 1]


@pytest.mark.parametrize("batch", [1, 2, "batch"])
def test_flat_rows_that_say_their_image_are_given_to_it(imported, batch):
    rows = [[0, 1, 2, 3, 4, 0.5, 1], [1, 5, 6, 7, 8, 0.25, 2], [0, 9, 9, 9, 9, 0.75, 0], [-1] * 7]
    outputs = {
        "box": {"tensor": "d", "channels": [1, 5]},
        "score": {"tensor": "d", "channels": [5, 6]},
        "label": {"tensor": "d", "channels": [6, 7]},
        "image": {"tensor": "d", "channels": [0, 1]},
    }
    session = imported({"d": np.float32(rows)}, outputs, "e2e", shape=[batch, 3, HEIGHT, WIDTH])
    images = 1 if batch == 1 else 2
    found = infer(session, images)
    assert found["count"].tolist() == [2, 1][:images]
    boxes, scores, labels = rows_of(found, 0)
    assert boxes.tolist() == [[9, 9, 9, 9], [1, 2, 3, 4]]
    assert (scores.tolist(), labels.tolist()) == ([0.75, 0.5], [0, 1])
    if images == 2:
        boxes, scores, labels = rows_of(found, 1)
        assert (boxes.tolist(), scores.tolist(), labels.tolist()) == ([[5, 6, 7, 8]], [0.25], [2])
    del outputs["image"]
    if batch == 2:
        with pytest.raises(UserError, match="no axis for the images, and its input takes 2 of them"):
            imported({"d": np.float32(rows)}, outputs, "e2e", shape=[batch, 3, HEIGHT, WIDTH])


@pytest.mark.parametrize("count", [False, True])
def test_padding_is_not_counted(imported, count):
    tensors = {
        "b": np.ones((1, 4, 4), np.float32),
        "s": np.float32([[0.5, 0.75, 0, 0.25]]),
        "l": np.int32([[1, -1, 2, 3]]),  # the first class is 1; -1 is padding, whatever its score
    }
    outputs = {"box": {"tensor": "b"}, "score": {"tensor": "s"}, "label": {"tensor": "l", "offset": 1}}
    if count:
        tensors["n"], outputs["count"] = np.float32([[4]]), {"tensor": "n"}
    found = infer(imported(tensors, outputs, "e2e"))
    _, scores, labels = rows_of(found)
    expected = ([0.5, 0, 0.25], [0, 1, 2]) if count else ([0.5, 0.25], [0, 2])
    assert (scores.tolist(), labels.tolist()) == expected


def test_squeezed_outputs_are_one_images(imported):
    tensors = {"b": CORNERS[0], "s": np.float32([0.5, 0.75, 0.25]), "l": np.float32([1, 0, 2])}
    outputs = {"box": {"tensor": "b"}, "score": {"tensor": "s"}, "label": {"tensor": "l"}}
    session = imported(tensors, outputs, "e2e", shape=["batch", 3, "h", "w"])
    assert session.batch == 1
    assert rows_of(infer(session))[2].tolist() == [0, 1, 2]
    tensors["b"] = CORNERS  # only a part of them is squeezed
    assert rows_of(infer(imported(tensors, outputs, "e2e")))[2].tolist() == [0, 1, 2]


@pytest.mark.parametrize("opset", [11, 13])
@pytest.mark.parametrize("sides", [(HEIGHT, WIDTH), ("h", "w")], ids=["static", "dynamic"])
def test_an_input_for_one_image_gets_an_axis_for_images(imported, opset, sides):
    # the boxes are the image itself, so the test sees what the file was given
    nodes = [helper.make_node("Reshape", ["data", "flat"], ["b"])]
    shape = np.int64([-1, 4])
    tensors = {"s": np.full(1980, 0.5, np.float32), "l": np.ones(1980, np.int64), "flat": shape}
    nodes[0].input[1] = "flat_constant"
    outputs = {"box": {"tensor": "b"}, "score": {"tensor": "s"}, "label": {"tensor": "l"}}
    session = imported(
        tensors,
        outputs,
        "e2e",
        shape=[3, *sides],
        opset=opset,
        nodes=nodes,
        said={"b": (TensorProto.FLOAT, [1980, 4])},
    )
    assert (session.batch, session.shape) == (1, (HEIGHT, WIDTH) if sides[0] == HEIGHT else None)
    image = np.random.default_rng(0).normal(size=(1, 3, HEIGHT, WIDTH)).astype(np.float32)
    np.testing.assert_array_equal(session.run({"images": image})["boxes"].ravel(), image.ravel())


EXTRA = {
    "orig_target_sizes": (TensorProto.INT64, ["N", 2]),
    "im_shape": (TensorProto.FLOAT, [1, 2]),
    "scale_factor": (TensorProto.FLOAT, ["N", 2]),
    "pixel_mask": (TensorProto.INT64, ["N", "height", "width"]),
}
FILLED = {
    "orig_target_sizes": "network_wh",
    "im_shape": "network_hw",
    "scale_factor": [1, 2],
    "pixel_mask": 1,
}


@pytest.mark.parametrize("form", [TensorForm(), TensorForm("uint8", True)])
@pytest.mark.parametrize("sides", [(HEIGHT, WIDTH), ("h", "w")], ids=["static", "dynamic"])
def test_other_inputs_become_constants(imported, form, sides):
    nodes = [
        helper.make_node("Cast", ["orig_target_sizes"], ["wh"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["wh", "scale_factor"], ["one"], axis=1),
        helper.make_node("Unsqueeze", ["one", "axis_constant"], ["b"]),
        helper.make_node("Identity", ["im_shape"], ["s"]),
        helper.make_node("Shape", ["pixel_mask"], ["mask"]),
        helper.make_node("Gather", ["mask", "last_constant"], ["l"], axis=0),
    ]
    outputs = {"box": {"tensor": "b"}, "score": {"tensor": "s"}, "label": {"tensor": "l"}}
    outputs["count"] = {"tensor": "n"}
    said = {"b": (TensorProto.FLOAT, ["N", 1, 4]), "s": (TensorProto.FLOAT, [1, 2])}
    said["l"] = (TensorProto.INT64, [1, 2])
    session = imported(
        {"axis": np.int64([1]), "last": np.int64([[1, 2]]), "n": np.int64([1])},
        outputs,
        "e2e",
        form=form,
        shape=["b", *sides, 3] if form.channels_last else ["b", 3, *sides],
        others=EXTRA,
        constants=FILLED,
        nodes=nodes,
        said=said,
    )
    found = infer(session, 2)
    assert found["boxes"].tolist() == [[[WIDTH, HEIGHT, 1, 2]]] * 2
    assert found["scores"].tolist() == [[HEIGHT, WIDTH]]
    assert found["labels"].tolist() == [[HEIGHT, WIDTH]]
    if sides[0] == "h":
        assert infer(session, 1, (8, 12))["boxes"].tolist() == [[[12, 8, 1, 2]]]


def test_a_files_own_names_do_not_collide_with_ours(imported):
    # an output, an initializer and a node's result with our names, but another meaning
    nodes = [helper.make_node("Identity", ["data"], ["images"])]
    tensors = {"scores": CORNERS, "boxes": SCORES}
    outputs = {"box": {"tensor": "scores"}, "score": {"tensor": "boxes"}}
    found = infer(imported(tensors, outputs, "decoded", nodes=nodes))
    np.testing.assert_array_equal(found["boxes"], CORNERS)
    np.testing.assert_array_equal(found["scores"], SCORES)


@pytest.mark.parametrize("rank", [3, 4])
def test_an_input_that_a_branch_reads_is_replaced_there_too(imported, rank):
    def branch(name, kind):
        # a value in it has one of our names
        inner = [
            helper.make_node(kind, ["data"], [f"{name}_r"]),
            helper.make_node("Shape", [f"{name}_r"], [name]),
        ]
        result = helper.make_tensor_value_info(name, TensorProto.INT64, [rank])
        return helper.make_graph(inner, name, [], [result])

    branches = {"then_branch": branch("boxes", "Relu"), "else_branch": branch("e", "Neg")}
    nodes = [
        helper.make_node("If", ["yes_constant"], ["shape"], **branches),
        helper.make_node("Cast", ["shape"], ["l"], to=TensorProto.FLOAT),
        helper.make_node("Size", ["shape"], ["n"]),
    ]
    outputs = {key: {"tensor": key[0]} for key in ("box", "score", "label")} | {"count": {"tensor": "n"}}
    session = imported(
        {"yes": np.array(True), "b": np.ones((1, rank, 4)), "s": np.ones((1, rank))},
        outputs,
        "e2e",
        shape=[1, 3, HEIGHT, WIDTH][4 - rank :],
        nodes=nodes,
        said={"l": (TensorProto.FLOAT, [rank]), "n": (TensorProto.INT64, [])},
    )
    found = infer(session)
    assert found["labels"].tolist() == [[1, 3, HEIGHT, WIDTH][4 - rank :]]
    assert found["count"].tolist() == [rank]


def test_an_operator_of_another_runtime_is_refused(imported):
    nodes = [helper.make_node("EfficientNMS_TRT", ["data"], ["n"], domain="TRT")]
    outputs = {"box": {"tensor": "b"}, "score": {"tensor": "s"}}
    message = "it has the operators TRT:EfficientNMS_TRT, which ONNX Runtime lacks; export it without them"
    with pytest.raises(UserError, match=message):
        imported({"b": CORNERS, "s": SCORES}, outputs, "decoded", nodes=nodes)


@pytest.mark.parametrize("activation", ["none", "sigmoid"])
def test_raw_rows_become_the_head_tensors(imported, activation):
    head = yolox_head(score_activation="none", factor_activation="none")
    random = np.random.default_rng(0)
    whole = random.uniform(0.1, 0.9, (1, 60, 8)).astype(np.float32)
    outputs = {"box": {"tensor": "p", "channels": [0, 4]}}
    outputs["factor"] = {"tensor": "p", "channels": [4, 5], "activation": activation}
    outputs["score"] = {"tensor": "p", "channels": [5, 8], "activation": activation}
    found = infer(imported({"p": whole}, outputs, "raw", head))
    assert list(found) == list(head.raw_names)
    assert [found[f"cls_{level}"].shape for level in range(2)] == [(1, 3, 6, 8), (1, 3, 3, 4)]
    rows = [found[f"cls_{level}"].reshape(1, 3, -1).transpose(0, 2, 1) for level in range(2)]
    expected = whole[..., 5:] if activation == "none" else 1 / (1 + np.exp(-whole[..., 5:]))
    np.testing.assert_allclose(np.concatenate(rows, axis=1), expected, atol=1e-6)


def test_raw_values_have_no_background(imported):
    head = yolox_head(score_activation="none", factor_activation="none")
    outputs = {"box": {"tensor": "p", "channels": [0, 4]}, "factor": {"tensor": "p", "channels": [4, 5]}}
    outputs["score"] = {"tensor": "p", "channels": [5, 8], "background": "last"}
    with pytest.raises(UserError, match=r"score\.background: YOLOXHead has no background; remove it"):
        imported({"p": np.zeros((1, 60, 8), np.float32)}, outputs, "raw", head)
    outputs["score"] = {"tensor": "p", "channels": [5, 8], "activation": "softmax"}
    with pytest.raises(UserError, match="activation softmax of 'p': YOLOXHead has none; use the cut decoded"):
        imported({"p": np.zeros((1, 60, 8), np.float32)}, outputs, "raw", head)


def old_model(opset):
    """A small network of the operators whose form changed since; three rows of boxes and scores."""
    random = np.random.default_rng(opset)
    values = {
        "w": random.normal(size=(8, 3, 3, 3)).astype(np.float32),
        "w2": random.normal(size=(8, 8, 1, 1)).astype(np.float32),
        "scales": np.float32([1, 1, 2, 2]),
        "shape": np.int64([0, -1, 8]),
    }
    nodes = [
        helper.make_node("Conv", ["data", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Clip", ["c"], ["k"], min=0.0, max=6.0),
        helper.make_node("Upsample" if opset == 9 else "Resize", ["k", "scales"], ["u"], mode="nearest"),
        helper.make_node("Pad", ["u"], ["p"], pads=[0, 0, 1, 1, 0, 0, 1, 1]),
        helper.make_node("Conv", ["p", "w2"], ["o"]),
        helper.make_node("Transpose", ["o"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["t", "shape"], ["r"]),
        helper.make_node("Split", ["r"], ["b", "logits"], axis=2, split=[4, 4]),
        helper.make_node("Softmax", ["logits"], ["s"], axis=2),
    ]
    initial = [numpy_helper.from_array(array, name) for name, array in values.items()]
    inputs = [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 6, 6])]
    # before IR version 4 every initializer is an input
    inputs += [helper.make_tensor_value_info(value.name, value.data_type, value.dims) for value in initial]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 196, 4]) for name in ("b", "s")]
    graph = helper.make_graph(nodes, "g", inputs, results, initial)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=3)
    helper.set_model_props(model, {"names": "{0: 'face'}"})
    return model


@pytest.mark.parametrize("opset", [9, 10])
def test_a_file_of_an_old_opset_is_converted(tmp_path, opset):
    model = old_model(opset)
    onnx.checker.check_model(model)
    theirs, out = str(tmp_path / "theirs.onnx"), str(tmp_path / "ours.onnx")
    onnx.save(model, theirs)
    outputs = {"box": {"tensor": "b"}, "score": {"tensor": "s", "background": "first"}}
    description = Description("tiny", "decoded", TensorForm(), input_recipe(), outputs, {}, external_head())
    write_described(
        model="tiny",
        onnx=theirs,
        description=description,
        classes=CLASSES,
        out=out,
        out_spec=str(tmp_path / "spec.json"),
    )
    assert onnx.load(out).opset_import[0].version == 13
    assert {"names", "cutpoint"} <= {entry.key for entry in onnx.load(out).metadata_props}
    image = np.random.default_rng(1).normal(size=(1, 3, 6, 6)).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    boxes, scores = onnxruntime.InferenceSession(theirs, options).run(None, {"data": image})
    found = OnnxPipeline(Session(out, "cpu")).infer(image)
    np.testing.assert_allclose(found["boxes"], boxes, atol=1e-6)
    np.testing.assert_allclose(found["scores"], scores[..., 1:], atol=1e-6)


def test_an_old_operator_that_the_converter_does_not_know_is_refused(imported):
    nodes = [helper.make_node("Crop", ["data"], ["gone"], border=[0, 0, 0, 0])]
    outputs = {"box": {"tensor": "b"}, "score": {"tensor": "s"}}
    message = r"theirs\.onnx: opset 9; 11 or later is needed, and ONNX's converter fails \(.*opset_version=17"
    with pytest.raises(UserError, match=message):
        imported({"b": CORNERS, "s": SCORES}, outputs, "decoded", opset=9, nodes=nodes)


DETECTIONS = {"b": CORNERS, "s": np.float32([[0.5, 0.75, 0.25]]), "l": np.int64([[1, 0, 2]])}
ENDS = {"box": {"tensor": "b"}, "score": {"tensor": "s"}, "label": {"tensor": "l"}}


@pytest.mark.parametrize(
    ("outputs", "settings", "message"),
    [
        ({"box": {"tensor": "boxes"}}, {}, r"no output 'boxes'; it has: b, s, l"),
        ({"label": None}, {}, r"outputs\.label is missing; the cut e2e needs it"),
        ({"frame": "original"}, {}, r"outputs\.frame: boxes are in pixels of the network's input"),
        ({"score": {"tensor": "s", "activation": "sigmoid"}}, {}, r"outputs\.score: the scores of e2e are"),
        ({"factor": {"tensor": "s"}}, {}, r"outputs\.factor: the scores of e2e are final; remove it"),
        ({"box": {"tensor": "b", "channels": [0, 3]}}, {}, r"\[0, 3\] of 'b': the layout tiny has 4"),
        ({}, {"constants": {"size": 1}}, r"constants\.size: it has no such input; it has: data \(FLOAT\)"),
        ({}, {"others": EXTRA}, r"one input is for the images.*write `constants: \{NAME: value\}`"),
        (
            {},
            {"others": {"n": (1, [1, 3])}, "constants": {"n": "network_wh"}},
            r"constants\.n: \[60, 44\] does not fit the input's shape \[1, 3\]",
        ),
        (
            {},
            {"others": {"n": (1, [1])}, "constants": {"n": "size"}},
            r"constants\.n: 'size' is unknown; known: a number, a list, network_wh, network_hw",
        ),
        (
            {},
            {"others": {"n": (1, [1, "k"])}, "constants": {"n": 1}},
            r"constants\.n: the length of axis 1 of its shape \[1, .*k.*\] is not known",
        ),
        (
            {},
            {"others": {"n": (1, None)}, "constants": {"n": [1, 2]}},
            r"constants\.n: the file does not say the input's type and shape; export it with them",
        ),
        (
            {},
            {"others": {"n": (1, ["b", 3])}, "constants": {"n": "network_hw"}, "shape": ["b", 3, "h", "w"]},
            r"constants\.n: network_hw does not fit the input's shape \[.*b.*, 3\]",
        ),
        ({}, {"shape": [1, 1, HEIGHT, WIDTH]}, r"data has shape \[1,1,44,60\]; \(B, 3, H, W\), or the same"),
        ({}, {"shape": [HEIGHT, WIDTH]}, r"data has shape \[44,60\]; \(B, 3, H, W\), or the same"),
    ],
)
def test_what_does_not_fit_is_refused(imported, outputs, settings, message):
    with pytest.raises(UserError, match=rf"theirs\.onnx: .*{message}"):
        imported(DETECTIONS, ENDS | outputs, "e2e", **settings)


@pytest.mark.parametrize(
    ("named", "scores", "mend"),
    [
        (80, 91, r"80 classes and the file 91 scores a row; .*write classes: coco91$"),
        (91, 80, r"write classes: coco80$"),
        (3, 4, r"write outputs\.score\.background: first, or last; otherwise add the class"),
        (3, 2, r"remove the background from `classes`"),
        (3, 7, r"write the names of its classes in the order of its training, or as \{id: name\}"),
    ],
)
def test_classes_that_are_not_the_files_are_refused_with_what_would_fit(imported, named, scores, mend):
    tensors = {"b": CORNERS, "s": np.zeros((1, 3, scores), np.float32)}
    outputs = {"box": {"tensor": "b"}, "score": {"tensor": "s"}}
    classes = tuple(f"class {number}" for number in range(named))
    message = rf"output s has {scores} channels; the layout tiny has {named}: the model has .*{mend}"
    with pytest.raises(UserError, match=message):
        imported(tensors, outputs, "decoded", classes=classes)
    outputs["score"]["channels"] = [0, named]
    if named > scores:
        with pytest.raises(UserError, match=rf"output s has {scores} channels, not \[0, {named}\] of each"):
            imported(tensors, outputs, "decoded", classes=classes)
