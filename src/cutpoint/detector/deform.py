"""Deformable convolution in torch operators, and its export to ONNX.

``deform_conv2d`` replaces mmcv's compiled operators (``mmcv_ops``). While a model is exported
(``exporting``), every deformable convolution of mmcv becomes this one operator, with or without compiled
mmcv. ``TRANSLATIONS`` tells the exporter to write it as the standard ONNX ``DeformConv`` (opset 19 and
later).
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.utils import _pair


@torch.library.custom_op("cutpoint::deform_conv2d", mutates_args=())
def deform_conv2d(
    features: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
    deform_groups: int,
) -> Tensor:
    """Deformable convolution, version 1 (without mask) or 2; forward only.

    Args:
        features: ``(B, C, H, W)`` float.
        offset: ``(B, deform_groups * KH * KW * 2, OH, OW)``: how far each tap moves, y then x, in cells.
        mask: ``(B, deform_groups * KH * KW, OH, OW)``, a factor on each tap's sample; null is 1.
        weight: ``(O, C / groups, KH, KW)``.
        bias: ``(O,)`` or null.
        stride: y, x; ``padding`` and ``dilation`` likewise.
        groups: channel groups of the convolution.
        deform_groups: consecutive channel groups, each with its own offsets and mask.

    Returns:
        ``(B, O, OH, OW)``. A sample is bilinear in its four neighbours; those outside the map count 0.

    Raises:
        ValueError: the offsets' height and width are not those of the output.

    Source:
        ``deformable_im2col_cpu_kernel`` and ``modulated_deformable_im2col_cpu_kernel``,
        mmcv/ops/csrc/pytorch/cpu/{deform_conv,modulated_deform_conv}.cpp, mmcv 2.1.0.
    """
    batch, channels, height, width = features.shape
    out_channels, _, kernel_height, kernel_width = weight.shape
    out_height, out_width = (
        (size + 2 * pad - gap * (kernel - 1) - 1) // step + 1
        for size, pad, gap, kernel, step in zip(
            (height, width), padding, dilation, (kernel_height, kernel_width), stride, strict=True
        )
    )
    if offset.shape[2:] != (out_height, out_width):
        raise ValueError(
            f"deform_conv2d: offsets of {tuple(offset.shape[2:])} for an output of {(out_height, out_width)}"
        )
    taps = kernel_height * kernel_width
    flat = (batch, deform_groups, 1, taps * out_height * out_width)

    shifts = offset.reshape(batch, deform_groups, kernel_height, kernel_width, 2, out_height, out_width)
    y = _grid(out_height, stride[0], padding[0], kernel_height, dilation[0], offset)[:, None, :, None]
    x = _grid(out_width, stride[1], padding[1], kernel_width, dilation[1], offset)[None, :, None, :]
    y, x = shifts[:, :, :, :, 0] + y, shifts[:, :, :, :, 1] + x
    factor = 1 if mask is None else mask.reshape(y.shape)

    grouped = features.reshape(batch, deform_groups, channels // deform_groups, height * width)
    columns = grouped.new_zeros(*grouped.shape[:3], flat[-1])
    top, left = y.floor(), x.floor()
    for row, row_weight in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, column_weight in ((left, 1 - (x - left)), (left + 1, x - left)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            cell = torch.where(inside, row, 0).long() * width + torch.where(inside, column, 0).long()
            share = torch.where(inside, row_weight * column_weight * factor, 0).reshape(flat)
            columns.addcmul_(grouped.gather(3, cell.reshape(flat).expand(columns.shape)), share)

    columns = columns.reshape(batch, groups, channels // groups * taps, out_height * out_width)
    out = weight.reshape(groups, out_channels // groups, -1) @ columns
    out = out.reshape(batch, out_channels, out_height, out_width)
    return out if bias is None else out + bias[:, None, None]


@deform_conv2d.register_fake
def _shape(
    features: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor, *settings: Any
) -> Tensor:
    return features.new_empty(features.shape[0], weight.shape[0], *offset.shape[2:])


def _grid(out: int, stride: int, padding: int, kernel: int, dilation: int, like: Tensor) -> Tensor:
    """The positions of an ordinary convolution's taps along one axis: ``(kernel, out)``."""
    starts = torch.arange(out, device=like.device) * stride - padding
    return (torch.arange(kernel, device=like.device)[:, None] * dilation + starts).to(like.dtype)


# no annotations: the exporter reads them as the signature of an ONNX function
def _to_onnx(  # type: ignore[no-untyped-def]
    features, offset, mask, weight, bias, stride, padding, dilation, groups, deform_groups
):
    from onnxscript import opset20  # the import takes a second, and only an export needs it

    return opset20.DeformConv(
        features,
        weight,
        offset,
        bias,
        mask,
        strides=stride,
        pads=[*padding, *padding],
        dilations=dilation,
        group=groups,
        offset_group=deform_groups,
    )


TRANSLATIONS: dict[Callable, Callable] = {torch.ops.cutpoint.deform_conv2d.default: _to_onnx}
"""What ``torch.onnx.export`` needs as its ``custom_translation_table``."""


@contextlib.contextmanager
def exporting() -> Iterator[None]:
    """Run mmcv's deformable convolutions as ``deform_conv2d``, so that they can be exported.

    ``DeformConv2d.forward`` (mmcv/ops/deform_conv.py, mmcv 2.1.0) has a test for maps smaller than the
    kernel. It is left out, because it would tie the graph to the example's size. It appends zeros, and what
    lies outside the map is 0 without it too.
    """
    from mmcv.ops.deform_conv import DeformConv2d, DeformConv2dFunction
    from mmcv.ops.modulated_deform_conv import ModulatedDeformConv2dFunction

    ours = {
        DeformConv2dFunction: staticmethod(_version_1),
        ModulatedDeformConv2dFunction: staticmethod(_version_2),
        DeformConv2d: _without_size_test,
    }
    theirs = {owner: vars(owner)["forward"] for owner in ours}
    for owner, forward in ours.items():
        owner.forward = forward
    try:
        yield
    finally:
        for owner, forward in theirs.items():
            owner.forward = forward


def _version_1(
    ctx: Any,
    features: Tensor,
    offset: Tensor,
    weight: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    deform_groups: int = 1,
    *unused: Any,
) -> Tensor:
    return _version_2(
        ctx, features, offset, None, weight, None, stride, padding, dilation, groups, deform_groups
    )


def _version_2(
    ctx: Any,
    features: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    deform_groups: int = 1,
) -> Tensor:
    pairs = [list(_pair(value)) for value in (stride, padding, dilation)]
    out: Tensor = deform_conv2d(features, offset, mask, weight, bias, *pairs, groups, deform_groups)
    return out


def _without_size_test(self: Any, x: Tensor, offset: Tensor) -> Tensor:
    from mmcv.ops.deform_conv import deform_conv2d as by_mmcv

    settings = self.weight, self.stride, self.padding, self.dilation, self.groups, self.deform_groups
    out: Tensor = by_mmcv(x, offset, *settings)
    return out
