import math

import numpy as np
import pytest
from tiny import atss_head, yolox_head

from cutpoint.boxes import clip_boxes, decode_boxes, level_priors, scale_to_original


def cells(*rows):
    y, x, anchor = np.array(rows).T
    return y, x, anchor


def test_anchors_are_shifted_by_the_stride_of_each_axis():
    # level 1: stride 16 in x, 8 in y
    priors = level_priors(atss_head(), 1, *cells((0, 0, 0), (2, 3, 0), (2, 3, 1)))
    assert priors.dtype == np.float32
    assert priors.tolist() == [[-8, -4, 8, 4], [40, 12, 56, 20], [32, 0, 64, 32]]


def test_points_are_shifted_by_their_offset():
    head = yolox_head(strides=((8, 4), (16, 16)), point_offset=0.5)
    priors = level_priors(head, 0, *cells((0, 0, 0), (2, 3, 0)))
    assert priors.dtype == np.float32
    assert priors.tolist() == [[4, 2], [28, 10]]


def test_delta_coder_by_hand():
    head = atss_head()
    priors = np.array([[40, 12, 56, 20]], np.float32)  # centre 48, 16, size 16 x 8
    values = np.array([[1.0, -2.0, 5 * math.log(2), 0.0]], np.float32)
    boxes = decode_boxes(head, 0, priors, values)[0]
    # dx .1 * 16, dy -.2 * 8, width times exp(.2 * 5 ln 2) = 2
    np.testing.assert_allclose(boxes, [[33.6, 10.4, 65.6, 18.4]], rtol=1e-6)
    assert boxes.dtype == np.float32


def test_delta_coder_adds_means():
    coder = atss_head().coder | {"means": [0.5, 0.0, 0.0, math.log(3)]}
    boxes, _ = decode_boxes(
        atss_head(coder=coder), 0, np.array([[0, 0, 10, 10]], np.float32), np.zeros((1, 4), np.float32)
    )
    np.testing.assert_allclose(boxes, [[5, -10, 15, 20]], rtol=1e-6)


def test_delta_coder_limits_the_size_ratio_on_both_sides():
    boxes, _ = decode_boxes(
        atss_head(), 0, np.array([[0, 0, 16, 16]], np.float32), np.array([[0, 0, 1e3, -1e3]], np.float32)
    )
    np.testing.assert_allclose(boxes[0, 2] - boxes[0, 0], 16 * 1000 / 16, rtol=1e-5)
    np.testing.assert_allclose(boxes[0, 3] - boxes[0, 1], 16 * 16 / 1000, rtol=1e-4)


def test_delta_coder_with_centre_clamp_limits_the_shift_and_only_large_ratios():
    coder = atss_head().coder | {"stds": [1.0] * 4, "centre_clamp": 32.0, "max_ratio": 1.0}
    head = atss_head(coder=coder)
    values = np.array([[3.0, -3.0, 5.0, -5.0]], np.float32)
    boxes, _ = decode_boxes(head, 0, np.array([[0, 0, 100, 100]], np.float32), values)
    box = boxes[0]
    # shifts of 300 px become 32; ratio 5 becomes 1, -5 stays
    np.testing.assert_allclose((box[:2] + box[2:]) / 2, [82, 18], rtol=1e-5)
    np.testing.assert_allclose(box[2:] - box[:2], [100 * math.e, 100 * math.exp(-5)], rtol=1e-4)


def test_centre_size_coder_by_hand():
    values = np.array([[0.5, -1.0, math.log(2), 0.0]], np.float32)
    boxes, _ = decode_boxes(
        yolox_head(strides=((8, 4), (16, 16))), 0, np.array([[24, 16]], np.float32), values
    )
    # centre 28, 12; size 16 x 4
    np.testing.assert_allclose(boxes, [[20, 10, 36, 14]], rtol=1e-6)
    assert boxes.dtype == np.float32


def test_unknown_coder_is_an_error():
    with pytest.raises(KeyError, match="fisheye"):
        decode_boxes(atss_head(coder={"type": "fisheye"}), 0, np.zeros((1, 4)), np.zeros((1, 4)))


def test_clip_uses_width_for_x_and_height_for_y():
    boxes = np.array([[-5, -5, 50, 50], [3, 4, 5, 6]], np.float32)
    clipped = clip_boxes(boxes, 20, 30)
    assert clipped.dtype == np.float32
    assert clipped.tolist() == [[0, 0, 30, 20], [3, 4, 5, 6]]


@pytest.mark.parametrize("operation", ["multiply", "divide"])
def test_scale_to_original_rounds_as_the_named_operation(operation):
    rng = np.random.default_rng(0)
    boxes = rng.uniform(0, 400, (2000, 4)).astype(np.float32)
    scale_x, scale_y = 416 / 640, 279 / 427
    scaled = scale_to_original(boxes, scale_x, scale_y, operation)
    scale = np.array([scale_x, scale_y, scale_x, scale_y])
    expected = boxes * np.float32(1 / scale) if operation == "multiply" else boxes / np.float32(scale)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, expected)
    np.testing.assert_allclose(scaled[:, 1], boxes[:, 1].astype(np.float64) / scale_y, rtol=1e-6)


def test_the_two_operations_differ_in_the_last_bit():
    boxes = np.random.default_rng(0).uniform(0, 400, (2000, 4)).astype(np.float32)
    both = [scale_to_original(boxes, 416 / 640, 279 / 427, name) for name in ("multiply", "divide")]
    assert (both[0] != both[1]).any()
