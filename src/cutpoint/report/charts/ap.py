"""Each variant's difference from the reference in AP, or without ground truth its agreement."""

from typing import Any

import altair as alt

from cutpoint.records.summary import OF_DETECTIONS, SummaryRow
from cutpoint.report.charts.figure import Figure
from cutpoint.report.charts.lines import STEP, cut_colour, describe, names, numbers
from cutpoint.report.charts.theme import WIDTH, once, rows, spec_of
from cutpoint.report.group import Group
from cutpoint.summary.words import fixed, signed

CAPTION = (
    "AP of each variant minus AP of the reference (fraction), with its 95 % interval. Under a name: why its "
    "number is doubtful."
)
AGREEMENT = (
    "Agreement with the reference's detections (1 = all matched). There is no ground truth. Under a name: "
    "why its number is doubtful."
)


def build(group: Group) -> Figure | None:
    """The figure; null if no variant has a value."""
    labelled = group.labelled
    data = [_row(row, labelled) for row in group.rows]
    if all(row["value"] is None for row in data):
        return None
    title = "Difference in AP" if labelled else "Agreement with the reference"
    return Figure("ap", title, CAPTION if labelled else AGREEMENT, data, _spec(data, labelled), ("variant",))


def _row(row: SummaryRow, labelled: bool) -> dict[str, Any]:
    value, text = (row.delta_AP, signed) if labelled else (row.agreement, fixed(4))
    if row.is_reference and not row.refused:
        value = 0.0 if labelled else 1.0
    return describe(row, OF_DETECTIONS) | {
        "value": value,
        "low": row.delta_AP_lo if labelled else None,
        "high": row.delta_AP_hi if labelled else None,
        "AP": row.AP,
        "text": "" if row.is_reference else text(value),
        "AP_text": fixed(4)(row.AP),
    }


def _spec(data: list[dict[str, Any]], labelled: bool) -> dict[str, Any]:
    axis = alt.Axis(title="ΔAP (fraction)" if labelled else "agreement", format="~g")
    x = alt.X("value:Q", axis=axis, scale=alt.Scale(zero=labelled))
    y = alt.Y("variant:N", sort=[row["variant"] for row in data], axis=None)
    tips = [alt.Tooltip(name) for name in ("variant:N", "AP:Q", "value:Q", "low:Q", "high:Q", "doubt:N")]
    base = rows().encode(y=y)
    none = once().mark_rule(strokeOpacity=0.5).encode(x=alt.datum(0 if labelled else 1))
    interval = base.mark_rule(strokeWidth=1.5).encode(x="low:Q", x2="high:Q")
    dots = base.mark_point(filled=True, size=80, opacity=1)
    dots = dots.encode(x=x, color=cut_colour({row["cut"] for row in data}), tooltip=tips)
    columns = numbers(y, "text", "ΔAP" if labelled else "agreement", bold=True)
    columns += numbers(y, "AP_text", "AP", right=104) if labelled else []
    layers = alt.layer(none, interval, dots, *names(y), *columns)
    return spec_of(layers.properties(width=WIDTH, height=alt.Step(STEP)))
