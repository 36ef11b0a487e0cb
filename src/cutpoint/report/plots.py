"""The figures with one line per variant.

Every figure has one panel per data set and model, one line per variant in the order of the table, and the
numbers next to the marks.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from cutpoint.records.ladder import Ladder, Rung, read_ladder
from cutpoint.records.latency import IN_ORDER, Latency, read_latency
from cutpoint.records.summary import OF_TIMES, SummaryRow, by_evaluation, read_summary
from cutpoint.report.canvas import canvas, panel_title
from cutpoint.summary.flags import REFUSED, doubts, latency_doubts
from cutpoint.summary.words import fixed, signed

ELSEWHERE = ("#666666", "x")  # a results file has no cut
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
# If all differences of a panel are below this AP, the scale is not enlarged further.
SMALLEST_AP_RANGE = 0.002
LOSS, GAIN = "#D55E00", "#0072B2"
Rows = Sequence[SummaryRow]


def plot_ladder(*, ladders: list[dict[str, str]], out: str) -> None:
    """Draw each ladder as steps in AP (fraction), or in agreement without ground truth.

    Args:
        ladders: ``{dataset, model, path}`` of every ladder JSON.
        out: path of the SVG.
    """
    read = [(entry, read_ladder(entry["path"])) for entry in ladders]
    handles: list[Artist] = [Patch(color=LOSS, label="loss"), Patch(color=GAIN, label="gain")]
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
    table = [row for row in read_summary(summary) if row.latency_p50_ms is not None]
    panels = _panels(table)
    handles: list[Artist] = [Patch(color=CUTS[cut][0], label=cut) for cut in _cuts(table)]
    if _has_pytorch(table):
        handles.append(Patch(fc="white", ec="#444444", hatch="////", label="hatched: PyTorch"))
    handles.append(Line2D([], [], color="#222222", marker="|", label="to p99"))
    with _figure(out, [len(rows) for _, rows in panels], handles) as axes:
        for ax, (title, rows) in zip(axes, panels, strict=True):
            p50s = [row.latency_p50_ms or 0.0 for row in rows]
            p99s = [row.latency_p99_ms or 0.0 for row in rows]
            for y, (row, p50, p99) in enumerate(zip(rows, p50s, p99s, strict=True)):
                colour, torch = CUTS[row.cut or ""][0], row.runtime == "pytorch"
                face: dict[str, Any] = {"fc": "white", "hatch": "////"} if torch else {"fc": colour}
                ax.barh(y, p50, height=0.58, ec=colour, lw=1, **face)
                ax.plot([p50, p99], [y, y], color="#222222", lw=1.2)
                ax.plot([p99], [y], marker="|", ms=8, color="#222222")
            ax.set_xlim(0, max(p99s) * 1.04)
            _column(ax, 46, "p50 [ms]", map(fixed(2), p50s), bold=True)
            _column(ax, 96, "p99 [ms]", map(fixed(2), p99s))
            _finish(ax, title, _names(rows, OF_TIMES), "latency, file to detections [ms]")


def plot_stages(*, rows: list[dict[str, Any]], out: str) -> None:
    """Draw the median of each stage of every variant, stacked, in ms.

    Args:
        rows: one dict per variant, in table order: ``dataset, model, variant`` and ``latency``,
            the path of its latency JSON.
        out: path of the SVG.
    """
    panels: dict[str, list[Latency]] = {}
    for row in rows:
        title = panel_title(row["dataset"], row["model"])
        panels.setdefault(title, []).append(read_latency(row["latency"]))
    had = {name for group in panels.values() for latency in group for name in latency.stages.in_order()}
    used = [name for name in IN_ORDER if name in had]
    handles: list[Artist] = [Patch(color=STAGES[name], label=name.replace("_", " ")) for name in used]
    handles.append(Line2D([], [], ls="", marker="|", ms=9, mew=1.8, color="#111111"))
    handles[-1].set_label("p50 of the total")
    with _figure(out, [len(group) for group in panels.values()], handles) as axes:
        for ax, (title, group) in zip(axes, panels.items(), strict=True):
            for y, latency in enumerate(group):
                left = 0.0
                for name, stage in latency.stages.in_order().items():
                    ax.barh(y, stage.p50, left=left, height=0.58, fc=STAGES[name], ec="white", lw=0.5)
                    left += stage.p50
                ax.plot([latency.stages.total.p50], [y], marker="|", ms=15, mew=1.8, color="#111111")
            ax.set_xlim(0)
            totals = [latency.stages.total.p50 for latency in group]
            _column(ax, 46, "total [ms]", map(fixed(2), totals), bold=True)
            names = [_doubted(latency.variant, latency_doubts(latency)) for latency in group]
            _finish(ax, title, names, "median of each stage [ms]")


def _rung_name(rung: Rung, reference: bool) -> str:
    """The variant, and below it the change: for a recipe, the step."""
    changes = rung.recipe_steps if len(rung.recipe_steps) == 1 else rung.changes
    refused = [REFUSED] if rung.refused else []
    return "\n".join([rung.variant + " (reference)" * reference, *changes, *refused])


def _ap_limits(ax: Axes, values: list[float]) -> None:
    low, high = min([*values, -SMALLEST_AP_RANGE]), max([*values, SMALLEST_AP_RANGE])
    margin = 0.04 * (high - low)
    ax.set_xlim(low - margin, high + margin)
    ax.xaxis.set_major_locator(MaxNLocator(6))


def _steps_panel(ax: Axes, ladder: Ladder) -> str:
    """Connected bars: from the AP of the rung before to the AP of this rung."""
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
    """Without ground truth: the fraction of the detections that each step keeps."""
    values = [rung.agreement_to_previous for rung in ladder.rungs]
    ax.axvline(1, color="#444444", lw=1)
    for y, value in enumerate(values):
        if value is not None:
            ax.barh(y, value - 1, left=1, height=0.5, fc=LOSS, zorder=2)
    span = max(1 - min(value for value in [1.0, *values] if value is not None), 0.005)
    ax.set_xlim(1 - 1.15 * span, 1 + 0.1 * span)
    _column(ax, 96, "agreement", [fixed(4)(value) for value in values], bold=True)
    return "agreement with the rung before (1 = all matched)"


def _cuts(rows: Rows) -> list[str]:
    """The cuts that are drawn, in the order of the legend."""
    used = {row.cut for row in rows}
    return [cut for cut in CUTS if cut in used]


def _has_pytorch(rows: Rows) -> bool:
    return any(row.runtime == "pytorch" for row in rows)


def _panels(summary: Iterable[SummaryRow]) -> list[tuple[str, list[SummaryRow]]]:
    return [(panel_title(rows[0].dataset, rows[0].model), rows) for rows in by_evaluation(summary)]


def _names(rows: Rows, about: tuple[str, ...]) -> list[str]:
    """Variant names, and below them why the numbers are doubtful, see ``flags.doubts``."""
    return [_doubted(row.variant + " (reference)" * row.is_reference, doubts(row, about)) for row in rows]


def _doubted(name: str, found: list[str]) -> str:
    return "\n".join([name, ", ".join(found)]) if found else name


def _column(ax: Axes, right_pt: int, head: str, texts: Iterable[str], bold: bool = False) -> None:
    """Write a column of numbers that ends ``right_pt`` points right of the panel."""
    place: dict[str, Any] = {"xytext": (right_pt, 0), "textcoords": "offset points", "ha": "right"}
    ax.annotate(head, (1, 1.02), xycoords="axes fraction", va="bottom", fontsize=8, **place)
    for y, text in enumerate(texts):
        where: dict[str, Any] = {"xycoords": ax.get_yaxis_transform(), "weight": "bold" if bold else "normal"}
        ax.annotate(text, (1, y), va="center", **where, **place)


def _finish(ax: Axes, title: str, names: list[str], xlabel: str) -> None:
    ax.set_yticks(range(len(names)), names)
    for tick, name in zip(ax.get_yticklabels(), names, strict=True):
        tick.set_fontweight("bold" if "(reference)" in name else "normal")
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_title(title)
    ax.set_xlabel(xlabel)


@contextmanager
def _figure(out: str, lines: list[int], handles: Sequence[Artist]) -> Iterator[list[Axes]]:
    """Yield one axes per panel, sized for its number of lines; save the figure as SVG."""
    heights = [PANEL_IN + LINE_IN * count for count in lines]
    with canvas(out, sum(heights) + LEGEND_IN) as figure:
        grid = figure.subplots(len(lines), height_ratios=heights, squeeze=False) if lines else None
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), frameon=False)
        figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.1)
        yield [] if grid is None else list(grid[:, 0])
