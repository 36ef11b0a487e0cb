"""Multi-scale deformable attention and its reference points, for maps whose sides are Python numbers.

mmcv and mmdet keep the sides in a tensor and read them back, so that a trace would depend on data.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttention
from mmdet.models.layers.transformer.deformable_detr_layers import DeformableDetrTransformerEncoder
from torch import Tensor
from torch.nn import functional

from cutpoint.detector.padding import number

Sides = Sequence[tuple[int, int]]


@contextlib.contextmanager
def with_plain_sides() -> Iterator[None]:
    """Let the transformers take ``spatial_shapes`` as a list of heights and widths."""
    changes: list[tuple[type, str, Any]] = [
        (MultiScaleDeformableAttention, "forward", _attend),
        (DeformableDetrTransformerEncoder, "get_encoder_reference_points", staticmethod(_reference_points)),
    ]
    theirs = [vars(owner)[name] for owner, name, _ in changes]
    for owner, name, ours in changes:
        setattr(owner, name, ours)
    try:
        yield
    finally:
        for (owner, name, _), own in zip(changes, theirs, strict=True):
            setattr(owner, name, own)


def cell_centres(height: int, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """``x + 0.5`` and ``y + 0.5`` of each cell of a map, ``(height * width,)`` float32, row by row."""
    y = (torch.arange(height, device=like.device) + 0.5).unsqueeze(1).expand(height, width)
    x = (torch.arange(width, device=like.device) + 0.5).expand(height, width)
    return x.reshape(-1), y.reshape(-1)


def _attend(
    self: Any,
    query: Tensor,
    key: Tensor | None = None,
    value: Tensor | None = None,
    identity: Tensor | None = None,
    query_pos: Tensor | None = None,
    key_padding_mask: Tensor | None = None,
    reference_points: Tensor | None = None,
    spatial_shapes: Sides = (),
    level_start_index: Tensor | None = None,
    **unused: Any,
) -> Tensor:
    """Attend to the samples around each query's reference points; arguments and result ``(B, Q, dim)``.

    Args:
        spatial_shapes: height and width of each level's map; everything else as in mmcv.

    Source:
        ``MultiScaleDeformableAttention.forward`` and ``multi_scale_deformable_attn_pytorch``,
        mmcv/ops/multi_scale_deform_attn.py, mmcv 2.1.0.
    """
    identity = query if identity is None else identity
    value = query if value is None else value
    query = query if query_pos is None else query + query_pos
    if reference_points is None or not self.batch_first:
        raise ValueError("the attention of a deformable transformer has reference points, batch first")
    value = self.value_proj(value)
    if key_padding_mask is not None:
        value = value.masked_fill(key_padding_mask.unsqueeze(-1), 0.0)
    batch, queries, _ = query.shape
    heads, levels, points = self.num_heads, self.num_levels, self.num_points
    dim = value.shape[-1] // heads
    offsets = self.sampling_offsets(query).view(batch, queries, heads, levels, points, 2)
    weights = self.attention_weights(query).view(batch, queries, heads, levels * points).softmax(-1)
    samples, start = [], 0
    for level, (height, width) in enumerate(spatial_shapes):
        centre = reference_points[:, :, level, None, None, :]
        offset = offsets[:, :, :, level]
        if reference_points.shape[-1] == 2:
            place = centre + offset / torch.stack([number(width, query), number(height, query)])
        else:
            place = centre[..., :2] + offset / points * centre[..., 2:] * 0.5
        cells = value[:, start : start + height * width].reshape(batch, height * width, heads, dim)
        features = cells.permute(0, 2, 3, 1).reshape(batch * heads, dim, height, width)
        grid = (2 * place - 1).transpose(1, 2).reshape(batch * heads, queries, points, 2)
        samples.append(
            functional.grid_sample(features, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        )
        start = start + height * width
    weights = weights.transpose(1, 2).reshape(batch * heads, 1, queries, levels * points)
    summed = (torch.stack(samples, -2).flatten(-2) * weights).sum(-1)
    output = summed.view(batch, heads * dim, queries).transpose(1, 2)
    result: Tensor = self.output_proj(output) + identity
    return result


def _reference_points(spatial_shapes: Sides, valid_ratios: Tensor, device: Any) -> Tensor:
    """The cells' centres as fractions of the part without padding, ``(B, cells, levels, 2)`` x, y.

    Source:
        ``get_encoder_reference_points``, mmdet/models/layers/transformer/deformable_detr_layers.py,
        mmdet 3.3.0.
    """
    points = []
    for level, (height, width) in enumerate(spatial_shapes):
        x, y = cell_centres(height, width, valid_ratios)
        y = y / (valid_ratios[:, level, 1:] * height)
        x = x / (valid_ratios[:, level, :1] * width)
        points.append(torch.stack([x, y], -1))
    return torch.cat(points, 1).unsqueeze(2) * valid_ratios.unsqueeze(1)
