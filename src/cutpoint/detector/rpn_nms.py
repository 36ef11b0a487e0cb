"""NMS inside a network, with a fixed number of rows, and its export to ONNX."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cutpoint.detector.mmcv_ops import nms

EXCLUDED = -1.0
"""The score of a row that takes no part; scores of rows that do are 0 or more."""

_LIMIT = -0.5


@torch.library.custom_op("cutpoint::nms_rows", mutates_args=())
def nms_rows(boxes: Tensor, scores: Tensor, iou: float, cap: int) -> tuple[Tensor, Tensor]:
    """Greedy NMS of each image, without regard to classes, into a fixed number of rows.

    Args:
        boxes: ``(B, K, 4)`` float32, ``x1, y1, x2, y2``. For an NMS a class or level, move each group's boxes
            away from the others first, as mmcv's ``batched_nms`` does.
        scores: ``(B, K)`` float32, 0 or more; ``EXCLUDED`` takes a row out.
        iou: a box goes when its IoU with a kept one is strictly greater.
        cap: rows of the result, the best first.

    Returns:
        - ``(B, cap)`` int64: rows of ``boxes``, best score first; 0 from the count on.
        - ``(B,)`` int64: rows kept.
    """
    index = torch.zeros(len(boxes), cap, dtype=torch.int64, device=boxes.device)
    count = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
    for i, (image_boxes, image_scores) in enumerate(zip(boxes, scores, strict=True)):
        rows = (image_scores > _LIMIT).nonzero().squeeze(1)
        kept = rows[nms(image_boxes[rows], image_scores[rows], iou, offset=0)][:cap]
        index[i, : len(kept)] = kept
        count[i] = len(kept)
    return index, count


@nms_rows.register_fake
def _shape(boxes: Tensor, scores: Tensor, iou: float, cap: int) -> tuple[Tensor, Tensor]:
    whole: Any = torch.int64
    return boxes.new_empty(boxes.shape[0], cap, dtype=whole), boxes.new_empty(boxes.shape[0], dtype=whole)


# no annotations: the exporter reads them as the signature of an ONNX function
def _to_onnx(boxes, scores, iou, cap):  # type: ignore[no-untyped-def]
    from onnx import TensorProto, helper
    from onnxscript import opset18  # the import takes a second, and only an export needs it

    op: Any = opset18
    zero, one = op.Constant(value_int=0), op.Constant(value_int=1)
    axis_0, axis_1 = op.Constant(value_ints=[0]), op.Constant(value_ints=[1])
    # rows of (image, class, box), image after image, in each the best first
    kept = op.NonMaxSuppression(
        boxes,
        op.Unsqueeze(scores, axis_1),
        op.Constant(value_ints=[cap]),
        op.Constant(value_floats=[iou]),
        op.Constant(value_floats=[_LIMIT]),
    )
    image, row = op.Gather(kept, zero, axis=1), op.Gather(kept, op.Constant(value_int=2), axis=1)
    batch = op.Shape(boxes, start=0, end=1)
    images = op.Range(zero, op.Squeeze(batch), one)
    belongs = op.Cast(op.Equal(op.Unsqueeze(image, axis_1), images), to=TensorProto.INT64)
    count = op.ReduceSum(belongs, axis_0, keepdims=0)
    total = op.Squeeze(op.Shape(row))
    rank = op.Sub(op.Range(zero, total, one), op.Gather(op.CumSum(count, zero, exclusive=1), image))
    empty = op.ConstantOfShape(
        op.Concat(batch, op.Constant(value_ints=[cap]), axis=0),
        value=helper.make_tensor("none", TensorProto.INT64, [1], [0]),
    )
    place = op.Concat(op.Unsqueeze(image, axis_1), op.Unsqueeze(rank, axis_1), axis=1)
    return op.ScatterND(empty, place, row), count


TRANSLATIONS: dict[Callable, Callable] = {torch.ops.cutpoint.nms_rows.default: _to_onnx}
"""For ``torch.onnx.export``."""
