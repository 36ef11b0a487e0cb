"""The ladder as a waterfall: from the AP of the rung before to the AP of this rung."""

from typing import Any

import altair as alt

from cutpoint.records.ladder import Ladder, Rung
from cutpoint.records.summary import OF_DETECTIONS, SummaryRow
from cutpoint.report.charts.figure import Figure
from cutpoint.report.charts.lines import describe, names, numbers
from cutpoint.report.charts.theme import GAIN, LOSS, SOFT, WIDTH, rows, spec_of
from cutpoint.report.group import Group
from cutpoint.summary.words import fixed, signed

CAPTION = (
    "The ladder, step by step. A bar goes from the AP of the rung before to the AP of this rung (fractions); "
    "the thin line is the 95 % interval of that step. Under a name: what changed, and why its number is "
    "doubtful."
)
PUBLISHED = " Rung 0 is the AP that the model's authors publish."
AGREEMENT = (
    "The ladder, step by step: agreement of the detections with those of the rung before (1 = all matched). "
    "There is no ground truth. Under a name: what changed, and why its number is doubtful."
)
STEP = 40
# If all rungs are closer together than this AP, the scale is not enlarged further.
LEAST_SPAN = 0.002
COLOURS = {"loss": LOSS, "gain": GAIN, "AP": SOFT}


def build(group: Group) -> Figure | None:
    """The figure; null without a ladder, or if no rung has a value."""
    if group.ladder is None:
        return None
    found = {row.variant: row for row in group.rows}
    labelled, ladder = group.labelled, group.ladder
    make = _steps if labelled else _matches
    data = make(ladder, found)
    if all(row["to"] is None for row in data):
        return None
    caption = CAPTION + PUBLISHED * (ladder.published_ap is not None) if labelled else AGREEMENT
    return Figure("ladder", "Waterfall of the ladder", caption, data, _spec(data, labelled), ("variant",))


def _steps(ladder: Ladder, found: dict[str, SummaryRow]) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = []
    if ladder.published_ap is not None:
        data.append(
            {"rung": 0, "variant": "published", "reference": False, "note": "by the model's authors"}
            | {"doubt": "", "from": None, "to": ladder.published_ap, "kind": "AP"}
            | {"step": None, "low": None, "high": None, "text": "", "to_text": fixed(4)(ladder.published_ap)}
        )
    before: float | None = None
    for number, rung in enumerate(ladder.rungs, 1):
        step, limits = rung.delta_to_previous, rung.delta_to_previous_ci95
        start = before if step is not None else None
        ends = [start + limit for limit in limits] if limits and start is not None else [None, None]
        data.append(
            _named(number, rung, found)
            | {"from": start, "to": rung.AP, "kind": "AP" if not step else "loss" if step < 0 else "gain"}
            | {"step": step, "low": ends[0], "high": ends[1]}
            | {"text": signed(step), "to_text": fixed(4)(rung.AP)}
        )
        before = rung.AP
    return data


def _matches(ladder: Ladder, found: dict[str, SummaryRow]) -> list[dict[str, Any]]:
    """Without ground truth: the fraction of the detections that each step keeps."""
    return [
        _named(number, rung, found)
        | {"from": None if rung.agreement_to_previous is None else 1.0, "to": rung.agreement_to_previous}
        | {"kind": "loss", "step": None, "low": None, "high": None}
        | {"text": "", "to_text": fixed(4)(rung.agreement_to_previous)}
        for number, rung in enumerate(ladder.rungs, 1)
    ]


def _named(number: int, rung: Rung, found: dict[str, SummaryRow]) -> dict[str, Any]:
    changes = rung.recipe_steps if len(rung.recipe_steps) == 1 else rung.changes
    return {"rung": number, **describe(found[rung.variant], OF_DETECTIONS), "note": ", ".join(changes)}


def _spec(data: list[dict[str, Any]], labelled: bool) -> dict[str, Any]:
    y = alt.Y("rung:O", axis=None)
    axis = alt.Axis(
        title="AP (fraction)" if labelled else "agreement with the rung before",
        format="~g",
        labelSeparation=16,
    )
    x = alt.X("from:Q", axis=axis, scale=alt.Scale(zero=False, nice=True, domain=_domain(data)))
    colour = alt.Color("kind:N", scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())))
    kept = colour.legend(title=None, values=["loss", "gain"]) if labelled else colour.legend(None)
    tips = [
        alt.Tooltip(name)
        for name in ("rung:O", "variant:N", "note:N", "to:Q", "step:Q", "low:Q", "high:Q", "doubt:N")
    ]
    base = rows().encode(y=y)
    bars = base.mark_bar(size=16).encode(x=x, x2="to:Q", color=kept, tooltip=tips)
    ends = base.mark_tick(thickness=3, size=20).encode(x=alt.X("to:Q"), color=kept, tooltip=tips)
    interval = base.mark_rule(strokeWidth=1.5).encode(x=alt.X("low:Q"), x2="high:Q")
    columns = numbers(y, "text", "step", bold=True) if labelled else []
    columns += numbers(y, "to_text", "AP" if labelled else "agreement", right=104 if labelled else 60)
    layers = alt.layer(bars, ends, interval, *names(y), *columns)
    return spec_of(layers.properties(width=WIDTH, height=alt.Step(STEP)))


def _domain(data: list[dict[str, Any]]) -> list[float]:
    values = [row[key] for row in data for key in ("from", "to", "low", "high") if row[key] is not None]
    low, high = min(values), max(values)
    margin = max(LEAST_SPAN - (high - low), 0.08 * (high - low)) / 2
    return [low - margin, high + margin]
