"""The sections of the page about a data set and model, in their order."""

from cutpoint.report import boxes, comparisons, conversion, gallery, mistakes, odd, slices
from cutpoint.report.section import Section

SECTIONS: tuple[Section, ...] = (
    comparisons.SIZES,
    slices.SLICES,
    comparisons.AGREEMENT,
    boxes.AUTOPSY,
    boxes.OPERATING,
    boxes.DRIFT,
    mistakes.MISTAKES,
    gallery.GALLERY,
    conversion.CONVERSION,
    odd.ODD,
)
