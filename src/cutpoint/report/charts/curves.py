"""Variants as curves: those that look the same share one, with their names."""

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import altair as alt
import numpy as np

from cutpoint.records.operating_points import OperatingPoints
from cutpoint.report.charts.theme import COLOURS, DASHES, INK
from cutpoint.report.group import Group
from cutpoint.summary.words import few

# curves that are closer than this everywhere, row by row, share a line: about a pixel of the picture
SAME_POINTS, SAME_SCORES = (0.01, 0.01, 0.01, 0.01), (0.01, 0.01, 0.002)
# a fraction or a mean of fewer boxes is not drawn
LEAST_BOXES = 10
LABEL_CHARS = 48
POINTS = ("precision", "recall", "f1", "boxes_per_image")
SCORES = ("mean_score", "correct", "drift")
SHARED = " Variants that look the same here and in the figures of the scores share one line."


@dataclass(frozen=True)
class Curves:
    """The curves of a data set and model.

    Attributes:
        measured: the operating points of each variant; without refused ones.
        reference: the reference's name, one of ``measured``.
    """

    measured: dict[str, OperatingPoints]
    reference: str

    @property
    def labelled(self) -> bool:
        return self.measured[self.reference].points is not None

    @cached_property
    def lines(self) -> list[list[str]]:
        """Names that share a line; the reference's first."""
        points = {name: _point_rows(content) for name, content in self.measured.items()}
        most = np.nanmax(points[self.reference][3:], initial=0) or 1
        curves = {
            name: (points[name] / [[1], [1], [1], [most]], _score_rows(content, name == self.reference))
            for name, content in self.measured.items()
        }
        return merge(curves, self.reference, (SAME_POINTS, SAME_SCORES))

    @cached_property
    def line_of(self) -> dict[str, str]:
        """The name of each variant's line."""
        return {name: self._called(names) for names in self.lines for name in names}

    def _called(self, names: list[str]) -> str:
        return few(f"{name} (reference)" if name == self.reference else name for name in names)

    @property
    def _labels(self) -> list[str]:
        return list(dict.fromkeys(self.line_of.values()))

    @property
    def _legend(self) -> alt.Legend:
        wrapped = {label: textwrap.wrap(label, LABEL_CHARS) for label in self._labels}
        return alt.Legend(
            title=None,
            orient="bottom",
            direction="vertical",
            labelExpr=f"{json.dumps(wrapped, ensure_ascii=False)}[datum.value]",
            symbolType="stroke",
            symbolSize=400,
            symbolStrokeWidth=2,
        )

    @property
    def colour(self) -> alt.Color:
        colours = [INK, *(COLOURS[i % len(COLOURS)] for i in range(len(self._labels) - 1))]
        return alt.Color("line:N", scale=alt.Scale(domain=self._labels, range=colours), legend=self._legend)

    @property
    def dash(self) -> alt.StrokeDash:
        """The reference is solid; a dash for each round of colours."""
        count = len(self._labels) - 1
        dashes = [DASHES[0], *(DASHES[i // len(COLOURS) % len(DASHES)] for i in range(count))]
        return alt.StrokeDash(
            "line:N", scale=alt.Scale(domain=self._labels, range=dashes), legend=self._legend
        )

    def line(self, base: alt.Chart, *, clip: bool = False, **encoding: Any) -> alt.Chart:
        """The lines; the reference's is thick, and under the others."""
        width = alt.condition(
            f"datum.line == {json.dumps(self.line_of[self.reference])}", alt.value(3.5), alt.value(1.6)
        )
        line: alt.Chart = base.mark_line(clip=clip, strokeJoin="round").encode(**encoding)
        return line.encode(strokeWidth=width, strokeDash=self.dash, detail="variant:N")

    def one_a_line(self, spec: dict[str, Any]) -> dict[str, Any]:
        """The description of a figure that draws one variant of each line: highlighted if there is one."""
        order = json.dumps([name for names in self.lines for name in names], ensure_ascii=False)
        rank = f"indexof({order}, datum.variant) + (indexof(mark, datum.variant) < 0 ? 1e6 : 0)"
        return spec | {
            "transform": [
                {"calculate": rank, "as": "rank"},
                {
                    "joinaggregate": [{"op": "min", "field": "rank", "as": "first"}],
                    "groupby": ["line"],
                },
                {"filter": "datum.rank == datum.first"},
            ]
        }


def curves_of(group: Group) -> Curves | None:
    """The curves of the variants that are not refused; null if the reference is."""
    measured = {
        row.variant: group.points[row.variant]
        for row in sorted(group.rows, key=lambda row: not row.is_reference)
        if row.variant in group.points and group.points[row.variant].refused is None
    }
    reference = group.reference.variant
    return Curves(measured, reference) if reference in measured else None


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


def _point_rows(content: OperatingPoints) -> np.ndarray:
    """``(4, T)``, the columns of ``POINTS``; T is 0 without ground truth."""
    return np.array([[getattr(point, key) for point in content.points or ()] for key in POINTS], dtype=float)


def _score_rows(content: OperatingPoints, is_reference: bool) -> np.ndarray:
    """``(3, 10)``: mean score, fraction that is correct, drift; NaN with too few boxes."""
    bins = content.scores
    table = np.array([[getattr(row, key) for row in bins] for key in SCORES], dtype=float)
    table[:2, [(row.detections or 0) < LEAST_BOXES for row in bins]] = np.nan
    table[2, [(row.pairs or 0) < LEAST_BOXES for row in bins]] = np.nan
    if is_reference:
        table[2] = 0
    return table
