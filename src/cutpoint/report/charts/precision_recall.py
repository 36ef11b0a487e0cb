"""Precision over recall, all classes together."""

from typing import Any

import altair as alt

from cutpoint.report.charts.curves import SHARED, Curves, curves_of
from cutpoint.report.charts.figure import Figure
from cutpoint.report.charts.theme import ALONE, rows, spec_of
from cutpoint.report.group import Group

CAPTION = (
    "Precision over recall at IoU 0.5: one point a score threshold from 0.05 to 0.95, over the boxes of all "
    "classes together (micro-average). Large dot: the threshold at which the reference's F1 is highest. It "
    "is not the curve of COCO's AP, which is averaged over classes and interpolated."
)


def build(group: Group) -> Figure | None:
    """The figure; null without ground truth, or if the reference is refused."""
    curves = curves_of(group)
    if curves is None or not curves.labelled:
        return None
    data = [
        {"variant": name, "line": curves.line_of[name], "score_thr": point.score_thr}
        | {"precision": point.precision, "recall": point.recall, "best": point.score_thr == content.score_thr}
        for name, content in curves.measured.items()
        for point in content.points or ()
    ]
    title = "Precision and recall"
    return Figure("precision_recall", title, CAPTION + SHARED, data, _spec(curves), ("variant",))


def _spec(curves: Curves) -> dict[str, Any]:
    x = alt.X("recall:Q", scale=alt.Scale(domain=[0, 1]))
    y = alt.Y("precision:Q", scale=alt.Scale(domain=[0, 1]))
    tips = [alt.Tooltip("line:N", title="variant"), alt.Tooltip("score_thr:Q", title="score threshold")]
    tips += [alt.Tooltip(f"{name}:Q", format=".4f") for name in ("precision", "recall")]
    base = rows().encode(x=x, y=y, color=curves.colour)
    layers = alt.layer(
        curves.line(base, order="score_thr:Q"),
        base.mark_point(filled=True, size=14).encode(tooltip=tips),
        base.transform_filter("datum.best").mark_point(filled=True, size=90).encode(tooltip=tips),
    )
    return curves.one_a_line(spec_of(layers.properties(width=ALONE, height=240)))
