"""How the scores of paired boxes differ from the reference's."""

from typing import Any

import altair as alt

from cutpoint.report.charts.calibration import score_range
from cutpoint.report.charts.curves import LEAST_BOXES, SHARED, Curves, curves_of
from cutpoint.report.charts.figure import Figure
from cutpoint.report.charts.theme import ALONE, once, rows, spec_of
from cutpoint.report.group import Group

# a line that drifts more leaves the panel, so that the others can be read
MOST_DRIFT, LEAST_DRIFT = 0.1, 0.01
CAPTION = (
    "The mean of the variant's score minus the reference's, over pairs of the same class at IoU 0.5, by the "
    f"reference's score. Bins with fewer than {LEAST_BOXES} pairs are left out. A line that leaves the panel "
    f"drifts by more than {MOST_DRIFT}."
)


def build(group: Group) -> Figure | None:
    """The figure; null if no variant has a bin of enough pairs."""
    curves = curves_of(group)
    if curves is None:
        return None
    data = [
        {"variant": name, "line": curves.line_of[name], "score": score_range(row.low)}
        | {"middle": round(row.low + 0.05, 2), "drift": row.drift, "pairs": row.pairs}
        for name, content in curves.measured.items()
        for row in content.scores
        if name != curves.reference
    ]
    bins = [row for content in curves.measured.values() for row in content.scores]
    seen = [abs(row.drift) for row in bins if row.drift is not None and (row.pairs or 0) >= LEAST_BOXES]
    if not seen:
        return None
    spec = _spec(curves, max(*seen, LEAST_DRIFT))
    return Figure("drift", "Drift of the scores", CAPTION + SHARED, data, spec, ("variant", "score"))


def _spec(curves: Curves, most: float) -> dict[str, Any]:
    limit = min(1.1 * most, MOST_DRIFT)
    x = alt.X("middle:Q", title="score of the reference", scale=alt.Scale(domain=[0, 1]))
    y = alt.Y(
        "drift:Q",
        title="drift of the score",
        scale=alt.Scale(domain=[-limit, limit]),
    )
    tips = [alt.Tooltip("line:N", title="variant"), alt.Tooltip("score:N")]
    tips += [alt.Tooltip("drift:Q", format="+.5f"), alt.Tooltip("pairs:Q")]
    enough = rows().transform_filter(f"datum.pairs >= {LEAST_BOXES}")
    base = enough.encode(x=x, y=y, color=curves.colour)
    layers = alt.layer(
        once().mark_rule(strokeWidth=2.5).encode(y=alt.datum(0)),
        curves.line(base, clip=True),
        base.mark_point(filled=True, size=45, clip=True).encode(tooltip=tips),
    )
    return curves.one_a_line(spec_of(layers.properties(width=ALONE, height=240)))
