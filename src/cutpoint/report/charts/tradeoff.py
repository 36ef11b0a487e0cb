"""Accuracy against latency: what each variant costs in AP, or in agreement, and how fast it is."""

import math
from typing import Any, Literal

import altair as alt

from cutpoint.records.summary import OF_DETECTIONS, OF_TIMES, SummaryRow
from cutpoint.report.charts.figure import Figure
from cutpoint.report.charts.labels import SIDES, Box, sides
from cutpoint.report.charts.theme import CUTS, GRID, OPACITY, rows
from cutpoint.report.group import Group
from cutpoint.summary.flags import doubts
from cutpoint.summary.words import join

# The size of the plot, px: three stand beside each other on a page of 1280 px.
SIZE = (300, 140)
# The axis of the latency is logarithmic if the slowest variant takes this many times as long as the fastest.
WIDE = 4.0
# The smallest range of the difference in AP that is shown, a fraction: less would enlarge rounding.
LEAST = 0.004
CAPTION = "95 % intervals both ways; up and to the left is better.{hollow}"


def build(group: Group) -> Figure | None:
    """The figure; null with fewer than two timed variants."""
    data = [row for row in (_row(row, group) for row in group.rows) if row is not None]
    if len(data) < 2:
        return None
    domains = _domain_x(data), _domain_y(data, group.labelled)
    _place(data, *domains)
    title = "AP against latency" if group.labelled else "Agreement against latency"
    caption = CAPTION.format(hollow=_hollow(data))
    return Figure("tradeoff", title, caption, data, _spec(data, group.labelled, *domains), ("variant",))


def _row(row: SummaryRow, group: Group) -> dict[str, Any] | None:
    value = row.delta_AP if group.labelled else row.agreement
    if row.is_reference:
        value = 0.0 if group.labelled else 1.0
    if row.refused or value is None or row.latency_p50_ms is None:
        return None
    latency = group.latencies.get(row.variant)
    low, high = (latency and latency.stages.total.p50_ci95) or (None, None)
    doubt = ", ".join(doubts(row, OF_TIMES))
    advice = group.recommendation
    chosen = bool(advice and advice.choice and advice.choice.variant == row.variant)
    return {
        "variant": row.variant,
        "cut": row.cut or "results file",
        "p50_ms": row.latency_p50_ms,
        "p50_low": low,
        "p50_high": high,
        "value": value,
        "low": row.delta_AP_lo if group.labelled else None,
        "high": row.delta_AP_hi if group.labelled else None,
        "recommended": chosen and advice is not None and advice.kind == "use",
        "time_doubt": doubt,
        "doubt": ", ".join(doubts(row, OF_DETECTIONS)),
    }


def _hollow(data: list[dict[str, Any]]) -> str:
    """Which times are doubtful and why."""
    alike: dict[str, list[str]] = {}
    for row in data:
        for word in filter(None, row["time_doubt"].split(", ")):
            alike.setdefault(word, []).append(row["variant"])
    texts = [f"{word} ({'all' if len(names) == len(data) else join(names)})" for word, names in alike.items()]
    return f" Hollow: a doubtful time: {', '.join(texts)}." if texts else ""


def _times(data: list[dict[str, Any]]) -> list[float]:
    return [row[key] for row in data for key in ("p50_low", "p50_ms", "p50_high") if row[key] is not None]


def _is_wide(data: list[dict[str, Any]]) -> bool:
    return max(_times(data)) > WIDE * min(_times(data))


def _domain_x(data: list[dict[str, Any]]) -> tuple[float, float]:
    low, high = min(_times(data)), max(_times(data))
    if _is_wide(data):
        return low / 1.3, high * 1.3
    margin = 0.12 * (high - low) or 0.1 * high
    return max(0.0, low - margin), high + margin


def _domain_y(data: list[dict[str, Any]], labelled: bool) -> tuple[float, float]:
    ends = [row[key] for row in data for key in ("low", "value", "high") if row[key] is not None]
    low, high = min(ends), max(ends)
    spread = max(high - low, LEAST if labelled else 0.02)
    middle = (low + high) / 2
    return middle - 0.7 * spread, middle + 0.7 * spread


def _place(data: list[dict[str, Any]], across: tuple[float, float], up: tuple[float, float]) -> None:
    """Give each row the side of its label; the recommended variant chooses first, and then the fastest."""
    scale = math.log if _is_wide(data) else float
    left, right = (scale(end) for end in across)

    def at(milliseconds: float, value: float) -> tuple[float, float]:
        x = (scale(milliseconds) - left) / (right - left)
        return SIZE[0] * x, SIZE[1] * (up[1] - value) / (up[1] - up[0])

    lines: list[Box] = []
    for row in data:
        if row["p50_low"] is not None:
            lines.append((*at(row["p50_low"], row["value"]), *at(row["p50_high"], row["value"])))
        if row["low"] is not None:
            lines.append((*at(row["p50_ms"], row["high"]), *at(row["p50_ms"], row["low"])))
    order = sorted(data, key=lambda row: (not row["recommended"], row["p50_ms"]))
    points = [at(row["p50_ms"], row["value"]) for row in order]
    placed = sides(points, [row["variant"] for row in order], SIZE, lines)
    for row, side in zip(order, placed, strict=True):
        row["label"] = side or ""


def _spec(
    data: list[dict[str, Any]], labelled: bool, across: tuple[float, float], up: tuple[float, float]
) -> dict[str, Any]:
    kind: Literal["log", "linear"] = "log" if _is_wide(data) else "linear"
    used = [cut for cut in CUTS if any(row["cut"] == cut for row in data)]
    x_axis = alt.Axis(
        title=f"median latency, file to detections [ms{', log' * (kind == 'log')}]", tickCount=5, grid=False
    )
    y_axis = alt.Axis(title="ΔAP (fraction)" if labelled else "agreement", tickCount=4, format="~g")
    x_scale = alt.Scale(type=kind, domain=list(across), nice=False)
    y_scale = alt.Scale(domain=list(up), nice=False, zero=False)
    x = alt.X("p50_ms:Q", axis=x_axis, scale=x_scale)
    y = alt.Y("value:Q", axis=y_axis, scale=y_scale)
    legend = alt.Legend(title=None, orient="top", symbolSize=50) if len(used) > 1 else None
    colour = alt.Color(
        "cut:N", scale=alt.Scale(domain=used, range=[CUTS[cut] for cut in used]), legend=legend
    )
    tips = [
        alt.Tooltip(name) for name in ("variant:N", "p50_ms:Q", "p50_low:Q", "p50_high:Q", "time_doubt:N")
    ]
    tips += [alt.Tooltip(name) for name in ("value:Q", "low:Q", "high:Q", "doubt:N")]
    base = rows().encode(x=x, y=y)
    level = rows().mark_rule(color=GRID, strokeDash=[4, 3]).encode(y=alt.datum(0.0 if labelled else 1.0))
    wide = base.mark_rule(strokeWidth=1.5).encode(
        x=alt.X("p50_low:Q", axis=x_axis, scale=x_scale), x2="p50_high:Q", color=colour
    )
    high = base.mark_rule(strokeWidth=1.5).encode(
        y=alt.Y("low:Q", axis=y_axis, scale=y_scale), y2="high:Q", color=colour
    )
    marks: dict[str, Any] = {"size": 60, "opacity": 1, "strokeWidth": 1.5}
    full = base.mark_point(filled=True, **marks).encode(color=colour, tooltip=tips)
    hollow = base.mark_point(filled=False, fill="transparent", **marks).encode(color=colour, tooltip=tips)
    drawn = [
        level,
        wide,
        high,
        full.transform_filter("datum.time_doubt === ''"),
        hollow.transform_filter("datum.time_doubt !== ''"),
    ]
    for side, placed in SIDES.items():
        for chosen in (True, False):
            text = base.mark_text(fontSize=10, fontWeight="bold" if chosen else "normal", **placed)
            drawn.append(
                text.encode(text="variant:N").transform_filter(
                    f"datum.label === '{side}' && {'' if chosen else '!'}datum.recommended"
                )
            )
    layers = alt.layer(*drawn).properties(width=SIZE[0], height=SIZE[1])
    spec: dict[str, Any] = layers.to_dict(validate=False)
    for layer in spec["layer"][1:]:
        layer["encoding"]["opacity"] = OPACITY
    return spec
