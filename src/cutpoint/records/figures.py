"""The index of the figures of a data set and model."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from cutpoint.files import write_json
from cutpoint.records.json_file import read_content


@dataclass(frozen=True)
class FigureRecord:
    """A figure: its files are ``{name}.svg``, ``{name}.csv`` and ``{name}.json`` (Vega-Lite with its data).

    ``pick``: fields of its data that a click on a mark hands to the gallery's filters.
    """

    name: str
    title: str
    caption: str
    pick: tuple[str, ...]


def read_figures(path: str | Path) -> list[FigureRecord]:
    """Read ``results/figures/{dataset}/{model}/index.json``.

    Raises:
        UserError: the file is not such an index.
    """
    figures: list[FigureRecord] = read_content(path, list[FigureRecord])
    return figures


def write_figures(path: str | Path, figures: list[FigureRecord]) -> None:
    """Write the index, a list in the order of the page; completely or not at all."""
    write_json(path, msgspec.to_builtins(figures))
