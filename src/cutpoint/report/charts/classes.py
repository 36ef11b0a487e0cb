"""Differences in AP by class."""

from cutpoint.report.charts.deltas import Part, draw
from cutpoint.report.charts.figure import Figure
from cutpoint.report.group import Group


def build(group: Group) -> Figure | None:
    """The figure; null if the AP of no class changes."""
    parts = [
        Part(
            variant=row.variant,
            name=row.name,
            AP=row.AP,
            delta_AP=row.delta_AP,
            low=row.delta_AP_lo,
            high=row.delta_AP_hi,
            different=row.different,
            objects=row.ground_truths,
        )
        for row in group.classes
    ]
    return draw(group, "class", "Difference in AP by class", "Each class, by variant.", parts)
