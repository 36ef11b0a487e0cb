"""Precision, recall, F1 and boxes per image over the score threshold."""

from typing import Any

import altair as alt

from cutpoint.report.charts.curves import SHARED, Curves, curves_of
from cutpoint.report.charts.figure import Figure
from cutpoint.report.charts.theme import HALF, once, rows, spec_of
from cutpoint.report.group import Group

CAPTION = (
    "Precision, recall, F1 and boxes per image over the score threshold, over all classes together, at IoU "
    "0.5. Dotted: the threshold at which the reference's F1 is highest, and its recall there. A dot marks "
    "where a variant reaches this recall again."
)
PANELS = {"F1": "F1", "recall": "recall", "precision": "precision", "boxes_per_image": "boxes per image"}


def build(group: Group) -> Figure | None:
    """The figure; null without ground truth, or if the reference is refused."""
    curves = curves_of(group)
    if curves is None or not curves.labelled:
        return None
    return Figure(
        "operating_points",
        "F1, recall and precision over the score threshold",
        CAPTION + SHARED,
        _rows(curves),
        _spec(curves),
        ("variant",),
    )


def _wanted(curves: Curves) -> float | None:
    """The reference's recall at its best threshold."""
    best = curves.measured[curves.reference].best
    return best.recall if best else None


def _rows(curves: Curves) -> list[dict[str, Any]]:
    return [
        {"variant": name, "line": curves.line_of[name], "score_thr": point.score_thr}
        | {"precision": point.precision, "recall": point.recall, "F1": point.f1}
        | {"boxes_per_image": point.boxes_per_image}
        | {"regains_at": point.regains_at if point.score_thr == content.score_thr else None}
        for name, content in curves.measured.items()
        for point in content.points or ()
    ]


def _spec(curves: Curves) -> dict[str, Any]:
    panels = [_panel(curves, field, title) for field, title in PANELS.items()]
    return curves.one_a_line(spec_of(alt.concat(*panels, columns=2)))


def _panel(curves: Curves, field: str, title: str) -> alt.LayerChart | alt.FacetChart:
    limits = alt.Undefined if field == "boxes_per_image" else [0, 1]
    x = alt.X("score_thr:Q", title="score threshold", scale=alt.Scale(domain=[0, 1]))
    y = alt.Y(f"{field}:Q", title=title, scale=alt.Scale(domain=limits))
    tips = [alt.Tooltip("line:N", title="variant"), alt.Tooltip("score_thr:Q")]
    tips += [alt.Tooltip(f"{name}:Q", format=".4f", title=said) for name, said in PANELS.items()]
    base = rows().encode(color=curves.colour)
    line = curves.line(base, x=x, y=y)
    seen = base.mark_point(filled=True, size=60, fillOpacity=0, strokeOpacity=0).encode(
        x=x, y=y, tooltip=tips
    )
    best = curves.measured[curves.reference].score_thr
    dotted: dict[str, Any] = {"strokeDash": [2, 2], "strokeOpacity": 0.6}
    layers = [once().mark_rule(**dotted).encode(x=alt.datum(best)), line, seen]
    if field == "recall" and (wanted := _wanted(curves)) is not None:
        dots = base.transform_filter(f"datum.regains_at != null && datum.variant != {curves.reference!r}")
        layers.append(once().mark_rule(**dotted).encode(y=alt.datum(wanted)))
        layers.append(
            dots.mark_point(filled=True, size=40, opacity=1).encode(
                x=alt.X("regains_at:Q"), y=alt.datum(wanted)
            )
        )
    return alt.layer(*layers).properties(width=HALF, height=150)
