"""What the page says about comparisons beside the summary: agreement of the boxes, delta AP by size."""

from typing import Any

from cutpoint.files import read_json
from cutpoint.report.words import fixed, interval, signed


def agreement_table(comparisons: list[dict[str, str]]) -> dict[str, Any] | None:
    """Agreement at several IoUs, boxes without a partner, drift of those with one; null without comparisons.

    Args:
        comparisons: ``{variant, path}`` of every comparison JSON.
    """
    rows, heads = [], []
    for entry in comparisons:
        boxes = read_json(entry["path"])["boxes"]
        if boxes is None:  # refused
            continue
        score, box = boxes["score_drift"], boxes["box_drift_px"]
        heads = [f"IoU {row['iou']:g}" for row in boxes["shares"]]
        cells = [fixed(4)(row["share"]) for row in boxes["shares"]]
        cells += [
            f"{boxes[key]} of {boxes[side]}" for key, side in (("missing", "reference"), ("extra", "variant"))
        ]
        cells += ["" if score[key] is None else f"{score[key]:.1e}" for key in ("p50", "p99", "max")]
        cells += ["" if box[key] is None else f"{box[key]:.2g}" for key in ("p50", "p99", "max")]
        cells += _best_f1(boxes["f1"])
        rows.append({"variant": entry["variant"], "cells": cells})
    heads += ["missing", "extra"]
    heads += [f"{what} {key}" for what in ("score", "px") for key in ("p50", "p99", "max")]
    return {"heads": [*heads, "best F1", "from score"], "rows": rows} if rows else None


def _best_f1(rows: list[dict[str, Any]]) -> list[str]:
    """The highest agreement-F1, and the least threshold that has it."""
    known = [row for row in rows if row["f1"] is not None]
    best = max(known, key=lambda row: row["f1"], default=None)
    return [fixed(4)(best["f1"]), f"{best['score_thr']:g}"] if best else ["", ""]


def size_table(comparisons: list[dict[str, str]]) -> dict[str, Any] | None:
    """Delta AP by the size of objects, with intervals; null without ground truth.

    Args:
        comparisons: as of ``agreement_table``.
    """
    rows, heads = [], []
    for entry in comparisons:
        sizes = read_json(entry["path"])["per_size"]
        if sizes:
            heads = [row["size"] for row in sizes]
            rows.append({"variant": entry["variant"], "cells": [_size_cell(row) for row in sizes]})
    return {"heads": heads, "rows": rows} if rows else None


def _size_cell(row: dict[str, Any]) -> str:
    if row["delta_AP"] is None:
        return ""
    limits = f" ({interval(*row['delta_AP_ci95'])})" if row["delta_AP_ci95"] else ""
    better = " suspicious" if row["delta_AP"] > 0 else ""
    return f"{signed(row['delta_AP'])}{limits}{f' ≠{better}' if row['different'] else ''}"
