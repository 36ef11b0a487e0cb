"""The median of each stage of every variant, stacked."""

from typing import Any

import altair as alt

from cutpoint.records.latency import IN_ORDER, Latency
from cutpoint.records.summary import OF_TIMES, SummaryRow
from cutpoint.report.charts.figure import Figure
from cutpoint.report.charts.lines import STEP, describe, names, numbers
from cutpoint.report.charts.theme import INK, WIDTH, rows, spec_of
from cutpoint.report.group import Group
from cutpoint.summary.words import fixed

CAPTION = (
    "The median time of each stage (ms). Medians do not add up exactly; the mark is the median of the total. "
    "Under a name: why its number is doubtful."
)
STAGES = {
    "decode": "#56B4E9",
    "preprocess": "#0072B2",
    "host_to_device": "#999999",
    "inference": "#E69F00",
    "device_to_host": "#666666",
    "postprocess": "#CC79A7",
}


def build(group: Group) -> Figure | None:
    """The figure; null if nothing was timed."""
    timed = [(row, group.latencies[row.variant]) for row in group.rows if row.variant in group.latencies]
    data = [line for row, latency in timed for line in _rows(row, latency)]
    return Figure("stages", "Stages", CAPTION, data, _spec(data), ("variant",)) if data else None


def _rows(row: SummaryRow, latency: Latency) -> list[dict[str, Any]]:
    named = describe(row, OF_TIMES)
    stages = [*latency.stages.in_order().items(), ("total", latency.stages.total)]
    return [
        (named if name == "total" else {"variant": row.variant})
        | {"stage": name, "order": number, "p50": stage.p50, "p90": stage.p90, "p95": stage.p95}
        | {"p99": stage.p99, "mean": stage.mean, "n": stage.n}
        | {"text": fixed(2)(stage.p50) if name == "total" else ""}
        for number, (name, stage) in enumerate(stages)
    ]


def _spec(data: list[dict[str, Any]]) -> dict[str, Any]:
    y = alt.Y("variant:N", sort=list(dict.fromkeys(row["variant"] for row in data)), axis=None)
    axis = alt.Axis(title="median of each stage [ms]")
    used = [name for name in IN_ORDER if any(row["stage"] == name for row in data)]
    colour = alt.Color(
        "stage:N",
        scale=alt.Scale(domain=used, range=[STAGES[name] for name in used]),
        legend=alt.Legend(title=None, labelExpr="replace(datum.label, /_/g, ' ')"),
    )
    tips = [
        alt.Tooltip(f"{name}:Q", format=".2f", title=f"{name} [ms]")
        for name in ("p50", "p90", "p95", "p99", "mean")
    ]
    tips = [alt.Tooltip("variant:N"), alt.Tooltip("stage:N"), *tips, alt.Tooltip("n:Q")]
    parts = rows().transform_filter("datum.stage != 'total'").encode(y=y)
    total = rows().transform_filter("datum.stage == 'total'").encode(y=y)
    bars = parts.mark_bar(size=16).encode(
        x=alt.X("p50:Q", stack="zero", axis=axis), color=colour, order="order:Q", tooltip=tips
    )
    ticks = total.mark_tick(size=22, thickness=2, color=INK).encode(x="p50:Q", tooltip=tips)
    layers = alt.layer(bars, ticks, *names(y), *numbers(y, "text", "total [ms]", bold=True))
    return spec_of(layers.properties(width=WIDTH, height=alt.Step(STEP)))
