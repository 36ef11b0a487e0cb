"""``examples/postprocess.py`` against the package, for every coder, activation and step that a head has."""

import ast
import importlib.util
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnxruntime
import pytest
from imported import STEPS as LETTERBOX_STEPS
from imported import columns, detections, external_spec, maps, queries, write_imported
from row_graphs import write_queries, write_rois
from tiny import (
    ATSS_STEPS,
    PAA_STEPS,
    ROI_STEPS,
    YOLOX_STEPS,
    atss_head,
    detr_head,
    geometry,
    guided_head,
    input_recipe,
    model_spec,
    peaks_head,
    query_head,
    query_outputs,
    raw_outputs,
    recipe_of,
    roi_head,
    roi_outputs,
    sabl_head,
    sparse_head,
    yolov3_head,
    yolox_head,
)

from cutpoint.data.image import clip_size, prepare
from cutpoint.decode.boxes import CODERS
from cutpoint.decode.candidates import READERS, from_decoded, from_raw, from_rows
from cutpoint.decode.pairs import sigmoid, softmax
from cutpoint.decode.queries import decode_queries
from cutpoint.decode.rois import decode_proposals
from cutpoint.export.cut import write_cut
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.runtime import Session
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.recipes.steps import STEPS
from cutpoint.records.head import ExternalHead, Floor, Part, QueryHead, RoiHead
from cutpoint.records.image import Pad, TensorForm

SCRIPT = Path(__file__).parents[2] / "examples/postprocess.py"
SIZES = [(6, 7), (3, 4)]
BASE = [step for step in ATSS_STEPS if step["step"] != "multiply_factor"]
POINT = {"anchors": None, "point_offset": 0.5}
DISTANCE = {"type": "distance", "bins": None, "exp": False, "unit": [1.0, 1.0]}

HEADS = {
    "ATSS": atss_head(),
    "YOLOF": atss_head(coder=atss_head().coder | {"centre_clamp": 3.0}, factor=None, recipe=BASE),
    "PAA": atss_head(recipe=PAA_STEPS, floor=Floor("product", 0.0024, True)),
    "SSD": atss_head(score=Part("cls", 0, 4), score_activation="softmax", factor=None, recipe=BASE),
    "YOLOX": yolox_head(recipe=YOLOX_STEPS),
    "FCOS": atss_head(**POINT, coder=DISTANCE),
    "FoveaBox": atss_head(
        **POINT,
        coder=DISTANCE | {"exp": True, "unit": [16.0, 32.0]},
        factor=None,
        recipe=[step | ({"border": 1} if step["step"] == "clip" else {}) for step in BASE],
    ),
    "GFL": atss_head(
        coder=DISTANCE | {"bins": 5, "unit": [8.0, 16.0]}, box=(Part("box", 0, 20),), factor=None, recipe=BASE
    ),
    "FSAF": atss_head(coder={"type": "tblr", "normalizer": [4.0] * 4}, factor=None, recipe=BASE),
    "RepPoints": atss_head(**POINT, coder={"type": "corners", "from_point": True}, factor=None, recipe=BASE),
    "TOOD": atss_head(
        coder={"type": "corners", "from_point": False}, score_activation="none", factor=None, recipe=BASE
    ),
    "YOLOv3": yolov3_head(),
    "SABL": sabl_head(),
    "GA": guided_head(),
    "CenterNet": peaks_head(),
}


@pytest.fixture(scope="module")
def script():
    specification = importlib.util.spec_from_file_location("postprocess_example", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def as_json(spec):
    return json.loads(json.dumps(asdict(spec)))


def sizes_of(sizes, recipe=None):
    """What the script's ``preprocess`` returns besides the tensor."""
    return {
        "image": clip_size(sizes, recipe or input_recipe()),
        "tensor": (sizes.padded_height, sizes.padded_width),
        "original": (sizes.height, sizes.width),
        "scale": (sizes.scale_x, sizes.scale_y),
        "gain": sizes.gain,
        "start": (sizes.left, sizes.top),
    }


def test_the_script_needs_no_package():
    names = [node for node in ast.walk(ast.parse(SCRIPT.read_text())) if isinstance(node, ast.Import)]
    imports = {alias.name for node in names for alias in node.names}
    assert imports == {"argparse", "json", "math", "cv2", "numpy", "onnxruntime"}
    assert "import_module" not in SCRIPT.read_text()
    assert not any(isinstance(node, ast.ImportFrom) for node in ast.walk(ast.parse(SCRIPT.read_text())))


def test_the_heads_have_every_coder_and_every_step():
    assert {spec.coder["type"] for spec in HEADS.values()} == set(CODERS)
    heads = [*HEADS.values(), *KINDS.values()]
    assert {step["step"] for spec in heads for step in spec.recipe} == set(STEPS)
    assert {spec.score_activation for spec in HEADS.values()} == {"sigmoid", "softmax", "none"}


@pytest.mark.parametrize("name", HEADS)
def test_the_scripts_table_has_the_candidates(script, name):
    spec = HEADS[name]
    outputs = raw_outputs(spec, SIZES, seed=3)
    boxes, scores, factors, levels = script.read_raw(outputs, as_json(spec))
    found = from_raw(outputs, spec)
    assert 20 < len(found) <= scores.size
    assert (
        len(boxes) == len(scores) == sum(h * w * spec.anchors_per_cell(i) for i, (h, w) in enumerate(SIZES))
    )
    for ours, theirs in (
        (scores[found.prior, found.label], found.score),
        (factors[found.prior], found.factor),
        (boxes[found.prior], found.boxes),
    ):
        assert ours.dtype == theirs.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(levels[found.prior], found.level)


@pytest.mark.parametrize("name", HEADS)
def test_the_script_gives_the_recipes_detections(script, name):
    spec = HEADS[name]
    sizes = geometry(scale_x=0.7)
    head, seen = as_json(spec), 0
    for seed in range(3):
        outputs = raw_outputs(spec, SIZES, seed=seed)
        table = script.read_raw(outputs, head)
        thresholds = [None, 0.4] if spec.recipe[0]["step"] != "top_k" else [None]
        for threshold in thresholds:
            definition = {"base": "mmdet3"} | ({"score_thr": threshold} if threshold else {})
            recipe = resolve_recipe(definition, spec)
            expected = apply_recipe(recipe, from_raw(outputs, spec), sizes, model_spec(spec))
            boxes, found, labels = script.postprocess(table, head, sizes_of(sizes), threshold)
            seen += len(expected)
            np.testing.assert_array_equal(labels, expected.labels)
            np.testing.assert_allclose(found, expected.scores, rtol=1e-6)
            np.testing.assert_allclose(boxes, expected.boxes, rtol=1e-5, atol=1e-4)
    assert seen > 3


@pytest.mark.parametrize("name", ["ATSS", "PAA", "YOLOX", "YOLOv3"])
def test_nothing_above_the_threshold(script, name):
    spec = HEADS[name]
    outputs = {key: np.full_like(value, -20) for key, value in raw_outputs(spec, SIZES).items()}
    found = script.postprocess(script.read_raw(outputs, as_json(spec)), as_json(spec), sizes_of(geometry()))
    assert [part.shape for part in found] == [(0, 4), (0,), (0,)]


LEARNED = [step for step in ROI_STEPS if step["step"] != "clip"]
KINDS = {
    "Faster R-CNN": roi_head(proposals=30),
    "one box": roi_head(proposals=30, class_boxes=False),
    "Mask R-CNN": roi_head(proposals=30, recipe=[ROI_STEPS[0], *ROI_STEPS[2:], ROI_STEPS[1]]),
    "mmdeploy": roi_head(proposals=30, recipe=[{"step": "best_box"}, *ROI_STEPS]),
    "sigmoid": roi_head(proposals=30, score_activation="sigmoid", recipe=LEARNED),
    "Sparse R-CNN": sparse_head(proposals=30),
    "DINO": query_head(queries=30),
    "Deformable": query_head(queries=30, selected=False, raw_names=("logits", "cxcywh")),
    "DETR": detr_head(queries=30),
}


def decoded_of(outputs, spec, sizes):
    """The tensors of the cut `decoded`, from those of `raw`."""
    kept = {"priors": outputs["priors"]} if spec.selected else {}
    scores = ACTIVATED[spec.score_activation](outputs["logits"][0])[None]
    if isinstance(spec, QueryHead):
        sides = np.array([sizes.resized_width, sizes.resized_height], np.float32)
        return {"boxes": decode_queries(outputs["cxcywh"], sides), "scores": scores, **kept}
    if spec.selected:
        scores[:, outputs["proposal_count"][0] :] = 0
    return {
        "boxes": decode_proposals(spec, outputs["proposals"], outputs["deltas"]),
        "scores": scores,
        **kept,
    }


ACTIVATED = {"softmax": lambda x: softmax(x)[:, :-1], "sigmoid": sigmoid}


@pytest.mark.parametrize("name", KINDS)
def test_the_script_finishes_proposals_and_queries(script, name):
    spec, sizes, seen = KINDS[name], geometry(scale_x=0.7, padded_height=64), 0
    head, recipe = as_json(spec), resolve_recipe("mmdet3", spec)
    make, read = (roi_outputs, "rois") if isinstance(spec, RoiHead) else (query_outputs, "queries")
    for seed in range(3):
        outputs = make(spec, seed=seed)
        clip = clip_size(sizes, input_recipe())
        expected = apply_recipe(recipe, from_raw(outputs, spec, clip=clip), sizes, model_spec(spec))
        decoded = decoded_of(outputs, spec, sizes)
        tables = script.RAW[read](outputs, head, sizes_of(sizes)), script.read_decoded(decoded, head)
        for table in tables:
            boxes, scores, labels = script.postprocess(table, head, sizes_of(sizes))
            np.testing.assert_array_equal(labels, expected.labels)
            np.testing.assert_allclose(scores, expected.scores, rtol=1e-5)
            np.testing.assert_allclose(boxes, expected.boxes, rtol=1e-5, atol=1e-4)
        seen += len(expected)
    assert seen == 9


def test_every_kind_that_has_the_cut_raw_is_read(script):
    assert set(script.RAW) == {kind.kind for kind in READERS}


def test_fused_scores_are_refused(script):
    outputs = {
        "boxes": np.zeros((1, 2, 4), np.float32),
        "scores": np.zeros((1, 2, 3), np.float32),
        "level_counts": np.array([1, 1]),
    }
    with pytest.raises(SystemExit, match="scores: class"):
        script.read_decoded(outputs, as_json(HEADS["ATSS"]))
    assert script.read_decoded(outputs, as_json(HEADS["SSD"]))[2].tolist() == [1, 1]


BOX = Pad(size=(48, 64), value=(114.0,) * 3)
LETTERBOX = {"scale": (48, 64), "pad": BOX, "fit": "frame"}


@pytest.mark.parametrize("size", [(33, 58), (20, 17), (90, 31), (48, 64)])
@pytest.mark.parametrize(
    "recipe",
    [
        input_recipe(),
        input_recipe(pad=Pad(to_square=True, value=(114.0,) * 3), divisor=32),
        input_recipe(
            pad=Pad(size=(40, 90), divisor=4), bgr_to_rgb=True, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0)
        ),
        input_recipe(keep_ratio=False, divisor=32),
        input_recipe(keep_ratio=False, interpolation="bicubic", to_float32=True, divide_by=255.0),
        input_recipe(scale=None, divisor=32, mean=(0.5,) * 3, std=(0.2,) * 3, divide_by=255.0),
        input_recipe(**LETTERBOX, place="centre", rounding="even", bgr_to_rgb=True, divide_by=255.0),
        input_recipe(**LETTERBOX, place="centre", rounding="up", enlarge=False),
        input_recipe(**LETTERBOX, rounding="down", interpolation="area"),
    ],
)
def test_the_script_prepares_an_image_alike(script, recipe, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    own = json.loads(json.dumps(recipe.to_dict()))
    for form in (TensorForm(), TensorForm("float16"), TensorForm("uint8", channels_last=True)):
        if form.dtype == "uint8" and recipe.mean:
            continue  # below 0
        for shape in (None, (96, 128)):
            tensor, sizes = script.preprocess(image, own, shape, asdict(form))
            expected, geometry = prepare(image, recipe, shape, form=form)
            assert (tensor.dtype, tensor.flags.c_contiguous) == (expected.dtype, True)
            np.testing.assert_array_equal(tensor, expected)
            assert sizes == sizes_of(geometry, recipe)


def external_head(recipe, **changes):
    values = {"head": "external", "num_classes": 3, "raw_names": (), "floor": Floor("class", 0.2, False)}
    return ExternalHead(**(values | {"recipe": recipe, "layout": "own"} | changes))


NMS = {"step": "nms", "iou_threshold": 0.5}
ABOVE = {"step": "threshold", "quantity": "class", "value": 0.4}
RESCALE = {"step": "rescale", "operation": "divide"}
RECIPES = {
    "letterbox": LETTERBOX_STEPS,
    "per-class": (
        ABOVE,
        NMS | {"space": "per_class", "max_per_class": 4},
        RESCALE,
        {"step": "clip", "to": "original"},
    ),
    "agnostic": (ABOVE, NMS | {"space": "agnostic"}, RESCALE | {"gain": "one"}),
    "shifted": (ABOVE, {"step": "best_class"}, {"step": "clip", "to": "tensor"}, NMS, RESCALE),
    "queries": (ABOVE, {"step": "top_k", "k": 7, "per": "image"}, RESCALE | {"padding": "left"}),
    "locations": (ABOVE, {"step": "top_k", "k": 5, "unit": "location", "per": "image"}, {"step": "rescale"}),
    "factor": (
        {"step": "multiply_factor"},
        {**ABOVE, "quantity": "product"},
        NMS,
        {"step": "max_per_img", "k": 3},
    ),
}
CENTRED = geometry(padded_width=64, padded_height=48, left=11, top=5, gain=0.503, scale_x=0.5, scale_y=0.51)


def crowd(seed, rows=40):
    """Boxes that overlap, distinct scores."""
    random = np.random.default_rng(seed)
    centre, size = random.uniform(5, 50, (1, rows, 2)), random.uniform(8, 30, (1, rows, 2))
    return {
        "boxes": np.concatenate([centre - size / 2, centre + size / 2], 2).astype(np.float32),
        "scores": random.random((1, rows, 3), np.float32),
        "factors": random.random((1, rows), np.float32),
        "level_counts": np.array([30, 10]),
    }


def assert_equal(found, expected):
    boxes, scores, labels = found
    np.testing.assert_array_equal(labels, expected.labels)
    np.testing.assert_array_equal(scores, expected.scores)
    np.testing.assert_allclose(boxes, expected.boxes, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", RECIPES)
def test_the_script_finishes_external_columns_and_rows(script, name):
    own, seen = external_spec().input, 0
    head = external_head(RECIPES[name], factor=name == "factor")
    if name == "factor":
        head = external_head(RECIPES[name], factor=True, floor=Floor("product", 0.2, False))
    spec = model_spec(head)
    for seed in range(3):
        outputs = crowd(seed)
        if not head.factor:
            del outputs["factors"]
        expected = apply_recipe(
            recipe_of(*RECIPES[name]), from_decoded(outputs, head), CENTRED, replace(spec, input=own)
        )
        table = script.read_decoded(outputs, as_json(head))
        found = script.postprocess(table, as_json(head), sizes_of(CENTRED, own))
        assert_equal(found, expected)
        seen += len(expected)
        rows = {"boxes": outputs["boxes"], "scores": outputs["scores"][..., 0], "count": np.array([38])}
        rows["labels"] = np.random.default_rng(seed).integers(0, 3, (1, 40))
        rows["labels"][0, -4:], rows["scores"][0, -4:] = -1, 0
        expected = apply_recipe(
            recipe_of(*RECIPES[name]), from_rows(rows, head), CENTRED, replace(spec, input=own)
        )
        found = script.postprocess(
            script.read_rows(rows, as_json(head)), as_json(head), sizes_of(CENTRED, own)
        )
        assert_equal(found, expected)
        seen += len(expected)
    assert seen > 10


def test_rows_without_a_threshold_take_the_one_asked_for(script):
    head = external_head((RESCALE,), floor=Floor("class", 0.0, True))
    rows = {"boxes": np.ones((1, 3, 4), np.float32), "count": np.array([3]), "labels": np.array([[0, 2, 1]])}
    rows["scores"] = np.float32([[0.9, 0.3, 0.5]])
    table = script.read_rows(rows, as_json(head))
    sizes = sizes_of(geometry())
    assert script.postprocess(table, as_json(head), sizes)[2].tolist() == [0, 2, 1]
    assert script.postprocess(table, as_json(head), sizes, 0.4)[2].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("ending", "form"),
    [
        (columns, TensorForm()),
        (columns, TensorForm("uint8", channels_last=True)),
        (detections, TensorForm("uint8")),
        (queries, TensorForm("float16")),
        (maps, TensorForm()),
    ],
)
def test_the_script_runs_imported_files(script, tmp_path, ending, form):
    path, _ = write_imported(tmp_path, ending, form)
    pipeline = OnnxPipeline(Session(path, "cpu", 1), "own")
    spec, session = pipeline.spec, onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    recipe, seen = resolve_recipe("mmdet3", spec.head), 0
    for number, size in enumerate([(40, 57), (61, 20)]):
        image = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
        tensor, sizes = pipeline.prepare(image)
        expected = apply_recipe(recipe, pipeline.read(pipeline.infer(tensor, sizes), sizes), sizes, spec)
        *found, classes = script.detect(session, image)
        np.testing.assert_array_equal(found[2], expected.labels)
        np.testing.assert_allclose(found[1], expected.scores, rtol=1e-6)
        np.testing.assert_allclose(found[0], expected.boxes, rtol=1e-5, atol=1e-4)
        assert tuple(classes) == spec.classes
        seen += len(expected)
    assert seen > 5


@pytest.mark.parametrize("write", [write_queries, write_rois])
def test_the_script_gives_a_file_the_sizes_that_it_takes(script, tmp_path, write):
    path = str(tmp_path / "raw.onnx")
    write_cut(**write(tmp_path), cut="raw", out=path)
    pipeline, seen = OnnxPipeline(Session(path, "cpu", 1)), 0
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    recipe = resolve_recipe("mmdet3", pipeline.spec.head)
    for number, size in enumerate([(40, 57), (61, 20)]):
        image = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
        tensor, sizes = pipeline.prepare(image)
        rows = pipeline.read(pipeline.infer(tensor, sizes), sizes)
        expected = apply_recipe(recipe, rows, sizes, pipeline.spec)
        boxes, scores, labels, _ = script.detect(session, image)
        np.testing.assert_array_equal(labels, expected.labels)
        np.testing.assert_allclose(scores, expected.scores, rtol=1e-5)
        np.testing.assert_allclose(boxes, expected.boxes, rtol=1e-5, atol=1e-4)
        seen += len(expected)
    assert seen > 20


def test_a_finished_export_is_refused(script, tmp_path):
    path, _ = write_imported(tmp_path, detections)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    content = json.loads(session.get_modelmeta().custom_metadata_map["cutpoint"])
    content["spec"]["head"] = {"kind": "dense", **as_json(atss_head())}

    class Mmdet:
        custom_metadata_map: ClassVar = {"cutpoint": json.dumps(content)}

        def get_modelmeta(self):
            return self

    with pytest.raises(SystemExit, match="its outputs are detections already"):
        script.detect(Mmdet(), np.zeros((40, 50, 3), np.uint8))
