"""Latency of each variant from the image file to the detections, with the samples behind it."""

from typing import Any

import altair as alt
import numpy as np

from cutpoint.records.latency import Latency
from cutpoint.records.summary import OF_TIMES, SummaryRow
from cutpoint.report.charts.figure import Figure
from cutpoint.report.charts.lines import STEP, cut_colour, describe, names, numbers
from cutpoint.report.charts.theme import INK, WIDTH, rows, spec_of
from cutpoint.report.group import Group
from cutpoint.summary.words import fixed

CAPTION = (
    "Latency from the image file to the detections (ms). Dot: the median. Thin line: its 95 % interval. "
    "Coloured line: up to the 99th percentile. Under a name: why its number is doubtful."
)
SAMPLES = (
    " Thin ticks: {} quantiles of a variant's samples at equal steps, or all of them if there are fewer."
)
# all variants together have about as many ticks as a page can carry
MOST_TICKS, MOST_A_VARIANT = 1200, 100
# where the slowest takes longer by more than this, times are drawn on a logarithmic scale
FACTOR = 20


def build(group: Group) -> Figure | None:
    """The figure; null if nothing was timed."""
    data = [_row(row, group.latencies[row.variant]) for row in group.rows if row.variant in group.latencies]
    if not data:
        return None
    spec = _spec(data)
    count = max(min(MOST_A_VARIANT, MOST_TICKS // len(data)), 10)
    ticks = [
        {"variant": row["variant"], "cut": row["cut"], "sample": value}
        for row in data
        for value in thin(group.samples.get(row["variant"], np.empty(0)), count)
    ]
    caption = CAPTION + (SAMPLES.format(count) if ticks else "")
    return Figure("latency", "Latency", caption, data + ticks, spec, ("variant",))


def time_scale(rows: list[dict[str, Any]]) -> alt.Scale:
    """A scale from 0, or a logarithmic one if the fastest could not be told apart on it."""
    spans = [(row["p50"], row["p99"]) for row in rows]
    apart = max(high for _, high in spans) > FACTOR * min(low for low, _ in spans) > 0
    return alt.Scale(type="log", nice=False) if apart else alt.Scale(zero=True)


def thin(samples: np.ndarray, count: int) -> list[float]:
    """At most ``count`` quantiles of samples (n,), ms, in the middle of as many equal steps; ascending."""
    if len(samples) <= count:
        return [round(float(value), 3) for value in np.sort(samples)]
    return [round(float(value), 3) for value in np.quantile(samples, (np.arange(count) + 0.5) / count)]


def _row(row: SummaryRow, latency: Latency) -> dict[str, Any]:
    total = latency.stages.total
    low, high = total.p50_ci95 or (None, None)
    return describe(row, OF_TIMES) | {
        "p50": total.p50,
        "low": low,
        "high": high,
        "p90": total.p90,
        "p95": total.p95,
        "p99": total.p99,
        "n": total.n,
        "p50_text": fixed(2)(total.p50),
        "p99_text": fixed(2)(total.p99),
    }


def _spec(data: list[dict[str, Any]]) -> dict[str, Any]:
    y = alt.Y("variant:N", sort=[row["variant"] for row in data], axis=None)
    scale = time_scale(data)
    title = "latency [ms]" + (", logarithmic" if scale.to_dict().get("type") == "log" else "")
    x = alt.X("p50:Q", axis=alt.Axis(title=title), scale=scale)
    tips = [alt.Tooltip(f"{name}:Q", format=".2f") for name in ("p50", "low", "high", "p90", "p95", "p99")]
    tips = [alt.Tooltip("variant:N"), *tips, alt.Tooltip("n:Q"), alt.Tooltip("doubt:N")]
    colour = cut_colour({row["cut"] for row in data})
    base = rows().transform_filter("datum.n > 0").encode(y=y)
    ticks = rows().transform_filter("datum.sample > 0").mark_tick(size=16, thickness=1, fillOpacity=0.35)
    spread = base.mark_rule(strokeWidth=2.5).encode(x=x, x2="p99:Q", color=colour)
    end = base.mark_tick(size=12, thickness=2.5).encode(x=alt.X("p99:Q"), color=colour)
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(x=x, color=colour, tooltip=tips)
    interval = base.mark_rule(strokeWidth=1.5, color=INK).encode(x=alt.X("low:Q"), x2="high:Q")
    columns = numbers(y, "p50_text", "p50 [ms]", bold=True) + numbers(y, "p99_text", "p99 [ms]", right=104)
    layers = alt.layer(
        ticks.encode(x=alt.X("sample:Q"), y=y, color=colour), spread, end, dots, interval, *names(y), *columns
    )
    return spec_of(layers.properties(width=WIDTH, height=alt.Step(STEP)))
