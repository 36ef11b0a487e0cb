"""Which opsets and heads torch's exporters write, as far as it is known before the export."""

from cutpoint.errors import UserError
from cutpoint.records.head import HeadSpec, RoiHead

# The recipe steps in the graph are written for these opsets, and the exporters write them.
OPSETS = {"dynamo": range(18, 23), "torchscript": range(18, 21)}
# ONNX Runtime 1.31 implements RoiAlign of opset 16, not the one of opset 22 (onnxruntime issue 27731).
ROI_ALIGN_LAST = 21


def check_exporter(head: HeadSpec, opset: int, exporter: str) -> None:
    """Refuse an opset or exporter that cannot give a head's graph.

    Args:
        head: of the model.
        opset: of the file.
        exporter: a key of ``OPSETS``.

    Raises:
        UserError: the exporter does not write the opset or an operator of the head, or ONNX Runtime does not
            implement it.
    """
    if opset not in OPSETS[exporter]:
        first, last = OPSETS[exporter][0], OPSETS[exporter][-1]
        raise UserError(f"opset {opset}: the exporter {exporter} writes {first} to {last} here")
    if isinstance(head, RoiHead) and opset > ROI_ALIGN_LAST:
        raise UserError(
            f"opset {opset}: ONNX Runtime has no RoiAlign of it, which {head.head} needs; use opset "
            f"{ROI_ALIGN_LAST} or older"
        )
    if isinstance(head, RoiHead) and exporter == "torchscript":
        raise UserError(
            f"exporter torchscript: it writes neither the RoIAlign nor the NMS inside {head.head}; use dynamo"
        )
