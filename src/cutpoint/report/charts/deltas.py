"""Differences in AP of parts of the data, such as classes: a panel a variant, a line a part."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import altair as alt

from cutpoint.records.summary import OF_DETECTIONS
from cutpoint.report.charts.figure import Figure
from cutpoint.report.charts.theme import GAIN, LOSS, SOFT, rows, spec_of
from cutpoint.report.group import Group
from cutpoint.summary.flags import doubts
from cutpoint.summary.words import few, signed

# The largest changes; all are in the tables.
MOST_PARTS, MOST_VARIANTS = 20, 12
# Differences that are 0 to the four decimals of the tables.
LEAST = 5e-5
# what the gallery can be filtered by
FILTERED = ("class",)
COLOURS = {"lower": LOSS, "higher": GAIN, "not different": SOFT}
PANELS_A_ROW, PANEL_PX, STEP = 3, 130, 18
CAPTION = (
    " ΔAP from the reference (fraction) with its 95 % interval. "
    "Coloured: different from the reference; at most 5 % of the coloured marks are expected to be false."
)


@dataclass(frozen=True)
class Part:
    """The difference of a variant in one part of the data, with ``objects`` boxes of ground truth."""

    variant: str
    name: str
    AP: float | None
    delta_AP: float | None
    low: float | None
    high: float | None
    different: bool | None
    objects: int | None


def draw(
    group: Group, kind: str, title: str, what: str, parts: Iterable[Part], *, keep_order: bool = False
) -> Figure | None:
    """The figure; null if no variant has a difference in a part.

    Args:
        kind: what a part is: the key of the data that the gallery filters by, and the name of the figure.
        what: the first sentence of the caption.
        keep_order: keep the order of the parts, and all of them; otherwise those that change most come first.
    """
    known = [part for part in parts if part.delta_AP is not None]
    moved = [part for part in known if abs(part.delta_AP or 0) >= LEAST]
    if not known:
        return None
    largest: dict[str, float] = {}
    for part in moved:
        largest[part.name] = max(largest.get(part.name, 0), abs(part.delta_AP or 0))
    shown = sorted(largest, key=lambda name: -largest[name])[:MOST_PARTS]
    if keep_order:
        shown = list(dict.fromkeys(part.name for part in known))
    order = [row.variant for row in group.rows if any(part.variant == row.variant for part in moved)]
    drawn = sorted(order, key=lambda name: -max(abs(p.delta_AP or 0) for p in moved if p.variant == name))
    drawn = [name for name in order if name in drawn[:MOST_VARIANTS]]
    same = [row.variant for row in group.rows if row.variant in {p.variant for p in known} - set(order)]
    data = [_row(part, kind) for part in known if part.variant in drawn and part.name in shown]
    if not data:
        return None
    left_out = f" 0.0000 everywhere, and not drawn: {few(same)}." if same else ""
    if len(order) > len(drawn):
        left_out += f" Of {len(order)} variants the {len(drawn)} that change most are drawn."
    if len(largest) > len(shown):
        left_out += f" Of {len(largest)} with a change the {len(shown)} largest are drawn."
    if any(row["objects"] is not None for row in data):
        left_out = f" At the right: the number of objects.{left_out}"
    spec = _spec(group, kind, shown, drawn)
    pick = ("variant", kind) if kind in FILTERED else ("variant",)
    return Figure(kind, title, what + CAPTION + left_out, data, spec, pick)


def _row(part: Part, kind: str) -> dict[str, Any]:
    direction = "higher" if (part.delta_AP or 0) > 0 else "lower"
    return {
        "variant": part.variant,
        kind: part.name,
        "AP": part.AP,
        "delta_AP": part.delta_AP,
        "low": part.low,
        "high": part.high,
        "result": direction if part.different else "not different",
        "objects": part.objects,
        "text": signed(part.delta_AP),
    }


def _spec(group: Group, kind: str, parts: list[str], variants: list[str]) -> dict[str, Any]:
    x = alt.X("delta_AP:Q", axis=alt.Axis(title="ΔAP", format="~g", tickCount=3, labelSeparation=14))
    y = alt.Y(
        f"{kind}:N", sort=parts, title=None, axis=alt.Axis(labelLimit=110, minExtent=130, labelOverlap=False)
    )
    scale = alt.Scale(domain=list(COLOURS), range=list(COLOURS.values()))
    tips = [alt.Tooltip("variant:N"), alt.Tooltip(f"{kind}:N"), alt.Tooltip("AP:Q", format=".4f")]
    tips += [alt.Tooltip(f"{name}:Q", format="+.4f") for name in ("delta_AP", "low", "high")]
    tips += [alt.Tooltip("result:N"), alt.Tooltip("objects:Q")]
    base = rows().encode(y=y)
    none = base.mark_rule(strokeOpacity=0.4).encode(x=alt.datum(0), y=alt.Undefined)
    interval = base.mark_rule(strokeWidth=1.5).encode(x="low:Q", x2="high:Q")
    dots = base.mark_point(filled=True, size=60, opacity=1).encode(
        x=x, color=alt.Color("result:N", scale=scale, legend=alt.Legend(title=None)), tooltip=tips
    )
    count = (
        base.transform_filter("datum.objects != null")
        .mark_text(align="right", fontSize=10, fillOpacity=0.75)
        .encode(x=alt.value(PANEL_PX + 34), text="objects:Q")
    )
    panel = alt.layer(none, interval, dots, count).properties(width=PANEL_PX, height=alt.Step(STEP))
    headings = {
        row.variant: [row.variant, ", ".join(doubts(row, OF_DETECTIONS))][
            : 1 + bool(doubts(row, OF_DETECTIONS))
        ]
        for row in group.rows
    }
    facet = alt.Facet(
        "variant:N",
        sort=variants,
        header=alt.Header(
            title=None,
            labelExpr=f"{json.dumps(headings, ensure_ascii=False)}[datum.value]",
            labelFontWeight="bold",
        ),
    )
    return spec_of(panel.facet(facet, columns=PANELS_A_ROW, spacing={"column": 44, "row": 14}))
