"""The figures that line up the variants.

Every figure has one panel per data set and model, one line per variant in table order, and the
numbers beside the marks.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from cutpoint.files import read_json
from cutpoint.records.ladder import Ladder, Rung, read_ladder
from cutpoint.report.canvas import canvas, panel_title
from cutpoint.report.doubts import OF_DETECTIONS, OF_TIMES, REFUSED, doubts, is_reference, noted, split_notes
from cutpoint.report.tables import read_summary
from cutpoint.report.words import fixed, signed

ELSEWHERE = ("#666666", "x")  # detections that were made elsewhere have no cut
CUTS = {"raw": ("#0072B2", "s"), "decoded": ("#009E73", "D"), "e2e": ("#D55E00", "o")}
STAGES = {
    "decode": "#56B4E9",
    "preprocess": "#0072B2",
    "host_to_device": "#999999",
    "inference": "#E69F00",
    "device_to_host": "#555555",
    "postprocess": "#CC79A7",
}
LINE_IN, PANEL_IN, LEGEND_IN = 0.34, 0.95, 0.45
# A panel whose differences are all below this many AP shows them as small, not blown up.
SMALLEST_AP_RANGE = 0.002
LOSS, GAIN = "#D55E00", "#0072B2"


def plot_ap(*, summary: str, out: str) -> None:
    """Draw each variant's distance to the reference in AP (fraction), or its agreement.

    Args:
        summary: path of summary.csv. Data sets without annotations show agreement instead of AP.
        out: path of the SVG.
    """
    panels = _panels(read_summary(summary))
    handles = [
        Line2D([], [], ls="", marker=marker, color=colour, label=cut)
        for cut, (colour, marker) in CUTS.items()
    ]
    hollow = {"ls": "", "marker": "o", "color": "#444444"}
    handles += [
        Line2D([], [], **hollow, label="filled: ONNX Runtime"),
        Line2D([], [], **hollow, mfc="white", label="hollow: PyTorch"),
    ]
    with _figure(out, [len(rows) for _, rows in panels], handles) as axes:
        for ax, (title, rows) in zip(axes, panels, strict=True):
            if rows["AP"].notna().any():
                xlabel = _delta_panel(ax, rows)
            else:
                title += f" ({REFUSED if _refused(rows).all() else 'no ground truth'})"
                xlabel = _agreement_panel(ax, rows)
            _finish(ax, title, _names(rows, OF_DETECTIONS), xlabel)


def plot_ladder(*, ladders: list[dict[str, str]], out: str) -> None:
    """Draw each ladder as steps in AP (fraction), or in agreement without ground truth.

    Args:
        ladders: ``{dataset, model, path}`` of every ladder JSON.
        out: path of the SVG.
    """
    read = [(entry, read_ladder(entry["path"])) for entry in ladders]
    handles = [Patch(color=LOSS, label="loss"), Patch(color=GAIN, label="gain")]
    handles.append(Line2D([], [], color="#222222", marker="|", label="95 % interval of the step"))
    with _figure(out, [len(ladder.rungs) for _, ladder in read], handles) as axes:
        for ax, (entry, ladder) in zip(axes, read, strict=True):
            title, rungs = panel_title(entry["dataset"], entry["model"]), ladder.rungs
            if ladder.published_ap is not None:
                title += f" (published AP {ladder.published_ap:.4f})"
            if any(rung.AP is not None for rung in rungs):
                xlabel = _steps_panel(ax, ladder)
            else:
                refused = all(rung.refused for rung in rungs)
                title += f" ({REFUSED if refused else 'no ground truth'})"
                xlabel = _matches_panel(ax, ladder)
            names = [_rung_name(rung, rung.variant == ladder.reference) for rung in rungs]
            _finish(ax, title, names, xlabel)


def plot_latency(*, summary: str, out: str) -> None:
    """Draw each variant's median latency with a whisker to the 99th percentile, in ms.

    Args:
        summary: path of summary.csv.
        out: path of the SVG.
    """
    table = read_summary(summary)
    panels = _panels(table[table["latency_p50_ms"].notna()])
    handles = [Patch(color=colour, label=cut) for cut, (colour, _) in CUTS.items()]
    handles.append(Patch(fc="white", ec="#444444", hatch="////", label="hatched: PyTorch"))
    handles.append(Line2D([], [], color="#222222", marker="|", label="to p99"))
    with _figure(out, [len(rows) for _, rows in panels], handles) as axes:
        for ax, (title, rows) in zip(axes, panels, strict=True):
            for y, row in enumerate(rows.itertuples()):
                p50, p99 = row.latency_p50_ms, row.latency_p99_ms
                colour, torch = CUTS[row.cut][0], row.runtime == "pytorch"
                face = {"fc": "white", "hatch": "////"} if torch else {"fc": colour}
                ax.barh(y, p50, height=0.58, ec=colour, lw=1, **face)
                ax.plot([p50, p99], [y, y], color="#222222", lw=1.2)
                ax.plot([p99], [y], marker="|", ms=8, color="#222222")
            ax.set_xlim(0, rows["latency_p99_ms"].max() * 1.04)
            p50s, p99s = rows["latency_p50_ms"], rows["latency_p99_ms"]
            _column(ax, 46, "p50 [ms]", map(fixed(2), p50s), bold=True)
            _column(ax, 96, "p99 [ms]", map(fixed(2), p99s))
            _finish(ax, title, _names(rows, OF_TIMES), "latency, file to detections [ms]")


def plot_stages(*, rows: list[dict[str, Any]], out: str) -> None:
    """Draw where each variant's time goes: the median of each stage, stacked, in ms.

    Args:
        rows: one dict per variant, in table order: ``dataset, model, variant`` and ``latency``,
            the path of its latency JSON.
        out: path of the SVG.
    """
    panels: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        panels.setdefault(panel_title(row["dataset"], row["model"]), []).append(row)
    timed = {id(row): read_json(row["latency"]) for row in rows}
    used = [name for name in STAGES if any(name in t["stages"] for t in timed.values())]
    handles = [Patch(color=STAGES[name], label=name.replace("_", " ")) for name in used]
    handles.append(Line2D([], [], ls="", marker="|", ms=9, mew=1.8, color="#111111"))
    handles[-1].set_label("p50 of the total")
    with _figure(out, [len(group) for group in panels.values()], handles) as axes:
        for ax, (title, group) in zip(axes, panels.items(), strict=True):
            names, totals = [], []
            for y, row in enumerate(group):
                latency, left = timed[id(row)], 0.0
                for stage in used:
                    p50 = latency["stages"].get(stage, {"p50": 0})["p50"]
                    ax.barh(y, p50, left=left, height=0.58, fc=STAGES[stage], ec="white", lw=0.5)
                    left += p50
                totals.append(latency["stages"]["total"]["p50"])
                ax.plot([totals[-1]], [y], marker="|", ms=15, mew=1.8, color="#111111")
                names.append(_doubted(row["variant"], doubts(latency["notes"], OF_TIMES)))
            ax.set_xlim(0)
            _column(ax, 46, "total [ms]", map(fixed(2), totals), bold=True)
            _finish(ax, title, names, "median of each stage [ms]")


def _delta_panel(ax: Axes, rows: pd.DataFrame) -> str:
    deltas = _placed(rows, "delta_AP", 0.0)
    lows, highs = (rows[f"delta_AP_{end}"].astype(float).fillna(deltas) for end in ("lo", "hi"))
    ax.axvline(0, color="#444444", lw=1)
    for y, (delta, low, high) in enumerate(zip(deltas, lows, highs, strict=True)):
        ax.plot([0, delta], [y, y], color="#bbbbbb", lw=1.2, zorder=1)
        ax.plot([low, high], [y, y], color="#222222", lw=1.2, marker="|", ms=7, zorder=2)
    _dots(ax, rows, deltas)
    _ap_limits(ax, [*lows.dropna(), *highs.dropna()])
    _column(ax, 46, "AP", map(fixed(4), rows["AP"]), bold=True)
    _column(ax, 96, "delta AP", map(signed, rows["delta_AP"]))
    return "AP of the variant - AP of the reference (fraction), 95 % interval"


def _rung_name(rung: Rung, reference: bool) -> str:
    """The variant, and below what changed: the step where it is one of the recipe."""
    changes = rung.recipe_steps if len(rung.recipe_steps) == 1 else rung.changes
    refused = [REFUSED] if rung.refused else []
    return "\n".join([rung.variant + " (reference)" * reference, *changes, *refused])


def _ap_limits(ax: Axes, values: list[float]) -> None:
    low, high = min([*values, -SMALLEST_AP_RANGE]), max([*values, SMALLEST_AP_RANGE])
    margin = 0.04 * (high - low)
    ax.set_xlim(low - margin, high + margin)
    ax.xaxis.set_major_locator(MaxNLocator(6))


def _steps_panel(ax: Axes, ladder: Ladder) -> str:
    """Bars that hang on each other: from the AP of the rung before to that of this one."""
    total, reached = 0.0, [0.0]
    ax.axvline(0, color="#444444", lw=1)
    for y, rung in enumerate(ladder.rungs):
        step, interval = rung.delta_to_previous or 0.0, rung.delta_to_previous_ci95
        limits = [total + limit for limit in interval or ()]
        ax.plot([total, total], [y - 1, y], color="#bbbbbb", lw=1, zorder=1) if y else None
        ax.barh(y, step, left=total, height=0.5, fc=LOSS if step < 0 else GAIN, zorder=2)
        if limits:
            ax.plot(limits, [y, y], color="#222222", lw=1.2, marker="|", ms=7, zorder=3)
        total += step
        reached += [total, *limits]
    _ap_limits(ax, reached)
    _column(ax, 46, "step", [signed(rung.delta_to_previous) for rung in ladder.rungs], bold=True)
    _column(ax, 96, "AP", [fixed(4)(rung.AP) for rung in ladder.rungs])
    return "AP of the rung - AP of the first (fraction)"


def _matches_panel(ax: Axes, ladder: Ladder) -> str:
    """Without ground truth: what fraction of the detections each step keeps."""
    values = [rung.agreement_to_previous for rung in ladder.rungs]
    ax.axvline(1, color="#444444", lw=1)
    for y, value in enumerate(values):
        if value is not None:
            ax.barh(y, value - 1, left=1, height=0.5, fc=LOSS, zorder=2)
    span = max(1 - min(value for value in [1.0, *values] if value is not None), 0.005)
    ax.set_xlim(1 - 1.15 * span, 1 + 0.1 * span)
    _column(ax, 96, "agreement", [fixed(4)(value) for value in values], bold=True)
    return "agreement with the rung before (1 = all matched)"


def _agreement_panel(ax: Axes, rows: pd.DataFrame) -> str:
    values = _placed(rows, "agreement", 1.0)
    ax.axvline(1, color="#444444", lw=1)
    for y, value in enumerate(values):
        ax.plot([1, value], [y, y], color="#bbbbbb", lw=1.2, zorder=1)
    _dots(ax, rows, values)
    span = max(1 - values.min(skipna=True), 0.005) if values.notna().any() else 0.005
    ax.set_xlim(1 - 1.15 * span, 1 + 0.1 * span)
    _column(ax, 96, "agreement", map(fixed(4), rows["agreement"]), bold=True)
    return "agreement with the reference's detections (1 = all matched)"


def _placed(rows: pd.DataFrame, column: str, reference: float) -> pd.Series:
    """Where each variant stands; the reference by definition, and NaN, drawn by nothing, what is refused."""
    return rows[column].astype(float).mask(is_reference(rows) & ~_refused(rows), reference)


def _refused(rows: pd.DataFrame) -> pd.Series:
    return noted(rows, f"{REFUSED}: ")


def _dots(ax: Axes, rows: pd.DataFrame, values: pd.Series) -> None:
    for y, (value, cut, runtime) in enumerate(zip(values, rows["cut"], rows["runtime"], strict=True)):
        colour, marker = CUTS.get(cut, ELSEWHERE)
        face = "white" if runtime == "pytorch" else colour
        ax.plot([value], [y], marker=marker, ms=7, mew=1.6, mec=colour, mfc=face, ls="", zorder=3)


def _panels(summary: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    groups = summary.groupby(["dataset", "model"], sort=False)
    return [(panel_title(*key), rows) for key, rows in groups]


def _names(rows: pd.DataFrame, about: tuple[str, ...]) -> list[str]:
    """Variant names; below, what makes the numbers doubtful, see ``doubts.doubts``."""
    return [
        _doubted(name + " (reference)" * reference, doubts(split_notes(notes), about))
        for name, reference, notes in zip(rows["variant"], is_reference(rows), rows["notes"], strict=True)
    ]


def _doubted(name: str, found: list[str]) -> str:
    return "\n".join([name, ", ".join(found)]) if found else name


def _column(ax: Axes, right_pt: int, head: str, texts: Iterable[str], bold: bool = False) -> None:
    """Write a column of numbers that ends ``right_pt`` points right of the panel."""
    place = {"xytext": (right_pt, 0), "textcoords": "offset points", "ha": "right"}
    ax.annotate(head, (1, 1.02), xycoords="axes fraction", va="bottom", fontsize=8, **place)
    for y, text in enumerate(texts):
        where = {"xycoords": ax.get_yaxis_transform(), "weight": "bold" if bold else "normal"}
        ax.annotate(text, (1, y), va="center", **where, **place)


def _finish(ax: Axes, title: str, names: list[str], xlabel: str) -> None:
    ax.set_yticks(range(len(names)), names)
    for tick, name in zip(ax.get_yticklabels(), names, strict=True):
        tick.set_fontweight("bold" if "(reference)" in name else "normal")
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_title(title)
    ax.set_xlabel(xlabel)


@contextmanager
def _figure(out: str, lines: list[int], handles: list[Any]) -> Iterator[list[Axes]]:
    """Yield one axes per panel, sized for its number of lines; save the figure as SVG."""
    heights = [PANEL_IN + LINE_IN * count for count in lines]
    with canvas(out, sum(heights) + LEGEND_IN) as figure:
        axes = figure.subplots(len(lines), height_ratios=heights, squeeze=False)[:, 0] if lines else []
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), frameon=False)
        figure.get_layout_engine().set(w_pad=0.06, h_pad=0.1)
        yield list(axes)
