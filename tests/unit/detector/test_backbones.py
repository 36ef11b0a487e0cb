"""Layers that are rewritten for the export give what mmdet's own give, at sizes with and without padding."""

import numpy as np
import pytest
import torch
from torch import nn

from cutpoint.detector.backbones import (
    BFP,
    FPN_CARAFE,
    AdaptivePadding,
    CARAFEPack,
    Conv2dAdaptivePadding,
    DyHeadBlock,
    PatchMerging,
    ShiftWindowMSA,
    apply,
)


def both(layer, *inputs):
    """The outputs of mmdet's layer and of the patched one."""
    layer.eval()
    with torch.no_grad():
        theirs = layer(*inputs)
        detector = nn.Sequential(layer)
        apply(detector)
        assert "forward" in vars(detector[0])
        return theirs, detector[0](*inputs)


@pytest.mark.parametrize("shift", [0, 3])
@pytest.mark.parametrize("sides", [(14, 21), (9, 16), (7, 7)])
def test_shifted_windows(shift, sides):
    torch.manual_seed(0)
    layer = ShiftWindowMSA(8, 2, window_size=7, shift_size=shift)
    cells = torch.randn(3, sides[0] * sides[1], 8)
    theirs, ours = both(layer, cells, sides)
    assert torch.equal(ours, theirs)
    other, _ = both(ShiftWindowMSA(8, 2, window_size=7, shift_size=3 - shift), cells, sides)
    assert not torch.equal(other, theirs)


@pytest.mark.parametrize("sides", [(8, 6), (7, 9)])
def test_merged_patches(sides):
    torch.manual_seed(0)
    layer = PatchMerging(4, 8).eval()
    cells = torch.randn(2, sides[0] * sides[1], 4)
    with torch.no_grad():
        theirs, size = layer(cells, sides)
        apply(nn.Sequential(layer))
        assert "forward" in vars(layer.sampler)
        ours, ours_size = layer(cells, sides)
    assert ours_size == size
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("padding", ["corner", "same"])
@pytest.mark.parametrize("sides", [(16, 32), (17, 30), (3, 5)])
@pytest.mark.parametrize(("kernel", "stride"), [(4, 4), (3, 2), (2, 1), (1, 2)])
def test_adaptive_padding(padding, sides, kernel, stride):
    theirs, ours = both(AdaptivePadding(kernel, stride, padding=padding), torch.randn(2, 3, *sides))
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("sides", [(16, 32), (17, 30)])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 1), (5, 2), (1, 2)])
def test_convolution_with_adaptive_padding(sides, kernel, stride):
    layer = Conv2dAdaptivePadding(4, 4, kernel, stride, groups=4)
    theirs, ours = both(layer, torch.randn(2, 4, *sides))
    assert ours.shape[-2:] == tuple(-(-side // stride) for side in sides)
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("sides", [(40, 24), (38, 50)])
def test_balanced_pyramid(sides):
    torch.manual_seed(0)
    levels = [torch.randn(2, 8, *(-(-side // 2**i) for side in sides)) for i in range(5)]
    theirs, ours = both(BFP(8, 5, refine_level=2, refine_type=None), levels)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("sides", [(8, 6), (7, 5)])
def test_carafe_pyramid_cuts_the_coarser_level(sides):
    neck = FPN_CARAFE([4, 4], 4, 2, upsample_cfg={"type": "nearest"})
    level, coarser = torch.randn(1, 4, *sides), torch.randn(1, 4, 8, 6)
    theirs = neck.tensor_add(level, coarser)
    apply(nn.Sequential(neck))
    assert torch.equal(neck.tensor_add(level, coarser), theirs)


@pytest.mark.parametrize("groups", [1, 2])
def test_carafe_by_hand(groups):
    torch.manual_seed(0)
    layer = CARAFEPack(4, 2, up_kernel=3, up_group=groups)
    apply(nn.Sequential(layer))
    features, mask = torch.randn(2, 4, 3, 5), torch.rand(2, 9 * groups, 6, 10)
    out = layer.feature_reassemble(features, mask)
    assert out.shape == (2, 4, 6, 10)
    padded = np.pad(features.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
    for image, channel, y, x in ((0, 0, 0, 0), (1, 3, 5, 9), (0, 2, 3, 4), (1, 1, 2, 7)):
        window = padded[image, channel, y // 2 : y // 2 + 3, x // 2 : x // 2 + 3]
        first = channel // (4 // groups) * 9
        weights = mask[image, first : first + 9, y, x].numpy().reshape(3, 3)
        assert float(out[image, channel, y, x]) == pytest.approx(float((window * weights).sum()), abs=1e-5)


def test_dyhead_reads_the_first_offsets_of_a_larger_map():
    """mmcv's operator reads memory: the offsets of the finer map from the start, with the output's sides."""
    torch.manual_seed(0)
    block = DyHeadBlock(16, 16, zero_init_offset=False)
    apply(nn.Sequential(block))
    coarse, offset, mask = torch.randn(2, 16, 3, 4), torch.randn(2, 18, 6, 8), torch.rand(2, 9, 6, 8)
    with torch.no_grad():
        out = block.spatial_conv_high(coarse, offset, mask)
        for image in range(2):
            own = offset[image].flatten()[: 18 * 12].view(1, 18, 3, 4)
            weights = mask[image].flatten()[: 9 * 12].view(1, 9, 3, 4)
            expected = block.spatial_conv_high(coarse[image : image + 1], own, weights)
            torch.testing.assert_close(out[image : image + 1], expected)
        assert all(torch.isfinite(level).all() for level in block([torch.randn(2, 16, 6, 8), coarse]))
