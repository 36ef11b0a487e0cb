"""What variants do at every score threshold, and whether their scores mean what they say.

Variants whose curves cannot be told apart are one line with all their names; the reference's is black.
"""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, product
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from cutpoint.files import read_json
from cutpoint.report.canvas import canvas, panel_title

REFERENCE = {"color": "#111111", "lw": 2.4, "ls": "-", "zorder": 2}
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)))
# curves nearer than this everywhere, row by row, are one line: about a pixel of the picture
SAME_POINTS, SAME_SCORES = (0.01, 0.01, 0.01, 0.01), (0.01, 0.01, 0.002)
# a share or a mean of fewer boxes says nothing
LEAST_BOXES = 10
AXES_IN, LINE_IN, GROUP_IN = 1.9, 0.17, 0.5
LEGEND_COLUMNS, LABEL_CHARS = 2, 52
POINTS = {"precision": "precision", "recall": "recall", "f1": "F1", "boxes_per_image": "boxes per image"}


@dataclass(frozen=True)
class Group:
    """The variants of one data set and model.

    Args:
        title: of the panel.
        reference: its name.
        found: each variant's operating-points JSON.
        curves: what is drawn of each, rows of one shape, NaN where there is nothing.
        same: how far apart each row of two curves may be that are one line.
    """

    title: str
    reference: str
    found: dict[str, Any]
    curves: dict[str, np.ndarray]
    same: tuple[float, ...]

    @property
    def lines(self) -> list[tuple[list[str], dict[str, Any]]]:
        """Names that share a line, and its style; the reference's first."""
        styles = ({"color": c, "ls": ls, "lw": 1.5, "zorder": 3} for ls, c in cycle(product(DASHES, COLOURS)))
        named = merge(self.curves, self.reference, self.same)
        return list(zip(named, [REFERENCE, *(next(styles) for _ in named[1:])], strict=True))


def merge(curves: dict[str, np.ndarray], reference: str, same: tuple[float, ...]) -> list[list[str]]:
    """Names whose curves stay as near to the first of them as ``same`` says, wherever both have values."""
    merged: list[list[str]] = []
    for name in sorted(curves, key=lambda name: name != reference):
        for names in merged:
            apart = np.abs(curves[names[0]] - curves[name])
            if not (apart > np.array(same)[:, None]).any():
                names.append(name)
                break
        else:
            merged.append([name])
    return merged


def plot_operating_points(*, points: list[dict[str, str]], out: str) -> None:
    """Draw precision, recall, F1 and boxes per image over the score threshold.

    Args:
        points: ``{dataset, model, variant, reference, path}`` of every operating-points JSON;
            ``reference`` is the name of the evaluation's. Evaluations without ground truth are left out.
        out: path of the SVG.
    """
    groups = [
        group for group in _groups(points, _point_curves, SAME_POINTS) if np.isfinite(_own(group)).any()
    ]
    with _parts(out, groups, rows=2) as parts:
        for group, axes in parts:
            base = group.found[group.reference]
            for row, (ax, label) in enumerate(zip(axes, POINTS.values(), strict=True)):
                _open(ax, "score threshold", label)
                ax.axvline(base["score_thr"], color="#777777", lw=1, ls=":")
                for names, style in group.lines:
                    thresholds = [point["score_thr"] for point in group.found[names[0]]["points"]]
                    scale = _most_boxes(base) if label == POINTS["boxes_per_image"] else 1
                    ax.plot(thresholds, group.curves[names[0]][row] * scale, **style)
                ax.set_ylim(0, None if label == POINTS["boxes_per_image"] else 1.02)
            _mark_regained(axes[1], group)


def plot_calibration(*, points: list[dict[str, str]], out: str) -> None:
    """Draw the share that is correct over the mean score, and the drift from the reference's scores.

    Both by tenths of the score, those with fewer than ``LEAST_BOXES`` boxes left out.

    Args:
        points: as of ``plot_operating_points``; without ground truth the drift alone is drawn.
        out: path of the SVG.
    """
    with _parts(out, _groups(points, _score_curves, SAME_SCORES), rows=1) as parts:
        for group, (reliability, drift) in parts:
            _open(reliability, "mean score", "share that is correct")
            _open(drift, "score of the reference", "drift of the score")
            reliability.plot([0, 1], [0, 1], color="#777777", lw=1, ls=":")
            reliability.set_ylim(0, 1.02)
            for names, style in group.lines:
                scores, correct, change = group.curves[names[0]]
                reliability.plot(scores, correct, marker="o", ms=3, **style)
                middles = [row["from"] + 0.05 for row in group.found[names[0]]["scores"]]
                dots = {} if style is REFERENCE else {"marker": "o", "ms": 3}
                drift.plot(middles, change, **dots, **style)
            if not np.isfinite(_own(group)[1]).any():
                reliability.text(0.5, 0.5, "no ground truth", ha="center", color="#777777")
            low, high = drift.get_ylim()
            drift.set_ylim(min(low, -0.01), max(high, 0.01))


def _groups(points: list[dict[str, str]], curves_of: Any, same: tuple[float, ...]) -> list[Group]:
    groups: dict[tuple[str, str, str], dict[str, Any]] = {}
    for entry in points:
        key = entry["dataset"], entry["model"], entry["reference"]
        groups.setdefault(key, {})[entry["variant"]] = read_json(entry["path"])
    return [
        Group(
            panel_title(dataset, model),
            reference,
            found,
            {name: curves_of(content, found[reference]) for name, content in found.items()},
            same,
        )
        for (dataset, model, reference), found in groups.items()
    ]


def _own(group: Group) -> np.ndarray:
    return group.curves[group.reference]


def _most_boxes(base: dict[str, Any]) -> float:
    return max(point["boxes_per_image"] for point in base["points"]) or 1.0


def _point_curves(found: dict[str, Any], base: dict[str, Any]) -> np.ndarray:
    """``(4, T)``: the columns of ``POINTS``; boxes as a share of the most that the reference has."""
    rows = np.array([[point[key] for point in found["points"] or []] for key in POINTS], dtype=float)
    if rows.size:
        rows[3] /= _most_boxes(base)
    return rows


def _score_curves(found: dict[str, Any], base: dict[str, Any]) -> np.ndarray:
    """``(3, 10)``: mean score, share correct, drift; of the reference the drift is 0."""
    enough = [(row["detections"] or 0) >= LEAST_BOXES for row in found["scores"]]
    pairs = [(row["pairs"] or 0) >= LEAST_BOXES for row in found["scores"]]
    rows = np.array(
        [[row[key] for row in found["scores"]] for key in ("mean_score", "correct", "drift")], float
    )
    rows[:2, ~np.array(enough)] = np.nan
    rows[2, ~np.array(pairs)] = np.nan
    if found is base:
        rows[2] = 0
    return rows


def _open(ax: Axes, xlabel: str, ylabel: str) -> None:
    ax.grid(True, axis="both")
    ax.set_xlim(0, 1)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)


def _mark_regained(ax: Axes, group: Group) -> None:
    """Where each line has the recall that the reference has at its best threshold."""
    base = group.found[group.reference]
    index = [point["score_thr"] for point in base["points"]].index(base["score_thr"])
    wanted = base["points"][index]["recall"]
    if wanted is not None:
        ax.axhline(wanted, color="#777777", lw=1, ls=":")
    for names, style in group.lines[1:]:
        regains_at = group.found[names[0]]["points"][index]["regains_at"]
        if regains_at is not None:
            ax.plot([regains_at], [wanted], marker="o", ms=4, color=style["color"], zorder=5)


@contextmanager
def _parts(out: str, groups: list[Group], rows: int) -> Iterator[list[tuple[Group, np.ndarray]]]:
    """Yield ``2 x rows`` axes for each group; add the legends and save."""
    labels = [[_label(names, group.reference) for names, _ in group.lines] for group in groups]
    heights = [
        rows * AXES_IN + GROUP_IN + LINE_IN * sum(text.count("\n") + 1 for text in texts) / LEGEND_COLUMNS
        for texts in labels
    ]
    with canvas(out, sum(heights) or 1) as figure:
        parts = figure.subfigures(len(groups), height_ratios=heights, squeeze=False)[:, 0] if groups else []
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
