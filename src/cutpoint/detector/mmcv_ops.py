"""Let mmdet run on mmcv-lite: its compiled operators as one small module.

``mmdet.models`` imports ``mmcv.ops``, which loads the compiled module ``mmcv._ext``. mmcv-lite does not
have it. ``install`` registers a stand-in where it is missing: ``nms`` is real, every other operator
raises when it is called. Compiled mmcv, where installed, is left alone.
"""

import importlib.machinery
import importlib.util
import sys
import types

import torch

STAND_IN = "cutpoint stand-in for mmcv._ext"


def has_compiled_ops() -> bool:
    """Tell whether mmcv's own compiled operators are installed."""
    return not _is_stand_in() and importlib.util.find_spec("mmcv._ext") is not None


def install() -> None:
    """Register the stand-in as ``mmcv._ext`` unless compiled operators are there. Idempotent."""
    if "mmcv._ext" in sys.modules or importlib.util.find_spec("mmcv._ext") is not None:
        return
    sys.modules["mmcv._ext"] = _StandIn("mmcv._ext", STAND_IN)


def nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float, offset: int):
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
    x1, y1, x2, y2 = boxes[order].detach().float().cpu().unbind(1)
    areas = (x2 - x1 + offset) * (y2 - y1 + offset)
    threshold = torch.tensor(iou_threshold, dtype=torch.float32)
    alive = torch.ones(len(order), dtype=torch.bool)
    kept = []
    for i in range(len(order)):
        if not alive[i]:
            continue
        kept.append(i)
        rest = alive.nonzero().squeeze(1)
        rest = rest[rest > i]
        width = (torch.minimum(x2[i], x2[rest]) - torch.maximum(x1[i], x1[rest]) + offset).clamp(min=0)
        height = (torch.minimum(y2[i], y2[rest]) - torch.maximum(y1[i], y1[rest]) + offset).clamp(min=0)
        overlap = width * height
        iou = overlap / (areas[i] + areas[rest] - overlap)
        alive[rest[iou > threshold]] = False
    return order[torch.tensor(kept, dtype=torch.long, device=order.device)]


class _StandIn(types.ModuleType):
    def __init__(self, name: str, doc: str) -> None:
        super().__init__(name, doc)
        self.__file__ = None
        # mmengine's Runner asks for the loader of every module
        self.__spec__ = importlib.machinery.ModuleSpec(name, None)
        self.nms = nms

    def __getattr__(self, operator: str):
        # import machinery, inspect and pickle probe for dunder names: those are really absent
        if operator.startswith("__"):
            raise AttributeError(operator)

        def missing(*args, **kwargs):
            raise NotImplementedError(
                f"the operator {operator!r} needs compiled mmcv, and mmcv-lite is installed: "
                "install mmcv 2.1.0 with its compiled operators, or choose a model without it"
            )

        return missing


def _is_stand_in() -> bool:
    return isinstance(sys.modules.get("mmcv._ext"), _StandIn)
