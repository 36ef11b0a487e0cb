"""Parts of backbones that patches make exportable: one file at sizes that need other windows and paddings."""

import numpy as np
import onnxruntime
import pytest
import torch
from mmcv.cnn.bricks import GeneralizedAttention
from torch import nn

from cutpoint.detector import patches
from cutpoint.detector.backbones import AdaptivePadding, PatchMerging, ShiftWindowMSA, apply


class Stage(nn.Module):
    """One block with shifted windows, and the merging behind it, on maps."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = ShiftWindowMSA(8, 2, window_size=7, shift_size=3)
        self.merging = PatchMerging(8, 8)

    def forward(self, images):
        sides = images.shape[-2:]
        cells = self.attention(images.flatten(2).transpose(1, 2), sides)
        merged, sides = self.merging(cells, sides)
        return merged.transpose(1, 2).reshape(images.shape[0], 8, *sides)


class Attention(nn.Module):
    """Empirical attention with all its terms, which count rows and columns."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = GeneralizedAttention(8, num_heads=2, kv_stride=2, attention_type="1111")
        nn.init.ones_(self.attention.gamma)

    def forward(self, images):
        return self.attention(images)


@pytest.fixture(scope="module", params=[Stage, Attention])
def both(request, tmp_path_factory):
    """The part as mmdet has it, and a session of the patched one's file."""
    torch.manual_seed(0)
    stage = request.param().eval().requires_grad_(False)
    patched = request.param().eval().requires_grad_(False)
    patched.load_state_dict(stage.state_dict())
    patches.apply(patched)
    batch, height, width = (torch.export.Dim(name) for name in ("batch", "height", "width"))
    program = torch.onnx.export(
        patched,
        (torch.zeros(2, 8, 48, 64),),
        input_names=["images"],
        dynamic_shapes={"images": {0: batch, 2: 4 * height, 3: 4 * width}},
        opset_version=20,
        dynamo=True,
        verbose=False,
    )
    file = str(tmp_path_factory.mktemp("part") / "stage.onnx")
    program.save(file)
    return stage, onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("shape", [(2, 8, 48, 64), (1, 8, 40, 52), (3, 8, 56, 28), (1, 8, 12, 100)])
def test_one_file_serves_every_size(both, shape):
    stage, session = both
    images = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    (found,) = session.run(None, {"images": images.numpy()})
    expected = stage(images).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("kernel", [4, 7])
def test_a_padded_side_is_a_short_expression(kernel):
    """Each stage pads. An expression that a stage doubles took the exporter of a Swin minutes."""
    padding = AdaptivePadding(kernel_size=kernel, stride=4)
    detector = nn.Sequential(padding, nn.Conv2d(3, 3, kernel, 4)).eval()
    apply(detector)
    sides = {2: torch.export.Dim("height", min=8), 3: torch.export.Dim("width", min=8)}
    program = torch.export.export(detector, (torch.zeros(1, 3, 45, 64),), dynamic_shapes=(sides,))
    (output,) = (node for node in program.graph.nodes if node.op == "output")
    height = output.args[0][0].meta["val"].shape[2]
    assert "Max" not in str(height)
    assert str(height).count("//") == 1
