"""The project's torch operators, and what an export of them needs."""

from collections.abc import Callable

from cutpoint.detector import deform, roi_align, rpn_nms
from cutpoint.detector.deform import exporting

__all__ = ["TRANSLATIONS", "exporting"]

TRANSLATIONS: dict[Callable, Callable] = {
    **deform.TRANSLATIONS,
    **roi_align.TRANSLATIONS,
    **rpn_nms.TRANSLATIONS,
}
"""What ``torch.onnx.export`` needs as its ``custom_translation_table``."""
