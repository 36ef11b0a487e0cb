import math

import numpy as np
import pytest
import torch
from tiny import atss_head, geometry, guided_head, yolox_head

from cutpoint.decode.boxes import CODERS, clip_boxes, decode_boxes, level_priors, scale_to_original


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


def test_guided_coder_by_hand():
    coder = guided_head().coder | {"stds": [0.5] * 4}
    priors = np.array([[40, 12, 56, 28]], np.float32)  # centre 48, 20, size 16 x 16
    # the square becomes 32 x 4; then dx .25 * 32, dy -.5 * 4, height times exp(.5 * 2 ln 3) = 3
    values = np.array([[0.5, -1.0, 0.0, 2 * math.log(3), math.log(2), -math.log(4)]], np.float32)
    boxes = decode_boxes(atss_head(coder=coder), 0, priors, values)[0]
    np.testing.assert_allclose(boxes, [[40, 12, 72, 24]], rtol=1e-6)


def test_peaks_coder_by_hand():
    head = atss_head(coder={"type": "peaks", "kernel": 3}, strides=((4, 4), (4, 4)))
    # cell 5, 2; its centre .5 right and .25 down, 6 wide and 2 high, in cells of 4 pixels
    values = np.array([[6.0, 2.0, 0.5, 0.25]], np.float32)
    boxes = decode_boxes(head, 0, np.array([[20, 8]], np.float32), values)[0]
    np.testing.assert_allclose(boxes, [[10, 5, 34, 13]], rtol=1e-6)


def test_centre_size_coder_by_hand():
    values = np.array([[0.5, -1.0, math.log(2), 0.0]], np.float32)
    boxes, _ = decode_boxes(
        yolox_head(strides=((8, 4), (16, 16))), 0, np.array([[24, 16]], np.float32), values
    )
    # centre 28, 12; size 16 x 4
    np.testing.assert_allclose(boxes, [[20, 10, 36, 14]], rtol=1e-6)
    assert boxes.dtype == np.float32


def decode(coder, prior, values, stride=8):
    """One box by one coder."""
    head = atss_head(coder=coder, strides=((stride, stride),) * 2)
    found = decode_boxes(head, 1, np.array([prior], np.float32), np.array([values], np.float32))
    assert found[0].dtype == np.float32
    return found[0][0], found[1]


def test_distance_coder_by_hand():
    plain = {"type": "distance", "bins": None, "exp": False, "unit": [1.0, 1.0]}
    box, factor = decode(plain, (20, 30), (1, 2, 3, 4))  # left, top, right, bottom
    assert box.tolist() == [19, 28, 23, 34]
    assert factor is None
    # of an anchor from its centre, in units of the level
    box, _ = decode(plain | {"unit": [1.0, 10.0]}, (10, 20, 30, 40), (1, 2, 3, 1))
    assert box.tolist() == [10, 10, 50, 40]
    box, _ = decode(plain | {"exp": True, "unit": [1.0, 16.0]}, (20, 30), (0, math.log(2), 0, 0))
    np.testing.assert_allclose(box, [4, -2, 36, 46], rtol=1e-6)


def test_distance_coder_takes_the_mean_of_its_bins():
    coder = {"type": "distance", "bins": 3, "exp": False, "unit": [1.0, 8.0]}
    even, last, first = (0, 0, 0), (-50, -50, 50), (50, -50, -50)  # means 1, 2, 0
    tilted = (0, 0, math.log(2))  # (0 + 1 + 2 * 2) / 4
    box, _ = decode(coder, (0, 0, 200, 200), (*even, *last, *first, *tilted))
    np.testing.assert_allclose(box, [92, 84, 100, 110], rtol=1e-6)


def test_tblr_coder_by_hand():
    # top, bottom, left, right in units of 4 x the anchor's side; the anchor is 10 x 20 around (15, 30)
    coder = {"type": "tblr", "normalizer": [4.0] * 4}
    box, _ = decode(coder, (10, 20, 20, 40), (0.25, 0.5, 0.1, 0.2))
    np.testing.assert_allclose(box, [15 - 4, 30 - 20, 15 + 8, 30 + 40], rtol=1e-6)


def test_corners_coder_by_hand():
    values = (-1, -2, 3, 4)
    origin = {"type": "corners", "from_point": False}
    assert decode(origin, (40, 80), values)[0].tolist() == [-8, -16, 24, 32]
    assert decode(origin | {"from_point": True}, (40, 80), values)[0].tolist() == [32, 64, 64, 112]


def test_yolov3_coder_by_hand():
    # centre (20, 30), size 8 x 12, stride 16; a sigmoid of log 3 moves by a quarter of it
    box, _ = decode({"type": "yolov3"}, (16, 24, 24, 36), (0, math.log(3), math.log(2), 0), stride=16)
    np.testing.assert_allclose(box, [12, 28, 28, 40], rtol=1e-6)


def bucket_values(best, second, offset):
    """Left, right, top, down: 7 bucket scores each, then 7 offsets each."""
    scores, offsets = np.full((4, 7), -50.0), np.zeros((4, 7))
    scores[:, second] = 0
    scores[:, best] = math.log(3)
    offsets[:, best] = offset
    return np.concatenate([scores.ravel(), offsets.ravel()])


def test_buckets_coder_by_hand():
    # the anchor of 28 px grows to 84 px, 14 buckets of 6 px a side; best bucket 2, offset 0.25:
    # 2.5 - 0.25 buckets from the low edge, 2.5 + 0.25 from the high one
    coder = {"type": "buckets", "buckets": 14, "scale": 3.0}
    anchor = (100, 200, 128, 228)  # grows to 72..156, 172..256
    box, factor = decode(coder, anchor, bucket_values(2, 3, 0.25))
    np.testing.assert_allclose(box, [85.5, 185.5, 139.5, 239.5], rtol=1e-6)
    # the neighbour's share counts as well: 3/4 + 1/4
    np.testing.assert_allclose(factor, [1.0], rtol=1e-6)
    box, factor = decode(coder, anchor, bucket_values(2, 5, 0.25))
    np.testing.assert_allclose(box, [85.5, 185.5, 139.5, 239.5], rtol=1e-6)
    np.testing.assert_allclose(factor, [0.75], rtol=1e-6)


ALL_CODERS = {
    "delta_xywh": (atss_head().coder, 4, 4),
    "delta_xywh, centre clamp": (atss_head().coder | {"centre_clamp": 32.0}, 4, 4),
    "centre_size": ({"type": "centre_size"}, 2, 4),
    "distance": ({"type": "distance", "bins": None, "exp": True, "unit": [1.0, 16.0]}, 2, 4),
    "distance, bins": ({"type": "distance", "bins": 17, "exp": False, "unit": [8.0, 16.0]}, 4, 68),
    "tblr": ({"type": "tblr", "normalizer": [4.0] * 4}, 4, 4),
    "guided": (guided_head().coder, 4, 6),
    "peaks": ({"type": "peaks", "kernel": 3}, 2, 4),
    "corners": ({"type": "corners", "from_point": True}, 2, 4),
    "yolov3": ({"type": "yolov3"}, 4, 4),
    "buckets": ({"type": "buckets", "buckets": 14, "scale": 3.0}, 4, 56),
}


def test_every_coder_is_among_those_compared():
    assert {coder["type"] for coder, _, _ in ALL_CODERS.values()} == set(CODERS)


@pytest.mark.parametrize("name", ALL_CODERS)
def test_numpy_and_torch_decode_alike(name):
    coder, prior_width, width = ALL_CODERS[name]
    rng = np.random.default_rng(0)
    priors = rng.uniform(0, 100, (50, prior_width)).astype(np.float32)
    priors[:, 2:] += 100
    values = rng.normal(0, 1, (2, 50, width)).astype(np.float32)
    head = atss_head(coder=coder)
    ours = decode_boxes(head, 1, priors, values)
    theirs = decode_boxes(head, 1, torch.from_numpy(priors), torch.from_numpy(values), torch)
    assert ours[0].shape == (2, 50, 4)
    assert theirs[0].dtype == torch.float32
    np.testing.assert_allclose(ours[0], theirs[0].numpy(), rtol=1e-5, atol=1e-4)
    assert (ours[1] is None) == (theirs[1] is None) == (coder["type"] != "buckets")
    if ours[1] is not None:
        assert ours[1].dtype == np.float32
        np.testing.assert_allclose(ours[1], theirs[1].numpy(), rtol=1e-5)


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
    scaled = scale_to_original(boxes, geometry(scale_x=scale_x, scale_y=scale_y), operation)
    scale = np.array([scale_x, scale_y, scale_x, scale_y])
    expected = boxes * np.float32(1 / scale) if operation == "multiply" else boxes / np.float32(scale)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, expected)
    np.testing.assert_allclose(scaled[:, 1], boxes[:, 1].astype(np.float64) / scale_y, rtol=1e-6)


def test_the_two_operations_differ_in_the_last_bit():
    boxes = np.random.default_rng(0).uniform(0, 400, (2000, 4)).astype(np.float32)
    sizes = geometry(scale_x=416 / 640, scale_y=279 / 427)
    both = [scale_to_original(boxes, sizes, name) for name in ("multiply", "divide")]
    assert (both[0] != both[1]).any()
