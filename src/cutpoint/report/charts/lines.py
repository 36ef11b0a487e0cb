"""Charts with one line a variant: its name at the left, and under it why its number is doubtful; numbers at
the right."""

from typing import Any

import altair as alt

from cutpoint.records.summary import SummaryRow
from cutpoint.report.charts.theme import ALERT, CUTS, WIDTH, once, rows
from cutpoint.summary.flags import doubts

STEP = 30
# Names and doubts get this place; the rest is for fonts that are wider than the one measured here.
NAME_PX, PLACE_PX = 190, 200
# The lines of text of a name, 12 px each, are centred on its row.
_TOP = "-6 * ((datum.note ? 1 : 0) + (datum.doubt ? 1 : 0))"


def describe(row: SummaryRow, about: tuple[str, ...]) -> dict[str, str | bool]:
    """The fields of a variant that ``names`` shows; ``about``: the flags of the numbers that are drawn."""
    return {
        "variant": row.variant,
        "reference": row.is_reference,
        "cut": row.cut or "results file",
        "doubt": ", ".join(doubts(row, about)),
    }


def names(y: alt.Y) -> list[alt.Chart]:
    """The names; ``note`` and ``doubt`` stand under the name if a row has them.

    Args:
        y: one place a name; the fields ``variant`` and ``reference`` of its rows name it.
    """
    bold = "datum.reference ? 'bold' : 'normal'"
    called = "datum.variant + (datum.reference ? ' (reference)' : '')"
    base = (
        rows()
        .transform_filter("datum.reference != null")
        .transform_calculate(called=called)
        .encode(x=alt.value(0), y=y)
    )
    small: dict[str, Any] = {"align": "right", "dx": -8, "limit": NAME_PX, "fontSize": 10}
    return [
        once().mark_point(opacity=0).encode(x=alt.value(-PLACE_PX), y=alt.value(0)),
        base.mark_text(
            align="right", dx=-8, limit=NAME_PX, dy=alt.ExprRef(_TOP), fontWeight=alt.ExprRef(bold)
        ).encode(text="called:N"),
        base.transform_filter("datum.note")
        .mark_text(**small, dy=alt.ExprRef(f"{_TOP} + 12"), fillOpacity=0.75)
        .encode(text="note:N"),
        base.transform_filter("datum.doubt")
        .mark_text(**small, dy=alt.ExprRef(f"{_TOP} + (datum.note ? 24 : 12)"), color=ALERT)
        .encode(text="doubt:N"),
    ]


def numbers(y: alt.Y, field: str, head: str, *, right: int = 52, bold: bool = False) -> list[alt.Chart]:
    """A column of texts that ends ``right`` px right of the plot, with its heading."""
    weight: Any = "bold" if bold else "normal"
    place = alt.value(WIDTH + right)
    texts = rows().transform_filter(f"isValid(datum.{field})")
    texts = texts.mark_text(align="right", fontWeight=weight).encode(x=place, y=y, text=f"{field}:N")
    heading = once().mark_text(align="right", fontSize=10, fillOpacity=0.75)
    return [texts, heading.encode(x=place, y=alt.value(-8), text=alt.value(head))]


def cut_colour(used: set[str]) -> alt.Color:
    """Colours by cut, for those that are drawn."""
    domain = [cut for cut in CUTS if cut in used]
    return alt.Color("cut:N", title="cut", scale=alt.Scale(domain=domain, range=[CUTS[c] for c in domain]))
