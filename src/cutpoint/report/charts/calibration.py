"""The calibration of the scores: the fraction of boxes that are correct over their mean score."""

from typing import Any

import altair as alt

from cutpoint.report.charts.curves import LEAST_BOXES, SHARED, Curves, curves_of
from cutpoint.report.charts.figure import Figure
from cutpoint.report.charts.theme import ALONE, once, rows, spec_of
from cutpoint.report.group import Group

CAPTION = (
    "The fraction of boxes that are correct (IoU 0.5) over their mean score, in ten bins of the score. On "
    f"the dotted line a score is a probability. Bins with fewer than {LEAST_BOXES} boxes are left out."
)


def build(group: Group) -> Figure | None:
    """The figure; null without ground truth, or if the reference is refused."""
    curves = curves_of(group)
    if curves is None or not curves.labelled:
        return None
    data = [
        {"variant": name, "line": curves.line_of[name], "score": score_range(row.low)}
        | {"mean_score": row.mean_score, "correct": row.correct, "boxes": row.detections}
        for name, content in curves.measured.items()
        for row in content.scores
    ]
    return Figure("calibration", "Calibration", CAPTION + SHARED, data, _spec(curves), ("variant", "score"))


def score_range(low: float) -> str:
    """A bin of scores as the gallery's filter names it."""
    return f"{low:.1f}-{low + 0.1:.1f}"


def _spec(curves: Curves) -> dict[str, Any]:
    x = alt.X("mean_score:Q", title="mean score", scale=alt.Scale(domain=[0, 1]))
    y = alt.Y("correct:Q", title="fraction that is correct", scale=alt.Scale(domain=[0, 1]))
    tips = [alt.Tooltip("line:N", title="variant"), alt.Tooltip("score:N"), alt.Tooltip("boxes:Q")]
    tips += [alt.Tooltip(f"{name}:Q", format=".4f") for name in ("mean_score", "correct")]
    diagonal = once().mark_rule(strokeDash=[2, 2], strokeOpacity=0.6)
    base = rows().transform_filter(f"datum.boxes >= {LEAST_BOXES}").encode(x=x, y=y, color=curves.colour)
    layers = alt.layer(
        diagonal.encode(x=alt.datum(0), y=alt.datum(0), x2=alt.datum(1), y2=alt.datum(1)),
        curves.line(base),
        base.mark_point(filled=True, size=45).encode(tooltip=tips),
    )
    return curves.one_a_line(spec_of(layers.properties(width=ALONE, height=240)))
