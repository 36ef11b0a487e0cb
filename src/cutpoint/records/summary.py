"""The summary, one row per variant. The fields of ``SummaryRow`` are the only table of its columns.

CSV, Markdown, page and gate follow this table. A column with a value from a variant's files names it
(``source``) and needs nothing else.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from cutpoint.records.comparison import Comparison
from cutpoint.records.csv_table import read_rows, write_rows
from cutpoint.records.latency import Latency
from cutpoint.records.manifest import Manifest
from cutpoint.records.metrics import Metrics
from cutpoint.records.planned import PlannedRow
from cutpoint.records.precision import PrecisionReport
from cutpoint.records.summary_upgrade import upgrade
from cutpoint.records.truth import GroundTruth
from cutpoint.records.verification import Verification

# Flags that make other columns doubtful: columns that come from detections, and columns with times.
OF_DETECTIONS = (
    *("refused", "reference_refused", "weak_reference", "baseline_off", "suspicious", "doubtful"),
    *("images_skipped", "export_failed"),
)
OF_TIMES = (
    *("refused", "without_compiled_nms", "unsteady", "disturbed"),
    *("timed_batch", "timed_recipe"),
)


@dataclass(frozen=True)
class VariantRecords:
    """The files for a variant's row; null if it has none. ``model_mb``: size of the ONNX file, MB."""

    planned: PlannedRow
    manifest: Manifest
    truth: GroundTruth | None
    metrics: Metrics | None
    latency: Latency | None
    comparison: Comparison | None
    verification: Verification | None
    precision: PrecisionReport | None
    model_mb: float | None


@dataclass(frozen=True)
class Column:
    """A column: its name, and the settings of its field in ``SummaryRow``.

    Attributes:
        source: the value in ``VariantRecords``, for example ``latency.stages.total.p50``; a null on the way
            gives an empty cell. Empty: ``summary.build`` computes the column.
        markdown, page: heading in the Markdown table and in the page's table; empty: not shown there.
        after: the column before it in both; empty: the order of the CSV.
        style: a number format such as ``.4f``, or the name of a format in ``summary.words``; empty: text.
        page_style: the page's style, if it is another.
        below: the column that the page shows below this one's cells.
        only_where_some: shown only if a value is not 0.
        doubted_by: flags that make its numbers doubtful; ``marked``: whether the page says so in its cells.
        bound: ``min`` or ``max``: the bound that the gate may set; empty: none.
        compared: whether it compares with the reference.
        bar: how the page draws it in its cells: ``from_zero``, or ``difference`` with its interval.
        extra: the page's table shows it only if the reader chooses it, where scripts run.
    """

    name: str
    source: str = ""
    markdown: str = ""
    page: str = ""
    after: str = ""
    style: str = ""
    page_style: str = ""
    below: str = ""
    only_where_some: bool = False
    doubted_by: tuple[str, ...] = ()
    marked: bool = False
    bound: str = ""
    compared: bool = False
    bar: str = ""
    extra: bool = False

    def look_up(self, records: VariantRecords) -> Any:
        """The value of ``source``."""
        value: Any = records
        for part in self.source.split("."):
            if value is None:
                return None
            value = value[int(part)] if part.isdigit() else getattr(value, part)
        return value


def column(*, heading: str = "", **settings: Any) -> Any:
    """The field of a column; ``heading`` is for Markdown and page, the rest as in ``Column``."""
    return field(metadata={"markdown": heading, "page": heading} | settings)


@dataclass(frozen=True, kw_only=True)
class SummaryRow:
    """A line of ``results/tables/summary.csv``: one variant on one data set.

    AP values are fractions, latency is for the whole path from file to detections. Null: it does not apply.
    The columns from ``is_reference`` on are flags that say why a number is doubtful, and values that explain
    the flags; ``notes`` are words for people.
    """

    dataset: str = column(source="planned.dataset")
    model: str = column(source="planned.model")
    variant: str = column(source="planned.variant", markdown="variant")
    runtime: str | None = column(source="planned.runtime", page="runtime")
    cut: str | None = column(source="planned.cut", page="cut", after="provider")
    precision: str | None = column(page="precision", after="cut")
    provider: str | None = column(source="planned.provider", page="provider")
    input: str | None = column(source="planned.input", page="input")
    recipe: str | None = column(source="planned.recipe", page="recipe")
    images: int = column()
    images_skipped: int | None = column(
        source="manifest.images_skipped",
        heading="images skipped",
        style=".0f",
        page_style="count",
        only_where_some=True,
    )
    images_without_detections: int | None = column(
        page="images without detections", style=".0f", page_style="count"
    )
    categories_left_out: int | None = column(
        source="truth.left_out.categories",
        heading="categories left out",
        style=".0f",
        page_style="count",
        only_where_some=True,
    )
    boxes_left_out: int | None = column(
        source="truth.left_out.boxes",
        heading="boxes left out",
        style=".0f",
        page_style="count",
        only_where_some=True,
    )
    AP: float | None = column(
        source="metrics.AP",
        heading="AP",
        style=".4f",
        doubted_by=OF_DETECTIONS,
        marked=True,
        bound="min",
        bar="from_zero",
    )
    AP50: float | None = column(
        source="metrics.AP50", page="AP50", style=".4f", doubted_by=OF_DETECTIONS, marked=True, extra=True
    )
    AP75: float | None = column(
        source="metrics.AP75", page="AP75", style=".4f", doubted_by=OF_DETECTIONS, marked=True, extra=True
    )
    evaluator: str | None = column(source="metrics.evaluator", heading="AP by", style="evaluator")
    delta_AP: float | None = column(
        source="comparison.delta_AP",
        markdown="ΔAP",
        page="ΔAP",
        style="signed",
        below="delta_AP_lo",
        doubted_by=OF_DETECTIONS,
        marked=True,
        bound="min",
        compared=True,
        bar="difference",
    )
    delta_AP_lo: float | None = column(
        source="comparison.delta_AP_ci95.0",
        markdown="95 % interval",
        style="interval",
        doubted_by=OF_DETECTIONS,
        bound="min",
        compared=True,
    )
    delta_AP_hi: float | None = column(
        source="comparison.delta_AP_ci95.1", doubted_by=OF_DETECTIONS, compared=True
    )
    verdict: str | None = column(
        source="comparison.verdict", heading="verdict", doubted_by=OF_DETECTIONS, marked=True, compared=True
    )
    agreement: float | None = column(
        source="comparison.agreement",
        heading="agreement",
        style=".4f",
        doubted_by=OF_DETECTIONS,
        marked=True,
        bound="min",
        compared=True,
        bar="from_zero",
    )
    latency_p50_ms: float | None = column(
        source="latency.stages.total.p50",
        heading="p50 [ms]",
        style=".2f",
        doubted_by=OF_TIMES,
        below="latency_samples",
        marked=True,
        bound="max",
        bar="from_zero",
    )
    latency_p99_ms: float | None = column(
        source="latency.stages.total.p99",
        page="p99 [ms]",
        style=".2f",
        doubted_by=OF_TIMES,
        marked=True,
        bound="max",
        extra=True,
    )
    latency_samples: int | None = column(source="latency.stages.total.n", style="samples")
    latency_delta_ms: float | None = column(
        source="latency.difference.p50_ms",
        page="Δ p50 [ms]",
        style="signed_ms",
        below="latency_delta_ms_lo",
        doubted_by=OF_TIMES,
        marked=True,
        compared=True,
        bar="difference",
    )
    latency_delta_ms_lo: float | None = column(
        source="latency.difference.p50_ci95.0", style="interval", doubted_by=OF_TIMES, compared=True
    )
    latency_delta_ms_hi: float | None = column(
        source="latency.difference.p50_ci95.1", doubted_by=OF_TIMES, compared=True
    )
    images_per_s: float | None = column(
        source="latency.throughput.images_per_s",
        page="images/s",
        style=".1f",
        doubted_by=OF_TIMES,
        marked=True,
        extra=True,
    )
    model_mb: float | None = column(source="model_mb", page="model [MB]", style=".1f", bound="max")
    shape: str | None = column(page="shape", after="recipe")
    batch: int | None = column(source="planned.batch", page="batch", after="shape")
    tf32: str | None = column(source="planned.tf32", page="tf32", after="batch")
    layout: str | None = column(source="planned.layout", page="layout", after="cut")
    is_reference: bool = column()
    refused: str | None = column()
    reference_refused: bool = column()
    weak_reference: str | None = column()
    baseline_off: bool | None = column()
    published_ap: float | None = column(source="planned.published_ap")
    suspicious: bool | None = column(source="comparison.suspicious")
    doubtful: tuple[str, ...] = column()
    images_to_decide: int | None = column(source="comparison.images_to_decide")
    kept_otherwise: tuple[str, ...] = column()
    export_failed: bool | None = column()
    export_failures: tuple[str, ...] = column(source="verification.failures")
    without_compiled_nms: bool | None = column(source="latency.without_compiled_nms")
    unsteady: tuple[str, ...] = column(source="latency.unsteady")
    disturbed: bool | None = column(source="latency.disturbed")
    foreign_cores: float | None = column(source="latency.load.foreign_cores")
    throttled: tuple[str, ...] = column(source="latency.watch.throttled")
    timed_batch: int | None = column(source="latency.batch")
    timed_recipe: str | None = column(source="latency.recipe")
    notes: str | None = column()


COLUMNS = {item.name: Column(item.name, **item.metadata) for item in fields(SummaryRow)}


def shown_columns(where: str) -> list[Column]:
    """The columns of a table for people, in its order; ``where``: ``markdown`` or ``page``."""
    order = [item.name for item in COLUMNS.values() if not item.after]
    waiting = [item for item in COLUMNS.values() if item.after]
    while waiting:
        item = next(item for item in waiting if item.after in order)
        order.insert(order.index(item.after) + 1, item.name)
        waiting.remove(item)
    return [COLUMNS[name] for name in order if getattr(COLUMNS[name], where)]


def by_evaluation(rows: Iterable[SummaryRow]) -> list[list[SummaryRow]]:
    """The rows of each data set and model together, in the order of the file."""
    groups: dict[tuple[str, str], list[SummaryRow]] = {}
    for row in rows:
        groups.setdefault((row.dataset, row.model), []).append(row)
    return list(groups.values())


def read_summary(path: str | Path) -> list[SummaryRow]:
    """Read summary.csv, also one from before the flags were columns.

    Raises:
        UserError: the file is not one.
    """
    return read_rows(path, SummaryRow, upgrade)


def write_summary(path: str | Path, rows: list[SummaryRow]) -> None:
    """Write summary.csv, completely or not at all."""
    write_rows(path, SummaryRow, rows)
