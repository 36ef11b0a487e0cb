"""Layers of backbones and necks, so that they run without compiled mmcv and one graph serves every size.

The results stay the same; a test compares each with mmdet's own.
"""

import functools
import types
from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmcv.cnn.bricks import Conv2dAdaptivePadding
from mmcv.ops import CARAFEPack
from mmdet.models.backbones.swin import ShiftWindowMSA
from mmdet.models.layers.transformer.utils import AdaptivePadding, PatchMerging
from mmdet.models.necks import BFP, FPN_CARAFE
from mmdet.models.necks.dyhead import DyDCNv2, DyHeadBlock
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.utils import _pair

# What Swin adds to the attention between two cells of different regions.
APART = -100.0


def apply(detector: nn.Module) -> None:
    """Patch a built detector's layers in place.

    - ``ShiftWindowMSA`` makes the mask of its shifted windows by nine assignments to slices, and finds the
      batch by a division of floats. Exported, the file is wrong at every size but the example's, without a
      message. Comparisons make the same mask.
    - ``PatchMerging`` gathers the cells that it merges with ``nn.Unfold``, about which the exporter reasons
      for minutes. Cells that do not overlap are a reshape.
    - ``AdaptivePadding`` and ``Conv2dAdaptivePadding`` round a quotient of floats up and pad if it is needed.
      The exporter reasons for minutes about each of them. Whole numbers give the same padding.
    - ``BFP`` pools to another level's size, for which ONNX has no operator; gathering the cells of each
      window is the same. ``FPN_CARAFE`` compares the sizes of levels, so the file has one branch; cutting
      always is the same.
    - ``CARAFEPack`` needs an operator that mmcv has for CUDA only.
    - ``DyHeadBlock`` gives its coarser map the offsets of a finer one. What mmcv's operator then reads is
      stated in the graph.

    Args:
        detector: what ``MODELS.build`` returned.
    """
    for module in detector.modules():
        forward = FORWARDS.get(type(module))
        if forward:
            module.forward = types.MethodType(forward, module)
        elif isinstance(module, PatchMerging) and _is_apart(module.sampler):
            module.sampler.forward = types.MethodType(_gather_apart, module.sampler)
        elif isinstance(module, FPN_CARAFE):
            module.tensor_add = types.MethodType(_add_cut, module)
        elif isinstance(module, CARAFEPack):
            module.feature_reassemble = types.MethodType(_reassemble, module)
        elif isinstance(module, DyHeadBlock):
            module.spatial_conv_high.forward = types.MethodType(_convolve_coarser, module.spatial_conv_high)


def _attend_in_windows(self: ShiftWindowMSA, query: Tensor, hw_shape: tuple[int, int]) -> Tensor:
    """``ShiftWindowMSA.forward``, mmdet/models/backbones/swin.py: ``(B, H * W, C)`` in and out."""
    size, shift = self.window_size, self.shift_size
    batch, _, channels = query.shape
    height, width = hw_shape
    rows, columns = (_opaque((side + size - 1) // size) for side in hw_shape)
    cells = query.view(batch, height, width, channels)
    cells = functional.pad(cells, (0, 0, 0, columns * size - width, 0, rows * size - height))
    mask = None
    if shift > 0:
        cells = torch.roll(cells, (-shift, -shift), (1, 2))
        region = _regions(rows * size, size, shift)[:, None] * 3 + _regions(columns * size, size, shift)
        windows = region.view(rows, size, columns, size).transpose(1, 2).reshape(rows * columns, size**2)
        mask = (windows[:, None] != windows[:, :, None]) * APART
    windows = cells.view(batch, rows, size, columns, size, channels).transpose(2, 3)
    windows = self.w_msa(windows.reshape(batch * rows * columns, size**2, channels), mask=mask)
    cells = windows.view(batch, rows, columns, size, size, channels).transpose(2, 3)
    cells = cells.reshape(batch, rows * size, columns * size, channels)
    if shift > 0:
        cells = torch.roll(cells, (shift, shift), (1, 2))
    out: Tensor = self.drop(_cut(cells, hw_shape, 1).reshape(batch, height * width, channels))
    return out


def _opaque(number: int) -> int:
    """The same number, for the exporter one that it does not reason about: divisions by 7 take it minutes."""
    if not torch.compiler.is_exporting():
        return number
    opaque: Any = torch.full((), number, dtype=torch.int64).item()
    check: Any = torch._check
    check(opaque >= 1)
    free: int = opaque
    return free


def _regions(cells: int, size: int, shift: int) -> Tensor:
    """``(cells,)`` int64: 0 up to the last window, 1 in it, 2 in its part that comes from the other end."""
    place = torch.arange(cells)
    return (place >= cells - size).long() + (place >= cells - shift).long()


def _is_apart(sampler: nn.Unfold) -> bool:
    """Whether the blocks that are gathered neither overlap nor leave gaps."""
    kernel, stride, padding, dilation = (
        tuple(_pair(v)) for v in (sampler.kernel_size, sampler.stride, sampler.padding, sampler.dilation)
    )
    return kernel == stride and padding == (0, 0) and dilation == (1, 1)


def _gather_apart(self: nn.Unfold, features: Tensor) -> Tensor:
    """``nn.Unfold`` of blocks that tile the map: ``(B, C, H, W)`` to ``(B, C * KH * KW, blocks)``.

    Rows and columns that do not fill a block are left out.
    """
    (high, wide), (batch, channels, height, width) = _pair(self.kernel_size), features.shape
    rows, columns = height // high, width // wide
    blocks = features[:, :, : rows * high, : columns * wide].reshape(
        batch, channels, rows, high, columns, wide
    )
    return blocks.permute(0, 1, 3, 5, 2, 4).reshape(batch, channels * high * wide, rows * columns)


def _pad(self: AdaptivePadding, features: Tensor) -> Tensor:
    """``AdaptivePadding.forward``, mmdet/models/layers/transformer/utils.py."""
    height, width = _missing(features, self.kernel_size, self.stride, self.dilation)
    if self.padding == "corner":
        return functional.pad(features, [0, width, 0, height])
    return functional.pad(features, _around(height, width))


def _pad_and_convolve(self: Conv2dAdaptivePadding, features: Tensor) -> Tensor:
    """``Conv2dAdaptivePadding.forward``, mmcv/cnn/bricks/conv2d_adaptive_padding.py, mmcv 2.1.0."""
    missing = _missing(features, self.kernel_size, self.stride, self.dilation)
    padded = functional.pad(features, _around(*missing))
    return functional.conv2d(
        padded, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
    )


def _missing(features: Tensor, kernel: Any, stride: Any, dilation: Any) -> list[int]:
    """Rows and columns that are missing for an output of the input's size over the stride, rounded up."""
    largest: Any = torch.sym_max
    missing = []
    for side, taps, step, gap in zip(features.shape[-2:], kernel, stride, dilation, strict=True):
        outputs, reach = (side + step - 1) // step, (taps - 1) * gap + 1
        padding = (outputs - 1) * step + reach - side
        # never negative for a kernel without gaps between its places; the exporter would not see it
        missing.append(padding if reach >= step else largest(padding, 0))
    return missing


def _around(height: int, width: int) -> list[int]:
    return [width // 2, width - width // 2, height // 2, height - height // 2]


def _balance(self: BFP, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """``BFP.forward``, mmdet/models/necks/bfp.py."""
    refined = self.refine_level
    size = inputs[refined].shape[2:]
    gathered = [
        _pool(level, size, 2 ** (refined - i)) if i < refined else functional.interpolate(level, size=size)
        for i, level in enumerate(inputs)
    ]
    mean: Any = sum(gathered) / len(gathered)
    if self.refine_type is not None:
        mean = self.refine(mean)
    outs = []
    for i, level in enumerate(inputs):
        own = level.shape[2:]
        part = functional.interpolate(mean, size=own) if i < refined else _pool(mean, own, 2 ** (i - refined))
        outs.append(part + level)
    return tuple(outs)


def _pool(features: Tensor, size: Sequence[int], factor: int) -> Tensor:
    """``adaptive_max_pool2d`` to a size that is smaller by ``factor`` or less."""
    for dimension, cells in enumerate(size, start=2):
        length, place = features.shape[dimension], torch.arange(cells, device=features.device)
        first = torch.div(place * length, cells, rounding_mode="floor")
        last = torch.div((place + 1) * length + cells - 1, cells, rounding_mode="floor") - 1
        # a window that does not begin at a whole cell has one cell more
        windows = [
            features.index_select(dimension, torch.minimum(first + i, last)) for i in range(factor + 1)
        ]
        features = functools.reduce(torch.maximum, windows)
    return features


def _add_cut(self: FPN_CARAFE, level: Tensor, coarser: Tensor) -> Tensor:
    """``FPN_CARAFE.tensor_add``, mmdet/models/necks/fpn_carafe.py."""
    return level + _cut(coarser, level.shape[2:], 2)


def _cut(values: Tensor, size: Sequence[int], first: int) -> Tensor:
    """The cells of the first rows and columns; ``first`` is the dimension of the rows.

    By index: the exporter would compare the sizes of a slice.
    """
    for dimension, side in enumerate(size, start=first):
        values = values.index_select(dimension, torch.arange(side, device=values.device))
    return values


def _reassemble(self: CARAFEPack, features: Tensor, mask: Tensor) -> Tensor:
    """``CARAFEPack.feature_reassemble``: each output cell is a weighted sum of the cells around its source.

    Source:
        mmcv/ops/csrc/common/cuda/carafe_cuda_kernel.cuh, mmcv 2.1.0. Cells outside the map count 0.
    """
    batch, channels, height, width = features.shape
    taps, groups, factor = self.up_kernel, self.up_group, self.scale_factor
    padded = functional.pad(features, [(taps - 1) // 2] * 4)
    shifted = [padded[:, :, y : y + height, x : x + width] for y in range(taps) for x in range(taps)]
    around = torch.stack(shifted, 2).view(batch, groups, channels // groups, taps**2, height, width)
    weights = mask.view(batch, groups, taps**2, height, factor, width, factor)
    cells = torch.einsum("bgckhw,bgkhiwj->bgchiwj", around, weights)
    return cells.reshape(batch, channels, height * factor, width * factor)


def _convolve_coarser(self: DyDCNv2, features: Tensor, offset: Tensor, mask: Tensor) -> Tensor:
    """``DyDCNv2.forward``, mmdet/models/necks/dyhead.py, for offsets of a larger map than its output.

    Source:
        ``modulated_deform_conv_forward``, mmcv/ops/csrc/pytorch/modulated_deform_conv.cpp, mmcv 2.1.0: it
        reads an image's offsets as if they had the output's sides, so the first ones in memory count.
    """
    first = (
        values.flatten(1)[:, : values.shape[1] * features.shape[2] * features.shape[3]].view(
            -1, values.shape[1], *features.shape[2:]
        )
        for values in (offset, mask)
    )
    convolved = self.conv(features.contiguous(), *first)
    out: Tensor = self.norm(convolved) if self.with_norm else convolved
    return out


FORWARDS: dict[type[nn.Module], Callable[..., Any]] = {
    ShiftWindowMSA: _attend_in_windows,
    AdaptivePadding: _pad,
    BFP: _balance,
    Conv2dAdaptivePadding: _pad_and_convolve,
}
