"""A figure: its description and its data, and what is made of them."""

import csv
import io
import re
from dataclasses import dataclass
from typing import Any

import vl_convert

from cutpoint.printable import printable
from cutpoint.records.csv_table import harmless
from cutpoint.report.charts.theme import CONFIG, PARAMS, ROWS, SHOWN


@dataclass(frozen=True)
class Figure:
    """A figure of a data set and model.

    Attributes:
        name: the name of its files.
        title: a few words.
        caption: sentences; they say what is drawn, the unit, and what a doubtful mark looks like.
        rows: the data, one flat record a mark or more; ``variant`` is hidden and highlighted by the toolbox.
        spec: Vega-Lite, made from ``theme.rows()``; it has no data.
        pick: keys of ``rows`` that a click on a mark hands to the gallery's filters.
    """

    name: str
    title: str
    caption: str
    rows: list[dict[str, Any]]
    spec: dict[str, Any]
    pick: tuple[str, ...] = ()

    @property
    def description(self) -> dict[str, Any]:
        """The whole Vega-Lite description, with the data, and with the parameters of the toolbox."""
        transform = [{"filter": SHOWN}, *self.spec.get("transform", [])]
        # what a click does is said by the pointer
        config = CONFIG | ({"mark": {"cursor": "pointer"}} if self.pick else {})
        shared = {"config": config, "params": [*PARAMS, *self.spec.get("params", [])], "transform": transform}
        return {**self.spec, "data": {"name": ROWS}, "datasets": {ROWS: self.rows}, **shared}

    @property
    def svg(self) -> str:
        """The picture, as the page's chart shows it with nothing hidden; text inherits its colour."""
        return _number_again(str(vl_convert.vegalite_to_svg(_shown(self.description))))

    @property
    def csv(self) -> str:
        """The data."""
        text = io.StringIO()
        heads = dict.fromkeys(key for row in self.rows for key in row)
        writer = csv.DictWriter(text, list(heads), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: harmless(value) for key, value in row.items()} for row in self.rows)
        return text.getvalue()


def _shown(value: Any) -> Any:
    """The description with texts that XML can hold; with others the library ends the process."""
    if isinstance(value, dict):
        return {_shown(key): _shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return printable(value) if isinstance(value, str) else value


def _number_again(svg: str) -> str:
    """Ids counted from 0: the library counts them over all pictures of a process."""
    ids = {name: f"clip{number}" for number, name in enumerate(dict.fromkeys(re.findall(r'id="(\w+)"', svg)))}
    return re.sub(r'(id="|url\(#)(\w+)', lambda found: found[1] + ids.get(found[2], found[2]), svg)
