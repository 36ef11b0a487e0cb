"""Recipes in a graph against the numpy recipe, for heads of proposals and queries."""

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from graphs import assert_rows, run_in_graph, sizes_of
from onnx import TensorProto, helper, numpy_helper
from tiny import atss_head, detr_head, geometry, model_spec, query_head, recipe_of, roi_head, sparse_head

from cutpoint.decode.candidates import from_decoded
from cutpoint.export.e2e import write_e2e
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import in_graph_form, limit_top_k, resolve_recipe
from cutpoint.records.head import Floor, RoiHead
from cutpoint.records.model import write_spec

PAIRS = 12
FLOOR = Floor("class", 0.0, True, PAIRS)
CLIP, RESCALE = {"step": "clip"}, {"step": "rescale", "operation": "divide"}
CAP = {"step": "max_per_img", "k": PAIRS}
NMS, THRESHOLD = (
    {"step": "nms", "iou_threshold": 0.5},
    {"step": "threshold", "quantity": "class", "value": 0.05},
)
HEADS = {
    "Faster R-CNN": roi_head(proposals=40),
    "Faster R-CNN, one box": roi_head(proposals=40, class_boxes=False),
    # boxes are scaled behind NMS, as with masks
    "Mask R-CNN": roi_head(
        proposals=40, recipe=(THRESHOLD, CLIP, NMS, {"step": "max_per_img", "k": 6}, RESCALE)
    ),
    "Sparse R-CNN": sparse_head(proposals=40, recipe=(CAP, CLIP, RESCALE), floor=FLOOR),
    "DINO": query_head(queries=40, recipe=(CAP, CLIP, RESCALE), floor=FLOOR),
    "DETR": detr_head(queries=40, recipe=({"step": "best_class"}, CAP, CLIP, RESCALE), floor=FLOOR),
    # every query is kept
    "DETR, all": detr_head(queries=PAIRS, recipe=({"step": "best_class"}, CAP, CLIP, RESCALE), floor=FLOOR),
    "top-k": query_head(
        queries=40, recipe=({"step": "top_k", "k": PAIRS, "per": "image"}, CLIP, RESCALE), floor=FLOOR
    ),
}


def decoded_tensors(spec, batch, seed=0):
    """Crowded boxes, distinct scores; of a RoI head the last rows are padding, and of image 2 all are."""
    random = np.random.default_rng(seed)
    rows, classes = spec.rows, spec.num_classes
    by_class = (classes,) if isinstance(spec, RoiHead) and spec.class_boxes else ()
    centre = random.uniform(0, 60, (batch, rows, *by_class, 2))
    size = random.uniform(2, 30, centre.shape)
    tensors = {
        "boxes": np.concatenate([centre - size / 2, centre + size / 2], -1).astype(np.float32),
        "scores": random.uniform(0, 1, (batch, rows, classes)).astype(np.float32) ** 3,
    }
    if spec.selected:
        tensors["priors"] = np.stack([np.sort(random.permutation(1000)[:rows]) for _ in range(batch)])
        if isinstance(spec, RoiHead):
            tensors["priors"][:, rows - 5 :] = -1
            tensors["priors"][2:] = -1
    return tensors


def numpy_rows(spec, recipe, tensors, image, size):
    return apply_recipe(recipe, from_decoded(tensors, spec, image), size, model_spec(spec))


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", HEADS)
def test_the_heads_own_recipe_equals_numpy(name, batch, fixed):
    spec = HEADS[name]
    recipe, tensors = resolve_recipe("mmdet3", spec), decoded_tensors(spec, batch)
    sizes, rows = sizes_of(batch)
    outputs = run_in_graph(spec, recipe, tensors, rows, fixed)
    limit = recipe.steps[-1].k if isinstance(spec, RoiHead) and name.startswith("Faster") else None
    most = {"Mask R-CNN": 6}.get(name, limit or PAIRS)
    for image in range(batch):
        expected = numpy_rows(spec, recipe, tensors, image, sizes[image])
        empty = isinstance(spec, RoiHead) and spec.selected and image == 2
        assert len(expected) == (0 if empty else most)
        assert_rows(outputs, image, expected)
    assert outputs["boxes"].shape == (batch, most, 4)


def test_padding_is_no_detection_even_without_a_threshold():
    spec = roi_head(proposals=40, floor=Floor("class", 0.0, True))
    recipe, tensors = (
        recipe_of(CLIP, NMS, {"step": "max_per_img", "k": 200}),
        decoded_tensors(roi_head(proposals=40), 3),
    )
    sizes, rows = sizes_of(3)
    outputs = run_in_graph(spec, recipe, tensors, rows)
    for image in range(3):
        expected = numpy_rows(spec, recipe, tensors, image, sizes[image])
        assert (len(expected) == 0) == (image == 2)
        assert_rows(outputs, image, expected)


STEPS = {
    "best box": (THRESHOLD, {"step": "best_box"}, CLIP, NMS | {"space": "per_class"}, CAP),
    "best box of few": ({"step": "best_box"}, THRESHOLD, {"step": "top_k", "k": 9, "per": "image"}, NMS),
    "best class": ({"step": "best_class"}, THRESHOLD, CLIP, NMS, CAP),
    "best class, small boxes": ({"step": "best_class"}, {"step": "min_size", "value": 8}, THRESHOLD, NMS),
    "small boxes": (THRESHOLD, CLIP, {"step": "min_size", "value": 8}, RESCALE, NMS, CAP),
    "locations": (THRESHOLD, {"step": "top_k", "k": 9, "unit": "location", "per": "image"}, CLIP, NMS, CAP),
    "pairs": (THRESHOLD, {"step": "top_k", "k": 9, "per": "image"}, NMS, RESCALE),
    "pairs of the only level": (THRESHOLD, {"step": "top_k", "k": 9}, NMS, RESCALE),
    "per class": (THRESHOLD, CLIP, NMS | {"space": "per_class", "max_per_class": 4}, CAP),
    "per class, all": (THRESHOLD, NMS | {"space": "per_class"}, RESCALE),
    "agnostic": (THRESHOLD, NMS | {"space": "agnostic"}, CAP, RESCALE),
    "no NMS": (THRESHOLD, CLIP, RESCALE, {"step": "max_per_img", "k": 200}),
    "two rankings": (THRESHOLD, {"step": "top_k", "k": 9, "per": "image"}, {"step": "max_per_img", "k": 20}),
}


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("name", ["Faster R-CNN", "Faster R-CNN, one box", "DINO"])
def test_other_recipes_equal_numpy(name, steps):
    spec = replace(HEADS[name], floor=Floor("class", 0.0, True))
    recipe, tensors = recipe_of(*STEPS[steps]), decoded_tensors(spec, 2)
    sizes, rows = sizes_of(2)
    for fixed in (True, False):
        outputs = run_in_graph(spec, recipe, tensors, rows, fixed)
        for image in range(2):
            expected = numpy_rows(spec, recipe, tensors, image, sizes[image])
            assert len(expected) > 3
            assert_rows(outputs, image, expected)


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("name", ["Faster R-CNN", "DINO"])
def test_a_limited_top_k_equals_the_limited_numpy_recipe(name, steps):
    spec = replace(HEADS[name], floor=Floor("class", 0.0, True))
    limited, tensors = limit_top_k(recipe_of(*STEPS[steps]), 5, spec), decoded_tensors(spec, 2)
    sizes, rows = sizes_of(2)
    outputs = run_in_graph(spec, limited, tensors, rows)
    for image in range(2):
        expected = numpy_rows(spec, limited, tensors, image, sizes[image])
        assert 0 < len(expected) <= 5
        assert_rows(outputs, image, expected)


def test_dense_heads_need_no_nms_either():
    spec = atss_head(factor=None, floor=FLOOR, recipe=({"step": "top_k", "k": 9, "per": "image"}, RESCALE))
    random = np.random.default_rng(0)
    tensors = {
        "boxes": random.uniform(0, 30, (2, 20, 4)).astype(np.float32),
        "scores": random.uniform(0, 1, (2, 20, 3)).astype(np.float32),
        "level_counts": np.array([15, 5]),
    }
    sizes, rows = sizes_of(2)
    recipe = resolve_recipe("mmdet3", spec)
    outputs = run_in_graph(spec, recipe, tensors, rows)
    for image in range(2):
        assert_rows(outputs, image, numpy_rows(spec, recipe, tensors, image, sizes[image]))
    few = {
        "boxes": tensors["boxes"][:, :2],
        "scores": tensors["scores"][:, :2],
        "level_counts": np.array([1, 1]),
    }
    outputs = run_in_graph(spec, recipe, few, rows)
    assert outputs["boxes"].shape == (2, 9, 4)
    assert outputs["count"].tolist() == [6, 6]
    assert_rows(outputs, 0, numpy_rows(spec, recipe, few, 0, sizes[0]))


def write_trace(path, spec, tensors):
    """A graph whose boxes grow with ``image_sizes`` and are otherwise given."""
    values = [
        helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, "height", "width"]),
        helper.make_tensor_value_info("image_sizes", TensorProto.FLOAT, ["batch", 4]),
    ]
    constants = [numpy_helper.from_array(array, f"{name}_given") for name, array in tensors.items()]
    constants.append(numpy_helper.from_array(np.array([1, 0, 1, 0]), "order"))
    constants.append(numpy_helper.from_array(np.array([1]), "one"))
    nodes = [helper.make_node("Gather", ["image_sizes", "order"], ["sides"], axis=1)]
    nodes.append(helper.make_node("Unsqueeze", ["sides", "one"], ["limits"]))
    nodes.append(helper.make_node("Mul", ["boxes_given", "limits"], ["boxes"]))
    nodes.append(helper.make_node("Add", ["priors_given", "zero"], ["priors"]))
    constants.append(numpy_helper.from_array(np.array(0), "zero"))
    nodes.append(helper.make_node("Identity", ["scores_given"], ["scores"]))
    outputs = [
        helper.make_tensor_value_info(name, kind, None)
        for name, kind in (
            ("boxes", TensorProto.FLOAT),
            ("scores", TensorProto.FLOAT),
            ("priors", TensorProto.INT64),
        )
    ]
    graph = helper.make_graph(nodes, "g", values, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def test_a_file_that_takes_the_sizes_already_keeps_that_input_or_takes_the_tensor_for_the_image(tmp_path):
    spec = query_head(queries=40, recipe=(CAP, CLIP, RESCALE), floor=FLOOR)
    write_spec(tmp_path / "spec.json", model_spec(spec))
    random = np.random.default_rng(1)
    tensors = decoded_tensors(spec, 2) | {"boxes": random.uniform(-0.2, 1.2, (2, 40, 4)).astype(np.float32)}
    write_trace(tmp_path / "trace.onnx", spec, tensors)
    images = np.zeros((2, 3, 64, 96), np.float32)
    sizes, rows = sizes_of(2)
    found, recipe = {}, resolve_recipe("mmdet3", spec)
    for clip in ("image", "tensor"):
        out = tmp_path / f"{clip}.onnx"
        write_e2e(
            trace=str(tmp_path / "trace.onnx"), spec=str(tmp_path / "spec.json"), out=str(out), clip=clip
        )
        model = onnx.load(out)
        onnx.checker.check_model(model, full_check=True)
        session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
        names = [value.name for value in session.get_inputs()]
        assert names == ["images", "image_sizes"][: 2 if clip == "image" else 1]
        feeds = {name: {"images": images, "image_sizes": rows}[name] for name in names}
        outputs = [value.name for value in session.get_outputs()]
        assert outputs == ["boxes", "scores", "labels", "count"]
        assert [value.shape[1:] for value in session.get_outputs()] == [[PAIRS, 4], [PAIRS], [PAIRS], []]
        found[clip] = dict(zip(outputs, session.run(None, feeds), strict=True))
    whole = geometry(
        resized_height=64, resized_width=96, padded_height=64, padded_width=96, scale_x=1.0, scale_y=1.0
    )
    for image in range(2):
        for clip, size in (("image", sizes[image]), ("tensor", whole)):
            limits = np.array([size.resized_width, size.resized_height] * 2, np.float32)
            scaled = tensors | {"boxes": tensors["boxes"] * limits}
            form = in_graph_form(recipe, clip, None, spec)
            assert_rows(found[clip], image, numpy_rows(spec, form, scaled, image, size))
