"""Recipes in a graph against the numpy recipe, on tensors fed in the place of a network's."""

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from tiny import (
    PAA_STEPS,
    YOLOV3_STEPS,
    YOLOX_STEPS,
    atss_head,
    geometry,
    input_recipe,
    model_spec,
    yolox_head,
)

from cutpoint.data.image import clip_size
from cutpoint.decode.candidates import from_decoded
from cutpoint.errors import UserError
from cutpoint.export import ingraph
from cutpoint.export.graph import Graph
from cutpoint.predict.pipeline import image_sizes
from cutpoint.recipes.recipe import Recipe, apply_recipe, limit_top_k, resolve_recipe
from cutpoint.records.model import Floor

COUNTS = np.array([60, 20])
HEADS = {
    "ATSS": atss_head(),
    "RetinaNet": atss_head(head="RetinaHead", factor=None),
    "PAA": atss_head(
        head="PAAHead",
        recipe=PAA_STEPS[:-1],
        floor=Floor("product", 0.05**2 * (1 - 1e-6), True),
    ),
    "YOLOX": yolox_head(
        recipe=(YOLOX_STEPS[0], YOLOX_STEPS[1] | {"value": 0.05}, *YOLOX_STEPS[2:]),
        floor=Floor("product", 0.05, True),
    ),
    "YOLOv3": atss_head(head="YOLOV3Head", recipe=YOLOV3_STEPS),
    "RTMDet": atss_head(head="RTMDetHead", factor=None),
}
RECIPES = ["mmdet3", "mmdet2-onnx", "mmdeploy", "class-agnostic"]


def decoded_tensors(spec, batch, seed=0):
    """Crowded boxes, distinct scores; the last image of three has nothing."""
    random = np.random.default_rng(seed)
    count = COUNTS.sum()
    centre, size = random.uniform(0, 60, (batch, count, 2)), random.uniform(2, 30, (batch, count, 2))
    tensors = {
        "boxes": np.concatenate([centre - size / 2, centre + size / 2], 2).astype(np.float32),
        "scores": random.uniform(0, 1, (batch, count, spec.num_classes)).astype(np.float32) ** 3,
        "factors": random.uniform(0.2, 1, (batch, count)).astype(np.float32),
        "level_counts": COUNTS,
    }
    if batch == 3:
        tensors["scores"][2] = 0.001
    return {name: tensors[name] for name in spec.decoded_names}


def sizes_of(batch):
    """Geometry and ``image_sizes`` of images of different sizes in tensors of 64 x 96."""
    padded = {"padded_height": 64, "padded_width": 96}
    found = [
        geometry(**padded),
        geometry(resized_height=64, resized_width=50, scale_x=0.7, scale_y=0.72, **padded),
        geometry(**padded),
    ][:batch]
    recipe = input_recipe()
    assert clip_size(found[0], recipe) == (32, 40)
    return found, np.concatenate([image_sizes(size, recipe) for size in found])


def run(spec, recipe, tensors, sizes, fixed=True):
    """Build the graph of one recipe and run it; ``sizes`` null is the one-input form."""
    kinds = {np.dtype("float32"): ir.DataType.FLOAT, np.dtype("int64"): ir.DataType.INT64}
    feeds = {"images": np.zeros((len(tensors["boxes"]), 3, 64, 96), np.float32), **tensors}
    feeds |= {} if sizes is None else {"image_sizes": sizes}
    values = {
        name: ir.Value(name=name, type=ir.TensorType(kinds[array.dtype]), shape=ir.Shape([None] * array.ndim))
        for name, array in feeds.items()
    }
    graph = ir.Graph(list(values.values()), [], nodes=[], opset_imports={"": 20}, name="recipe")
    g = Graph(graph)
    if sizes is None:
        frame = ingraph.frame_from_tensor(g, values["images"])
    else:
        frame = ingraph.frame_from_sizes(g, values["images"], values["image_sizes"])
    ingraph.check_in_graph(recipe.steps)
    decoded = {name: values[name] for name in tensors}
    outputs = ingraph.append_recipe(g, decoded, frame, recipe.steps, spec, fixed)
    for name, value in outputs.items():
        kind = ir.DataType.INT64 if name in ("labels", "count") else ir.DataType.FLOAT
        value.name, value.type = f"out_{name}", ir.TensorType(kind)
        graph.outputs.append(value)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    model = ir.to_proto(ir.Model(graph, ir_version=10)).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    used = {value.name for value in session.get_inputs()}
    found = session.run(None, {name: array for name, array in feeds.items() if name in used})
    return dict(zip(outputs, found, strict=True))


def assert_rows(outputs, image, expected):
    count = outputs["count"][image]
    assert count == len(expected)
    np.testing.assert_array_equal(outputs["labels"][image, :count], expected.labels)
    np.testing.assert_allclose(outputs["scores"][image, :count], expected.scores, rtol=0, atol=1e-6)
    np.testing.assert_allclose(outputs["boxes"][image, :count], expected.boxes, rtol=1e-6, atol=1e-4)
    assert (outputs["labels"][image, count:] == -1).all()
    assert (outputs["scores"][image, count:] == 0).all()
    assert (outputs["boxes"][image, count:] == 0).all()


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("head", HEADS)
def test_every_recipe_of_every_kind_of_head_equals_numpy(head, name, batch):
    spec = HEADS[head]
    recipe = resolve_recipe(name, spec)
    tensors = decoded_tensors(spec, batch)
    sizes, rows = sizes_of(batch)
    outputs = run(spec, recipe, tensors, rows)
    for image in range(batch):
        candidates = from_decoded(tensors, spec, image)
        expected = apply_recipe(recipe, candidates, sizes[image], model_spec(spec))
        assert len(expected) == 0 if image == 2 else len(candidates) > len(expected) > 1
        assert_rows(outputs, image, expected)
    cap = recipe.get("max_per_img")
    assert outputs["boxes"].shape == (batch, cap["k"] if cap else outputs["count"].max(), 4)


@pytest.mark.parametrize("name", ["mmdet3", "mmdet2-onnx"])
def test_a_free_count_has_as_many_rows_as_the_fullest_image(name):
    spec = replace(HEADS["ATSS"], recipe=(*HEADS["ATSS"].recipe[:-1], {"step": "max_per_img", "k": 500}))
    recipe, tensors = resolve_recipe(name, spec), decoded_tensors(spec, 2)
    _, rows = sizes_of(2)
    free, fixed = (run(spec, recipe, tensors, rows, fixed=fixed) for fixed in (False, True))
    most = free["count"].max()
    assert 1 < most < 500
    assert free["boxes"].shape == (2, most, 4)
    assert fixed["boxes"].shape == (2, 500, 4)
    for key in ("boxes", "scores", "labels"):
        np.testing.assert_array_equal(fixed[key][:, :most], free[key])
    assert (fixed["labels"][:, most:] == -1).all()


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("head", HEADS)
def test_a_limited_top_k_equals_the_limited_numpy_recipe(head, name):
    spec = HEADS[head]
    recipe = resolve_recipe(name, spec)
    limited, tensors = limit_top_k(recipe, 2), decoded_tensors(spec, 2)
    sizes, rows = sizes_of(2)
    outputs = run(spec, limited, tensors, rows)
    for image in range(2):
        candidates = from_decoded(tensors, spec, image)
        expected = apply_recipe(limited, candidates, sizes[image], model_spec(spec))
        assert 0 < len(expected) <= 2
        assert_rows(outputs, image, expected)
    # far above what passes the limit changes nothing
    usual = run(spec, recipe, tensors, rows, fixed=False)
    high = run(spec, limit_top_k(recipe, 3840), tensors, rows, fixed=False)
    for key, value in usual.items():
        np.testing.assert_array_equal(high[key], value)


def test_the_one_input_form_stays_in_network_pixels():
    spec = HEADS["ATSS"]
    tensors = decoded_tensors(spec, 2)
    whole = geometry(
        resized_height=64, resized_width=96, padded_height=64, padded_width=96, scale_x=1.0, scale_y=1.0
    )
    for name in ("mmdet3", "mmdeploy"):
        outputs = run(spec, resolve_recipe(name, spec), tensors, None)
        for image in range(2):
            candidates = from_decoded(tensors, spec, image)
            expected = apply_recipe(resolve_recipe(name, spec), candidates, whole, model_spec(spec))
            assert_rows(outputs, image, expected)


def test_pairs_that_are_chosen_before_a_nms_per_class():
    spec = HEADS["ATSS"]
    steps = (
        {"step": "threshold", "quantity": "class", "value": 0.05},
        {"step": "top_k", "k": 50},
        {"step": "multiply_factor"},
        {"step": "nms", "iou_threshold": 0.3, "space": "per_class", "max_per_class": 3},
        {"step": "max_per_img", "k": 7},
    )
    tensors = decoded_tensors(spec, 3)
    sizes, rows = sizes_of(3)
    outputs = run(spec, Recipe(steps), tensors, rows)
    for image in range(3):
        expected = apply_recipe(
            Recipe(steps), from_decoded(tensors, spec, image), sizes[image], model_spec(spec)
        )
        assert len(expected) == (0 if image == 2 else 7)
        assert_rows(outputs, image, expected)


NMS, CAP = {"step": "nms", "iou_threshold": 0.5}, {"step": "max_per_img", "k": 5}
TOP_K = {"step": "top_k", "k": 5}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([CAP], "needs one NMS"),
        ([NMS, NMS], "needs one NMS"),
        ([CAP, NMS], "no max_per_img may precede it"),
        ([NMS, {"step": "min_size", "value": 1.0}], "one max_per_img, clip and rescale may follow NMS"),
        ([NMS, {"step": "score_voting"}], "score_voting: false"),
        ([TOP_K, TOP_K, NMS], "per level behind another top_k"),
        ([TOP_K | {"k": 0}, NMS], "top_k of 0 cannot be built"),
        ([NMS | {"offset": 1}], "no NMS with such an IoU"),
        ([NMS | {"reading": "cxcywh"}], "no NMS with such an IoU"),
    ],
)
def test_what_cannot_be_built_into_a_graph_is_refused(steps, message):
    with pytest.raises(UserError, match=message):
        ingraph.check_in_graph(Recipe(tuple(steps)).steps)
