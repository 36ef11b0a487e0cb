"""Boxes of two-stage detectors in torch: the coder, and the border of the image."""

from typing import Any

import torch
from torch import Tensor, nn

from cutpoint.decode.boxes import refine_boxes


class Deltas(nn.Module):
    """``boxes.refine_boxes`` of one coder, whose constants move with the module to a device."""

    means: Tensor
    stds: Tensor

    def __init__(self, coder: dict[str, Any]) -> None:
        """``coder``: see ``RoiHead.coder``."""
        super().__init__()
        self._coder = coder
        for name in ("means", "stds"):
            self.register_buffer(name, torch.tensor(coder[name], dtype=torch.float32), persistent=False)

    @property
    def coder(self) -> dict[str, Any]:
        """The coder with its constants as tensors."""
        return self._coder | {"means": self.means, "stds": self.stds}

    def forward(self, boxes: Tensor, deltas: Tensor) -> Tensor:
        """``(..., 4)`` boxes and deltas, which broadcast, to boxes that are not clipped."""
        refined: Tensor = refine_boxes(self.coder, boxes, deltas, torch)
        return refined


def clip_sides(image_sizes: Tensor) -> Tensor:
    """``(B, 4)`` of the input ``image_sizes`` to ``(B, 4)``: clip width, height, width, height."""
    height, width = image_sizes[:, 0], image_sizes[:, 1]
    return torch.stack([width, height, width, height], 1)


def clip(boxes: Tensor, sides: Tensor) -> Tensor:
    """Clip ``(B, N, 4)`` boxes to their images, whose ``sides`` are those of ``clip_sides``."""
    return torch.minimum(boxes.clamp(min=0), sides[:, None])
