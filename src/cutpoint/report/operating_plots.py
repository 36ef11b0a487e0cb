"""Figures of the variants at every score threshold, and of the calibration of their scores.

Variants that look the same in both figures share one line with all their names. The reference's line is
black.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

from cutpoint.records.operating_points import OperatingPoints, Point, read_operating_points
from cutpoint.report.canvas import canvas, panel_title

REFERENCE = {"color": "#111111", "lw": 2.4, "ls": "-", "zorder": 2}
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)))
# curves that are closer than this everywhere, row by row, share a line: about a pixel of the picture
SAME_POINTS, SAME_SCORES = (0.01, 0.01, 0.01, 0.01), (0.01, 0.01, 0.002)
# a fraction or a mean of fewer boxes is not drawn
LEAST_BOXES = 10
# a line that drifts more leaves the panel, so that the others can be read
MOST_DRIFT = 0.1
AXES_IN, LINE_IN, GROUP_IN = 1.9, 0.17, 0.5
LEGEND_COLUMNS, LABEL_CHARS = 2, 52
SCORES = ("mean_score", "correct", "drift")
POINTS = {"precision": "precision", "recall": "recall", "f1": "F1", "boxes_per_image": "boxes per image"}


@dataclass(frozen=True)
class Group:
    """The variants of one data set and model.

    Args:
        title: the panel's title.
        reference: the reference's name.
        measured: the operating points of each variant.
        points: ``(4, T)`` per variant, the columns of ``POINTS``; T is 0 without ground truth.
        scores: ``(3, 10)`` per variant: mean score, fraction that is correct, drift; NaN with too few boxes.
            The reference's drift is 0.
    """

    title: str
    reference: str
    measured: dict[str, OperatingPoints]
    points: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]

    @property
    def lines(self) -> list[tuple[list[str], dict[str, Any]]]:
        """Names that share a line, and its style; the reference's first."""
        most = np.nanmax(self.points[self.reference][3:], initial=0) or 1
        curves = {
            name: (self.points[name] / [[1], [1], [1], [most]], self.scores[name]) for name in self.measured
        }
        named = merge(curves, self.reference, (SAME_POINTS, SAME_SCORES))
        styles = ({"color": c, "ls": ls, "lw": 1.5, "zorder": 3} for ls, c in cycle(product(DASHES, COLOURS)))
        return list(zip(named, [REFERENCE, *(next(styles) for _ in named[1:])], strict=True))


def merge(
    curves: Mapping[str, tuple[np.ndarray, ...]], reference: str, same: tuple[tuple[float, ...], ...]
) -> list[list[str]]:
    """Groups of names whose curves stay close to those of the first name, wherever both have values.

    Args:
        curves: arrays of rows, with the same shapes for all names.
        reference: the name that comes first.
        same: for each array, how far apart each of its rows may be.
    """
    merged: list[list[str]] = []
    for name in sorted(curves, key=lambda name: name != reference):
        for names in merged:
            pairs = zip(curves[names[0]], curves[name], same, strict=True)
            if not any((np.abs(a - b) > np.array(limits)[:, None]).any() for a, b, limits in pairs):
                names.append(name)
                break
        else:
            merged.append([name])
    return merged


def plot_operating_points(*, points: list[dict[str, str]], out: str) -> None:
    """Draw precision, recall, F1 and boxes per image over the score threshold.

    Args:
        points: ``{dataset, model, variant, reference, path}`` of every operating-points JSON;
            ``reference`` is the name of the evaluation's reference. Evaluations without ground truth are left
            out, and so are refused variants; if the reference is refused, the whole evaluation.
        out: path of the SVG.
    """
    groups = [group for group in _groups(points) if group.points[group.reference].size]
    with _parts(out, groups, rows=2) as parts:
        for group, axes in parts:
            best = group.measured[group.reference].score_thr
            for row, (ax, label) in enumerate(zip(axes, POINTS.values(), strict=True)):
                _open(ax, "score threshold", label)
                ax.axvline(best, color="#777777", lw=1, ls=":")
                for names, style in group.lines:
                    thresholds = [point.score_thr for point in _points(group, names[0])]
                    ax.plot(thresholds, group.points[names[0]][row], **style)
                ax.set_ylim(0, None if row == 3 else 1.02)
            _mark_regained(axes[1], group)


def plot_calibration(*, points: list[dict[str, str]], out: str) -> None:
    """Draw the fraction that is correct over the mean score, and the drift from the reference's scores.

    Both by bins of the score, without bins that have fewer than ``LEAST_BOXES`` boxes.

    Args:
        points: as in ``plot_operating_points``; without ground truth only the drift is drawn.
        out: path of the SVG.
    """
    with _parts(out, _groups(points), rows=1) as parts:
        for group, (reliability, drift) in parts:
            _open(reliability, "mean score", "fraction that is correct")
            _open(drift, "score of the reference", "drift of the score")
            reliability.plot([0, 1], [0, 1], color="#777777", lw=1, ls=":")
            reliability.set_ylim(0, 1.02)
            for names, style in group.lines:
                scores, correct, change = group.scores[names[0]]
                reliability.plot(scores, correct, marker="o", ms=3, **style)
                middles = [row.low + 0.05 for row in group.measured[names[0]].scores]
                dots = {} if style is REFERENCE else {"marker": "o", "ms": 3}
                drift.plot(middles, change, **dots, **style)
            if not group.points[group.reference].size:
                reliability.text(
                    0.5, 0.5, "no ground truth", ha="center", color="#777777", backgroundcolor="white"
                )
            low, high = drift.get_ylim()
            drift.set_ylim(min(max(low, -MOST_DRIFT), -0.01), max(min(high, MOST_DRIFT), 0.01))


def _groups(points: list[dict[str, str]]) -> list[Group]:
    groups: dict[tuple[str, str, str], dict[str, OperatingPoints]] = {}
    for entry in points:
        key = entry["dataset"], entry["model"], entry["reference"]
        content = read_operating_points(entry["path"])
        if content.refused is None:
            groups.setdefault(key, {})[entry["variant"]] = content
    return [
        Group(
            panel_title(dataset, model),
            reference,
            measured,
            {name: _point_rows(content) for name, content in measured.items()},
            {name: _score_rows(content, name == reference) for name, content in measured.items()},
        )
        for (dataset, model, reference), measured in groups.items()
        if reference in measured
    ]


def _points(group: Group, name: str) -> Sequence[Point]:
    return group.measured[name].points or ()


def _point_rows(content: OperatingPoints) -> np.ndarray:
    return np.array([[getattr(point, key) for point in content.points or ()] for key in POINTS], dtype=float)


def _score_rows(content: OperatingPoints, is_reference: bool) -> np.ndarray:
    bins = content.scores
    rows = np.array([[getattr(row, key) for row in bins] for key in SCORES], dtype=float)
    rows[:2, [(row.detections or 0) < LEAST_BOXES for row in bins]] = np.nan
    rows[2, [(row.pairs or 0) < LEAST_BOXES for row in bins]] = np.nan
    if is_reference:
        rows[2] = 0
    return rows


def _open(ax: Axes, xlabel: str, ylabel: str) -> None:
    ax.grid(True, axis="both")
    ax.set_xlim(0, 1)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)


def _mark_regained(ax: Axes, group: Group) -> None:
    """Mark where each line reaches the recall that the reference has at its best threshold."""
    base, points = group.measured[group.reference], _points(group, group.reference)
    index = [point.score_thr for point in points].index(base.score_thr or 0)
    wanted = points[index].recall
    if wanted is not None:
        ax.axhline(wanted, color="#777777", lw=1, ls=":")
    for names, style in group.lines[1:]:
        regains_at = _points(group, names[0])[index].regains_at
        if regains_at is not None and wanted is not None:
            ax.plot([regains_at], [wanted], marker="o", ms=4, color=style["color"], zorder=5)


@contextmanager
def _parts(out: str, groups: list[Group], rows: int) -> Iterator[list[tuple[Group, np.ndarray]]]:
    """Yield ``2 x rows`` axes per group; add the legends and save."""
    labels = [[_label(names, group.reference) for names, _ in group.lines] for group in groups]
    heights = [
        rows * AXES_IN + GROUP_IN + LINE_IN * sum(text.count("\n") + 1 for text in texts) / LEGEND_COLUMNS
        for texts in labels
    ]
    with canvas(out, sum(heights) or 1) as figure:
        parts: list[SubFigure] = []
        if groups:
            parts += figure.subfigures(len(groups), height_ratios=heights, squeeze=False)[:, 0].tolist()
        drawn = [(group, part.subplots(rows, 2).ravel()) for group, part in zip(groups, parts, strict=True)]
        yield drawn
        for (group, axes), part, texts in zip(drawn, parts, labels, strict=True):
            part.suptitle(group.title, x=0.01, ha="left", weight="bold", fontsize=10.5)
            handles = [axes[0].plot([], [], **style)[0] for _, style in group.lines]
            columns = {"ncols": LEGEND_COLUMNS, "frameon": False, "fontsize": 8}
            part.legend(handles, texts, loc="outside lower left", **columns)


def _label(names: list[str], reference: str) -> str:
    shown = [f"{name} (reference)" if name == reference else name for name in names]
    return textwrap.fill(", ".join(shown), LABEL_CHARS)
