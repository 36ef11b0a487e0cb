"""What all figures share: style, width, and an SVG with the same bytes for the same numbers.

The palette is Okabe and Ito's. Colour-blind readers can distinguish its colours.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib.figure import Figure

from cutpoint.files import replacing

WIDTH_IN = 7.0
STYLE: Any = {
    "svg.hashsalt": "cutpoint",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": "#888888",
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "grid.color": "#e3e3e3",
    "xtick.color": "#444444",
    "ytick.left": False,
    "hatch.linewidth": 1.4,
}


@contextmanager
def canvas(out: str, height_in: float) -> Iterator[Figure]:
    """Yield a figure of the page's width; save it as SVG."""
    with matplotlib.rc_context(STYLE), replacing(out) as temporary:
        figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
        yield figure
        # A date would change the file in every run. The other metadata are links that nobody uses.
        blank = dict.fromkeys(["Date", "Creator", "Format", "Type"])
        figure.savefig(temporary, format="svg", metadata=blank)


def panel_title(dataset: str, model: str) -> str:
    """The title of a panel."""
    return f"{dataset}, {model}"
