"""What all figures share: colours that are read on white and on black, and the parameters of the toolbox."""

from typing import Any

import altair as alt

# Okabe and Ito's, which colour-blind readers can distinguish, without their yellow and black.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES: tuple[list[float], ...] = ([1, 0], [5, 2], [1.5, 1.5])
CUTS = {"raw": "#0072B2", "decoded": "#009E73", "e2e": "#D55E00", "results file": "#888888"}
LOSS, GAIN = "#D55E00", "#0072B2"
# Widths in px: beside names and numbers, of one of two panels, and alone. Two figures fit into 1280 px.
WIDTH, HALF, ALONE = 300, 210, 440
# The page's colours; on its own a picture is black on white.
INK, SOFT, GRID = "currentColor", "#888888", "#88888840"
ALERT = "var(--red, #a40e26)"

CONFIG: dict[str, Any] = {
    # The page names the picture, and its marks are in a table: their own names would be most of its size.
    "aria": False,
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
        "labelLimit": 200,
        "labelOverlap": "greedy",
        "labelSeparation": 10,
    },
    "axisQuantitative": {"tickCount": 4},
    "legend": {
        **{"labelColor": INK, "titleColor": INK, "titleFontWeight": "normal", "orient": "top"},
        **{"titleOrient": "left", "titleLimit": 200},
        **{"labelLimit": 480, "labelFontSize": 11, "titleFontSize": 11},
    },
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


def once() -> alt.Chart:
    """A chart of a single mark that belongs to no variant, such as a heading or a line to compare with."""
    return alt.Chart(alt.Data(values=[{}]))  # type: ignore[no-untyped-call]


def spec_of(chart: alt.LayerChart | alt.ConcatChart | alt.HConcatChart | alt.FacetChart) -> dict[str, Any]:
    """The Vega-Lite description of a chart of the rows; variants step back when others are highlighted."""
    spec: dict[str, Any] = chart.to_dict(validate=False)
    _share(spec)
    return spec


def _share(spec: dict[str, Any]) -> None:
    if "values" in spec.get("data", {}):
        return
    spec.pop("data", None)  # the figure's rows, which the description names once
    if "mark" in spec:
        spec.setdefault("encoding", {}).setdefault("opacity", OPACITY)
    parts = [part for key in ("layer", "hconcat", "vconcat", "concat") for part in spec.get(key, [])]
    for part in [*parts, *([spec["spec"]] if "spec" in spec else [])]:
        _share(part)
