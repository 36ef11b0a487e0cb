"""The distribution of each stage's time."""

from typing import Any

import altair as alt

from cutpoint.records.latency import IN_ORDER, Latency
from cutpoint.records.summary import OF_TIMES, SummaryRow
from cutpoint.report.charts.figure import Figure
from cutpoint.report.charts.lines import STEP, describe, names
from cutpoint.report.charts.stages import STAGES
from cutpoint.report.charts.theme import rows, spec_of
from cutpoint.report.group import Group

CAPTION = (
    "The time of each stage (ms): the median as a dot, a thick line up to the 90th percentile and a thin one "
    "up to the 99th. Each stage has its own scale. Under a name: why its number is doubtful."
)
ACROSS_PX = 380


def build(group: Group) -> Figure | None:
    """The figure; null if nothing was timed."""
    timed = [(row, group.latencies[row.variant]) for row in group.rows if row.variant in group.latencies]
    data = [line for row, latency in timed for line in _rows(row, latency)]
    pick = ("variant",)
    return (
        Figure("stage_times", "Percentiles of the stages", CAPTION, data, _spec(data), pick) if data else None
    )


def _rows(row: SummaryRow, latency: Latency) -> list[dict[str, Any]]:
    return [
        {"variant": row.variant}
        | (describe(row, OF_TIMES) if number == 0 else {})
        | {"stage": name, "p50": stage.p50, "p90": stage.p90, "p95": stage.p95, "p99": stage.p99}
        | {"mean": stage.mean, "n": stage.n}
        for number, (name, stage) in enumerate(latency.stages.in_order().items())
    ]


def _spec(data: list[dict[str, Any]]) -> dict[str, Any]:
    y = alt.Y("variant:N", sort=list(dict.fromkeys(row["variant"] for row in data)), axis=None)
    used = [name for name in IN_ORDER if any(row["stage"] == name for row in data)]
    tips = [alt.Tooltip(f"{name}:Q", format=".2f") for name in ("p50", "p90", "p95", "p99", "mean")]
    tips = [alt.Tooltip("variant:N"), alt.Tooltip("stage:N"), *tips, alt.Tooltip("n:Q")]
    panels = []
    for number, name in enumerate(used):
        own = rows().transform_filter(f"datum.stage == '{name}'").encode(y=y)
        colour = alt.value(STAGES[name])
        axis = alt.Axis(title="ms", tickCount=2, labelFontSize=10)
        x = alt.X("p50:Q", axis=axis, scale=alt.Scale(zero=True))
        layers = [
            own.mark_rule(strokeWidth=1.5).encode(x=x, x2="p99:Q", color=colour),
            own.mark_rule(strokeWidth=5).encode(x=alt.X("p50:Q"), x2="p90:Q", color=colour),
            own.mark_point(filled=True, size=55, opacity=1).encode(
                x=alt.X("p50:Q"), color=colour, tooltip=tips
            ),
            *(names(y) if number == 0 else []),
        ]
        title = alt.Title(name.replace("_", " "), fontSize=11, fontWeight="normal", frame="group")
        panel = alt.layer(*layers).properties(
            title=title, width=ACROSS_PX // len(used), height=alt.Step(STEP)
        )
        panels.append(panel)
    return spec_of(alt.hconcat(*panels, spacing=14))
