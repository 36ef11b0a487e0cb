"""Deformable convolution against loops, mmcv's own layers on it, and the ONNX graph against both."""

import contextlib
import itertools

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from mmcv.ops import DeformConv2d, DeformConv2dPack, ModulatedDeformConv2dPack
from mmcv.ops.deform_conv import DeformConv2dFunction
from torch import nn

from cutpoint.detector import deform
from cutpoint.detector.mmcv_ops import has_compiled_ops


def by_loops(features, offset, mask, weight, bias, stride, padding, dilation, groups, deform_groups):
    """Every output value by itself: each cell of the map counts by a tent of width 1 around the sample."""
    batch, channels, height, width = features.shape
    out_channels, _, kernel_height, kernel_width = weight.shape
    out = np.zeros((batch, out_channels, *offset.shape[2:]))
    out += 0 if bias is None else bias[:, None, None]
    taps = list(itertools.product(range(kernel_height), range(kernel_width)))
    for b, o, oy, ox in np.ndindex(out.shape):
        group = o // (out_channels // groups)
        for c in range(channels // groups):
            channel = group * (channels // groups) + c
            first = channel // (channels // deform_groups) * len(taps)
            for k, (ky, kx) in enumerate(taps):
                y = oy * stride[0] - padding[0] + ky * dilation[0] + offset[b, 2 * (first + k), oy, ox]
                x = ox * stride[1] - padding[1] + kx * dilation[1] + offset[b, 2 * (first + k) + 1, oy, ox]
                tent_y = np.maximum(0, 1 - np.abs(y - np.arange(height)))
                tent_x = np.maximum(0, 1 - np.abs(x - np.arange(width)))
                sample = tent_y @ features[b, channel] @ tent_x
                factor = 1 if mask is None else mask[b, first + k, oy, ox]
                out[b, o, oy, ox] += weight[o, c, ky, kx] * factor * sample
    return out


CASES = {
    "plain": {},
    "mask": {"mask": True},
    "mask and bias": {"mask": True, "bias": True},
    "stride": {"stride": [2, 3]},
    "padding": {"padding": [2, 0]},
    "dilation": {"dilation": [2, 1], "padding": [2, 1]},
    "kernel": {"kernel": (1, 2), "padding": [0, 1]},
    "groups": {"groups": 2},
    "deformable groups": {"deform_groups": 3},
    "groups and deformable groups": {"groups": 2, "deform_groups": 6, "mask": True, "bias": True},
    "TOOD": {"groups": 6, "deform_groups": 6, "kernel": (1, 1), "padding": [0, 0]},
    "offsets that leave the map": {"reach": 6.0, "mask": True},
    "whole offsets": {"reach": 2.0, "whole": True},
}


@pytest.mark.parametrize("name", CASES)
def test_equals_loops(name):
    case = {"stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "deform_groups": 1} | CASES[
        name
    ]
    settings = [case[key] for key in ("stride", "padding", "dilation", "groups", "deform_groups")]
    kernel = case.get("kernel", (3, 3))
    random = np.random.default_rng(list(CASES).index(name))
    features = random.normal(size=(2, 6, 5, 7))
    weight = random.normal(size=(6, 6 // case["groups"], *kernel))
    size = [
        (side + 2 * pad - gap * (taps - 1) - 1) // step + 1
        for side, pad, gap, taps, step in zip(
            (5, 7), case["padding"], case["dilation"], kernel, case["stride"], strict=True
        )
    ]
    samples = case["deform_groups"] * kernel[0] * kernel[1]
    offset = random.normal(size=(2, 2 * samples, *size)) * case.get("reach", 1.0)
    if "whole" in case:
        offset = offset.round()
    mask = random.uniform(size=(2, samples, *size)) if "mask" in case else None
    bias = random.normal(size=6) if "bias" in case else None
    arrays = [features, offset, mask, weight, bias]
    tensors = [None if array is None else torch.from_numpy(array) for array in arrays]
    got = deform.deform_conv2d(*tensors, *settings).numpy()
    expected = by_loops(*arrays, *settings)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=1e-12)
    assert np.abs(expected).max() > 1


ONE_MAP = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])


@pytest.mark.parametrize(
    ("cell", "shift", "expected"),
    [
        ((0, 0), (0.5, 0.25), 2.25),  # rows 1.25 and 3.25, halved
        ((1, 1), (0.5, 0.0), 2.0),  # half of the sample is below the map
        ((0, 0), (-0.5, -0.5), 0.25),
        ((0, 1), (0.0, 1.0), 0.0),
        ((1, 0), (-2.0, 0.0), 0.0),
        ((1, 0), (0.0, float("inf")), 0.0),
        ((0, 0), (-3e30, 0.0), 0.0),
    ],
)
def test_hand_worked(cell, shift, expected):
    offset = torch.zeros(1, 2, 2, 2)
    offset[0, :, cell[0], cell[1]] = torch.tensor(shift)
    arguments = (ONE_MAP, offset, None, torch.full((1, 1, 1, 1), 2.0), None, [1, 1], [0, 0], [1, 1], 1, 1)
    out = deform.deform_conv2d(*arguments)
    expected_map = 2 * ONE_MAP.clone()
    expected_map[0, 0, cell[0], cell[1]] = 2 * expected
    assert out.tolist() == expected_map.tolist()


def test_offsets_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"offsets of \(3, 2\) for an output of \(2, 2\)"):
        deform.deform_conv2d(
            ONE_MAP, torch.zeros(1, 2, 3, 2), None, torch.ones(1, 1, 1, 1), None, [1, 1], [0, 0], [1, 1], 1, 1
        )


class Layers(nn.Module):
    """mmcv's three kinds of layers; the last has its offsets computed elsewhere."""

    def __init__(self):
        super().__init__()
        self.first = DeformConv2dPack(4, 6, 3, padding=1, deform_groups=2)
        self.second = ModulatedDeformConv2dPack(6, 4, 3, padding=1, stride=2, groups=2)
        self.offset = nn.Conv2d(4, 18, 1)
        self.third = DeformConv2d(4, 5, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        generator = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            parameter.requires_grad_(False).copy_(torch.randn(parameter.shape, generator=generator) * 0.2)

    def forward(self, images):
        features = self.second(self.relu(self.first(images)))
        return self.relu(self.third(features, self.offset(features)))


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("deform") / "layers.onnx"
    with deform.exporting(), torch.no_grad():
        program = torch.onnx.export(
            Layers().eval(),
            (noise(2, 4, 10, 12),),
            input_names=["images"],
            dynamic_shapes={
                "images": {0: torch.export.Dim("batch"), 2: torch.export.Dim("h"), 3: torch.export.Dim("w")}
            },
            opset_version=20,
            custom_translation_table=deform.TRANSLATIONS,
            dynamo=True,
            verbose=False,
        )
    program.save(str(path))
    return path


def test_the_graph_is_standard_onnx(exported):
    model = onnx.load(exported)
    onnx.checker.check_model(model, full_check=True)
    nodes = [node for node in model.graph.node if node.op_type == "DeformConv"]
    assert len(nodes) == 3
    assert {node.domain for node in model.graph.node} == {""}
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 20)]
    assert not model.functions


# 3 x 4 makes a map smaller than the kernel
@pytest.mark.parametrize("shape", [(2, 4, 10, 12), (1, 4, 10, 12), (3, 4, 17, 25), (1, 4, 3, 4)])
def test_onnxruntime_equals_mmcvs_layers(exported, shape):
    images = noise(*shape)
    expected = Layers().eval()(images).numpy()
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {"images": images.numpy()})
    np.testing.assert_allclose(got, expected, atol=1e-4, rtol=0)
    assert expected.max() > 0.1


def test_exporting_ends():
    def forwards():
        return [vars(owner)["forward"] for owner in (DeformConv2d, DeformConv2dFunction)]

    before = forwards()
    with contextlib.suppress(ZeroDivisionError), deform.exporting():
        assert not set(before) & set(forwards())
        raise ZeroDivisionError
    assert forwards() == before


@pytest.mark.skipif(has_compiled_ops(), reason="compiled mmcv is installed")
def test_gradients_are_refused():
    layer = DeformConv2dPack(2, 2, 3, padding=1)
    with pytest.raises(NotImplementedError, match="'deform_conv_backward_input' needs compiled mmcv"):
        layer(noise(1, 2, 4, 4)).sum().backward()
