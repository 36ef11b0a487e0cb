"""Mistakes with a file without an mmdet model: each is one small change that the file has room for."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import EXTERNAL_STEPS, external_head, input_recipe, model_spec, rows_head, yolox_head

from cutpoint.compare.mistakes import mistakes_of
from cutpoint.data.image import prepare
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.records.head import Floor
from cutpoint.records.image import FLOAT_CHANNELS_FIRST, Pad, TensorForm

SIDE = 48
BOXED = input_recipe(
    scale=(SIDE, SIDE),
    fit="frame",
    place="centre",
    pad=Pad(size=(SIDE, SIDE), value=(114.0,) * 3),
    bgr_to_rgb=True,
    divide_by=255.0,
)
CORNER = replace(BOXED, place="corner", divide_by=None, bgr_to_rgb=False)
STRETCHED = replace(BOXED, pad=None, keep_ratio=False, place="corner")
IMAGENET = replace(STRETCHED, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
OWN_SIZE = replace(STRETCHED, scale=None)


def named(head=None, made=BOXED, cut="decoded", tensor=FLOAT_CHANNELS_FIRST):
    spec = replace(model_spec(head or external_head()), input=made)
    return {mistake.name: mistake for mistake in mistakes_of(spec, cut, tensor, external=True)}


ALWAYS = {"none", "channel_order", "class_plus_one", "class_minus_one", "double_sigmoid", "no_sigmoid"}
RESIZED = {"no_scale_back", "interpolation_nearest", "interpolation_area"}
UNIT = {"not_divided", "divided_twice"}
LETTERBOXED = {"stretch", "scaled_as_stretched", "black_padding", "not_enlarged"}
BY_HAND = {"confidence_25", "best_class", "iou_45", "class_agnostic", "max_100"}


def test_a_centred_letterbox():
    centred = {"padding_left", "place_corner"}
    assert set(named()) == ALWAYS | RESIZED | UNIT | LETTERBOXED | BY_HAND | centred
    assert next(iter(named())) == "none"


def test_a_letterbox_at_the_top_left_has_no_padding_to_take_back():
    found = set(named(made=CORNER))
    assert found == ALWAYS | RESIZED | LETTERBOXED | BY_HAND | {"place_centre", "unit_range"}


def test_a_stretched_image():
    assert set(named(made=STRETCHED)) == ALWAYS | RESIZED | UNIT | BY_HAND | {"one_scale", "letterbox"}
    more = set(named(made=IMAGENET)) - set(named(made=STRETCHED))
    assert more == {"no_mean_std", "divided_by_225"}
    assert named(made=IMAGENET)["no_mean_std"].text == "mean and std left out: only divided by 255"


def test_what_the_file_resizes_or_scales_itself_cannot_be_wrong():
    assert set(named(made=OWN_SIZE)) == ALWAYS | UNIT | BY_HAND
    whole = named(made=CORNER, tensor=TensorForm("uint8"))
    assert set(named(made=CORNER)) - set(whole) == {"unit_range"}


def test_rows_behind_an_nms_leave_the_way_back_and_the_scores():
    found = set(named(rows_head(), cut="e2e"))
    assert set(named()) - found == {"best_class", "iou_45", "class_agnostic"}
    assert {"confidence_25", "max_100", "padding_left"} <= found


def test_an_own_recipe_may_already_be_what_others_do_by_mistake():
    steps = [
        s | {"iou_threshold": 0.45, "space": "agnostic"} if s["step"] == "nms" else s for s in EXTERNAL_STEPS
    ]
    steps = [
        s | {"value": 0.3} if s["step"] == "threshold" else s for s in steps if s["step"] != "max_per_img"
    ]
    head = external_head(recipe=({"step": "best_class"}, *steps, {"step": "max_per_img", "k": 100}))
    found = set(named(head))
    assert not found & BY_HAND
    assert "every_class" in found


def test_raw_tensors_of_such_a_model_have_the_mistakes_of_both():
    found = set(named(yolox_head(), CORNER, cut="raw"))
    assert {"half_pixel", "factor_forgotten", "double_sigmoid", "place_centre", "every_class"} <= found
    assert "no_sigmoid" not in found
    alone = {m.name for m in mistakes_of(replace(model_spec(yolox_head()), input=CORNER))}
    assert not alone & {"place_centre", "not_enlarged", "every_class", "class_agnostic"}  # an mmdet model


IMAGE = np.full((24, 40, 3), (10, 60, 235), np.uint8)  # blue, green, red


@pytest.mark.parametrize(
    ("name", "own", "expected"),
    [
        ("none", BOXED, [235 / 255, 60 / 255, 10 / 255]),
        ("channel_order", BOXED, [10 / 255, 60 / 255, 235 / 255]),
        ("not_divided", BOXED, [235, 60, 10]),
        ("divided_twice", BOXED, [235 / 255**2, 60 / 255**2, 10 / 255**2]),
        ("unit_range", CORNER, [10 / 255, 60 / 255, 235 / 255]),
        ("no_mean_std", IMAGENET, [235 / 255, 60 / 255, 10 / 255]),
        (
            "divided_by_225",
            IMAGENET,
            [(235 / 225 - 0.485) / 0.229, (60 / 225 - 0.456) / 0.224, (10 / 225 - 0.406) / 0.225],
        ),
        ("not_divided", IMAGENET, [(235 - 0.485) / 0.229, (60 - 0.456) / 0.224, (10 - 0.406) / 0.225]),
    ],
)
def test_pixels(name, own, expected):
    tensor, _ = prepare(IMAGE, named(made=own)[name].input)
    np.testing.assert_allclose(tensor[0, :, 12, 20], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "own", "place", "size", "fill"),
    [
        ("none", BOXED, (0, 9), (48, 29), 114 / 255),
        ("place_corner", BOXED, (0, 0), (48, 29), 114 / 255),
        ("place_centre", CORNER, (0, 9), (48, 29), 114),
        ("black_padding", BOXED, (0, 9), (48, 29), 0),
        ("grey_padding", replace(BOXED, pad=Pad(size=(SIDE, SIDE))), (0, 9), (48, 29), 114 / 255),
        ("not_enlarged", BOXED, (4, 12), (40, 24), 114 / 255),
        ("enlarged", replace(BOXED, enlarge=False), (0, 9), (48, 29), 114 / 255),
        ("stretch", BOXED, (0, 0), (48, 48), None),
        ("letterbox", STRETCHED, (0, 9), (48, 29), 0),
    ],
)
def test_where_the_image_lies(name, own, place, size, fill):
    tensor, found = prepare(IMAGE, named(made=own)[name].input)
    assert (found.left, found.top) == place
    assert (found.resized_width, found.resized_height) == size
    assert tensor.shape == (1, 3, SIDE, SIDE)
    if fill is not None:
        np.testing.assert_allclose(tensor[0, :, -1, -1], [fill] * 3, rtol=1e-6)


def test_a_frame_larger_than_the_image_s_target_is_stretched_over():
    wide = replace(BOXED, pad=Pad(size=(64, 96)))
    assert named(made=wide)["stretch"].input.scale == (64, 96)


def decoded(*rows, factors=None):
    """``(box, scores)`` as the outputs of ``decoded``."""
    boxes, scores = zip(*rows, strict=True)
    outputs = {"boxes": np.array([boxes], np.float32), "scores": np.array([scores], np.float32)}
    outputs["level_counts"] = np.array([len(rows)])
    return outputs | ({} if factors is None else {"factors": np.array([factors], np.float32)})


def finish(name, outputs, head=None, made=BOXED, cut="decoded"):
    mistake = named(head, made, cut)[name]
    _, found = prepare(IMAGE, mistake.input)
    spec = replace(model_spec(head or external_head()), input=made)
    return mistake.finish(outputs, found, resolve_recipe("mmdet3", spec.head), spec)


# in the frame; the image of 24x40 is 1.2 times larger there, and 9 pixels down
TWO = decoded(((12, 15, 24, 27), (0.02, 0.6, 0.3)), ((12, 15, 24, 28), (0.0, 0.0, 0.5)))


@pytest.mark.parametrize(
    ("name", "boxes"),
    [
        ("none", [[10, 5, 20, 15]]),
        ("padding_left", [[10, 12.5, 20, 22.5]]),
        ("no_scale_back", [[12, 15, 24, 24]]),  # clipped to the image of 24 pixels
        ("scaled_as_stretched", [[10, 7.5, 20, 13.5]]),
    ],
)
def test_boxes(name, boxes):
    found = finish(name, decoded(((12, 15, 24, 27), (0, 0.6, 0))))
    np.testing.assert_allclose(found.boxes, boxes, rtol=1e-5)


def test_one_scale_of_a_stretched_image():
    found = finish("one_scale", decoded(((12, 12, 24, 24), (0, 0.6, 0))), made=STRETCHED)
    np.testing.assert_allclose(found.boxes, [[10, 10, 20, 20]], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", [(0.6, 1), (0.5, 2), (0.02, 0)]),
        ("class_plus_one", [(0.6, 2), (0.5, 0), (0.02, 1)]),
        ("class_minus_one", [(0.6, 0), (0.5, 1), (0.02, 2)]),
        ("confidence_25", [(0.6, 1), (0.5, 2)]),
        ("best_class", [(0.6, 1), (0.5, 2)]),
        ("class_agnostic", [(0.6, 1)]),
        ("iou_45", [(0.6, 1), (0.5, 2), (0.02, 0)]),
        ("double_sigmoid", [(0.6457, 1), (0.6225, 2), (0.505, 0)]),
        ("no_sigmoid", [(0.4055, 1)]),  # the logits of .6; those of .5 and less are not above .001
    ],
)
def test_classes_and_scores(name, expected):
    found = finish(name, TWO)
    pairs = list(zip(found.scores.tolist(), found.labels.tolist(), strict=True))
    assert pairs == [(pytest.approx(score, abs=1e-3), label) for score, label in expected]


def test_the_limits_of_a_copied_script():
    apart = [((3 * i, 10, 3 * i + 2, 12), (0.9 - i / 1000, 0, 0)) for i in range(120)]
    assert len(finish("none", decoded(*apart)).scores) == 120
    assert len(finish("max_100", decoded(*apart)).scores) == 100
    near = decoded(((12, 15, 24, 27), (0.9, 0, 0)), ((12, 15, 24, 34), (0.8, 0, 0)))  # IoU 12 / 19
    assert len(finish("none", near).scores) == 2
    assert len(finish("iou_45", near).scores) == 1


def test_a_factor_that_is_forgotten():
    head = external_head(factor=True, floor=Floor("product", 0.001, False))
    outputs = decoded(((12, 15, 24, 27), (0.5, 0, 0)), ((30, 15, 40, 27), (0.4, 0, 0)), factors=[0.5, 0.0])
    assert finish("none", outputs, head).scores.tolist() == [0.25]
    assert finish("factor_forgotten", outputs, head).scores.tolist() == [0.5, pytest.approx(0.4)]
    assert "factor_forgotten" not in named()


def test_rows():
    outputs = {
        "boxes": np.array([[[12, 15, 24, 27], [30, 15, 42, 27]]], np.float32),
        "scores": np.array([[0.6, 0.2]], np.float32),
        "labels": np.array([[1, 2]]),
        "count": np.array([2]),
    }
    own = finish("none", outputs, rows_head(), cut="e2e")
    np.testing.assert_allclose(own.boxes, [[10, 5, 20, 15], [25, 5, 35, 15]], rtol=1e-5)
    assert own.labels.tolist() == [1, 2]
    strict = finish("confidence_25", outputs, rows_head(), cut="e2e")
    assert strict.labels.tolist() == [1]
    twice = finish("double_sigmoid", outputs, rows_head(), cut="e2e")
    np.testing.assert_allclose(twice.scores, [0.6457, 0.5498], atol=1e-4)
