"""What mmdet's detection transformers give their head, with the pad mask computed from ``image_sizes``.

Everything but the mask, the sides of the maps, and which cells the queries come from is mmdet's own.
"""

from typing import Any

import torch
from mmdet.models.detectors import DINO
from torch import Tensor

from cutpoint.detector.deformable_attention import Sides, cell_centres, with_plain_sides
from cutpoint.detector.mmdet_types import Detector
from cutpoint.detector.padding import Padding

HeadInputs = dict[str, Any]


def plain_states(detector: Detector, features: tuple[Tensor, ...], padding: Padding) -> HeadInputs:
    """The head's inputs of DETR, Conditional DETR and DAB-DETR.

    Args:
        detector: a built detector.
        features: ``(B, C, h, w)``; the last map is used.
        padding: the images' sides.

    Source:
        ``DETR.pre_transformer``, mmdet/models/detectors/detr.py, and
        ``DetectionTransformer.forward_transformer``, mmdet/models/detectors/base_detr.py, mmdet 3.3.0.
    """
    rows, columns = padding.edges(*features[-1].shape[-2:])
    mask = rows.unsqueeze(2) | columns.unsqueeze(1)
    positions = _flat(detector.positional_encoding(mask))
    mask = mask.flatten(1)
    encoded = detector.forward_encoder(feat=_flat(features[-1]), feat_mask=mask, feat_pos=positions)
    starts, inputs = detector.pre_decoder(**encoded)
    states = detector.forward_decoder(**starts, memory_mask=mask, memory_pos=positions)
    return {**inputs, **states}


def deformable_states(
    detector: Detector, features: tuple[Tensor, ...], padding: Padding
) -> tuple[HeadInputs, Tensor | None]:
    """The head's inputs of Deformable DETR and DINO.

    Args:
        detector: a built detector.
        features: ``(B, C, h, w)`` of each level.
        padding: the images' sides.

    Returns:
        the inputs, and of two-stage forms the encoder cells ``(B, Q)`` int64 that the queries come from.

    Source:
        ``DeformableDETR.pre_transformer``, mmdet/models/detectors/deformable_detr.py, mmdet 3.3.0.
    """
    masks, ratios, positions = [], [], []
    for level, feature in enumerate(features):
        rows, columns = padding.edges(*feature.shape[-2:])
        mask = rows.unsqueeze(2) | columns.unsqueeze(1)
        masks.append(mask)
        ratios.append(torch.stack([(~edge).sum(1) / edge.shape[1] for edge in (columns, rows)], -1))
        positions.append(_flat(detector.positional_encoding(mask)) + detector.level_embed[level])
    sides = [(feature.shape[-2], feature.shape[-1]) for feature in features]
    mask = torch.cat([mask.flatten(1) for mask in masks], 1)
    grid = {"spatial_shapes": sides, "level_start_index": None, "valid_ratios": torch.stack(ratios, 1)}
    with with_plain_sides():
        encoded = detector.forward_encoder(
            feat=torch.cat([_flat(feature) for feature in features], 1),
            feat_mask=mask,
            feat_pos=torch.cat(positions, 1),
            **grid,
        )
        if detector.as_two_stage:
            starts, cells = _best_cells(detector, **encoded)
        else:
            (starts, _), cells = detector.pre_decoder(**encoded), None
        return _decode(detector, starts, mask, grid), cells


def _decode(detector: Detector, starts: HeadInputs, mask: Tensor, grid: HeadInputs) -> HeadInputs:
    """``forward_decoder``; DINO's is its decoder without ``len(query) == self.num_queries``.

    That test, which matters in training only, ties an exported graph to the example's batch.

    Source:
        ``DINO.forward_decoder``, mmdet/models/detectors/dino.py, mmdet 3.3.0.
    """
    if not isinstance(detector, DINO):
        inputs: HeadInputs = detector.forward_decoder(**starts, memory_mask=mask, **grid)
        return inputs
    states, references = detector.decoder(
        query=starts["query"],
        value=starts["memory"],
        key_padding_mask=mask,
        self_attn_mask=None,
        reference_points=starts["reference_points"],
        reg_branches=detector.bbox_head.reg_branches,
        **grid,
    )
    return {"hidden_states": states, "references": list(references)}


def _best_cells(
    detector: Detector, memory: Tensor, memory_mask: Tensor, spatial_shapes: Sides
) -> tuple[HeadInputs, Tensor]:
    """Of two-stage forms: the decoder's inputs, and which cells they come from.

    Source:
        ``DeformableDETR.pre_decoder``, mmdet/models/detectors/deformable_detr.py, and ``DINO.pre_decoder``,
        mmdet/models/detectors/dino.py, mmdet 3.3.0.
    """
    batch, _, channels = memory.shape
    features, proposals = _proposals(detector, memory, memory_mask, spatial_shapes)
    head, last = detector.bbox_head, detector.decoder.num_layers
    scores = head.cls_branches[last](features)
    boxes = head.reg_branches[last](features) + proposals
    ranked = scores.max(-1)[0] if isinstance(detector, DINO) else scores[..., 0]
    cells = torch.topk(ranked, detector.num_queries, dim=1)[1]
    boxes = boxes.gather(1, cells.unsqueeze(-1).expand(-1, -1, 4))
    starts = {"memory": memory, "reference_points": boxes.sigmoid()}
    if isinstance(detector, DINO):
        starts["query"] = detector.query_embedding.weight.unsqueeze(0).expand(batch, -1, -1)
        return starts, cells
    positions = detector.pos_trans_norm(detector.pos_trans_fc(detector.get_proposal_pos_embed(boxes)))
    starts["query_pos"], starts["query"] = torch.split(positions, channels, dim=2)
    return starts, cells


def _proposals(detector: Detector, memory: Tensor, mask: Tensor, sides: Sides) -> tuple[Tensor, Tensor]:
    """The encoder's features ``(B, cells, dim)`` and a box at each cell ``(B, cells, 4)`` before a sigmoid.

    Source:
        ``gen_encoder_output_proposals``, mmdet/models/detectors/deformable_detr.py, mmdet 3.3.0.
    """
    batch, boxes, start = memory.shape[0], [], 0
    for level, (height, width) in enumerate(sides):
        valid = ~mask[:, start : start + height * width].reshape(batch, height, width)
        x, y = cell_centres(height, width, memory)
        x, y = x / valid[:, 0].sum(1, keepdim=True), y / valid[:, :, 0].sum(1, keepdim=True)
        size = torch.full_like(x, 0.05 * 2.0**level)
        boxes.append(torch.stack([x, y, size, size], -1))
        start = start + height * width
    proposals = torch.cat(boxes, 1)
    inside = ((proposals > 0.01) & (proposals < 0.99)).all(-1)
    left_out = (mask | ~inside).unsqueeze(-1)
    proposals = torch.log(proposals / (1 - proposals)).masked_fill(left_out, float("inf"))
    features = detector.memory_trans_fc(memory.masked_fill(left_out, 0.0))
    return detector.memory_trans_norm(features), proposals


def _flat(feature: Tensor) -> Tensor:
    """``(B, C, h, w)`` to ``(B, h * w, C)``."""
    return feature.flatten(2).permute(0, 2, 1)
