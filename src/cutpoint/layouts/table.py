"""All layouts by name."""

from collections.abc import Sequence

from cutpoint.errors import UserError
from cutpoint.layouts.detections import DETECTIONS
from cutpoint.layouts.layout import Layout, Outputs
from cutpoint.layouts.names import LAYOUTS
from cutpoint.layouts.queries import QUERIES
from cutpoint.layouts.yolo import YOLO
from cutpoint.records.graph_facts import GraphFacts


def _nothing(facts: GraphFacts, classes: Sequence[str]) -> Outputs:
    raise UserError("the layout `written` has no outputs of its own; write `cut`, `outputs` and `input`")


_ROWS = {
    **YOLO,
    **QUERIES,
    **DETECTIONS,
    # never recognised; the config says all
    "written": Layout(
        "any other; all is written in the config",
        "e2e",
        {"resize": "stretch", "colour": "rgb"},
        _nothing,
        "final",
        lambda facts, classes: [],
        asks_input=True,
    ),
}
TABLE: dict[str, Layout] = {name: _ROWS[name] for name in LAYOUTS}
