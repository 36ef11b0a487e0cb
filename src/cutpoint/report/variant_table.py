"""The page's main table: a row for each variant of a data set and model, cell by cell."""

from typing import Any

import pandas as pd

from cutpoint.report.doubts import OF_DETECTIONS, OF_TIMES, doubts, is_reference, split_notes
from cutpoint.report.words import fixed, interval, signed


def _count(images: int) -> str:
    """Empty for none, as for what does not apply."""
    return "" if pd.isna(images) or not images else str(images)


# Heading -> column of summary.csv and number format (None: text). Columns that are empty for a
# data set and model are left out there; text columns with one value are said once above the table.
COLUMNS = {
    "runtime": ("runtime", None),
    "provider": ("provider", None),
    "cut": ("cut", None),
    "precision": ("precision", None),
    "input": ("input", None),
    "recipe": ("recipe", None),
    "shape": ("shape", None),
    "batch": ("batch", None),
    "tf32": ("tf32", None),
    "images without detections": ("images_without_detections", _count),
    "categories left out": ("categories_left_out", _count),
    "boxes left out": ("boxes_left_out", _count),
    "AP": ("AP", fixed(4)),
    "AP50": ("AP50", fixed(4)),
    "AP75": ("AP75", fixed(4)),
    "ΔAP": ("delta_AP", signed),
    "verdict": ("verdict", None),
    "agreement": ("agreement", fixed(4)),
    "p50 [ms]": ("latency_p50_ms", fixed(2)),
    "p99 [ms]": ("latency_p99_ms", fixed(2)),
    "images/s": ("images_per_s", fixed(1)),
    "model [MB]": ("model_mb", fixed(1)),
}
# Columns whose cells say what makes their numbers doubtful.
DOUBTED = dict.fromkeys(("AP", "verdict", "agreement"), OF_DETECTIONS)
DOUBTED |= dict.fromkeys(("latency_p50_ms", "latency_p99_ms", "images_per_s"), OF_TIMES)


def variant_table(rows: pd.DataFrame) -> dict[str, Any]:
    """What the variants share, the heads of the other columns, and the lines.

    Args:
        rows: the rows of one data set and model of summary.csv.
    """
    shared, heads = [], []
    for head, (column, style) in COLUMNS.items():
        values = rows[column].dropna()
        if style is _count:
            values = values[values > 0]
        if len(values) and style is None and len(rows) > 1 and values.nunique() == 1:
            shared.append(f"{head} {values.iloc[0]}")
        elif len(values):
            heads.append(head)
    references = is_reference(rows)
    lines = [
        {
            "variant": row["variant"],
            "cells": [_cell(head, row) for head in heads],
            "notes": "" if pd.isna(row["notes"]) else row["notes"],
            "reference": reference,
            "doubtful": bool(doubts(split_notes(row["notes"]), (*OF_DETECTIONS, *OF_TIMES))),
        }
        for (_, row), reference in zip(rows.iterrows(), references, strict=True)
    ]
    return {
        "shared": shared,
        "heads": [{"text": head, "number": COLUMNS[head][1] is not None} for head in heads],
        "lines": lines,
    }


def _cell(head: str, row: pd.Series) -> dict[str, Any]:
    """A cell of the main table: what it says, and below it the interval, and what makes it doubtful."""
    column, style = COLUMNS[head]
    text = style(row[column]) if style else "" if pd.isna(row[column]) else str(row[column])
    found = doubts(split_notes(row["notes"]), DOUBTED[column]) if column in DOUBTED and text else []
    return {
        "text": text,
        "number": style is not None,
        "below": interval(row["delta_AP_lo"], row["delta_AP_hi"]) if column == "delta_AP" else "",
        "doubt": ", ".join(found),
    }
