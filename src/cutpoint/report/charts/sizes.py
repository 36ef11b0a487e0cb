"""Differences in AP by the size of the objects."""

from cutpoint.report.charts.deltas import Part, draw
from cutpoint.report.charts.figure import Figure
from cutpoint.report.group import Group

WHAT = "Objects by size (COCO's areas: small below 32 x 32 px, large from 96 x 96 px), by variant."


def build(group: Group) -> Figure | None:
    """The figure; null if the AP of no size changes."""
    parts = [
        Part(
            variant=variant,
            name=size.size,
            AP=None,
            delta_AP=size.delta_AP,
            low=size.delta_AP_ci95[0] if size.delta_AP_ci95 else None,
            high=size.delta_AP_ci95[1] if size.delta_AP_ci95 else None,
            different=size.different,
            objects=None,
        )
        for variant, comparison in group.comparisons.items()
        for size in comparison.per_size or ()
    ]
    return draw(group, "size", "Difference in AP by size", WHAT, parts, keep_order=True)
