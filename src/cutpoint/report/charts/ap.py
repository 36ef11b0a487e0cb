"""Each variant's difference from the reference in AP, or without ground truth its agreement."""

from typing import Any

import altair as alt

from cutpoint.records.summary import OF_DETECTIONS, SummaryRow
from cutpoint.report.charts.figure import Figure
from cutpoint.report.charts.theme import CUTS, OPACITY, WIDTH, rows
from cutpoint.report.group import Group
from cutpoint.summary.flags import doubts
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
    return Figure("ap", title, CAPTION if labelled else AGREEMENT, data, _spec(group, labelled), ("variant",))


def _row(row: SummaryRow, labelled: bool) -> dict[str, Any]:
    value, text = (row.delta_AP, signed) if labelled else (row.agreement, fixed(4))
    if row.is_reference and not row.refused:
        value = 0.0 if labelled else 1.0
    return {
        "variant": row.variant,
        "cut": row.cut or "results file",
        "runtime": row.runtime or "",
        "value": value,
        "low": row.delta_AP_lo if labelled else None,
        "high": row.delta_AP_hi if labelled else None,
        "AP": row.AP,
        "text": "reference" if row.is_reference else text(value),
        "doubt": ", ".join(doubts(row, OF_DETECTIONS)),
    }


def _spec(group: Group, labelled: bool) -> dict[str, Any]:
    order = [row.variant for row in group.rows]
    used = [cut for cut in CUTS if any((row.cut or "results file") == cut for row in group.rows)]
    axis = alt.Axis(title="ΔAP (fraction)" if labelled else "agreement", format="~g")
    x = alt.X("value:Q", axis=axis, scale=alt.Scale(zero=labelled))
    y = alt.Y("variant:N", sort=order, title=None)
    colour = alt.Color("cut:N", scale=alt.Scale(domain=used, range=[CUTS[cut] for cut in used]), title="cut")
    tips = [alt.Tooltip(name) for name in ("variant:N", "AP:Q", "value:Q", "low:Q", "high:Q", "doubt:N")]
    base = rows().encode(y=y)
    interval = base.mark_rule(strokeWidth=1.5).encode(x=alt.X("low:Q"), x2="high:Q")
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(x=x, color=colour, tooltip=tips)
    texts = base.mark_text(align="left", dx=8).encode(x=alt.value(WIDTH), text="text:N")
    doubt = base.mark_text(align="left", dx=8, dy=11, fontSize=9).encode(x=alt.value(WIDTH), text="doubt:N")
    layers = alt.layer(interval, dots, texts, doubt).properties(width=WIDTH, height=alt.Step(26))
    spec: dict[str, Any] = layers.to_dict(validate=False)
    for layer in spec["layer"]:
        layer["encoding"]["opacity"] = OPACITY
    return spec
