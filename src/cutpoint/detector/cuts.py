"""The cuts as one torch module: images in, raw head tensors and decoded candidates out."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from cutpoint.decode.boxes import decode_boxes
from cutpoint.detector.mmdet_types import Detector
from cutpoint.records.model import DenseHead, Part


class Cuts(nn.Module):
    """A detector that returns the outputs of the cuts ``raw`` and ``decoded`` together.

    The output order is ``raw_names``, then ``decoded_names`` of the head. Decoding is written here and
    not taken from mmdet: during an export, mmdet's coders ask for a package that mmdet 3 does not have.
    """

    def __init__(self, detector: Detector, spec: DenseHead) -> None:
        super().__init__()
        self.detector = detector
        self.spec = spec
        for level, anchors in enumerate(spec.anchors or ()):
            self.register_buffer(f"anchors_{level}", torch.tensor(anchors), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Run the detector.

        Args:
            images: ``(B, 3, H, W)`` float32, prepared by an input recipe.

        Returns:
            raw tensors ``(B, channels, h, w)``; ``boxes`` ``(B, N, 4)`` network pixels, not clipped;
            ``scores`` ``(B, N, C)``, activated, without the factor; ``factors`` ``(B, N)`` if the head has
            one; ``level_counts`` ``(L,)`` int64.
        """
        spec = self.spec
        raw = head_tensors(self.detector, images)
        named = dict(zip(spec.raw_names, raw, strict=True))
        boxes, scores, factors, counts = [], [], [], []
        for level in range(spec.levels):
            score = _read(named, spec.score, level, spec)
            priors = self._priors(level, *named[f"{spec.score.tensor}_{level}"].shape[-2:])
            values = torch.cat([_read(named, part, level, spec) for part in spec.box], -1)
            decoded, confidence = decode_boxes(spec, level, priors, values, torch)
            boxes.append(decoded)
            scores.append(ACTIVATIONS[spec.score_activation](score))
            if spec.factor:
                factor = _read(named, spec.factor, level, spec)[..., 0]
                factors.append(ACTIVATIONS[spec.factor_activation](factor))
            elif confidence is not None:
                factors.append(confidence)
            counts.append(torch.full((1,), priors.shape[0], dtype=torch.int64))
        outputs = [torch.cat(boxes, 1), torch.cat(scores, 1)]
        if spec.has_factor:
            outputs.append(torch.cat(factors, 1))
        return (*raw, *outputs, torch.cat(counts))

    def _priors(self, level: int, height: int, width: int) -> Tensor:
        """``(cells * anchors, 4)`` anchors, or ``(cells, 2)`` points; see ``boxes.level_priors``."""
        stride_x, stride_y = self.spec.strides[level]
        x = (torch.arange(width) + self.spec.point_offset) * stride_x
        y = (torch.arange(height) + self.spec.point_offset) * stride_y
        x = x.to(torch.float32).expand(height, width).reshape(-1)
        y = y.to(torch.float32).unsqueeze(1).expand(height, width).reshape(-1)
        if self.spec.anchors is None:
            return torch.stack([x, y], 1)
        anchors: Tensor = getattr(self, f"anchors_{level}")
        return (torch.stack([x, y, x, y], 1).unsqueeze(1) + anchors).reshape(-1, 4)


def head_tensors(detector: Detector, images: Tensor) -> list[Tensor]:
    """The head's forward for ``(B, 3, H, W)`` float32 images, with nested lists flattened."""
    leaves: list[Tensor] = pytree.tree_leaves(detector(images, mode="tensor"))
    return leaves


def _read(named: dict[str, Tensor], part: Part, level: int, spec: DenseHead) -> Tensor:
    """A part of a level's tensor, ``(B, H * W * A, channels)``, row-major y, x, anchor."""
    tensor = named[f"{part.tensor}_{level}"]
    channels = tensor.shape[1] // spec.anchors_per_cell(level)
    flat = tensor.permute(0, 2, 3, 1).reshape(tensor.shape[0], -1, channels)
    return flat[..., part.start : part.stop]


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "softmax": lambda scores: scores.softmax(-1)[..., :-1],
    "none": lambda scores: scores,
}
