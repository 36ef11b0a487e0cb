"""The proposals of an RPN: what mmdet does behind the RPN's tensors, in operators that can be exported."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from cutpoint.detector import coders
from cutpoint.detector.deltas import Deltas, clip
from cutpoint.detector.grid import grid_anchors
from cutpoint.detector.mmdet_types import Head
from cutpoint.detector.rpn_nms import EXCLUDED, nms_rows

# Its index of no anchor, in rows that are padding.
NO_PRIOR = -1
smaller: Callable[[int, int], int] = torch.sym_min  # also of sizes that are symbols in an export


class Proposals(nn.Module):
    """The best boxes of an ``RPNHead``: top-k of each level, NMS of each level, then the best of all levels.

    Source:
        ``RPNHead._predict_by_feat_single`` and ``_bbox_post_process``, mmdet/models/dense_heads/rpn_head.py,
        mmdet 3.3.0; ``batched_nms``, mmcv/ops/nms.py, mmcv 2.1.0, which moves the levels' boxes apart. From
        10,000 boxes on it works level by level instead, which is the same but for rounding.
    """

    def __init__(self, head: Head) -> None:
        """``head``: a built ``RPNHead`` with its ``test_cfg``; see ``describe_rois.describe_rois``."""
        super().__init__()
        config = head.test_cfg
        self._best = int(config.get("nms_pre", -1))
        self._smallest = float(config.get("min_bbox_size", -1))
        self._iou = float(config.nms.iou_threshold)
        self._rows = int(config.max_per_img)
        self._channels = head.cls_out_channels
        self._clips = bool(head.bbox_coder.clip_border)
        self._strides = [tuple(stride) for stride in head.prior_generator.strides]
        self._coder = Deltas(coders.delta(head))
        for level, anchors in enumerate(head.prior_generator.base_anchors):
            self.register_buffer(f"anchors_{level}", anchors.clone(), persistent=False)

    def forward(
        self, logits: Sequence[Tensor], deltas: Sequence[Tensor], sides: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Choose the proposals.

        Args:
            logits: of each level ``(B, A * channels, H, W)``, as the RPN returns them.
            deltas: of each level ``(B, A * 4, H, W)``.
            sides: ``(B, 4)``, see ``deltas.clip``.

        Returns:
            ``(B, P, 4)`` boxes in network pixels, best first; ``(B, P)`` int64, index of each one's anchor
            over all levels in the order y, x, anchor; ``(B,)`` int64, how many there are. Rows from there on
            are zeros, their index ``NO_PRIOR``.
        """
        scores, places, levels, anchors, flat = [], [], [], [], []
        start = 0
        for level, (logit, delta) in enumerate(zip(logits, deltas, strict=True)):
            base: Tensor = getattr(self, f"anchors_{level}")
            anchors.append(grid_anchors(base, self._strides[level], *logit.shape[2:]))
            count = anchors[-1].shape[0]
            flat.append(_by_anchor(delta, 4))
            score = _by_anchor(logit, self._channels)
            # with a softmax the second channel is the background
            score = (score.sigmoid() if self._channels == 1 else score.softmax(-1))[..., 0]
            most = smaller(self._best, count) if self._best > 0 else count
            score, place = torch.topk(score, most, dim=1)
            scores.append(score)
            places.append(place + start)
            levels.append(torch.full_like(score, float(level)))
            start = start + count
        priors = torch.cat(places, 1)
        boxes = self._coder(torch.cat(anchors)[priors], take_rows(torch.cat(flat, 1), priors))
        return self._keep(sides, boxes, torch.cat(scores, 1), priors, torch.cat(levels, 1))

    def _keep(
        self, sides: Tensor, boxes: Tensor, scores: Tensor, priors: Tensor, levels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Clip, filter by size and run NMS on ``(B, K)`` boxes of all levels; the returns of ``forward``."""
        if self._clips:
            boxes = clip(boxes, sides)
        coordinates = boxes
        if self._smallest >= 0:
            large = ((boxes[..., 2:] - boxes[..., :2]) > self._smallest).all(-1)
            scores = torch.where(large, scores, EXCLUDED)
            # the largest coordinate is one of the boxes that are left, or 0 if there are none
            coordinates = torch.where(large[..., None], boxes, 0.0)
        shift = levels * (coordinates.amax((1, 2)) + 1)[:, None]
        rows, count = nms_rows(boxes + shift[..., None], scores, self._iou, self._rows)
        live = live_rows(count, self._rows)
        boxes = torch.where(live[..., None], take_rows(boxes, rows), 0.0)
        return boxes, torch.where(live, priors.gather(1, rows), NO_PRIOR), count


def _by_anchor(level: Tensor, channels: int) -> Tensor:
    """``(B, A * channels, H, W)`` to ``(B, H * W * A, channels)``; an export has less to prove this way."""
    batch, _, height, width = level.shape
    return level.permute(0, 2, 3, 1).reshape(batch, height, width, -1, channels).flatten(1, 3)


def live_rows(count: Tensor, rows: int) -> Tensor:
    """``(B,)`` counts to ``(B, rows)``, whether a row is not padding."""
    return torch.arange(rows, device=count.device)[None] < count[:, None]


def take_rows(values: Tensor, rows: Tensor) -> Tensor:
    """``(B, K, 4)`` and ``(B, N)`` int64 to ``(B, N, 4)``."""
    return values.gather(1, rows[..., None].expand(-1, -1, 4))
