"""The cuts as one torch module: images in, raw head tensors and decoded candidates out."""

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from cutpoint.headspec import HeadSpec


class Cuts(nn.Module):
    """A detector that returns the outputs of the cuts ``raw`` and ``decoded`` together.

    The output order is ``HeadSpec.raw_names``, then ``HeadSpec.decoded_names``. Decoding is written here, not
    taken from mmdet: its coders ask for a package that mmdet 3 no longer has while an export runs.
    """

    def __init__(self, detector: nn.Module, spec: HeadSpec) -> None:
        super().__init__()
        self.detector = detector
        self.spec = spec
        for level in range(spec.levels if spec.anchors else 0):
            self.register_buffer(f"anchors_{level}", torch.tensor(spec.anchors[level]), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Run the detector.

        Args:
            images: ``(B, 3, H, W)`` float32, prepared by an input recipe.

        Returns:
            raw tensors ``(B, channels, h, w)``; ``boxes`` ``(B, N, 4)`` network pixels, not clipped;
            ``scores`` ``(B, N, C)``, activated, without the factor; ``factors`` ``(B, N)`` if the head has
            one; ``level_counts`` ``(L,)`` int64.
        """
        raw = head_tensors(self.detector, images)
        levels = self.spec.levels
        kinds = [raw[start : start + levels] for start in range(0, len(raw), levels)]
        boxes, scores, factors, counts = [], [], [], []
        for level, (cls, box) in enumerate(zip(kinds[0], kinds[1], strict=True)):
            priors = self._priors(level, *cls.shape[-2:])
            boxes.append(DECODERS[self.spec.coder["type"]](priors, _flatten(box, 4), self.spec.coder))
            scores.append(_flatten(cls, self.spec.num_classes).sigmoid())
            if self.spec.factor:
                factors.append(_flatten(kinds[2][level], 1).squeeze(-1).sigmoid())
            counts.append(torch.full((1,), priors.shape[0], dtype=torch.int64))
        decoded = [torch.cat(boxes, 1), torch.cat(scores, 1)]
        if self.spec.factor:
            decoded.append(torch.cat(factors, 1))
        return (*raw, *decoded, torch.cat(counts))

    def _priors(self, level: int, height: int, width: int) -> Tensor:
        """``(cells * anchors, 4)``: anchors, or points with strides; see ``boxes.level_priors``."""
        stride_x, stride_y = self.spec.strides[level]
        x = (torch.arange(width) + self.spec.point_offset) * stride_x
        y = (torch.arange(height) + self.spec.point_offset) * stride_y
        x = x.to(torch.float32).expand(height, width).reshape(-1)
        y = y.to(torch.float32).unsqueeze(1).expand(height, width).reshape(-1)
        if self.spec.anchors is None:
            return torch.stack([x, y, torch.full_like(x, stride_x), torch.full_like(y, stride_y)], 1)
        anchors = getattr(self, f"anchors_{level}")
        return (torch.stack([x, y, x, y], 1).unsqueeze(1) + anchors).reshape(-1, 4)


def head_tensors(detector: nn.Module, images: Tensor) -> list[Tensor]:
    """What the head's forward returns, nested lists flattened, for ``(B, 3, H, W)`` float32 images."""
    return pytree.tree_leaves(detector(images, mode="tensor"))


def _flatten(tensor: Tensor, size: int) -> Tensor:
    """``(B, A * size, H, W)`` to ``(B, H * W * A, size)``, row-major y, x, anchor."""
    return tensor.permute(0, 2, 3, 1).reshape(tensor.shape[0], -1, size)


def _decode_delta_xywh(priors: Tensor, deltas: Tensor, coder: dict) -> Tensor:
    """The same as ``boxes._decode_delta_xywh``, for all priors of a batch."""
    deltas = deltas * deltas.new_tensor(coder["stds"]) + deltas.new_tensor(coder["means"])
    centre = (priors[:, :2] + priors[:, 2:]) * 0.5
    size = priors[:, 2:] - priors[:, :2]
    shift, ratio = size * deltas[..., :2], deltas[..., 2:]
    if coder["centre_clamp"] is None:
        ratio = ratio.clamp(-coder["max_ratio"], coder["max_ratio"])
    else:
        shift = shift.clamp(-coder["centre_clamp"], coder["centre_clamp"])
        ratio = ratio.clamp(max=coder["max_ratio"])
    centre = centre + shift
    half = size * ratio.exp() * 0.5
    return torch.cat([centre - half, centre + half], -1)


def _decode_centre_size(priors: Tensor, values: Tensor, coder: dict) -> Tensor:
    """The same as ``boxes._decode_centre_size``, for all priors of a batch."""
    centre = values[..., :2] * priors[:, 2:] + priors[:, :2]
    half = values[..., 2:].exp() * priors[:, 2:] / 2
    return torch.cat([centre - half, centre + half], -1)


DECODERS = {"delta_xywh": _decode_delta_xywh, "centre_size": _decode_centre_size}
