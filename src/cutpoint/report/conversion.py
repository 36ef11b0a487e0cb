"""The page about what the conversion of annotations to COCO JSON lost."""

from cutpoint.records.conversion import Conversion, read_conversion
from cutpoint.report.section import Entry, Section


def build_conversion(entries: list[Entry]) -> Conversion | None:
    """The record of the first entry, the only one of a data set; null if nothing was converted."""
    return read_conversion(entries[0]["path"]) if entries else None


CONVERSION = Section("Converted annotations", "conversions", build_conversion, "conversion.html.j2")
