"""The steps that removed boxes, from the autopsy."""

from typing import Any

import altair as alt

from cutpoint.records.summary import OF_DETECTIONS, SummaryRow
from cutpoint.report.boxes import OTHER_CAUSES
from cutpoint.report.charts.figure import Figure
from cutpoint.report.charts.lines import STEP, describe, names, numbers
from cutpoint.report.charts.theme import COLOURS, WIDTH, once, rows, spec_of
from cutpoint.report.group import Group
from cutpoint.report.steps import removed_by

CAPTION = (
    "Boxes without a partner of their class at IoU 0.9, by what happened to them on the side that lacks "
    "them. Left: boxes of the reference that the variant lacks. Right: boxes of the variant that the "
    "reference lacks. The column: missing / extra. Under a name: why its number is doubtful."
)
SIDES = {"missing": -1, "extra": 1}


def build(group: Group) -> Figure | None:
    """The figure; null if there is no such box, or if none could be followed."""
    compared = {row.variant: group.comparisons.get(row.variant) for row in group.rows}
    data: list[dict[str, Any]] = []
    for row in group.rows:
        comparison = compared[row.variant]
        if comparison is None or comparison.refused is not None:
            continue
        sides = {"missing": comparison.autopsy.reference, "extra": comparison.autopsy.variant}
        data += _rows(row, sides)
    if not {row["cause"] for row in data} - {"", "not_followed"}:
        return None
    return Figure("causes", "Where boxes went", CAPTION, data, _spec(data), ("variant", "cause"))


def _rows(row: SummaryRow, sides: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    """A row for the variant, and one for each cause on each side."""
    totals = {side: sum(counts.values()) for side, counts in sides.items()}
    text = " / ".join(str(totals[side]) for side in SIDES)
    of_variant = describe(row, OF_DETECTIONS) | {"cause": "", "text": text}
    return [of_variant] + [
        {"variant": row.variant, "cause": cause, "what": removed_by(cause) or OTHER_CAUSES[cause]}
        | {"side": side, "boxes": number, "signed": SIDES[side] * number}
        for side, counts in sides.items()
        for cause, number in counts.items()
    ]


def _spec(data: list[dict[str, Any]]) -> dict[str, Any]:
    y = alt.Y("variant:N", sort=list(dict.fromkeys(row["variant"] for row in data)), axis=None)
    totals: dict[str, int] = {}
    for row in data:
        if row["cause"]:
            totals[row["what"]] = totals.get(row["what"], 0) + row["boxes"]
    order = sorted(totals, key=lambda what: -totals[what])
    colours = [*COLOURS, "#999999", "#666666", "#7A4419", "#3A0CA3", "#B5179E", "#00845F"]
    scale = alt.Scale(domain=order, range=[colours[i % len(colours)] for i in range(len(order))])
    legend = alt.Legend(title=None, orient="bottom", direction="vertical")
    tips = [alt.Tooltip("variant:N"), alt.Tooltip("what:N", title="cause"), alt.Tooltip("side:N")]
    tips.append(alt.Tooltip("boxes:Q"))
    axis = alt.Axis(
        tickCount=4,
        labelSeparation=14,
        title="← missing · boxes · extra →",
        labelExpr="replace(datum.label, '−', '')",
    )
    bars = rows().transform_filter("datum.boxes > 0").mark_bar(size=16)
    bars = bars.encode(
        x=alt.X("signed:Q", stack="zero", axis=axis),
        y=y,
        color=alt.Color("what:N", scale=scale, legend=legend),
        tooltip=tips,
    )
    none = once().mark_rule(strokeOpacity=0.5).encode(x=alt.datum(0))
    layers = alt.layer(bars, none, *names(y), *numbers(y, "text", "boxes", right=80))
    return spec_of(layers.properties(width=WIDTH, height=alt.Step(STEP)))
