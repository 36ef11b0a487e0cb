"""Which part of a network input is padding, as tensors, so that a graph computes it from its inputs."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Padding:
    """The sides of the images of a batch and of their common network input.

    ``clip``: ``(B, 2)`` float32, height and width of each image without padding, in pixels.
    ``sides``: height and width of the network input.
    """

    clip: Tensor
    sides: tuple[int, int]

    def edges(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Which rows ``(B, height)`` and columns ``(B, width)`` of a feature map are padding, bool.

        A map's row is the pixel row that nearest-neighbour resizing reads.

        Source:
            ``pre_transformer``, mmdet/models/detectors/detr.py and deformable_detr.py, mmdet 3.3.0. There, a
            mask of the input's size goes through ``F.interpolate``. The same rows are computed here without
            it, and always: mmdet leaves the mask out while it exports.
        """
        rows, columns = (
            (torch.arange(cells, device=self.clip.device) * (number(side, self.clip) / cells)).floor()
            >= self.clip[:, axis : axis + 1]
            for axis, (cells, side) in enumerate(zip((height, width), self.sides, strict=True))
        )
        return rows, columns


def number(side: int, like: Tensor) -> Tensor:
    """A side of a traced tensor as a float32 scalar, which the graph computes."""
    return like.new_ones(()) * side
