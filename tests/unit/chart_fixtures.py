"""What the tests of the figures share."""

import re
from pathlib import Path

import vl_convert
from report_fixtures import DATASETS, TABLES, write_results

from cutpoint.records.per_class import read_per_class
from cutpoint.records.summary import by_evaluation, read_summary
from cutpoint.report.charts.figure import Figure
from cutpoint.report.group import Group, groups
from cutpoint.summary.build import summarize

KINDS = ("comparisons", "points", "latencies", "ladders", "verifies")


def made_groups(root: Path) -> dict[str, Group]:
    """The groups of the results of ``report_fixtures``, by data set."""
    made = write_results(root)
    outs = {f"out_{key}": str(root / key) for key in TABLES}
    summarize(rows=made["rows"], **outs)
    return read_groups(outs["out_csv"], outs["out_per_class"], {kind: made[kind] for kind in KINDS})


def read_groups(summary, per_class, entries) -> dict[str, Group]:
    table = by_evaluation(read_summary(summary))
    assert len(table) <= len(DATASETS)
    return {group.dataset: group for group in groups(table, read_per_class(per_class), entries)}


def texts(svg: str) -> list[str]:
    """The texts of a picture, in its order."""
    return [
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
        for text in re.findall(r"<(?:text|tspan)\b[^>]*>([^<]+)</", svg)
    ]


def row_of(figure: Figure, **keys) -> dict:
    """The only row with these values."""
    (row,) = (row for row in figure.rows if all(row.get(key) == value for key, value in keys.items()))
    return row


def picture(figure: Figure, **lists: list[str]) -> str:
    """The SVG as the page draws it after the reader hid or highlighted variants."""
    params = [param | {"value": lists.get(param["name"], [])} for param in figure.description["params"]]
    return vl_convert.vegalite_to_svg(figure.description | {"params": params})
