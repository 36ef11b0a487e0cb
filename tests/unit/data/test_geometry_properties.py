"""The way of an image into the network, and of its boxes back, for images and recipes of any size."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import input_recipe

from cutpoint.data.image import clip_size, fit_size, prepare
from cutpoint.decode.boxes import clip_boxes, scale_to_original
from cutpoint.errors import UserError
from cutpoint.iou import box_iou
from cutpoint.records.image import Pad

SIDES = st.integers(1, 70)
SCALES = st.tuples(st.integers(1, 60), st.integers(1, 60))
PADS = st.none() | st.builds(
    Pad,
    size=st.none() | st.tuples(SIDES, SIDES),
    divisor=st.none() | st.integers(1, 40),
    to_square=st.just(False),
    value=st.just((7.0, 7.0, 7.0)),
)


@given(height=SIDES, width=SIDES, scale=SCALES, keep=st.booleans(), divisor=st.integers(1, 33), pad=PADS)
def test_sizes_fit_together_and_the_rest_is_padding(height, width, scale, keep, divisor, pad):
    recipe = input_recipe(scale=scale, keep_ratio=keep, divisor=divisor, pad_value=3.5, pad=pad)
    image = np.full((height, width, 3), 100, np.uint8)
    factor = min(max(scale) / max(height, width), min(scale) / min(height, width))
    if keep and min(height, width) * factor < 0.5:  # half a pixel is the least that is rounded to one
        with pytest.raises(UserError, match=f"{height}x{width}"):
            prepare(image, recipe)
        return
    tensor, g = prepare(image, recipe)
    assert (g.height, g.width) == (height, width)
    assert min(g.resized_height, g.resized_width) >= 1
    assert (g.scale_x, g.scale_y) == (g.resized_width / width, g.resized_height / height)
    assert tensor.shape == (1, 3, g.padded_height, g.padded_width)
    assert (g.padded_height % divisor, g.padded_width % divisor) == (0, 0)
    inner = clip_size(g, recipe)
    assert g.padded_height - divisor < inner[0] <= g.padded_height
    assert g.padded_width - divisor < inner[1] <= g.padded_width
    assert (tensor[:, :, : g.resized_height, : g.resized_width] == 100).all()
    outside = np.ones(tensor.shape[2:], bool)
    outside[: inner[0], : inner[1]] = False
    assert (tensor[:, :, outside] == 3.5).all()


@given(height=st.integers(1, 5000), width=st.integers(1, 5000), scale=st.tuples(*[st.integers(1, 2000)] * 2))
def test_the_resize_is_the_largest_that_fits_by_exact_arithmetic(height, width, scale):
    """``rescale_size`` of mmcv rounds halves up: here with fractions in place of floats."""
    factor = min(Fraction(max(scale), max(height, width)), Fraction(min(scale), min(height, width)))
    exact = [side * factor for side in (height, width)]
    expected = [math.floor(side + Fraction(1, 2)) for side in exact]
    try:
        found, gain = fit_size(height, width, input_recipe(scale=scale))
    except UserError:
        assert min(expected) == 0
        return
    assert gain == pytest.approx(float(factor))
    for ours, side, rounded in zip(found, exact, expected, strict=True):
        half = abs(side - math.floor(side) - Fraction(1, 2)) < Fraction(1, 10**9)
        assert ours == rounded or half


BOXES = st.lists(st.tuples(*[st.floats(-50, 900, width=32)] * 4), max_size=5)


@given(
    boxes=BOXES, height=SIDES, width=SIDES, scale=SCALES, operation=st.sampled_from(["multiply", "divide"])
)
def test_boxes_come_back_to_where_they_were(boxes, height, width, scale, operation):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    recipe = input_recipe(scale=scale, keep_ratio=False)
    _, g = prepare(np.zeros((height, width, 3), np.uint8), recipe)
    there = boxes * np.array([g.scale_x, g.scale_y] * 2)
    back = scale_to_original(there.astype(np.float32), g, operation)
    assert back == pytest.approx(boxes, rel=1e-5, abs=1e-3)


@given(boxes=BOXES, height=SIDES, width=SIDES)
def test_clipping_goes_side_by_side(boxes, height, width):
    expected = [[min(max(v, 0), most) for v, most in zip(b, [width, height] * 2, strict=True)] for b in boxes]
    found = clip_boxes(np.array(boxes, np.float32).reshape(-1, 4), height, width)
    assert found.tolist() == expected


GRID = st.lists(
    st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(0, 8)] * 2).map(
        lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
    ),
    max_size=4,
)


@given(first=GRID, second=GRID)
def test_iou_counts_pixels(first, second):
    """On whole pixels the IoU is a ratio of counts."""
    found = box_iou(np.array(first).reshape(-1, 4), np.array(second).reshape(-1, 4))
    assert found.shape == (len(first), len(second))
    pixels = [
        [{(x, y) for x in range(b[0], b[2]) for y in range(b[1], b[3])} for b in side]
        for side in (first, second)
    ]
    for i, one in enumerate(pixels[0]):
        for j, other in enumerate(pixels[1]):
            expected = len(one & other) / len(one | other) if one | other else 0
            assert found[i, j] == pytest.approx(expected)
