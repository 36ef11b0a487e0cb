"""The checker on ports with one planted mistake each: it names the step and the reason."""

import json
from dataclasses import replace

import numpy as np
import pytest
from golden_packs import (
    as_lists,
    as_port,
    as_results,
    assert_differs,
    changed,
    check,
    check_alone,
    finish,
    make_pack,
    picture,
    port_of,
    prepared,
    read_pack,
    same,
    without,
    write_port,
)
from tracing import FRAME, STEPS, small_spec

from cutpoint.golden.checker.rows import Rows
from cutpoint.golden.checker.steps import run_steps
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.runtime import Session
from cutpoint.recipes.apply import detect
from cutpoint.recipes.recipe import Recipe
from cutpoint.recipes.schema import read_steps
from cutpoint.records.image import Pad

CENTRED = {"place": "centre"}
# every box in pixels of the image, and inside it
CLIPPED = {
    "steps": [
        {"step": "best_class"},
        {"step": "threshold", "quantity": "product", "value": 0.1},
        {"step": "multiply_factor"},
        {"step": "nms", "iou_threshold": 0.5, "space": "per_class"},
        {"step": "max_per_img", "k": 50},
        {"step": "rescale", "operation": "divide"},
        {"step": "clip", "to": "original"},
    ]
}


@pytest.fixture(scope="session")
def raw(tmp_path_factory):
    """A pack of ``raw`` with the head's own recipe."""
    return make_pack(tmp_path_factory.mktemp("raw"), "raw")


@pytest.fixture(scope="session")
def decoded(tmp_path_factory):
    """A pack of ``decoded``: a centred letterbox, and a recipe that clips."""
    return make_pack(tmp_path_factory.mktemp("decoded"), "decoded", recipe=CLIPPED, made=CENTRED)


@pytest.fixture(scope="session", params=["image", "tensor"])
def e2e(request, tmp_path_factory):
    """A pack of ``e2e``, in both forms of its clip."""
    return make_pack(tmp_path_factory.mktemp("e2e"), "e2e", clip=request.param)


@pytest.mark.parametrize(
    "keys", [("",), ("input",), ("output",), ("candidates",), ("step3",), ("detections",)]
)
def test_our_own_arrays_agree(raw, decoded, tmp_path, keys):
    for pack in (raw, decoded):
        code, text = check(pack, port_of(tmp_path / "port", pack, keys, same))
        assert (code, "AGREES" in text) == (0, True), text
        assert "close" not in text


def test_the_checker_runs_alone_with_numpy(raw, tmp_path):
    port = port_of(tmp_path / "port", raw, ("",), same)
    code, text = check_alone(raw, port)
    assert (code, "AGREES: 12 stages given" in text) == (0, True), text
    code, text = check_alone(
        raw, port_of(tmp_path / "port", raw, ("input",), lambda name, arrays: {"input": -arrays["input"]})
    )
    assert (code, "every value is -1 times ours" in text) == (1, True), text
    code, text = check_alone(raw, tmp_path / "nowhere")
    assert (code, len(text.splitlines())) == (2, 1), text


def test_our_own_e2e_agrees(e2e, tmp_path):
    # the rows of the outputs are read as the candidates
    for keys in ("input", "image_sizes", "output", "detections"), ("output",):
        code, text = check(e2e, port_of(tmp_path / "port", e2e, keys, same))
        assert code == 0, text
        assert "output rows" in text


def test_our_own_arrays_agree_as_json_as_npy_and_as_results(decoded, tmp_path):
    content, arrays = read_pack(decoded)
    some = {
        name: {key: value for key, value in given.items() if key.startswith(("input", "candidates", "step"))}
        for name, given in arrays.items()
    }
    file = tmp_path / "port.json"
    file.write_text(json.dumps(as_lists(some)))
    assert check(decoded, file)[0] == 0
    folder = tmp_path / "npy"
    for name, given in some.items():
        for key, array in given.items():
            path = folder / name / f"{key}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, array)
    assert check(decoded, folder)[0] == 0
    results = as_results(tmp_path / "results.json", decoded, finish(decoded, content["recipe"]))
    code, text = check(decoded, results)
    assert code == 0, text


def test_decoded_pixels_are_compared(raw, tmp_path):
    pixels = {name: picture(raw, name) for name in ("image1", "image2")}
    port = write_port(tmp_path / "port", {name: {"pixels": value} for name, value in pixels.items()})
    assert check(raw, port)[0] == 0
    port = write_port(tmp_path / "port", {n: {"pixels": v[..., ::-1]} for n, v in pixels.items()})
    assert_differs(check(raw, port), "image decode", "red and blue are swapped")
    turned = {name: {"pixels": np.rot90(value)} for name, value in pixels.items()}
    assert_differs(check(raw, write_port(tmp_path / "port", turned)), "image decode", "EXIF")


OWN = small_spec().input
GREY = Pad(size=FRAME, value=(0.0,) * 3)
INPUTS = {
    "swapped": (replace(OWN, bgr_to_rgb=False), ["red and blue are swapped", "before mean and std"]),
    "other_order": (replace(OWN, mean=OWN.mean[::-1], std=OWN.std[::-1]), ["in the other channel order"]),
    "padding_value": (replace(OWN, pad=GREY), ["only the padding differs", "pixel of 0 0 0"]),
    "padding_place": (replace(OWN, place="centre"), ["padding is at another place"]),
    "stretched": (replace(OWN, keep_ratio=False, scale=FRAME, pad=None), ["stretched over the whole tensor"]),
    "no_mean_std": (replace(OWN, mean=None, std=None), ["mean and std are left out", "0 to 255"]),
    "unit": (replace(OWN, mean=None, std=None, divide_by=255.0), ["mean and std are left out", "by 255"]),
    "no_mean": (replace(OWN, mean=(0.0,) * 3), ["the mean is left out"]),
    "nearest": (replace(OWN, interpolation="nearest"), ["small differences everywhere"]),
}


@pytest.mark.parametrize("mistake", INPUTS)
def test_a_mistake_in_the_input_is_named(raw, tmp_path, mistake):
    recipe, words = INPUTS[mistake]

    def other(name, arrays):
        return {**arrays, "input": prepared(raw, recipe, name, FRAME)}

    assert_differs(
        check(raw, port_of(tmp_path / "p", raw, ("input", "detections"), other)), "input tensor", *words
    )


def test_plain_channel_swap_and_memory_order_are_told_apart(raw, tmp_path):
    def swap(name, arrays):
        return {"input": arrays["input"][:, ::-1]}

    assert_differs(
        check(raw, port_of(tmp_path / "a", raw, ("input",), swap)), "input tensor", "red and blue are swapped"
    )

    def reread(name, arrays):
        return {"input": np.ascontiguousarray(np.moveaxis(arrays["input"], 1, -1)).reshape(1, 3, *FRAME)}

    assert_differs(
        check(raw, port_of(tmp_path / "b", raw, ("input",), reread)), "input tensor", "lie in memory as"
    )

    def last(name, arrays):
        return {"input": np.moveaxis(arrays["input"], 1, -1)}

    code, text = check(raw, port_of(tmp_path / "c", raw, ("input",), last))
    assert (code, "after a transposition" in text) == (0, True), text


def test_another_resize_library_is_close(raw, tmp_path):
    def noisy(name, arrays):
        level = 1 / np.array(OWN.std)[None, :, None, None]
        noise = np.random.default_rng(1).integers(-1, 2, arrays["input"].shape)
        return {"input": (arrays["input"] + noise * level).astype(np.float32)}

    code, text = check(raw, port_of(tmp_path / "port", raw, ("input",), noisy))
    assert (code, "close" in text) == (0, True), text


def test_outputs_say_sigmoid_and_factor(raw, decoded, tmp_path):
    def sigmoid(name, arrays):
        return {**arrays, "output.cls_0": 1 / (1 + np.exp(-arrays["output.cls_0"]))}

    assert_differs(
        check(raw, port_of(tmp_path / "a", raw, ("output",), sigmoid)), "output cls_0", "sigmoid is applied"
    )

    def fused(name, arrays):
        return {**arrays, "output.scores": arrays["output.scores"] * arrays["output.factors"][..., None]}

    assert_differs(
        check(decoded, port_of(tmp_path / "b", decoded, ("output",), fused)), "output scores", "factor"
    )

    def columns(name, arrays):
        return {**arrays, "output.scores": np.moveaxis(arrays["output.scores"], 1, 2)}

    assert_differs(
        check(decoded, port_of(tmp_path / "c", decoded, ("output",), columns)),
        "output scores",
        "transposition",
    )


RECIPES = {
    "missing_factor": (lambda s: without(s, "multiply_factor"), ["multiply_factor", "the factor is missing"]),
    "nms_threshold": (lambda s: changed(s, "nms", iou_threshold=0.35), ["nms", "not 0.5, but 0.35"]),
    "agnostic": (lambda s: changed(s, "nms", space="agnostic"), ["nms", "all classes"]),
    "no_nms": (lambda s: without(s, "nms"), ["nms", "left out"]),
    "score_threshold": (lambda s: changed(s, "threshold", value=0.3), ["threshold", "0.3"]),
    "padding_left": (
        lambda s: changed(s, "rescale", padding="left"),
        ["rescale", "padding is not taken back"],
    ),
    "no_rescale": (lambda s: without(s, "rescale"), ["rescale", "not scaled back"]),
    "no_clip": (lambda s: without(s, "clip"), ["clip", "not clipped"]),
    "all_classes": (lambda s: without(s, "best_class"), ["best_class"]),
    "fewer": (lambda s: changed(s, "max_per_img", k=20), ["max_per_img", "20"]),
}


@pytest.mark.parametrize("results", [False, True])
@pytest.mark.parametrize("mistake", RECIPES)
def test_a_mistake_of_the_recipe_is_named_from_final_boxes_alone(decoded, tmp_path, mistake, results):
    content, _ = read_pack(decoded)
    change, words = RECIPES[mistake]
    found = finish(decoded, change(content["recipe"]))
    right = finish(decoded, content["recipe"])
    assert any(
        len(found[n]) != len(right[n])
        or (found[n].boxes != right[n].boxes).any()
        or (found[n].scores != right[n].scores).any()
        for n in found
    )
    port = as_results(tmp_path / "r.json", decoded, found) if results else as_port(tmp_path / "p", found)
    assert_differs(check(decoded, port), "detections", *words)


def test_a_step_that_is_given_is_named_itself(raw, tmp_path):
    content, _ = read_pack(raw)
    steps = changed(content["recipe"], "nms", iou_threshold=0.3)

    def other(name, arrays):
        geometry = next(image["geometry"] for image in content["images"] if image["name"] == name)
        rows = Rows(*(arrays[f"step4.{column}"] for column in ("boxes", "scores", "labels")))
        states = run_steps(steps[4:], rows, geometry)
        for stage, state in zip(("step5", "step6"), states, strict=True):
            arrays = {**arrays, **{f"{stage}.{c}": getattr(state, c) for c in ("boxes", "scores", "labels")}}
        return {key: value for key, value in arrays.items() if not key.endswith((".ids", ".factors"))}

    result = check(raw, port_of(tmp_path / "port", raw, ("candidates", "step"), other))
    assert_differs(result, "step 5 nms", "not 0.5, but 0.3")
    assert "step 4 multiply_factor" in result[1]


READINGS = {
    "one_high": (lambda rows: rows.replaced(labels=rows.labels + 1), "off by one"),
    "sizes": (
        lambda rows: rows.replaced(
            boxes=np.concatenate([rows.boxes[:, :2], rows.boxes[:, 2:] - rows.boxes[:, :2]], 1)
        ),
        "x, y, width, height",
    ),
    "turned": (lambda rows: rows.replaced(boxes=rows.boxes[:, [1, 0, 3, 2]]), "y1, x1, y2, x2"),
    "whole": (lambda rows: rows.replaced(boxes=np.round(rows.boxes)), "whole pixels"),
    "shifted": (
        lambda rows: rows.replaced(boxes=rows.boxes + np.float32([5, 3, 5, 3])),
        "shifted by x +5.00, y +3.00",
    ),
    "larger": (lambda rows: rows.replaced(boxes=rows.boxes * np.float32(1.25)), "1.25"),
    "squared": (lambda rows: rows.replaced(scores=rows.scores**2), "square"),
    "mapped": (lambda rows: rows.replaced(labels=(rows.labels * 2) % 3), "labels differ: 1 as 2, 2 as 1"),
}


@pytest.mark.parametrize("mistake", READINGS)
def test_right_rows_that_are_given_otherwise_are_told(raw, tmp_path, mistake):
    content, _ = read_pack(raw)
    change, words = READINGS[mistake]
    found = {name: change(rows) for name, rows in finish(raw, content["recipe"]).items()}
    assert_differs(check(raw, as_port(tmp_path / "port", found)), "detections", words)


def test_results_with_other_categories_and_with_corners(raw, tmp_path):
    content, _ = read_pack(raw)
    found = finish(raw, content["recipe"])
    port = as_results(tmp_path / "a.json", raw, found, label=lambda label: label + 1)
    assert_differs(check(raw, port), "detections", "category_id is the label + 1")
    corners = {
        name: rows.replaced(
            boxes=np.concatenate([rows.boxes[:, :2], rows.boxes[:, :2] + rows.boxes[:, 2:]], 1)
        )
        for name, rows in found.items()
    }
    assert_differs(
        check(raw, as_results(tmp_path / "b.json", raw, corners)), "detections", "boxes are corners"
    )


def without_factor(found):
    return replace(found, factor=np.ones_like(found.factor))


def test_the_factor_that_thresholds_lack_too(raw, tmp_path):
    content, _ = read_pack(raw)
    found = finish(raw, content["recipe"], change=without_factor)
    assert_differs(check(raw, as_port(tmp_path / "port", found)), "detections", "class score alone")


def test_lower_scores_than_the_pack_has_are_told(raw, tmp_path):
    content, _ = read_pack(raw)
    steps = without(changed(content["recipe"], "threshold", value=0.3), "max_per_img")
    high = finish(raw, steps)
    few = {name: rows.take(np.arange(len(rows)) < 10) for name, rows in high.items()}
    assert_differs(check(raw, as_port(tmp_path / "port", few)), "detections", "10")


def test_e2e_rows_differ(e2e, tmp_path):
    def shifted(name, arrays):
        return {**arrays, "output.labels": arrays["output.labels"] + 1}

    result = check(e2e, port_of(tmp_path / "port", e2e, ("output",), shifted))
    assert_differs(result, "output rows", "off by one")


def test_sizes_in_another_order_are_named(tmp_path):
    pack = make_pack(tmp_path, "e2e")

    def turned(name, arrays):
        return {"image_sizes": arrays["image_sizes"][:, [1, 0, 3, 2]]}

    result = check(pack, port_of(tmp_path / "port", pack, ("image_sizes",), turned))
    assert_differs(result, "input image_sizes", "clip height, clip width, scale y, scale x")


def test_a_port_with_noise_agrees_and_a_mistake_in_noise_is_named(decoded, tmp_path):
    content, _ = read_pack(decoded)
    random = np.random.default_rng(2)

    def noisy(rows):
        boxes = rows.boxes + random.normal(0, 0.05, rows.boxes.shape)
        return rows.replaced(boxes=boxes, scores=rows.scores + random.normal(0, 7e-4, len(rows)))

    right = {name: noisy(rows) for name, rows in finish(decoded, content["recipe"]).items()}
    code, text = check(decoded, as_port(tmp_path / "a", right))
    assert (code, "close" in text) == (0, True), text
    wrong = changed(content["recipe"], "nms", iou_threshold=0.3)
    found = {name: noisy(rows) for name, rows in finish(decoded, wrong).items()}
    assert_differs(check(decoded, as_port(tmp_path / "b", found)), "detections", "nms", "0.3")


def test_the_head_of_the_small_model_has_these_steps(raw):
    content, _ = read_pack(raw)
    assert [step["step"] for step in content["recipe"]] == [step["step"] for step in STEPS]


PLANTED = {
    "channel_order": ({"bgr_to_rgb": False}, "red and blue are swapped"),
    "padding_place": ({"place": "centre"}, "the image lies centred in the padding"),
    "stretched": ({"keep_ratio": False, "pad": None}, "the image is stretched"),
    "unit_range": ({"mean": None, "std": None, "divide_by": 255.0}, "the pixels are divided by 255"),
}


@pytest.mark.parametrize("mistake", PLANTED)
def test_a_mistake_in_the_input_is_named_from_final_boxes_alone(raw, tmp_path, mistake):
    changes, words = PLANTED[mistake]
    content, _ = read_pack(raw)
    session = Session(raw.parent / "raw.onnx", "cpu", 1)
    pipeline = OnnxPipeline(session, replace(OWN, **changes))
    recipe = Recipe(read_steps(content["recipe"]))
    found = {}
    for image in content["images"]:
        tensor, sizes = pipeline.prepare(pipeline.decode(str(raw / image["file"])))
        rows = detect(pipeline.read(pipeline.infer(tensor, sizes), sizes), recipe, sizes, session.spec)
        found[image["name"]] = Rows(rows.boxes, rows.scores, rows.labels)
    for port in (as_port(tmp_path / "port", found), as_results(tmp_path / "r.json", raw, found)):
        assert_differs(check(raw, port), "detections", "the input tensor is wrong", words)


@pytest.mark.parametrize("columns", [("factors", "priors", "levels"), ()])
def test_noise_of_a_stage_that_is_given_does_not_count_later(decoded, tmp_path, columns):
    """One box more at another NMS threshold is seen, since the port's own candidates are run again."""
    content, arrays = read_pack(decoded)
    random = np.random.default_rng(3)
    noisy = {}
    for name, given in arrays.items():
        boxes = given["candidates.boxes"] + random.normal(0, 0.1, given["candidates.boxes"].shape)
        scores = given["candidates.scores"] + random.normal(0, 1e-3, len(boxes))
        noisy[name] = given | {
            "candidates.boxes": boxes.astype(np.float32),
            "candidates.scores": scores.astype(np.float32),
        }
    for threshold, agrees in ((0.5, True), (0.45, False)):
        steps = changed(content["recipe"], "nms", iou_threshold=threshold)
        port = {}
        for name, rows in finish(decoded, steps, arrays=noisy).items():
            keys = [f"candidates.{column}" for column in ("boxes", "scores", "labels", *columns)]
            port[name] = {key: noisy[name][key] for key in keys}
            port[name] |= {f"detections.{c}": getattr(rows, c) for c in ("boxes", "scores", "labels")}
        result = check(decoded, write_port(tmp_path / "port", port))
        if agrees:
            assert result[0] == 0, result[1]
            assert "equal (0 rows differ)" in result[1].partition("detections")[2]
        else:
            assert_differs(result, "detections", "nms", "not 0.5, but 0.45")
