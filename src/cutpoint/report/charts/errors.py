"""The errors of each variant by type, as changes from the reference."""

from typing import Any

import altair as alt

from cutpoint.records.summary import OF_DETECTIONS
from cutpoint.report.boxes import ERRORS
from cutpoint.report.charts.figure import Figure
from cutpoint.report.charts.lines import STEP, describe, names
from cutpoint.report.charts.theme import GAIN, LOSS, once, rows, spec_of
from cutpoint.report.group import Group

PANEL_PX = 54
CAPTION = (
    "Errors against ground truth at IoU 0.5, by type (TIDE's, see the method), at score {}, where the "
    "reference's F1 is highest: the number of boxes, and as a bar the change from the reference. Under a "
    "name: why its number is doubtful."
)


def build(group: Group) -> Figure | None:
    """The figure; null without ground truth, or where no variant is scored."""
    counted = [
        (row, points.errors, points.error_changes)
        for row in group.rows
        if (points := group.points.get(row.variant)) and points.errors
    ]
    data = [
        (describe(row, OF_DETECTIONS) if error == ERRORS[0] else {"variant": row.variant})
        | {"error": error, "boxes": errors[error], "change": (changes or {}).get(error, 0)}
        | {"text": f"{errors[error]}" + (f" ({changes[error]:+d})" if changes and changes[error] else "")}
        for row, errors, changes in counted
        if errors is not None
        for error in ERRORS
    ]
    if not data:
        return None
    score = next(points.score_thr for points in group.points.values() if points.score_thr is not None)
    return Figure("errors", "Errors by type", CAPTION.format(score), data, _spec(data), ("variant", "error"))


def _spec(data: list[dict[str, Any]]) -> dict[str, Any]:
    y = alt.Y("variant:N", sort=list(dict.fromkeys(row["variant"] for row in data)), axis=None)
    most = max(abs(row["change"]) for row in data) or 1
    tips = [alt.Tooltip("variant:N"), alt.Tooltip("error:N"), alt.Tooltip("boxes:Q")]
    tips.append(alt.Tooltip("change:Q", format="+d"))
    panels = []
    for number, error in enumerate(ERRORS):
        own = rows().transform_filter(f"datum.error == '{error}'").encode(y=y, tooltip=tips)
        # the bars have the right half, and the numbers the left
        x = alt.X("change:Q", axis=None, scale=alt.Scale(domain=[-most, most], range=[0, PANEL_PX]))
        colour = alt.condition("datum.change > 0", alt.value(LOSS), alt.value(GAIN))
        bars = own.mark_bar(size=5, yOffset=9).encode(x=x, color=colour)
        base = once().mark_rule(strokeOpacity=0.25).encode(x=alt.value(PANEL_PX / 2))
        texts = own.mark_text(align="center", dy=-3).encode(x=alt.value(PANEL_PX / 2), text="text:N")
        layers = [base, bars, texts, *(names(y) if number == 0 else [])]
        panel = alt.layer(*layers).properties(width=PANEL_PX, height=alt.Step(STEP))
        panels.append(
            panel.properties(title=alt.Title(error, anchor="middle", fontSize=11, fontWeight="normal"))
        )
    return spec_of(alt.hconcat(*panels, spacing=14))
