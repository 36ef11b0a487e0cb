"""Each variant's difference from the reference in AP on each slice, or without ground truth its agreement."""

from typing import Any

import altair as alt

from cutpoint.compare.baseline import MIN_IMAGES
from cutpoint.records.comparison import SliceDelta
from cutpoint.records.summary import OF_DETECTIONS
from cutpoint.report.charts.figure import Figure
from cutpoint.report.charts.theme import COLOURS, OPACITY, SOFT, WIDTH, rows
from cutpoint.report.group import Group
from cutpoint.summary.flags import doubts
from cutpoint.summary.words import fixed, signed

CAPTION = (
    "AP of each variant minus AP of the reference (fraction) on the images of each slice, with its 95 % "
    f"interval. An open mark has none: fewer than {MIN_IMAGES} images have objects. n: images of the slice."
)
AGREEMENT = (
    "Agreement with the reference's detections (1 = all matched) on the images of each slice. There is no "
    "ground truth. n: images of the slice."
)
# a smaller difference is not visible in four decimals
VISIBLE = 5e-5
LEFT_OUT = " Variants without a difference to four decimals are left out."
MOST = f" Of more than {len(COLOURS)} variants, those with the largest differences are drawn."


def build(group: Group) -> Figure | None:
    """The figure; null if no variant differs on a slice."""
    labelled = group.labelled
    moved = {variant: _most(parts, labelled) for variant, parts in group.slices.items()}
    changed = [variant for variant, most in moved.items() if most >= VISIBLE]
    drawn = sorted(sorted(changed, key=lambda name: -moved[name])[: len(COLOURS)], key=changed.index)
    if not drawn:
        return None
    words = {row.variant: ", ".join(doubts(row, OF_DETECTIONS)) for row in group.rows}
    data = [
        _row(part, variant, words[variant], labelled)
        for variant in drawn
        for part in group.slices[variant]
        if (part.delta_AP if labelled else part.agreement) is not None
    ]
    caption = CAPTION if labelled else AGREEMENT
    caption += LEFT_OUT if len(changed) < len(moved) else ""
    caption += MOST if len(drawn) < len(changed) else ""
    title = "Difference in AP by slice" if labelled else "Agreement by slice"
    return Figure("slices", title, caption, data, _spec(data, len(drawn), labelled), ("slice", "variant"))


def _most(parts: tuple[SliceDelta, ...], labelled: bool) -> float:
    """The largest difference of a variant on a slice."""
    values = [part.delta_AP if labelled else 1.0 - (part.agreement or 0.0) for part in parts]
    return max((abs(value) for value in values if value is not None), default=0.0)


def _row(part: SliceDelta, variant: str, doubt: str, labelled: bool) -> dict[str, Any]:
    low, high = part.delta_AP_ci95 or (None, None)
    value = part.delta_AP if labelled else part.agreement
    return {
        "slice": part.title,
        "label": f"{part.name} = {part.value}, n = {part.images}",
        "variant": variant,
        "who": f"{variant} ({doubt})" if doubt else variant,
        "images": part.images,
        "objects": part.objects,
        "AP": part.AP,
        "value": value,
        "low": low,
        "high": high,
        "text": signed(value) if labelled else fixed(4)(value),
        "different": part.different,
        "doubt": doubt,
    }


def _spec(data: list[dict[str, Any]], variants: int, labelled: bool) -> dict[str, Any]:
    order = list(dict.fromkeys(row["label"] for row in data))
    who = list(dict.fromkeys(row["who"] for row in data))
    colours = alt.Scale(domain=who, range=list(COLOURS[: len(who)]))
    axis = alt.Axis(title="ΔAP (fraction)" if labelled else "agreement", format="~g")
    names = ("slice:N", "variant:N", "images:Q", "objects:Q", "AP:Q", "value:Q", "low:Q", "high:Q")
    tips = [alt.Tooltip(name) for name in (*names, "doubt:N")]
    base = rows().encode(
        y=alt.Y("label:N", sort=order, title=None, axis=alt.Axis(labelLimit=300, grid=True)),
        yOffset=alt.YOffset("who:N", sort=who, scale=alt.Scale(paddingInner=0.2, paddingOuter=0.3)),
        color=alt.Color("who:N", scale=colours, legend=alt.Legend(title="variant", columns=2)),
    )
    zero = rows().mark_rule(color=SOFT).encode(x=alt.datum(0), opacity=alt.value(1))
    interval = base.mark_rule(strokeWidth=1.5).encode(x="low:Q", x2="high:Q")
    known = alt.condition("datum.low !== null", alt.value(1), alt.value(0)) if labelled else alt.value(1)
    dots = base.mark_point(filled=False, size=45, strokeWidth=1.5).encode(
        x=alt.X("value:Q", axis=axis, scale=alt.Scale(zero=labelled)),
        fill=alt.Fill("who:N", scale=colours, legend=None),
        fillOpacity=known,
        tooltip=tips,
    )
    layers = alt.layer(*([zero, interval] if labelled else []), dots)
    height = alt.Step(max(24, 11 * variants), **{"for": "position"})
    spec: dict[str, Any] = layers.properties(width=WIDTH, height=height).to_dict(validate=False)
    for layer in spec["layer"]:
        layer["encoding"].setdefault("opacity", OPACITY)
    return spec
