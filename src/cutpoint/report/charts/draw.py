"""Write the figures of a data set and model."""

import json
from collections.abc import Callable
from pathlib import Path

from cutpoint.files import write_text
from cutpoint.records.figures import FigureRecord, write_figures
from cutpoint.records.per_class import read_per_class
from cutpoint.records.summary import by_evaluation, read_summary
from cutpoint.report.charts import (
    ap,
    calibration,
    causes,
    classes,
    drift,
    errors,
    ladder,
    latency,
    operating_points,
    precision_recall,
    sizes,
    slices,
    stage_times,
    stages,
    tradeoff,
)
from cutpoint.report.charts.figure import Figure
from cutpoint.report.group import Group, groups
from cutpoint.report.section import Entry

# In the order of the page. A builder gives null where there is nothing to draw.
BUILDERS: tuple[Callable[[Group], Figure | None], ...] = (
    tradeoff.build,
    ap.build,
    ladder.build,
    latency.build,
    stages.build,
    stage_times.build,
    causes.build,
    errors.build,
    classes.build,
    sizes.build,
    slices.build,
    operating_points.build,
    precision_recall.build,
    calibration.build,
    drift.build,
)


def draw_figures(
    *, summary: str, per_class: str, entries: dict[str, list[Entry]], dataset: str, model: str, out_dir: str
) -> None:
    """Write every figure for which a data set and model has something to draw.

    Args:
        summary: path of summary.csv.
        per_class: path of per_class.csv.
        entries: files by kind, see ``plan.tables.report_entries``.
        dataset, model: whose figures.
        out_dir: folder of ``{name}.svg``, ``{name}.csv``, ``{name}.json`` (Vega-Lite with its data) and
            ``index.json``, see ``records.figures``.
    """
    every = groups(by_evaluation(read_summary(summary)), read_per_class(per_class), entries)
    (group,) = (group for group in every if (group.dataset, group.model) == (dataset, model))
    records = []
    for figure in filter(None, (build(group) for build in BUILDERS)):
        path = Path(out_dir) / figure.name
        write_text(f"{path}.svg", figure.svg)
        write_text(f"{path}.csv", figure.csv)
        write_text(f"{path}.json", json.dumps(figure.description, ensure_ascii=False))
        records.append(FigureRecord(figure.name, figure.title, figure.caption, figure.pick))
    write_figures(Path(out_dir) / "index.json", records)
