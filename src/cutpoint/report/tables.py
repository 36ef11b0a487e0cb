"""One row per variant: summary.csv, the same for people in Markdown, and AP per class."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from cutpoint.data.inspection import Inspection, inspect
from cutpoint.errors import UserError
from cutpoint.files import read_json, replacing, write_text
from cutpoint.records.detections import Refused, read_results
from cutpoint.records.manifest import read_manifest
from cutpoint.records.truth import read_truth
from cutpoint.report.doubts import warnings
from cutpoint.report.notes import notes_of, reference_row
from cutpoint.report.words import fixed, interval, signed

COLUMNS = {
    "dataset": "str",
    "model": "str",
    "variant": "str",
    "runtime": "str",
    "cut": "str",
    "precision": "str",
    "provider": "str",
    "input": "str",
    "recipe": "str",
    "images": "Int64",
    "images_without_detections": "Int64",
    "categories_left_out": "Int64",
    "boxes_left_out": "Int64",
    "AP": "Float64",
    "AP50": "Float64",
    "AP75": "Float64",
    "delta_AP": "Float64",
    "delta_AP_lo": "Float64",
    "delta_AP_hi": "Float64",
    "verdict": "str",
    "agreement": "Float64",
    "latency_p50_ms": "Float64",
    "latency_p99_ms": "Float64",
    "images_per_s": "Float64",
    "model_mb": "Float64",
    "shape": "str",
    "batch": "Int64",
    "tf32": "str",
    "notes": "str",
}
# What is said only where there is something.
LEFT_OUT = ("categories_left_out", "boxes_left_out")
PER_CLASS_COLUMNS = {
    "dataset": "str",
    "model": "str",
    "variant": "str",
    "category_id": "Int64",
    "name": "str",
    "AP": "Float64",
    "AP50": "Float64",
    "delta_AP": "Float64",
    "delta_AP_lo": "Float64",
    "delta_AP_hi": "Float64",
    "different": "boolean",
    "ground_truths": "Int64",
}
# Column of the Markdown table -> column of summary.csv and format.
MARKDOWN = {
    "variant": ("variant", None),
    "runtime": ("runtime", None),
    "provider": ("provider", None),
    "cut": ("cut", None),
    "precision": ("precision", None),
    "input": ("input", None),
    "recipe": ("recipe", None),
    "shape": ("shape", None),
    "images without detections": ("images_without_detections", fixed(0)),
    "categories left out": ("categories_left_out", fixed(0)),
    "boxes left out": ("boxes_left_out", fixed(0)),
    "AP": ("AP", fixed(4)),
    "AP50": ("AP50", fixed(4)),
    "AP75": ("AP75", fixed(4)),
    "delta AP": ("delta_AP", signed),
    "95 % interval": ("interval", None),
    "verdict": ("verdict", None),
    "agreement": ("agreement", fixed(4)),
    "p50 [ms]": ("latency_p50_ms", fixed(2)),
    "p99 [ms]": ("latency_p99_ms", fixed(2)),
    "model [MB]": ("model_mb", fixed(1)),
    "notes": ("notes", None),
}


def summarize(*, rows: list[dict[str, Any]], out_csv: str, out_md: str, out_per_class: str) -> None:
    """Gather every variant's files into the tables.

    Args:
        rows: one dict per variant, in table order: the resolved cells ``dataset, model, variant,
            runtime, cut, precision, provider, input, recipe, shape, batch, tf32``, the paths
            ``manifest, detections, truth, metrics, latency, comparison, verify, onnx, precision_report`` (all
            but the first two may be None), ``published_ap`` (fraction or None) and ``remarks``, notes that
            are known before. The reference is the row without a comparison.
        out_csv: summary.csv, AP as fractions, latency in ms, empty = not applicable.
        out_md: the same for people, one table per data set and model.
        out_per_class: AP per class that has ground truth, fractions; ``different``: from the reference, with
            the false discovery rate over a variant's classes and sizes at 5 %.

    What must be said before any number (``doubts.warnings``) is printed as well.

    Raises:
        UserError: if metrics were computed over another number of images than the manifest lists.
    """
    seen = [_inspect(row) for row in rows]
    bases = [seen[rows.index(reference_row(row, rows))] for row in rows]
    lines = [
        _summary_row(row, own, notes_of(row, rows, own, base))
        for row, own, base in zip(rows, seen, bases, strict=True)
    ]
    summary = _frame(lines, COLUMNS)
    per_class = _frame([line for row in rows for line in _class_rows(row, rows)], PER_CLASS_COLUMNS)
    for frame, out in ((summary, out_csv), (per_class, out_per_class)):
        with replacing(out) as temporary:
            frame.to_csv(temporary, index=False)
    write_text(out_md, _markdown(summary))
    for (dataset, model), group in _groups(summary):
        for warning in warnings(group):
            print(f"cutpoint: {dataset}, {model}: {warning}", file=sys.stderr)


def read_summary(path: str | Path) -> pd.DataFrame:
    """Read summary.csv with the column types it was written with; empty cells are missing."""
    return _read(path, COLUMNS)


def read_per_class(path: str | Path) -> pd.DataFrame:
    """Read per_class.csv with the column types it was written with; empty cells are missing."""
    return _read(path, PER_CLASS_COLUMNS)


def _read(path: str | Path, columns: dict[str, str]) -> pd.DataFrame:
    # Only the empty cell is missing: a class or a variant may well be called "none" or "NA".
    return pd.read_csv(path, dtype=columns, keep_default_na=False, na_values=[""])


def _frame(rows: list[dict[str, Any]], columns: dict[str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(columns), dtype=object)
    return frame.astype(columns)


def _load(path: str | None) -> dict[str, Any]:
    return read_json(path) if path else {}


def _groups(summary: pd.DataFrame) -> Any:
    return summary.groupby(["dataset", "model"], sort=False)


def _inspect(row: dict[str, Any]) -> Inspection | None:
    """What can be seen of a row's detections; null where it is refused."""
    try:
        found = read_results(row["detections"])
    except Refused:
        return None
    return inspect(found, read_manifest(row["manifest"]).ids)


def _summary_row(row: dict[str, Any], seen: Inspection | None, notes: str | None) -> dict[str, Any]:
    images = len(read_manifest(row["manifest"]).images)
    metrics, comparison = _load(row["metrics"]), _load(row["comparison"])
    if metrics and metrics["images"] != images:
        raise UserError(
            f"{row['metrics']} scores {metrics['images']} images but {row['manifest']} lists "
            f"{images}: rerun with --forcerun evaluate"
        )
    latency = _load(row["latency"])
    total = latency["stages"]["total"] if latency else {}
    low, high = comparison.get("delta_AP_ci95") or (None, None)
    left_out = read_truth(row["truth"]).left_out if row["truth"] else None
    shape = row["shape"]
    return {
        **{key: row[key] for key in ("dataset", "model", "variant", "runtime", "cut")},
        # what the file has: of one made elsewhere the config need not say it
        "precision": _load(row["verify"]).get("precision", row["precision"]),
        **{key: row[key] for key in ("provider", "input", "recipe", "batch", "tf32")},
        **{key: metrics.get(key) for key in ("AP", "AP50", "AP75")},
        **{key: comparison.get(key) for key in ("delta_AP", "verdict", "agreement")},
        "delta_AP_lo": low,
        "delta_AP_hi": high,
        "images": images,
        "images_without_detections": seen and seen.without,
        "categories_left_out": left_out and left_out.categories,
        "boxes_left_out": left_out and left_out.boxes,
        "shape": "x".join(map(str, shape)) if isinstance(shape, list | tuple) else shape,
        "latency_p50_ms": total.get("p50"),
        "latency_p99_ms": total.get("p99"),
        "images_per_s": (latency.get("throughput") or {}).get("images_per_s"),
        "model_mb": _megabytes(row["onnx"]) if row["onnx"] else None,
        "notes": notes,
    }


def _megabytes(onnx: str) -> float:
    """Of a file and of the one beside it where its tensors are too many for it."""
    files = (Path(onnx), Path(f"{onnx}.data"))
    return sum(file.stat().st_size for file in files if file.exists()) / 1e6


def _class_rows(row: dict[str, Any], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    reference, compared = {}, _load(row["comparison"]).get("per_class") or []
    compared = {entry["category_id"]: entry for entry in compared}
    if row["comparison"]:
        classes = _load(reference_row(row, rows)["metrics"]).get("per_class", [])
        reference = {entry["category_id"]: entry["AP"] for entry in classes}
    identity = {key: row[key] for key in ("dataset", "model", "variant")}
    lines = []
    for entry in _load(row["metrics"]).get("per_class", []):
        if not entry["ground_truths"]:
            continue
        ap, base = entry["AP"], reference.get(entry["category_id"])
        delta = None if ap is None or base is None else ap - base
        found = compared.get(entry["category_id"], {"delta_AP_ci95": None, "different": None})
        low, high = found["delta_AP_ci95"] or (None, None)
        limits = {"delta_AP_lo": low, "delta_AP_hi": high, "different": found["different"]}
        lines.append({**identity, **entry, "delta_AP": delta, **limits})
    return lines


def _markdown(summary: pd.DataFrame) -> str:
    parts = [
        "# Summary",
        "AP as a fraction; delta AP = variant - reference (the row without one), its interval of a paired "
        "bootstrap over images; "
        "latency of the whole path from file to detections. Empty = not applicable.",
    ]
    for (dataset, model), rows in _groups(summary):
        limits = zip(rows["delta_AP_lo"], rows["delta_AP_hi"], strict=True)
        rows = rows.assign(interval=[interval(*pair) for pair in limits])
        shown = {
            title: (column, style)
            for title, (column, style) in MARKDOWN.items()
            if column not in LEFT_OUT or rows[column].fillna(0).any()
        }
        table = pd.DataFrame({title: _cells(rows[column], style) for title, (column, style) in shown.items()})
        parts.append(f"## {dataset}, {model}: {rows['images'].iloc[0]} images")
        parts += warnings(rows)
        right = ["right" if style else "left" for _, style in shown.values()]
        parts.append(table.to_markdown(index=False, disable_numparse=True, colalign=right))
    return "\n\n".join(parts) + "\n"


def _cells(values: pd.Series, style: Callable[[float], str] | None) -> list[str]:
    """Format the values as text, missing ones as empty; ``|`` would end a Markdown cell."""
    if style:
        return [style(value) for value in values]
    return ["" if pd.isna(value) else str(value).replace("|", "\\|") for value in values]
