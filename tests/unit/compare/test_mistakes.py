"""Each mistake is one small change, by hand; which are possible follows from the specification."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import atss_head, candidates, geometry, input_recipe, model_spec, raw_outputs, yolox_head

from cutpoint.compare import mistake as module
from cutpoint.compare.mistakes import mistakes_of
from cutpoint.data.image import prepare
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.records.head import Floor
from cutpoint.records.image import Pad

MEAN, STD = (100.0, 110.0, 120.0), (50.0, 55.0, 60.0)
NORMALISED = input_recipe(bgr_to_rgb=True, mean=MEAN, std=STD, divisor=32)


def spec_of(head, **changes):
    return replace(model_spec(head), input=input_recipe(**changes))


def named(spec):
    return {mistake.name: mistake for mistake in mistakes_of(spec)}


ATSS = named(replace(model_spec(atss_head()), input=NORMALISED))
YOLOX = named(
    spec_of(yolox_head(), pad=Pad(to_square=True, value=(114.0, 114.0, 114.0)), scale=(32, 32), divisor=32)
)


def test_a_model_has_the_mistakes_that_it_leaves_room_for():
    both = {"none", "channel_order", "unit_range", "stretch", "interpolation_nearest", "interpolation_area"}
    both |= {"half_pixel", "factor_forgotten", "double_sigmoid", "class_plus_one", "class_minus_one"}
    both |= {"no_scale_back", "scaled_as_stretched"}
    assert next(iter(ATSS)) == "none"
    more = {"no_mean_std", "divided_by_225", "pad_before_normalising", "stds_forgotten"}
    assert set(ATSS) == both | more
    assert set(YOLOX) == both | {"black_padding"}


def test_what_a_model_does_not_have_cannot_be_forgotten():
    head = atss_head(factor=None, score_activation="none", num_classes=1)
    head = replace(head, coder=head.coder | {"stds": [1.0, 1.0, 1.0, 1.0]})
    found = named(spec_of(head, keep_ratio=False, mean=(0.0,) * 3, std=(255.0,) * 3))
    gone = {"factor_forgotten", "double_sigmoid", "class_plus_one", "class_minus_one", "stretch"}
    gone |= {"stds_forgotten", "scaled_as_stretched", "unit_range", "pad_before_normalising"}
    assert not gone & set(found)
    assert {"stds_of_mmdet", "one_scale"} <= set(found)
    corners = yolox_head(coder={"type": "corners", "from_point": False})
    assert "half_pixel" not in named(model_spec(corners))
    own_size = named(spec_of(atss_head(), scale=None))
    assert not {"no_scale_back", "stretch", "interpolation_area"} & set(own_size)


PIXEL = np.full((32, 32, 3), (10, 60, 235), dtype=np.uint8)  # blue, green, red


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", [(235 - 100) / 50, (60 - 110) / 55, (10 - 120) / 60]),
        ("channel_order", [(10 - 100) / 50, (60 - 110) / 55, (235 - 120) / 60]),
        ("no_mean_std", [235, 60, 10]),
        ("unit_range", [235 / 255, 60 / 255, 10 / 255]),
        ("divided_by_225", [(235 * 255 / 225 - 100) / 50, (60 * 255 / 225 - 110) / 55, (34 / 3 - 120) / 60]),
    ],
)
def test_pixels(name, expected):
    tensor, _ = prepare(PIXEL, ATSS[name].input)
    np.testing.assert_allclose(tensor[0, :, 5, 5], expected, rtol=1e-5)


def test_padding():
    wide = np.full((32, 48, 3), 200, dtype=np.uint8)
    own, _ = prepare(wide, ATSS["none"].input)
    assert own.shape == (1, 3, 32, 64)
    np.testing.assert_array_equal(own[0, :, 0, 50], [0, 0, 0])
    before, _ = prepare(wide, ATSS["pad_before_normalising"].input)
    np.testing.assert_allclose(before[0, :, 0, 50], [-2, -2, -2])
    grey, _ = prepare(wide, YOLOX["none"].input)
    black, _ = prepare(wide, YOLOX["black_padding"].input)
    assert (grey[0, 0, 30, 0], black[0, 0, 30, 0]) == (114, 0)


def test_stretching_fills_the_network_size():
    wide = np.zeros((32, 64, 3), dtype=np.uint8)
    made = prepare(wide, YOLOX["stretch"].input)[1]
    assert (made.resized_height, made.resized_width) == (32, 32)
    assert (made.scale_x, made.scale_y) == (0.5, 1)


def test_priors_move_to_the_other_usual_place():
    at_corner = ATSS["half_pixel"].head.anchors
    # strides 8 by 4, anchors of 8 x 4 around (0, 0): now around (4, 2)
    assert at_corner[0][0] == (0.0, 0.0, 8.0, 4.0)
    # and back
    head = replace(atss_head(), anchors=at_corner)
    assert named(model_spec(head))["half_pixel"].head.anchors == atss_head().anchors
    assert YOLOX["half_pixel"].head.point_offset == 0.5
    assert named(model_spec(yolox_head(point_offset=0.5)))["half_pixel"].head.point_offset == 0


def finished(name, spec, rows, monkeypatch):
    """What a mistake's way ends with, for given candidates."""
    monkeypatch.setattr(module, "from_raw", lambda outputs, head, clip: rows)
    recipe = resolve_recipe("mmdet3", spec.head)
    return named(spec)[name].finish({}, geometry(), recipe, spec)


@pytest.mark.parametrize(
    ("name", "box", "label"),
    [
        ("none", [8, 8, 40, 24], 2),
        ("class_plus_one", [8, 8, 40, 24], 0),
        ("class_minus_one", [8, 8, 40, 24], 1),
        ("no_scale_back", [4, 4, 20, 12], 2),
        # a 64x80 image as if it had been stretched to 32x48
        ("scaled_as_stretched", [4 / 0.6, 8, 20 / 0.6, 24], 2),
    ],
)
def test_detections(name, box, label, monkeypatch):
    rows = candidates((0, 0, 2, 0.9, 0.5, (4, 4, 20, 12)))
    found = finished(name, model_spec(atss_head()), rows, monkeypatch)
    np.testing.assert_allclose(found.boxes, [box], rtol=1e-5)
    assert found.labels.tolist() == [label]
    np.testing.assert_allclose(found.scores, [0.45])


def test_what_overflows_is_no_detection(monkeypatch):
    rows = candidates((0, 0, 2, 0.9, 0.5, (4, 4, 20, 12)), (0, 1, 1, 0.8, 0.5, (4, 4, np.nan, 12)))
    monkeypatch.setattr(
        module, "apply_recipe", lambda _, c, *rest: module.Detections(c.boxes, c.score, c.label)
    )
    assert finished("none", model_spec(atss_head()), rows, monkeypatch).labels.tolist() == [2]


def test_one_scale_is_that_of_the_width(monkeypatch):
    spec = spec_of(atss_head(), keep_ratio=False)
    mistake = named(spec)["one_scale"]
    seen = mistake.geometry(geometry(scale_x=0.25, scale_y=0.5))
    assert (seen.scale_x, seen.scale_y) == (0.25, 0.25)


def test_scores_and_boxes_of_the_tensors(monkeypatch):
    spec = model_spec(atss_head(floor=Floor("class", 0.0, True)))
    outputs = raw_outputs(spec.head, [(2, 3), (1, 2)])
    seen = {}

    def keep(recipe, rows, seen_geometry, model):
        seen["rows"] = rows
        return finished_with(rows)

    def finished_with(rows):
        return module.Detections(rows.boxes, rows.score, rows.label.astype(np.int64))

    monkeypatch.setattr(module, "apply_recipe", keep)
    mistakes, rows = named(spec), {}
    for name in ("none", "double_sigmoid", "factor_forgotten", "stds_forgotten"):
        mistakes[name].finish(outputs, geometry(), None, spec)
        rows[name] = seen["rows"]
    own = rows["none"]
    np.testing.assert_allclose(rows["double_sigmoid"].score, 1 / (1 + np.exp(-own.score)), rtol=1e-5)
    np.testing.assert_array_equal(rows["double_sigmoid"].factor, own.factor)
    assert (rows["factor_forgotten"].factor == 1).all()
    np.testing.assert_array_equal(rows["factor_forgotten"].score, own.score)

    def centres(c):
        return (c.boxes[:, :2] + c.boxes[:, 2:]) / 2

    # the centre is the prior's, plus ten times the shift
    start = centres(priors(own, spec))
    moved = centres(rows["stds_forgotten"]) - start
    np.testing.assert_allclose(moved, 10 * (centres(own) - start), rtol=1e-3, atol=1e-3)


def priors(rows, spec):
    """The anchors of candidates in place of their boxes."""
    boxes = []
    for level, prior in zip(rows.level.tolist(), rows.prior.tolist(), strict=True):
        flat = prior - (12 if level else 0)
        cell, anchor = divmod(flat, 2)
        y, x = divmod(cell, 2 if level else 3)
        stride = spec.head.strides[level]
        move = np.array([x * stride[0], y * stride[1]] * 2)
        boxes.append(np.array(spec.head.anchors[level][anchor]) + move)
    return replace(rows, boxes=np.array(boxes))
