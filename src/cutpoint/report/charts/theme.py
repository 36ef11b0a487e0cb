"""What all figures share: colours that are read on white and on black, and the parameters of the toolbox."""

from typing import Any

import altair as alt

# Okabe and Ito's, which colour-blind readers can distinguish, without their yellow and black.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
CUTS = {"raw": "#0072B2", "decoded": "#009E73", "e2e": "#D55E00", "results file": "#888888"}
LOSS, GAIN = "#D55E00", "#0072B2"
WIDTH = 460
INK, SOFT, GRID = "currentColor", "#888888", "#88888840"

CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "domainColor": SOFT,
        "tickColor": SOFT,
        "gridColor": GRID,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelLimit": 260,
    },
    "legend": {"labelColor": INK, "titleColor": INK, "orient": "top", "labelLimit": 260},
    "title": {"color": INK, "anchor": "start", "fontSize": 12},
    "header": {"labelColor": INK, "titleColor": INK},
    "text": {"color": INK, "fontSize": 11},
    "rule": {"color": INK},
}
ROWS = "rows"
# Lists of variants; the page sets them. Every figure leaves out the hidden ones.
PARAMS = [{"name": "hide", "value": []}, {"name": "mark", "value": []}]
SHOWN = "indexof(hide, datum.variant) < 0"
# The opacity of a mark: variants that are not highlighted step back when others are.
OPACITY: dict[str, Any] = {
    "condition": {"test": "length(mark) == 0 || indexof(mark, datum.variant) >= 0", "value": 1},
    "value": 0.15,
}


def rows() -> alt.Chart:
    """A chart of the figure's rows, to which marks are added."""
    return alt.Chart(alt.NamedData(ROWS))
