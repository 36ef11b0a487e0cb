"""External files, in every layout, give the tensors that Cutpoint's own exports give."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny import atss_head, geometry, model_spec, raw_outputs, yolox_head

from cutpoint.decode.candidates import from_decoded, from_raw
from cutpoint.errors import UserError
from cutpoint.export import external as external_module
from cutpoint.export.external import import_onnx
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.runtime import Session
from cutpoint.predict.validity import find_invalid, read_valid
from cutpoint.records.detections import Refused
from cutpoint.records.head import Part

# 44 x 60 pixels: with strides 8 and 16 the last row and column of cells hang over the border
HEIGHT, WIDTH = 44, 60
SIZES = [(6, 8), (3, 4)]


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


@pytest.fixture
def external(tmp_path):
    """Writes a file with constant outputs, imports it, and opens the result."""

    def write(
        tensors,
        opset=11,
        sides=(HEIGHT, WIDTH),
        inputs=("data",),
        kind=TensorProto.FLOAT,
        shape=None,
        shapes=True,
    ):
        shape = [1, 3, *sides] if shape is None else shape
        values = [helper.make_tensor_value_info(name, kind, shape) for name in inputs]
        nodes, constants, outputs = [], [], []
        for name, array in tensors.items():
            constants.append(numpy_helper.from_array(array, f"{name}_constant"))
            nodes.append(helper.make_node("Identity", [f"{name}_constant"], [name], name=f"make_{name}"))
            outputs.append(
                helper.make_tensor_value_info(
                    name, constants[-1].data_type, [None, *array.shape[1:]] if shapes else None
                )
            )
        graph = helper.make_graph(nodes, "g", values, outputs, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)
        onnx.save(model, tmp_path / "theirs.onnx")
        return str(tmp_path / "theirs.onnx")

    def run(tensors, outputs, cut, head, **settings):
        spec, out = tmp_path / "spec.json", tmp_path / "ours.onnx"
        spec.write_text(json.dumps(model_spec(head).to_dict()))
        path = write(tensors, **settings)
        import_onnx(onnx=path, outputs=outputs, spec=str(spec), cut=cut, out=str(out))
        onnx.checker.check_model(str(out))
        return Session(out, "cpu")

    return run


def infer(session):
    return session.run({"images": np.zeros((1, 3, HEIGHT, WIDTH), np.float32)})


def rows_of(tensor, anchors):
    """``(B, A x C, H, W)`` to ``(B, H x W x A, C)``."""
    batch, channels, height, width = tensor.shape
    split = tensor.reshape(batch, anchors, channels // anchors, height, width)
    return split.transpose(0, 3, 4, 1, 2).reshape(batch, -1, channels // anchors)


@pytest.mark.parametrize(
    "head", [atss_head(strides=((8, 8), (16, 16))), yolox_head()], ids=["two anchors", "points"]
)
@pytest.mark.parametrize("activated", [True, False])
@pytest.mark.parametrize("sides", [(HEIGHT, WIDTH), ("height", "width")], ids=["static", "dynamic"])
@pytest.mark.parametrize("layout", ["rows", "columns", "maps", "one tensor", "a tensor a level"])
def test_raw_tensors_come_out_as_the_head_emits_them(external, head, activated, sides, layout):
    raw = raw_outputs(head, SIZES, seed=1)
    names = {"box": "box", "score": "cls", "factor": head.raw_names[-1].rpartition("_")[0]}
    anchors = head.anchors_per_cell(0)
    levels = {}
    for key, name in names.items():
        levels[key] = [raw[f"{name}_{level}"] for level in range(2)]
        if activated and key != "box":
            levels[key] = [sigmoid(value) for value in levels[key]]
    described = {key: {"tensor": key, "activated": activated} for key in names}
    if layout == "maps":
        tensors = {f"{key}{level}": levels[key][level] for key in names for level in range(2)}
        described = {key: text | {"tensor": [f"{key}0", f"{key}1"]} for key, text in described.items()}
    else:
        rows = {key: [rows_of(value, anchors) for value in values] for key, values in levels.items()}
        joined = {key: np.concatenate(values, axis=1) for key, values in rows.items()}
        tensors = joined
        if layout == "columns":
            tensors = {key: np.ascontiguousarray(value.transpose(0, 2, 1)) for key, value in joined.items()}
        elif layout == "one tensor":
            # box 0..4, factor 4..5, classes 5..8, as YOLO has it
            tensors = {"all": np.concatenate([joined[key] for key in ("box", "factor", "score")], axis=2)}
            channels = {"box": [0, 4], "factor": [4, 5], "score": [5, 8]}
            described = {
                key: text | {"tensor": "all", "channels": channels[key]} for key, text in described.items()
            }
        elif layout == "a tensor a level":
            tensors = {f"{key}{level}": rows[key][level] for key in names for level in range(2)}
            described = {key: text | {"tensor": [f"{key}0", f"{key}1"]} for key, text in described.items()}
    kind = layout if layout in ("columns", "maps") else "rows"
    session = external(tensors, {"layout": kind, **described}, "raw", head, sides=sides)
    assert (session.cut, session.spec, session.precision) == ("raw", model_spec(head), "fp32")
    assert session.shape == (None if sides[0] == "height" else (HEIGHT, WIDTH))
    expected_probabilities = {n for n in head.raw_names if not n.startswith("box")} if activated else set()
    assert set(session.probabilities) == expected_probabilities
    outputs = infer(session)
    assert list(outputs) == list(head.raw_names)
    for name, value in outputs.items():
        np.testing.assert_allclose(value, raw[name], rtol=1e-5, atol=1e-5, err_msg=name)
    ours, theirs = from_raw(outputs, head), from_raw(raw, head)
    assert len(theirs) > 20
    np.testing.assert_array_equal(ours.prior, theirs.prior)
    np.testing.assert_allclose(ours.score, theirs.score, atol=1e-6)


def test_one_tensor_a_level_may_hold_several_kinds(external):
    # YOLOv3: box, objectness and classes of each of two anchors in one map
    head = atss_head(
        strides=((8, 8), (16, 16)),
        raw_names=("pred_0", "pred_1"),
        box=(Part("pred", 0, 4),),
        factor=Part("pred", 4, 5),
        score=Part("pred", 5, 8),
    )
    raw = raw_outputs(head, SIZES, seed=4)
    described = {"tensor": ["pred0", "pred1"], "activated": False}
    channels = {"box": [0, 4], "factor": [4, 5], "score": [5, 8]}
    outputs = {"layout": "maps"} | {key: described | {"channels": value} for key, value in channels.items()}
    tensors = {f"pred{level}": raw[f"pred_{level}"] for level in range(2)}
    for name, value in infer(external(tensors, outputs, "raw", head)).items():
        np.testing.assert_array_equal(value, raw[name])


@pytest.mark.parametrize("activated", [True, False])
def test_softmax_scores_have_a_background_in_raw_and_none_in_decoded(external, activated):
    head = yolox_head(
        score=Part("cls", 0, 4),
        score_activation="softmax",
        factor=None,
        raw_names=("cls_0", "cls_1", "box_0", "box_1"),
    )
    raw = raw_outputs(head, SIZES, seed=5)
    logits = np.concatenate([rows_of(raw[f"cls_{level}"], 1) for level in range(2)], axis=1)
    shares = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    boxes = np.concatenate([rows_of(raw[f"box_{level}"], 1) for level in range(2)], axis=1)
    described = {"box": {"tensor": "b"}, "score": {"tensor": "s", "activated": activated}}
    session = external({"b": boxes, "s": shares if activated else logits}, described, "raw", head)
    ours, theirs = from_raw(infer(session), head), from_raw(raw, head)
    assert len(theirs) > 20
    np.testing.assert_allclose(ours.score, theirs.score, atol=1e-6)
    decoded = external(
        {"b": boxes, "s": logits}, described | {"score": {"tensor": "s", "activated": False}}, "decoded", head
    )
    np.testing.assert_allclose(infer(decoded)["scores"], shares[..., :-1], atol=1e-6)


def test_a_probability_of_zero_or_one_stays_finite(external):
    head = yolox_head()
    shapes = {"box": 4, "score": 3, "factor": 1}
    tensors = {key: np.zeros((1, 60, channels), np.float32) for key, channels in shapes.items()}
    tensors["score"][0, 7] = 1
    described = {key: {"tensor": key, "activated": True} for key in shapes}
    outputs = infer(external(tensors, described, "raw", head))
    found = np.concatenate([outputs["cls_0"].ravel(), outputs["cls_1"].ravel()])
    assert np.isfinite(found).all()
    assert sorted(np.unique(sigmoid(found.astype(np.float64)) > 0.5, return_counts=True)[1]) == [3, 177]


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_decoded_boxes_and_scores_are_put_into_our_form(external, layout):
    head = yolox_head()
    random = np.random.default_rng(2)
    centre, size = random.uniform(10, 30, (1, 60, 2)), random.uniform(4, 10, (1, 60, 2))
    corners = np.concatenate([centre - size / 2, centre + size / 2], axis=2)
    logits = random.normal(0, 2, (1, 60, 3)).astype(np.float32)
    factor = random.uniform(0, 1, (1, 60)).astype(np.float32)
    boxes = np.concatenate([centre, size], axis=2) / [WIDTH, HEIGHT, WIDTH, HEIGHT]
    # outputs named as ours are, but meaning something else, must not collide
    tensors = {"scores": boxes.astype(np.float32), "boxes": logits}
    if layout == "columns":
        tensors = {name: np.ascontiguousarray(value.transpose(0, 2, 1)) for name, value in tensors.items()}
    tensors["factors"] = factor
    described = {
        "layout": layout,
        "box": {"tensor": "scores", "format": "cxcywh", "normalised": True},
        "score": {"tensor": "boxes", "activated": False},
        "factor": {"tensor": "factors", "activated": True},
    }
    session = external(tensors, described, "decoded", head)
    outputs = infer(session)
    assert session.scores == "class"
    np.testing.assert_allclose(outputs["boxes"], corners, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(outputs["scores"], sigmoid(logits), atol=1e-6)
    np.testing.assert_array_equal(outputs["factors"], factor)
    assert outputs["level_counts"].tolist() == [48, 12]
    assert len(from_decoded(outputs, head)) > 5
    del described["factor"]
    fused = external(tensors, described, "decoded", head)
    assert fused.scores == "fused"
    assert list(infer(fused)) == ["boxes", "scores", "level_counts"]


@pytest.mark.parametrize("opset", [11, 20])
@pytest.mark.parametrize(("frame", "first"), [("network", [10, 20, 30, 40]), ("original", [5, 5, 15, 10])])
def test_the_rows_of_e2e_are_sorted_counted_and_relabelled(external, opset, frame, first):
    detections = np.float32([[[0, 0, 0, 0, 0], [1, 2, 3, 4, 0.5], [5, 5, 15, 10, 0.9]]])
    labels = np.int64([[0, 3, 1]])  # the model's first class is 1 there; 0 is padding
    described = {
        "box": {"tensor": "dets", "channels": [0, 4]},
        "score": {"tensor": "dets", "channels": [4, 5], "activated": True},
        "label": {"tensor": "labels", "offset": 1},
        "frame": frame,
    }
    session = external({"dets": detections, "labels": labels}, described, "e2e", atss_head(), opset=opset)
    outputs = infer(session)
    assert outputs["count"].tolist() == [2]
    assert outputs["scores"][0, :2].tolist() == [np.float32(0.9), 0.5]
    assert outputs["labels"][0, :2].tolist() == [0, 2]
    pipeline = OnnxPipeline(session)
    tensor, geometry = pipeline.prepare(np.zeros((HEIGHT * 2, WIDTH * 2, 3), np.uint8))
    sizes = geometry.__class__(**{**vars(geometry), "scale_x": 0.5, "scale_y": 0.25})
    found = pipeline.read(pipeline.infer(tensor, sizes), sizes)
    assert found.boxes.tolist()[0] == first
    assert found.labels.tolist() == [0, 2]


def test_a_count_of_the_files_own_is_taken(external):
    tensors = {
        "box": np.float32([[[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 9, 9]]]),
        "score": np.float32([[0.5, 0.9, 0.8]]),
        "label": np.float32([[2, 1, 0]]),
        "number": np.int32([[2]]),
    }
    described = {key: {"tensor": key, "activated": True} for key in ("box", "score", "label")}
    outputs = infer(external(tensors, described | {"count": {"tensor": "number"}}, "e2e", atss_head()))
    assert outputs["count"].tolist() == [2]
    assert outputs["scores"].tolist() == [[0.5, np.float32(0.9), np.float32(0.8)]]
    assert (outputs["labels"].dtype, outputs["labels"].tolist()) == (np.int64, [[2, 1, 0]])


@pytest.mark.parametrize("shapes", [True, False], ids=["shapes written", "shapes inferred"])
@pytest.mark.parametrize("opset", [11, 13])
def test_without_an_axis_for_the_images_the_file_is_of_one_image(external, shapes, opset):
    tensors = {
        "dets": np.float32([[1, 2, 3, 4, 0.5], [5, 6, 7, 8, 0.9], [0, 0, 0, 0, 0]]),
        "labels": np.int64([2, 1, 0]),
    }
    described = {
        "box": {"tensor": "dets", "channels": [0, 4]},
        "score": {"tensor": "dets", "channels": [4, 5], "activated": True},
        "label": {"tensor": "labels"},
    }
    session = external(
        tensors, described, "e2e", atss_head(), opset=opset, shape=["b", 3, "h", "w"], shapes=shapes
    )
    outputs = infer(session)
    assert session.batch == 1
    assert outputs["boxes"][0, :2].tolist() == [[5, 6, 7, 8], [1, 2, 3, 4]]
    assert (outputs["count"].tolist(), outputs["labels"][0, :2].tolist()) == ([2], [1, 2])
    with pytest.raises(UserError, match="no axis for the images, and its input takes 2"):
        external(tensors, described, "e2e", atss_head(), shape=[2, 3, HEIGHT, WIDTH])


def test_decoded_rows_without_an_axis_for_the_images_are_one_images(external):
    head = yolox_head()
    tensors = {"box": np.ones((60, 4)), "score": np.full((60, 3), 0.5), "factor": np.full(60, 0.25)}
    tensors = {name: value.astype(np.float32) for name, value in tensors.items()}
    outputs = infer(external(tensors, DESCRIBED, "decoded", head))
    assert [outputs[name].shape for name in ("boxes", "scores", "factors")] == [
        (1, 60, 4),
        (1, 60, 3),
        (1, 60),
    ]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_so(external, value):
    # clipping a probability, or ranking a score, would hide it
    spoilt = {name: array.astype(np.float32) for name, array in ROWS.items()}
    spoilt["score"][0, 7, 1] = value
    outputs = infer(external(spoilt, DESCRIBED, "raw", yolox_head()))
    assert find_invalid(outputs.items()) == "cls_0 has NaN"
    tensors = {"box": np.ones((1, 3, 4)), "score": np.array([[0, value, 0.5]]), "label": np.zeros((1, 3))}
    tensors = {name: array.astype(np.float32) for name, array in tensors.items()}
    described = {key: {"tensor": key, "activated": True} for key in tensors}
    session = external(tensors, described, "e2e", atss_head())
    outputs = infer(session)
    assert outputs["count"].tolist() == [2]
    assert not np.isfinite(outputs["scores"][0, 0])


def test_padding_is_told_from_a_label_that_the_offset_moves_to_it(external):
    # -1 and score 0 are padding; 0 with offset 1 is a label that the file cannot mean
    tensors = {"box": np.ones((1, 3, 4)), "score": np.array([[0.9, 0.5, 0]]), "label": np.array([[1, 0, -1]])}
    tensors = {name: array.astype(np.float32) for name, array in tensors.items()}
    described = {key: {"tensor": key, "activated": True} for key in tensors}
    described["label"] = {"tensor": "label", "offset": 1}
    for count in ({}, {"count": {"tensor": "number"}}):
        session = external(tensors | {"number": np.int64([3])}, described | count, "e2e", atss_head())
        pipeline, outputs = OnnxPipeline(session), infer(session)
        assert pipeline.read(outputs, geometry()).labels.tolist() == [0, -1]
        with pytest.raises(Refused, match=r"labels has -1 \(the model's 3 classes are 0 to 2"):
            read_valid(pipeline, outputs, geometry(), 0)


@pytest.mark.parametrize("location", ["theirs.onnx.data", "w.bin"])
@pytest.mark.parametrize("limit", [external_module.LARGEST, 1])
def test_tensors_beside_the_file_are_carried_along(tmp_path, monkeypatch, external, location, limit):
    """Into the file itself, or into one beside it where they are too many for it."""
    tensors = {name: value.astype(np.float32) for name, value in ROWS.items()}
    monkeypatch.setattr(external_module, "LARGEST", limit)
    expected = infer(external(tensors, DESCRIBED, "raw", yolox_head()))
    theirs = tmp_path / "theirs.onnx"
    made = onnx.load(theirs)
    onnx.save_model(made, theirs, save_as_external_data=True, location=location, size_threshold=0)
    arguments = {"outputs": DESCRIBED, "spec": str(tmp_path / "spec.json"), "cut": "raw"}
    folder = tmp_path / "results"
    folder.mkdir()
    import_onnx(onnx=str(theirs), **arguments, out=str(folder / "ours.onnx"))
    for path in (theirs, tmp_path / location):
        path.unlink()
    assert (
        sorted(path.name for path in folder.iterdir()) == ["ours.onnx", "ours.onnx.data"][: 1 + (limit == 1)]
    )
    for name, value in infer(Session(folder / "ours.onnx", "cpu")).items():
        np.testing.assert_array_equal(value, expected[name])


def test_what_onnx_runtime_cannot_run_is_one_message(tmp_path, external):
    session = external(
        {name: v.astype(np.float32) for name, v in ROWS.items()}, DESCRIBED, "raw", yolox_head()
    )
    with pytest.raises(UserError, match=r"^\S*ours\.onnx: ONNX Runtime cannot run it \(.+\)") as error:
        session.run({"images": np.zeros((1, 3, HEIGHT, WIDTH + 1), np.float32)})
    assert "\n" not in str(error.value)


ROWS = {"box": np.zeros((1, 60, 4)), "score": np.zeros((1, 60, 3)), "factor": np.zeros((1, 60, 1))}
DESCRIBED = {key: {"tensor": key, "activated": True} for key in ROWS}


@pytest.mark.parametrize("opset", [9, 10])
def test_a_file_of_an_old_opset_is_converted(external, opset):
    arrays = {name: value.astype(np.float32) for name, value in ROWS.items()}
    expected = infer(external(arrays, DESCRIBED, "raw", yolox_head()))
    for name, value in infer(external(arrays, DESCRIBED, "raw", yolox_head(), opset=opset)).items():
        np.testing.assert_array_equal(value, expected[name])


@pytest.mark.parametrize(
    ("tensors", "outputs", "settings", "message"),
    [
        ({}, {"box": {"tensor": "boxes"}}, {}, r"no output 'boxes'; it has: box, score, factor"),
        ({}, {"factor": None}, {}, r"outputs\.factor is missing; the cut raw needs it"),
        ({}, {"score": {"tensor": "score", "channels": [0, 2]}}, {}, r"\[0, 2\] of 'score': YOLOXHead has 3"),
        (
            {"score": np.zeros((1, 59, 3))},
            {},
            {},
            r"score has 59 rows; YOLOXHead has 60 priors at 44x60",
        ),
        ({}, {"box": {"tensor": ["box", "box", "box"]}}, {}, r"3 tensors .*; 1 is needed, or one a level: 2"),
        ({}, {"layout": "maps"}, {}, r"outputs\.layout maps: one output a level is needed: 2"),
        ({}, {}, {"inputs": ("data", "sizes")}, r"one float32 input is needed, it has: data .*, sizes"),
        ({}, {}, {"kind": TensorProto.UINT8}, r"one float32 input is needed, it has: data \(UINT8\)"),
        ({}, {}, {"kind": TensorProto.FLOAT16}, r"one float32 input is needed, it has: data \(FLOAT16\)"),
        ({}, {}, {"kind": TensorProto.DOUBLE}, r"one float32 input is needed, it has: data \(DOUBLE\)"),
        (
            {},
            {},
            {"shape": [1, HEIGHT, WIDTH, 3]},
            r"data has shape \[1,44,60,3\]: its channels come last \(NHWC",
        ),
        ({}, {}, {"shape": ["b", "h", "w", 3]}, r"data has shape \[b,h,w,3\]: its .* last \(NHWC"),
        ({}, {}, {"shape": [1, 1, HEIGHT, WIDTH]}, r"data has shape \[1,1,44,60\]; \(B, 3, H, W\)"),
        ({}, {}, {"shape": [3, HEIGHT, WIDTH]}, r"data has shape \[3,44,60\]; \(B, 3, H, W\) is needed"),
        ({"score": np.zeros((1, 60, 80))}, {}, {}, r"score has 80 channels; YOLOXHead has 3$"),
        ({"score": np.zeros((1, 60, 80))}, {}, {"shapes": False}, r"score has 80 channels; YOLOXHead has 3$"),
        ({"box": np.zeros((1, 60, 5))}, {}, {}, r"box has 5 channels; YOLOXHead has 4$"),
        ({"factor": np.zeros((1, 60, 2))}, {}, {}, r"factor has 2 channels; YOLOXHead has 1$"),
        ({}, {"score": {"tensor": "score", "channels": [5, 8]}}, {}, r"score has 3 channels, not \[5, 8\]"),
        (
            {},
            {"box": {"tensor": "box", "format": "cxcywh"}},
            {},
            r"outputs\.box: raw has what the head emits",
        ),
        ({}, {"label": {"tensor": "box"}}, {}, r"outputs\.label: only the cut e2e has it, this one is raw"),
    ],
)
def test_a_file_that_is_not_as_described_is_refused(external, tensors, outputs, settings, message):
    arrays = {name: value.astype(np.float32) for name, value in (ROWS | tensors).items()}
    with pytest.raises(UserError, match=rf"theirs\.onnx: .*{message}"):
        external(arrays, DESCRIBED | outputs, "raw", yolox_head(), **settings)


def test_a_factor_that_the_head_lacks_is_refused(external):
    head = yolox_head(factor=None, raw_names=("cls_0", "cls_1", "box_0", "box_1"))
    arrays = {name: value.astype(np.float32) for name, value in ROWS.items()}
    for cut in ("raw", "decoded"):
        with pytest.raises(UserError, match=r"outputs\.factor: YOLOXHead has none; remove it"):
            external(arrays, DESCRIBED, cut, head)
    described = DESCRIBED | {"label": {"tensor": "score"}}
    with pytest.raises(UserError, match=r"outputs\.factor: the scores of e2e are final; remove it"):
        external(arrays, described, "e2e", head)
    described = {"box": {"tensor": "box"}, "label": {"tensor": "factor"}}
    described |= {"score": {"tensor": "factor", "activated": False}}
    with pytest.raises(UserError, match=r"outputs\.score\.activated: the scores of e2e are final"):
        external(arrays, described, "e2e", head)


def test_maps_have_the_channels_of_all_anchors(external):
    head = atss_head(strides=((8, 8), (16, 16)))
    raw = raw_outputs(head, SIZES, seed=1)
    described = {
        key: {"tensor": [f"{name}_0", f"{name}_1"], "activated": False}
        for key, name in {"box": "box", "score": "cls", "factor": "centerness"}.items()
    }
    arrays = dict(raw)
    arrays["cls_1"] = np.concatenate([arrays["cls_1"], arrays["cls_1"][:, :1]], axis=1)
    with pytest.raises(UserError, match=r"cls_1 has 7 channels; ATSSHead has 6 \(2 anchors x 3\)"):
        external(arrays, {"layout": "maps", **described}, "raw", head)


def test_a_file_that_is_no_onnx_is_refused(tmp_path):
    (tmp_path / "spec.json").write_text(json.dumps(model_spec(yolox_head()).to_dict()))
    (tmp_path / "x.onnx").write_bytes(b"not onnx at all")
    arguments = {"spec": str(tmp_path / "spec.json"), "cut": "raw", "out": str(tmp_path / "o.onnx")}
    for name in ("x.onnx", "absent.onnx"):
        with pytest.raises(UserError, match=rf"{name}: not an ONNX file that can be read"):
            import_onnx(onnx=str(tmp_path / name), outputs=DESCRIBED, **arguments)
