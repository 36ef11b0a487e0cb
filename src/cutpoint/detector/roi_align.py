"""RoIAlign in torch operators, and its export to ONNX.

``roi_align`` replaces mmcv's compiled operator (``mmcv_ops``). ``multi_level_roi_align`` reads every RoI from
its own feature level and keeps the rows in order; the exporter writes it with the standard ``RoiAlign``.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def roi_align(
    features: Tensor,
    rois: Tensor,
    out_height: int,
    out_width: int,
    scale: float,
    sampling: int,
    aligned: bool,
) -> Tensor:
    """Mean of bilinear samples in each bin of each RoI; forward only.

    Args:
        features: ``(B, C, H, W)`` float.
        rois: ``(R, 5)`` float: index of the image, then ``x1, y1, x2, y2`` in network pixels.
        out_height: bins along y.
        out_width: bins along x.
        scale: cells of the map for each pixel.
        sampling: samples for each bin and axis; 0 takes as many as the bin has cells, rounded up.
        aligned: sample half a cell lower, as cell centres ask. If False, a RoI has at least one cell a side.

    Returns:
        ``(R, C, out_height, out_width)``. A sample more than one cell outside the map counts 0. A RoI without
        area gives 0 when it is aligned and ``sampling`` is 0.

    Source:
        ``pre_calc_for_bilinear_interpolate`` and ``ROIAlignForward``,
        mmcv/ops/csrc/pytorch/cpu/roi_align.cpp
        (mmcv 2.1.0), pool mode ``avg``.
    """
    height, width = features.shape[2:]
    out = features.new_zeros(len(rois), features.shape[1], out_height, out_width)
    x1, y1, x2, y2 = (rois[:, 1:] * scale - (0.5 if aligned else 0)).unbind(1)
    sides = y2 - y1, x2 - x1
    if not aligned:
        sides = sides[0].clamp(min=1), sides[1].clamp(min=1)
    # the mean over a grid of bilinear samples is separable: a product with each axis' weights
    rows = _weights(y1, sides[0], out_height, sampling, height)
    columns = _weights(x1, sides[1], out_width, sampling, width)
    cells = features.permute(0, 2, 3, 1).contiguous()
    spans = torch.stack([rois[:, 0].long(), *_span(rows), *_span(columns)], 1).tolist()
    for i, (image, top, bottom, left, right) in enumerate(spans):
        if bottom > top and right > left:
            part = cells[image, top:bottom, left:right]
            lines = rows[i, :, top:bottom] @ part.reshape(bottom - top, -1)
            bins = columns[i, :, left:right] @ lines.reshape(out_height, right - left, -1)
            out[i] = bins.permute(2, 0, 1)
    return out


def _weights(start: Tensor, side: Tensor, bins: int, sampling: int, size: int) -> Tensor:
    """The weight of each cell in each bin's mean along one axis: ``(R, bins, size)``."""
    bin_side = side / bins
    grid = torch.full_like(start, sampling) if sampling > 0 else torch.ceil(bin_side)
    weights = start.new_zeros(len(start), bins, size)
    first = torch.arange(bins, device=start.device, dtype=start.dtype)[:, None]
    for samples in sorted(set(grid.tolist())):
        if samples <= 0:
            continue
        rois = (grid == samples).nonzero().squeeze(1)
        step = bin_side[rois, None, None]
        inner = torch.arange(int(samples), device=start.device, dtype=start.dtype) + 0.5
        place = start[rois, None, None] + first * step + inner * step / samples
        inside = (place >= -1) & (place <= size)
        place = place.clamp(0, size - 1)
        low = place.floor()
        high = (low + 1).clamp(max=size - 1)
        part = weights.new_zeros(len(rois), bins, size)
        part.scatter_add_(2, low.long(), torch.where(inside, (1 - (place - low)) / samples, 0))
        part.scatter_add_(2, high.long(), torch.where(inside, (place - low) / samples, 0))
        weights[rois] = part
    return weights


def _span(weights: Tensor) -> tuple[Tensor, Tensor]:
    """First cell with a weight and the one after the last, of each RoI; an empty span if there is none."""
    used = weights.any(1)
    cells = torch.arange(used.shape[1], device=used.device)
    return torch.where(used, cells, used.shape[1]).amin(1), torch.where(used, cells + 1, 0).amax(1)


@torch.library.custom_op("cutpoint::multi_level_roi_align", mutates_args=())
def multi_level_roi_align(
    feats: list[Tensor],
    rois: Tensor,
    levels: Tensor,
    out: int,
    scales: list[float],
    sampling: int,
    aligned: bool,
) -> Tensor:
    """``roi_align`` of each RoI on its own level.

    Args:
        feats: the levels' features, each ``(B, C, H, W)`` float.
        rois: ``(R, 5)`` float: index of the image, then ``x1, y1, x2, y2`` in network pixels.
        levels: ``(R,)`` int64, the index of each RoI's level.
        out: bins along y and x.
        scales: cells for each pixel, of each level.
        sampling: as in ``roi_align``.
        aligned: as in ``roi_align``.

    Returns:
        ``(R, C, out, out)``, in the order of ``rois``.
    """
    result = feats[0].new_zeros(len(rois), feats[0].shape[1], out, out)
    for level, (features, scale) in enumerate(zip(feats, scales, strict=True)):
        rows = (levels == level).nonzero().squeeze(1)
        result[rows] = roi_align(features, rois[rows], out, out, scale, sampling, aligned)
    return result


@multi_level_roi_align.register_fake
def _shape(feats: list[Tensor], rois: Tensor, levels: Tensor, out: int, *settings: Any) -> Tensor:
    return feats[0].new_empty(rois.shape[0], feats[0].shape[1], out, out)


# no annotations: the exporter reads them as the signature of an ONNX function
def _to_onnx(feats, rois, levels, out, scales, sampling, aligned):  # type: ignore[no-untyped-def]
    from onnx import TensorProto, helper
    from onnxscript import opset18  # the import takes a second, and only an export needs it

    op: Any = opset18
    axis_0, axis_1 = op.Constant(value_ints=[0]), op.Constant(value_ints=[1])
    image = op.Cast(op.Gather(rois, op.Constant(value_int=0), axis=1), to=TensorProto.INT64)
    boxes = op.Slice(rois, axis_1, op.Constant(value_ints=[5]), axis_1)
    parts, places = [], []
    for level, (features, scale) in enumerate(zip(feats, scales, strict=True)):
        rows = op.Squeeze(op.NonZero(op.Equal(levels, op.Constant(value_int=level))), axis_0)
        parts.append(
            op.RoiAlign(
                features,
                op.Gather(boxes, rows),
                op.Gather(image, rows),
                # the default mode of the operator is that of ``aligned``
                coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
                mode="avg",
                output_height=out,
                output_width=out,
                sampling_ratio=max(sampling, 0),
                spatial_scale=scale,
            )
        )
        places.append(rows)
    pooled, order = op.Concat(*parts, axis=0), op.Concat(*places, axis=0)
    # a RoI of no level stays zero
    shape = op.Concat(op.Shape(rois, start=0, end=1), op.Shape(pooled, start=1), axis=0)
    zeros = op.ConstantOfShape(shape, value=helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]))
    return op.ScatterND(zeros, op.Unsqueeze(order, axis_1), pooled)


TRANSLATIONS: dict[Callable, Callable] = {torch.ops.cutpoint.multi_level_roi_align.default: _to_onnx}
"""For ``torch.onnx.export``. ONNX Runtime 1.31 has no ``RoiAlign`` of opset 22 on the CPU; 16 to 21 run."""
