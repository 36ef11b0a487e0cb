"""What variants do at every score threshold, and whether their scores mean what they say.

Variants that can be told apart in neither picture are one line with all their names; the reference's is
black.
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
# a line that drifts farther leaves the panel, so that the others can be read
MOST_DRIFT = 0.1
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
        points: ``(4, T)`` of each variant, the columns of ``POINTS``; T is 0 without ground truth.
        scores: ``(3, 10)`` of each variant, mean score, share that is correct, drift; NaN where there are too
            few boxes. The reference's drift is 0.
    """

    title: str
    reference: str
    found: dict[str, Any]
    points: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]

    @property
    def lines(self) -> list[tuple[list[str], dict[str, Any]]]:
        """Names that share a line, and its style; the reference's first."""
        most = np.nanmax(self.points[self.reference][3:], initial=0) or 1
        curves = {
            name: (self.points[name] / [[1], [1], [1], [most]], self.scores[name]) for name in self.found
        }
        named = merge(curves, self.reference, (SAME_POINTS, SAME_SCORES))
        styles = ({"color": c, "ls": ls, "lw": 1.5, "zorder": 3} for ls, c in cycle(product(DASHES, COLOURS)))
        return list(zip(named, [REFERENCE, *(next(styles) for _ in named[1:])], strict=True))


def merge(
    curves: dict[str, tuple[np.ndarray, ...]], reference: str, same: tuple[tuple[float, ...], ...]
) -> list[list[str]]:
    """Names whose curves stay near to those of the first of them, wherever both have values.

    Args:
        curves: arrays of rows, of the same shapes for all names.
        reference: the name that comes first.
        same: for each array how far apart each of its rows may be.
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
            ``reference`` is the name of the evaluation's. Evaluations without ground truth are left out,
            and what is refused: a variant, or with its reference the whole evaluation.
        out: path of the SVG.
    """
    groups = [group for group in _groups(points) if group.points[group.reference].size]
    with _parts(out, groups, rows=2) as parts:
        for group, axes in parts:
            base = group.found[group.reference]
            for row, (ax, label) in enumerate(zip(axes, POINTS.values(), strict=True)):
                _open(ax, "score threshold", label)
                ax.axvline(base["score_thr"], color="#777777", lw=1, ls=":")
                for names, style in group.lines:
                    thresholds = [point["score_thr"] for point in group.found[names[0]]["points"]]
                    ax.plot(thresholds, group.points[names[0]][row], **style)
                ax.set_ylim(0, None if row == 3 else 1.02)
            _mark_regained(axes[1], group)


def plot_calibration(*, points: list[dict[str, str]], out: str) -> None:
    """Draw the share that is correct over the mean score, and the drift from the reference's scores.

    Both by tenths of the score, those with fewer than ``LEAST_BOXES`` boxes left out.

    Args:
        points: as of ``plot_operating_points``; without ground truth the drift alone is drawn.
        out: path of the SVG.
    """
    with _parts(out, _groups(points), rows=1) as parts:
        for group, (reliability, drift) in parts:
            _open(reliability, "mean score", "share that is correct")
            _open(drift, "score of the reference", "drift of the score")
            reliability.plot([0, 1], [0, 1], color="#777777", lw=1, ls=":")
            reliability.set_ylim(0, 1.02)
            for names, style in group.lines:
                scores, correct, change = group.scores[names[0]]
                reliability.plot(scores, correct, marker="o", ms=3, **style)
                middles = [row["from"] + 0.05 for row in group.found[names[0]]["scores"]]
                dots = {} if style is REFERENCE else {"marker": "o", "ms": 3}
                drift.plot(middles, change, **dots, **style)
            if not group.points[group.reference].size:
                reliability.text(
                    0.5, 0.5, "no ground truth", ha="center", color="#777777", backgroundcolor="white"
                )
            low, high = drift.get_ylim()
            drift.set_ylim(min(max(low, -MOST_DRIFT), -0.01), max(min(high, MOST_DRIFT), 0.01))


def _groups(points: list[dict[str, str]]) -> list[Group]:
    groups: dict[tuple[str, str, str], dict[str, Any]] = {}
    for entry in points:
        key = entry["dataset"], entry["model"], entry["reference"]
        found = read_json(entry["path"])
        if found["refused"] is None:
            groups.setdefault(key, {})[entry["variant"]] = found
    return [
        Group(
            panel_title(dataset, model),
            reference,
            found,
            {name: _point_rows(content) for name, content in found.items()},
            {name: _score_rows(content, name == reference) for name, content in found.items()},
        )
        for (dataset, model, reference), found in groups.items()
        if reference in found
    ]


def _point_rows(found: dict[str, Any]) -> np.ndarray:
    return np.array([[point[key] for point in found["points"] or []] for key in POINTS], dtype=float)


def _score_rows(found: dict[str, Any], is_reference: bool) -> np.ndarray:
    tenths = found["scores"]
    rows = np.array([[row[key] for row in tenths] for key in ("mean_score", "correct", "drift")], dtype=float)
    for counted, of in (("detections", slice(2)), ("pairs", slice(2, 3))):
        rows[of, [(row[counted] or 0) < LEAST_BOXES for row in tenths]] = np.nan
    if is_reference:
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
