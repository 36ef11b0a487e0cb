"""One row per variant: summary.csv, the same for people in Markdown, and AP per class."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cutpoint.data.inspection import Inspection, inspect, kept_otherwise, missed
from cutpoint.errors import UserError
from cutpoint.files import write_text
from cutpoint.latency.paired import PairedTimes, read_paired_times
from cutpoint.records.comparison import read_comparison
from cutpoint.records.csv_table import kind_of
from cutpoint.records.detections import Refused, read_results
from cutpoint.records.json_file import as_record
from cutpoint.records.latency import read_latency
from cutpoint.records.manifest import read_manifest
from cutpoint.records.metrics import read_metrics
from cutpoint.records.oddities import INDEX, read_oddities
from cutpoint.records.per_class import ClassRow, write_per_class
from cutpoint.records.per_slice import write_per_slice
from cutpoint.records.planned import PlannedRow
from cutpoint.records.precision import read_precision
from cutpoint.records.recommendation import write_recommendations
from cutpoint.records.summary import (
    COLUMNS,
    SummaryRow,
    VariantRecords,
    by_evaluation,
    write_summary,
)
from cutpoint.records.truth import read_truth
from cutpoint.records.verification import read_verification
from cutpoint.summary.baseline import is_baseline_off, weakness_of
from cutpoint.summary.markdown import as_markdown
from cutpoint.summary.notes import notes_of
from cutpoint.summary.recommend import recommend
from cutpoint.summary.slices import slice_rows
from cutpoint.summary.warnings import warnings


@dataclass(frozen=True)
class Variant:
    """A variant with everything that its row is made from.

    ``refused``: why it has no detections, or null. ``inspection``: of its detections; null if refused.
    """

    records: VariantRecords
    refused: str | None
    inspection: Inspection | None

    @property
    def key(self) -> tuple[str, str, str]:
        """Data set, model and name."""
        planned = self.records.planned
        return planned.dataset, planned.model, planned.variant

    @property
    def reference(self) -> tuple[str, str, str]:
        """The key of the variant that it is compared with; for the reference its own key."""
        compared = self.records.comparison
        return (*self.key[:2], compared.reference) if compared else self.key


def summarize(
    *,
    rows: list[dict[str, Any]],
    out_csv: str,
    out_md: str,
    out_per_class: str,
    out_per_slice: str,
    out_recommendations: str,
) -> None:
    """Gather every variant's files into the tables.

    Args:
        rows: of every variant, in table order, what ``PlannedRow`` has.
        out_csv: summary.csv, see ``SummaryRow``.
        out_md: the main numbers for people, see ``markdown``.
        out_per_class: AP per class that has ground truth, see ``ClassRow``.
        out_recommendations: recommendations.json, one for each data set and model.
        out_per_slice: each variant on the slices of its data set, see ``SliceRow``.

    Warnings that come before any number (``warnings``) are printed too.

    Raises:
        UserError: a file is not what it should be, or metrics are for another number of images than the
            manifest has.
    """
    variants = [read_variant(as_record(row, PlannedRow, "the plan's rows")) for row in rows]
    known = {variant.key: variant for variant in variants}
    summary = [_summary_row(variant, known[variant.reference], variants) for variant in variants]
    classes = [line for variant in variants for line in _class_rows(variant, known[variant.reference])]
    write_summary(out_csv, summary)
    write_per_class(out_per_class, classes)
    advice = [recommend(group, _paired_times(group, known)) for group in by_evaluation(summary)]
    write_recommendations(out_recommendations, advice)
    write_per_slice(
        out_per_slice,
        [
            line
            for variant in variants
            for line in slice_rows(variant.records.planned, variant.records.comparison)
        ],
    )
    told = [
        _of_annotations(known[group[0].dataset, group[0].model, group[0].variant].records)
        for group in by_evaluation(summary)
    ]
    write_text(out_md, as_markdown(summary, advice, told))
    for group in by_evaluation(summary):
        for warning in warnings(group):
            print(f"cutpoint: {group[0].dataset}, {group[0].model}: {warning}", file=sys.stderr)


def read_variant(row: PlannedRow) -> Variant:
    """Read the files for a row.

    Raises:
        UserError: one of them is not what it should be.
    """
    records = VariantRecords(
        planned=row,
        manifest=read_manifest(row.manifest),
        truth=read_truth(row.truth) if row.truth else None,
        metrics=read_metrics(row.metrics) if row.metrics else None,
        latency=read_latency(row.latency) if row.latency else None,
        comparison=read_comparison(row.comparison) if row.comparison else None,
        verification=read_verification(row.verify) if row.verify else None,
        precision=read_precision(row.precision_report) if row.precision_report else None,
        model_mb=_megabytes(row.onnx) if row.onnx else None,
    )
    images = records.manifest.ids
    if records.metrics is not None and records.metrics.images != len(images):
        raise UserError(
            f"{row.metrics} scores {records.metrics.images} images but {row.manifest} lists "
            f"{len(images)}: rerun with --forcerun evaluate"
        )
    try:
        return Variant(records, None, inspect(read_results(row.detections), images))
    except Refused as refused:
        return Variant(records, refused.reason, None)


def _of_annotations(records: VariantRecords) -> list[str]:
    """What was lost, filled in or is odd in the ground truth of a data set."""
    notes = list(records.truth.notes) if records.truth else []
    odd = records.planned.odd
    return notes + ([f"odd: {kind.counted}" for kind in read_oddities(Path(odd, INDEX)).kinds] if odd else [])


def _paired_times(rows: Sequence[SummaryRow], known: dict[tuple[str, str, str], Variant]) -> PairedTimes:
    variants = (known[row.dataset, row.model, row.variant] for row in rows)
    paths = {path for variant in variants if (path := variant.records.planned.latency_samples)}
    return read_paired_times(paths.pop()) if paths else PairedTimes({})


def _summary_row(variant: Variant, reference: Variant, variants: Sequence[Variant]) -> SummaryRow:
    records, own = variant.records, variant.inspection
    planned, compared, verified = records.planned, records.comparison, records.verification
    shape = planned.shape
    cells = {name: column.look_up(records) for name, column in COLUMNS.items() if column.source}
    doubts = [*own.doubts] if own else []
    if own and reference.inspection:
        doubts += filter(None, [missed(own, reference.inspection)])
    cells |= {
        # the file's own precision: the config need not state it for an external file
        "precision": verified.precision if verified else planned.precision,
        "images": len(records.manifest.images),
        "images_without_detections": own.without if own else None,
        "shape": "x".join(map(str, shape)) if isinstance(shape, tuple) else shape,
        "is_reference": compared is None,
        "refused": _text(variant.refused),
        "reference_refused": bool(compared and compared.refused and not variant.refused),
        "weak_reference": _text(compared.weak_reference if compared else _weakness(variant, variants)),
        "baseline_off": is_baseline_off(reference.records.metrics, planned.published_ap),
        "doubtful": doubts,
        "kept_otherwise": _kept_otherwise(variant, reference),
        "export_failed": not verified.passed if verified else None,
        "notes": None,
    }
    for name in COLUMNS:
        if kind_of(SummaryRow, name) is tuple:
            cells[name] = tuple(text.replace(";", ",") for text in cells[name] or ())
    row = SummaryRow(**cells)
    return replace(row, notes=notes_of(row, records))


def _kept_otherwise(variant: Variant, reference: Variant) -> list[str]:
    """How the limits of the detections differ, if the recipe of one of the two is unknown."""
    sides = (variant, reference)
    known = all(side.records.planned.recipe is not None for side in sides)
    if known or variant.inspection is None or reference.inspection is None:
        return []
    return kept_otherwise(variant.inspection, reference.inspection)


def _weakness(reference: Variant, variants: Sequence[Variant]) -> str | None:
    compared = [
        variant.records.comparison.weak_reference
        for variant in variants
        if variant.records.comparison and variant.reference == reference.key
    ]
    return weakness_of(reference.records.metrics, reference.inspection, compared)


def _text(text: str | None) -> str | None:
    """The text without ``;``, which separates notes."""
    return text and text.replace(";", ",")


def _megabytes(onnx: str) -> float:
    """The size of a file, and of the file next to it if its tensors do not fit into one file."""
    files = (Path(onnx), Path(f"{onnx}.data"))
    return sum(file.stat().st_size for file in files if file.exists()) / 1e6


def _class_rows(variant: Variant, reference: Variant) -> list[ClassRow]:
    metrics, comparison = variant.records.metrics, variant.records.comparison
    if metrics is None:
        return []
    base = reference.records.metrics if comparison else None
    of_reference = {entry.category_id: entry.AP for entry in base.per_class} if base else {}
    compared = {entry.category_id: entry for entry in (comparison and comparison.per_class) or ()}
    lines = []
    for entry in metrics.per_class:
        if not entry.ground_truths:
            continue
        before, delta = of_reference.get(entry.category_id), compared.get(entry.category_id)
        low, high = (delta and delta.delta_AP_ci95) or (None, None)
        planned = variant.records.planned
        lines.append(
            ClassRow(
                dataset=planned.dataset,
                model=planned.model,
                variant=planned.variant,
                category_id=entry.category_id,
                name=entry.name,
                AP=entry.AP,
                AP50=entry.AP50,
                delta_AP=None if entry.AP is None or before is None else entry.AP - before,
                delta_AP_lo=low,
                delta_AP_hi=high,
                different=delta.different if delta else None,
                ground_truths=entry.ground_truths,
                evaluator=metrics.evaluator,
            )
        )
    return lines
