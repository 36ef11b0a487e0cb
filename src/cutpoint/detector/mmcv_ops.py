"""Let mmdet run on mmcv-lite: one small module replaces the compiled operators.

``mmdet.models`` imports ``mmcv.ops``, which loads the compiled module ``mmcv._ext``. mmcv-lite does not
have it. If it is missing, ``install`` registers a replacement: ``nms``, ``RoIAlign`` and the two deformable
convolutions (forward) work, every other operator raises an error when it is called. An installed compiled
mmcv is used as it is.
"""

import importlib.machinery
import importlib.util
import sys
import types
from typing import Any, NoReturn

import torch
from torch import Tensor

from cutpoint.detector.deform import deform_conv2d
from cutpoint.detector.roi_align import roi_align

STAND_IN = "cutpoint stand-in for mmcv._ext"
# boxes that NMS decides about at once
BLOCK = 256


def has_compiled_ops() -> bool:
    """Tell whether mmcv's own compiled operators are installed."""
    return not _is_stand_in() and importlib.util.find_spec("mmcv._ext") is not None


def install() -> None:
    """Register the replacement as ``mmcv._ext`` unless compiled operators are installed. Idempotent."""
    if "mmcv._ext" in sys.modules or importlib.util.find_spec("mmcv._ext") is not None:
        return
    sys.modules["mmcv._ext"] = _StandIn("mmcv._ext", STAND_IN)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Greedy NMS; returns the kept indices, best score first.

    Args:
        boxes: ``(N, 4)`` float32, ``x1, y1, x2, y2``, pixels.
        scores: ``(N,)`` float32.
        iou_threshold: a box goes when its IoU with a kept one is strictly greater.
        offset: 0, or 1 for the inclusive-pixel convention.

    Returns:
        ``(K,)`` int64, on the device of ``boxes``.

    Source:
        ``nms_cpu``, mmcv/ops/csrc/pytorch/cpu/nms.cpp, mmcv 2.1.0: float32 arithmetic, the same order of
        operations, the threshold compared in float32, ``Tensor.sort`` for the ranking.
    """
    order = scores.sort(descending=True)[1]
    corners = boxes[order].detach().float().cpu()
    areas = (corners[:, 2] - corners[:, 0] + offset) * (corners[:, 3] - corners[:, 1] + offset)
    threshold = torch.tensor(iou_threshold, dtype=torch.float32)

    def suppresses(rows: Tensor, others: Tensor) -> Tensor:
        a, b = corners[rows, None], corners[others]
        width = (torch.minimum(a[..., 2], b[:, 2]) - torch.maximum(a[..., 0], b[:, 0]) + offset).clamp(min=0)
        height = (torch.minimum(a[..., 3], b[:, 3]) - torch.maximum(a[..., 1], b[:, 1]) + offset).clamp(min=0)
        overlap = width * height
        return overlap / (areas[rows, None] + areas[others] - overlap) > threshold

    kept = []
    rest = torch.arange(len(order))
    while len(rest):
        # the best ones decide among themselves, then about all others at once
        block, rest = rest[:BLOCK], rest[BLOCK:]
        among = suppresses(block, block)
        alive = torch.ones(len(block), dtype=torch.bool)
        for i in range(len(block)):
            if alive[i]:
                alive[i + 1 :] &= ~among[i, i + 1 :]
        kept.append(block[alive])
        rest = rest[~suppresses(kept[-1], rest).any(0)]
    return order[torch.cat([*kept, rest]).to(order.device)]


def roi_align_forward(
    features: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    *,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """``roi_align``, written into ``output``; called by mmcv/ops/roi_align.py with pool mode 1, ``avg``."""
    if pool_mode != 1:
        raise NotImplementedError("RoIAlign: pool_mode 'max' needs compiled mmcv, and mmcv-lite is installed")
    sizes = aligned_height, aligned_width
    output.copy_(roi_align(features, rois, *sizes, spatial_scale, sampling_ratio, aligned))


def deform_conv_forward(
    features: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **settings: int,
) -> None:
    """``deform_conv2d`` without mask and bias, written into ``output``; called by mmcv/ops/deform_conv.py."""
    pairs = [[settings[f"{name}H"], settings[f"{name}W"]] for name in ("d", "pad", "dilation")]
    groups, deform_groups = settings["group"], settings["deformable_group"]
    output.copy_(deform_conv2d(features, offset, None, weight, None, *pairs, groups, deform_groups))


def modulated_deform_conv_forward(
    features: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    **settings: int,
) -> None:
    """``deform_conv2d``, written into ``output``; called by mmcv/ops/modulated_deform_conv.py."""
    pairs = [[settings[f"{name}_h"], settings[f"{name}_w"]] for name in ("stride", "pad", "dilation")]
    groups, deform_groups = settings["group"], settings["deformable_group"]
    used_bias = bias if settings["with_bias"] else None
    output.copy_(deform_conv2d(features, offset, mask, weight, used_bias, *pairs, groups, deform_groups))


class _StandIn(types.ModuleType):
    def __init__(self, name: str, doc: str) -> None:
        super().__init__(name, doc)
        self.__file__ = None
        # mmengine's Runner asks for the loader of every module
        self.__spec__ = importlib.machinery.ModuleSpec(name, None)
        self.nms = nms
        self.roi_align_forward = roi_align_forward
        self.deform_conv_forward = deform_conv_forward
        self.modulated_deform_conv_forward = modulated_deform_conv_forward

    def __getattr__(self, operator: str) -> Any:
        # import machinery, inspect and pickle look for dunder names: those are really absent
        if operator.startswith("__"):
            raise AttributeError(operator)

        def missing(*args: Any, **kwargs: Any) -> NoReturn:
            raise NotImplementedError(
                f"the operator {operator!r} needs compiled mmcv, and mmcv-lite is installed: "
                "install mmcv 2.1.0 with its compiled operators, or choose a model without it"
            )

        return missing


def _is_stand_in() -> bool:
    return isinstance(sys.modules.get("mmcv._ext"), _StandIn)
