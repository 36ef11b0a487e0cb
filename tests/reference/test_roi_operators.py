"""RoIAlign and the network's own NMS: against loops and by hand, mmcv's layers on them, and ONNX Runtime."""

import math

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from mmcv.ops import RoIAlign, batched_nms
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torch import nn

from cutpoint.detector.mmcv_ops import has_compiled_ops
from cutpoint.detector.operators import TRANSLATIONS
from cutpoint.detector.roi_align import multi_level_roi_align, roi_align
from cutpoint.detector.rpn_nms import EXCLUDED, nms_rows


def by_loops(features, rois, out, scale, sampling, aligned):
    """Sample after sample, each from its four neighbours."""
    channels = features.shape[1]
    result = np.zeros((len(rois), channels, *out))
    for r, (image, *corners) in enumerate(rois):
        x1, y1, x2, y2 = np.array(corners) * scale - (0.5 if aligned else 0)
        sides = (y2 - y1, x2 - x1) if aligned else (max(y2 - y1, 1), max(x2 - x1, 1))
        bin_height, bin_width = sides[0] / out[0], sides[1] / out[1]
        rows, columns = (sampling or math.ceil(side) for side in (bin_height, bin_width))
        for i, j in np.ndindex(out):
            total = np.zeros(channels)
            for a, b in np.ndindex(rows, columns):
                y = y1 + (i + (a + 0.5) / rows) * bin_height
                x = x1 + (j + (b + 0.5) / columns) * bin_width
                total += sample(features[int(image)], y, x)
            result[r, :, i, j] = total / max(rows * columns, 1)
    return result


def sample(cells, y, x):
    _, height, width = cells.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    top, left = math.floor(y), math.floor(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    upper = cells[:, top, left] * (1 - (x - left)) + cells[:, top, right] * (x - left)
    lower = cells[:, bottom, left] * (1 - (x - left)) + cells[:, bottom, right] * (x - left)
    return upper * (1 - (y - top)) + lower * (y - top)


def random_rois(count, seed=0, images=2, size=(80.0, 64.0)):
    """RoIs that lie inside, partly or wholly outside an image of that width and height, and empty ones."""
    random = np.random.default_rng(seed)
    centre = random.uniform(-0.2, 1.2, (count, 2)) * size
    sides = np.exp(random.uniform(0, 5, (count, 2)))
    rois = np.concatenate(
        [random.integers(images, size=(count, 1)), centre - sides / 2, centre + sides / 2], 1
    )
    rois[::11, 1:] = 0
    return rois.astype(np.float32)


@pytest.mark.parametrize("sampling", [0, 1, 3])
@pytest.mark.parametrize("aligned", [True, False])
def test_roi_align_equals_loops(aligned, sampling):
    features = np.random.default_rng(1).normal(size=(2, 3, 16, 20))
    rois = random_rois(60).astype(np.float64)
    got = roi_align(torch.from_numpy(features), torch.from_numpy(rois), 3, 2, 0.25, sampling, aligned)
    expected = by_loops(features, rois, (3, 2), 0.25, sampling, aligned)
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-12)
    assert np.abs(expected).max() > 1
    # rows outside the map are zero, the others are not
    assert 5 < (expected == 0).all((1, 2, 3)).sum() < 55


CELLS = torch.tensor([[[[0.0, 1.0, 2.0], [10.0, 11.0, 12.0], [20.0, 21.0, 22.0]]]])


@pytest.mark.parametrize(
    ("box", "aligned", "expected"),
    [
        ((0.0, 0.0, 2.0, 2.0), True, 0.0 + 0.5 + 5.0),  # samples at 0 and 1: the four cells' mean
        ((0.0, 0.0, 2.0, 2.0), False, 11.0),  # at 0.5 and 1.5
        ((1.0, 1.0, 2.0, 2.0), True, 11.0),  # one sample in the middle cell
        ((1.0, 1.0, 1.5, 1.5), False, 16.5),  # at least one cell: a sample at 1.5
        ((1.0, 1.0, 1.0, 1.0), True, 0.0),  # no area, no sample
        ((2.5, 1.0, 3.5, 2.0), True, 12.0),  # half a cell over the border: the border's cell
        ((9.0, 1.0, 10.0, 2.0), True, 0.0),  # outside
    ],
)
def test_roi_align_by_hand(box, aligned, expected):
    rois = torch.tensor([[0.0, *box]])
    assert roi_align(CELLS, rois, 1, 1, 1.0, 0, aligned).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.skipif(has_compiled_ops(), reason="compiled mmcv is installed")
def test_mmcvs_layer_runs_on_it():
    features, rois = torch.randn(2, 4, 16, 20), torch.from_numpy(random_rois(30))
    layer = RoIAlign((3, 2), spatial_scale=0.25, sampling_ratio=2, aligned=False)
    assert torch.equal(layer(features, rois), roi_align(features, rois, 3, 2, 0.25, 2, False))
    with pytest.raises(NotImplementedError, match="'max' needs compiled mmcv"):
        RoIAlign((3, 2), pool_mode="max")(features, rois)


def test_each_roi_is_read_from_its_level():
    extractor = SingleRoIExtractor({"type": "RoIAlign", "output_size": 7, "sampling_ratio": 0}, 4, [4, 8, 16])
    features = [torch.randn(2, 4, 64 // k, 80 // k) for k in (1, 2, 4)]
    rois = torch.from_numpy(random_rois(200, size=(320.0, 256.0)))
    rois[:, 3:] = torch.maximum(rois[:, 3:], rois[:, 1:3] + 1) + torch.arange(200)[:, None] * 2
    levels = extractor.map_roi_levels(rois, 3)
    got = multi_level_roi_align(features, rois, levels, 7, [1 / 4, 1 / 8, 1 / 16], 0, True)
    assert torch.equal(got, extractor(features, rois))
    assert set(levels.tolist()) == {0, 1, 2}


BOXES = torch.tensor(
    [
        [[0.0, 0, 10, 10], [0, 0, 10, 6], [20, 20, 30, 30], [0, 0, 10, 5], [0, 0, 9, 10]],
        [[0.0, 0, 10, 10], [50, 50, 60, 60], [0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10]],
    ]
)
SCORES = torch.tensor([[0.5, 0.9, 0.0, 0.7, EXCLUDED], [EXCLUDED] * 5])


@pytest.mark.parametrize(
    ("iou", "index", "count"),
    [
        (0.55, [1, 2, 0, 0], 2),  # row 1 overlaps row 0 by 0.6 and row 3 by 0.83
        (0.6, [1, 0, 2, 0], 3),  # no more than that
        (0.9, [1, 3, 0, 2], 4),
    ],
)
def test_nms_rows_by_hand(iou, index, count):
    got, kept = nms_rows(BOXES, SCORES, iou, 4)
    assert got.tolist() == [index, [0, 0, 0, 0]]
    assert kept.tolist() == [count, 0]
    assert nms_rows(BOXES, SCORES, iou, 1)[0].tolist() == [[1], [0]]


def random_boxes(images, count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(images, count, 2, generator=generator) * 60
    boxes = torch.cat([corner, corner + torch.rand(images, count, 2, generator=generator) * 40], 2)
    scores = torch.rand(images, count, generator=generator)
    scores[:, ::3] = EXCLUDED
    return boxes, scores


def test_nms_rows_equals_mmcvs_nms():
    boxes, scores = random_boxes(3, 300)
    index, count = nms_rows(boxes, scores, 0.4, 50)
    for i in range(3):
        rows = (scores[i] >= 0).nonzero().squeeze(1)
        _, kept = batched_nms(
            boxes[i, rows], scores[i, rows], rows, {"type": "nms", "iou_threshold": 0.4}, class_agnostic=True
        )
        assert index[i, : count[i]].tolist() == rows[kept][:50].tolist()
    assert count.tolist() == [50, 50, 50]


class Operators(nn.Module):
    def forward(self, boxes, scores, fine, coarse, rois, levels):
        index, count = nms_rows(boxes, scores, 0.4, 30)
        pooled = [
            multi_level_roi_align([fine, coarse], rois, levels, 3, [0.25, 0.125], sampling, aligned)
            for sampling, aligned in ((0, True), (2, True), (0, False))
        ]
        return index, count, *pooled


def make_inputs(images, boxes, rois, seed=0):
    noise = torch.Generator().manual_seed(seed)
    return (
        *random_boxes(images, boxes, seed),
        torch.randn(images, 5, 16, 20, generator=noise),
        torch.randn(images, 5, 8, 10, generator=noise),
        torch.from_numpy(random_rois(rois, seed, images)),
        torch.randint(3, (rois,), generator=noise),  # 2 is no level: a row of zeros
    )


NAMES = ["boxes", "scores", "fine", "coarse", "rois", "levels"]


@pytest.fixture(scope="module", params=[18, 20])
def exported(request, tmp_path_factory):
    batch, rows, rois = (torch.export.Dim(name) for name in ("batch", "rows", "rois"))
    with torch.no_grad():
        program = torch.onnx.export(
            Operators().eval(),
            make_inputs(2, 40, 9),
            input_names=NAMES,
            dynamic_shapes=(
                {0: batch, 1: rows},
                {0: batch, 1: rows},
                {0: batch},
                {0: batch},
                {0: rois},
                {0: rois},
            ),
            opset_version=request.param,
            custom_translation_table=TRANSLATIONS,
            dynamo=True,
            verbose=False,
        )
    path = tmp_path_factory.mktemp("operators") / f"{request.param}.onnx"
    program.save(str(path))
    return path


def test_the_graph_is_standard_onnx(exported):
    model = onnx.load(exported)
    onnx.checker.check_model(model, full_check=True)
    assert {node.domain for node in model.graph.node} == {""}
    kinds = [node.op_type for node in model.graph.node]
    assert (kinds.count("RoiAlign"), kinds.count("NonMaxSuppression")) == (6, 1)
    assert [(entry.domain, str(entry.version)) for entry in model.opset_import] == [("", exported.stem)]
    assert not model.functions


# without RoIs, without a second image, and with fewer boxes than the NMS has rows
@pytest.mark.parametrize(("images", "boxes", "rois"), [(2, 40, 9), (3, 500, 200), (1, 10, 1), (2, 60, 0)])
def test_onnxruntime_equals_torch(exported, images, boxes, rois):
    inputs = make_inputs(images, boxes, rois, seed=5)
    expected = [value.numpy() for value in Operators()(*inputs)]
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    got = session.run(None, {name: value.numpy() for name, value in zip(NAMES, inputs, strict=True)})
    for ours, theirs in zip(got, expected, strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    assert expected[1].min() > 0


def test_onnxruntime_keeps_nothing(exported):
    """An image whose boxes are all excluded, alone and beside another."""
    inputs = make_inputs(2, 40, 3)
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    for images in ([0], [0, 1]):
        inputs[1][images] = EXCLUDED
        index, count, *_ = session.run(None, dict(zip(NAMES, [v.numpy() for v in inputs], strict=True)))
        expected = nms_rows(*inputs[:2], 0.4, 30)
        assert index.tolist() == expected[0].tolist()
        assert count.tolist() == expected[1].tolist()
        assert (count == 0).sum() == len(images)
