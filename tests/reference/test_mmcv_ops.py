"""The stand-in for mmcv's compiled operators, and our numpy NMS against mmcv's own ``batched_nms``."""

import importlib.machinery
import re
import sys
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch

from cutpoint.detector import mmcv_ops
from cutpoint.recipes import nms as numpy_nms

mmcv_ops.install()

from mmcv.ops import batched_nms  # noqa: E402 - needs the stand-in

OPERATORS = sorted(
    {
        name
        for path in (Path(mmcv.__file__).parent / "ops").glob("*.py")
        for name in re.findall(r"ext_module\.(\w+)\(", path.read_text(encoding="utf-8"))
    }
    - {"nms", "roi_align_forward", "deform_conv_forward", "modulated_deform_conv_forward"}
)


def brute_force(boxes, scores, threshold, offset):
    boxes = boxes.numpy()
    kept = []
    for i in scores.sort(descending=True)[1].tolist():
        if all(not iou(boxes[i], boxes[j], offset) > np.float32(threshold) for j in kept):
            kept.append(i)
    return kept


def iou(a, b, offset):
    zero = np.float32(0)
    width = max(min(a[2], b[2]) - max(a[0], b[0]) + offset, zero)
    height = max(min(a[3], b[3]) - max(a[1], b[1]) + offset, zero)
    areas = [(box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.float32(width * height) / np.float32(areas[0] + areas[1] - width * height)


def random_boxes(seed, count, extent=60.0):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * extent
    boxes = torch.cat([corner, corner + torch.rand(count, 2, generator=generator) * 30], 1)
    return boxes, torch.rand(count, generator=generator)


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.3, 0.6])
def test_nms_equals_brute_force(threshold, offset):
    boxes, scores = random_boxes(1, 150)
    boxes[::13, 2:] = boxes[::13, :2]  # zero area
    boxes[::17] = boxes[5]
    scores[::7] = 0.5  # ties
    kept = mmcv_ops.nms(boxes, scores, iou_threshold=threshold, offset=offset)
    assert kept.dtype == torch.int64
    assert kept.tolist() == brute_force(boxes, scores, threshold, offset)
    assert 10 < len(kept) < 150


def test_nms_of_more_than_one_block():
    boxes, scores = random_boxes(2, 3 * mmcv_ops.BLOCK, extent=300.0)
    kept = mmcv_ops.nms(boxes, scores, iou_threshold=0.2, offset=0).tolist()
    assert kept == brute_force(boxes, scores, 0.2, 0)
    assert mmcv_ops.BLOCK < len(kept) < len(boxes) - 100


def test_the_offset_matters():
    boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 4]])
    scores = torch.tensor([0.9, 0.8])
    # 36 / 81 without it, 50 / 100 with it
    assert mmcv_ops.nms(boxes, scores, iou_threshold=0.45, offset=0).tolist() == [0, 1]
    assert mmcv_ops.nms(boxes, scores, iou_threshold=0.45, offset=1).tolist() == [0]


def test_nms_of_nothing():
    assert mmcv_ops.nms(torch.zeros(0, 4), torch.zeros(0), iou_threshold=0.5, offset=0).shape == (0,)


@pytest.mark.skipif(mmcv_ops.has_compiled_ops(), reason="compiled mmcv is installed")
class TestStandIn:
    def test_mmcv_has_many_operators(self):
        assert len(OPERATORS) > 60
        assert {"deform_conv_backward_input", "softnms", "roi_pool_forward"} <= set(OPERATORS)

    @pytest.mark.parametrize("name", OPERATORS)
    def test_every_other_operator_says_what_is_missing(self, name):
        operator = getattr(sys.modules["mmcv._ext"], name)
        with pytest.raises(NotImplementedError, match=f"'{name}' needs compiled mmcv"):
            operator(1, key=2)

    def test_probes_of_the_import_machinery_see_nothing(self):
        assert not hasattr(sys.modules["mmcv._ext"], "__path__")

    def test_it_stands_in_only_once(self):
        before = sys.modules["mmcv._ext"]
        mmcv_ops.install()
        assert sys.modules["mmcv._ext"] is before
        assert not mmcv_ops.has_compiled_ops()


def test_compiled_operators_are_left_alone(monkeypatch):
    monkeypatch.delitem(sys.modules, "mmcv._ext")
    found = importlib.machinery.ModuleSpec("mmcv._ext", None)
    monkeypatch.setattr(mmcv_ops.importlib.util, "find_spec", lambda name: found)
    mmcv_ops.install()
    assert "mmcv._ext" not in sys.modules
    assert mmcv_ops.has_compiled_ops()


@pytest.mark.parametrize("split", [10_000, 300])
@pytest.mark.parametrize("seed", range(3))
def test_numpy_nms_equals_mmcvs_batched_nms(monkeypatch, seed, split):
    boxes, scores = random_boxes(seed, 600, extent=1200.0)
    boxes[1::3] = boxes[0::3] + torch.randn(200, 4, generator=torch.Generator().manual_seed(seed))
    labels = torch.arange(600) // 3 * 7 % 80
    monkeypatch.setattr(numpy_nms, "SPLIT_THRESHOLD", split)
    settings = {"type": "nms", "iou_threshold": 0.65, "split_thr": split}
    _, expected = batched_nms(boxes, scores, labels, settings)
    kept = numpy_nms.class_shifted_nms(boxes.numpy(), scores.numpy(), labels.numpy(), 0.65)
    assert kept.tolist() == expected.tolist()
    assert 250 < len(kept) < 580
