"""Changes to mmdet 3.3.0 and mmcv 2.1.0, so that models run and export; the results stay the same."""

import functools
import inspect
import textwrap
import types
from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmcv.cnn.bricks import generalized_attention
from mmcv.cnn.bricks.generalized_attention import GeneralizedAttention
from mmcv.ops import MaskedConv2d
from mmdet.models.dense_heads import (
    CenterNetHead,
    GARetinaHead,
    RTMDetInsHead,
    SSDHead,
    TOODHead,
    VFNetHead,
    tood_head,
)
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.task_modules.prior_generators import MlvlPointGenerator
from torch import Tensor, nn

from cutpoint.detector import backbones

SMALL = 128  # pixels
BAKED_BATCH = "torch.cat([anchor for _ in range(b)])"
FLOAT_END = "torch.arange(0, feat_dim / 4)"
SIDES = ("h", "w", "h_kv", "w_kv")


def apply(detector: nn.Module) -> None:
    """Patch a built detector's backbone (``backbones.apply``), its attention and its dense head in place.

    - ``SSDHead`` never sets ``loss_cls``, which ``BaseDenseHead`` reads in ``predict``: upstream issues
      11063, 11305 and 11780, pull request 11524 (open). It becomes null.
    - ``TOODHead.forward`` repeats the anchors in a Python loop over the batch, so an exported graph is tied
      to the example's batch. We know of no upstream issue. ``repeat`` does the same.
    - ``VFNetHead.star_dcn_offset`` fills a tensor with twelve assignments per level. Each becomes a scatter
      in the graph, and most of the export's time went there. Stacking the channels gives the same bits.
    - ``CenterNetHead`` has no prior generator: its ``predict`` divides the sides of input and heat map. It
      gets one with this stride, measured with a small image.
    - ``GARetinaHead`` computes its last convolutions only where it expects objects, by a compiled operator
      that takes one image. Here they are computed everywhere; ``predict`` drops the other cells.
    - ``RTMDetInsHead`` gives its boxes only. Its mask branch is not run, and ``predict`` is the one of
      ``RTMDetHead``, which the masks' one repeats for the boxes.
    - ``GeneralizedAttention.get_position_embedding`` counts with a float end, which the exporter writes as
      integers, and with ``linspace``, which ties a trace to the example's size. We know of no upstream issue.
      Counting integers gives the same numbers.

    Args:
        detector: what ``MODELS.build`` returned.
    """
    backbones.apply(detector)
    for module in detector.modules():
        if isinstance(module, GeneralizedAttention):
            module.get_position_embedding = types.MethodType(_position_embedding(), module)
    head = getattr(detector, "bbox_head", None)
    if isinstance(head, SSDHead):
        head.loss_cls = None
    elif isinstance(head, TOODHead):
        head.forward = types.MethodType(_tood_forward(), head)
    elif isinstance(head, VFNetHead):
        head.star_dcn_offset = types.MethodType(_star_dcn_offset, head)
    elif isinstance(head, CenterNetHead):
        head.prior_generator = MlvlPointGenerator([_stride(detector)], offset=0)
    elif isinstance(head, GARetinaHead):
        for module in head.modules():
            if isinstance(module, MaskedConv2d):
                module.forward = types.MethodType(_everywhere, module)
    elif isinstance(head, RTMDetInsHead):
        _leave_masks_out(head)


@functools.cache
def _tood_forward() -> Callable:
    return _edited(TOODHead.forward, tood_head, {BAKED_BATCH: "anchor.repeat(b, 1)"})


@functools.cache
def _position_embedding() -> Callable:
    counts = {f"torch.linspace(0, {side} - 1, {side})": f"torch.arange({side})" for side in SIDES}
    edits = counts | {FLOAT_END: "torch.arange(int(feat_dim / 4))"}
    return _edited(GeneralizedAttention.get_position_embedding, generalized_attention, edits)


def _edited(function: Callable, module: types.ModuleType, edits: Mapping[str, str]) -> Callable:
    """A function of mmdet or mmcv from its own source, with some expressions replaced."""
    source = textwrap.dedent(inspect.getsource(function))
    for old, new in edits.items():
        if source.count(old) != 1:
            raise RuntimeError(f"{function.__qualname__} has changed: expected {old!r} in it once")
        source = source.replace(old, new)
    defined: dict[str, Callable] = {}
    exec(compile(source, module.__file__ or "", "exec"), vars(module), defined)
    return defined[function.__name__]


@torch.no_grad()
def _stride(detector: nn.Module) -> int:
    """Side of an input divided by that of CenterNet's heat map."""
    trained = detector.training
    heat = detector.eval()(torch.zeros(1, 3, SMALL, SMALL), mode="tensor")[0][0]
    detector.train(trained)
    return SMALL // int(heat.shape[-1])


def _everywhere(self: MaskedConv2d, features: Tensor, mask: Tensor | None = None) -> Tensor:
    """``MaskedConv2d.forward``, mmcv/ops/masked_conv.py, without its mask."""
    return nn.Conv2d.forward(self, features)


def _leave_masks_out(head: RTMDetInsHead) -> None:
    """The weights of the mask branch stay, since checkpoints have them."""
    branches = (head.mask_head, *head.kernel_convs.modules(), *head.rtm_kernel.modules())
    for module in branches:
        module.forward = _passed_on
    network = head.forward
    head.forward = lambda features: network(features)[:2]
    for name in ("predict_by_feat", "_predict_by_feat_single"):
        setattr(head, name, types.MethodType(getattr(BaseDenseHead, name), head))


def _passed_on(features: Any) -> Any:
    return features


def _star_dcn_offset(self: VFNetHead, bbox_pred: Tensor, gradient_mul: float, stride: int) -> Tensor:
    """``VFNetHead.star_dcn_offset`` (mmdet/models/dense_heads/vfnet_head.py) without assignments."""
    box = ((1 - gradient_mul) * bbox_pred.detach() + gradient_mul * bbox_pred) / stride
    left, top, right, bottom = -1.0 * box[:, 0], -1.0 * box[:, 1], box[:, 2], box[:, 3]
    same = torch.zeros_like(left)
    rows = [(top, (left, same, right)), (same, (left, same, right)), (bottom, (left, same, right))]
    star = torch.stack([shift for y, row in rows for x in row for shift in (y, x)], 1)
    offset: Tensor = star - self.dcn_base_offset.type_as(bbox_pred)
    return offset
