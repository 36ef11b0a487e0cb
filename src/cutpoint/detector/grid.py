"""The cells of a feature level in torch operators.

Sources: ``AnchorGenerator.single_level_grid_priors`` and ``MlvlPointGenerator.single_level_grid_priors``,
mmdet/models/task_modules/prior_generators/, mmdet 3.3.0.
"""

import torch
from torch import Tensor


def grid_points(stride: tuple[int, int], height: int, width: int, offset: float) -> Tensor:
    """``(height * width, 2)`` x and y of each cell in network pixels: ``(index + offset) * stride``."""
    return torch.stack(_axes(stride, height, width, offset, None), 1)


def grid_anchors(base: Tensor, stride: tuple[int, int], height: int, width: int) -> Tensor:
    """Anchors of a level.

    Args:
        base: ``(A, 4)`` base anchors around cell (0, 0), network pixels.
        stride: x, y.
        height: of the level, in cells.
        width: likewise.

    Returns:
        ``(height * width * A, 4)`` on the device of ``base``, in the order y, x, anchor.
    """
    x, y = _axes(stride, height, width, 0.0, base.device)
    return (torch.stack([x, y, x, y], 1).unsqueeze(1) + base).reshape(-1, 4)


def _axes(
    stride: tuple[int, int], height: int, width: int, offset: float, device: torch.device | None
) -> tuple[Tensor, Tensor]:
    """x and y of each cell, row-major, ``(height * width,)``."""
    x = (torch.arange(width, device=device) + offset) * stride[0]
    y = (torch.arange(height, device=device) + offset) * stride[1]
    x = x.to(torch.float32).expand(height, width).reshape(-1)
    return x, y.to(torch.float32).unsqueeze(1).expand(height, width).reshape(-1)
