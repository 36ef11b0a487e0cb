import numpy as np

from cutpoint.iou import box_iou, paired_iou


def test_iou_of_every_pair_by_hand():
    boxes = np.array([[0, 0, 10, 10], [5, 5, 5, 5]])
    others = np.array([[5, 5, 15, 15], [20, 0, 30, 10], [5, 5, 5, 5]])
    np.testing.assert_allclose(box_iou(boxes, others), [[25 / 175, 0, 0], [0, 0, 0]])


def test_row_by_row_is_the_diagonal_to_the_last_bit():
    rng = np.random.default_rng(0)
    boxes, others = (np.sort(rng.uniform(0, 50, (200, 2, 2)), axis=1).reshape(200, 4) for _ in range(2))
    boxes = boxes.astype(np.float32)
    both = box_iou(boxes, others)
    assert paired_iou(boxes, others).tolist() == np.diagonal(both).tolist()
    assert (both > 0.1).mean() > 0.1
    assert both.dtype == np.float64


def test_no_boxes():
    assert box_iou(np.zeros((0, 4)), np.zeros((3, 4))).shape == (0, 3)
    assert paired_iou(np.zeros((0, 4)), np.zeros((0, 4))).shape == (0,)
