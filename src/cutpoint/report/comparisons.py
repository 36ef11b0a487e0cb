"""The page about comparisons: agreement of the boxes, and delta AP by size."""

from collections.abc import Sequence

from cutpoint.records.comparison import Agreement, SizeDelta, ThresholdAgreement, read_comparison
from cutpoint.report.number_table import NumberRow, NumberTable
from cutpoint.report.section import Entry, Section
from cutpoint.summary.words import fixed, interval, signed

SIZES_CAPTION = (
    "ΔAP by the size of the objects (COCO's areas), with 95 % intervals. ≠ marks a significant difference "
    "(suspicious if it is better). At most 5 % of the marks among a variant's classes and sizes are expected "
    "to be false."
)
AGREEMENT_CAPTION = (
    "Pairs of one class, one to one. The fraction of both sides' detections in a pair with at least this "
    "IoU. Missing, extra: the reference's and the variant's boxes without a partner at IoU 0.5. Drift of the "
    "pairs there: the absolute difference of the scores, and of the coordinate that moved most (px of the "
    "original image). Best F1 at IoU 0.9 over score thresholds, and the lowest threshold that has it. Per "
    "image: results/comparisons."
)


def agreement_table(comparisons: list[Entry]) -> NumberTable | None:
    """Agreement at several IoUs, boxes without a partner, drift of those with one; null without comparisons.

    Args:
        comparisons: ``{variant, path}`` of every comparison JSON.
    """
    read = [(entry["variant"], read_comparison(entry["path"]).boxes) for entry in comparisons]
    known = [(variant, boxes) for variant, boxes in read if boxes is not None]  # null: refused
    if not known:
        return None
    heads = [f"IoU {share.iou:g}" for share in known[0][1].shares]
    heads += ["missing", "extra"]
    heads += [f"{what} {key}" for what in ("score", "px") for key in ("p50", "p99", "max")]
    rows = [NumberRow(variant, _agreement_cells(boxes)) for variant, boxes in known]
    return NumberTable(AGREEMENT_CAPTION, [*heads, "best F1", "from score"], rows)


def _agreement_cells(boxes: Agreement) -> list[str]:
    score, box = boxes.score_drift, boxes.box_drift_px
    cells = [fixed(4)(share.share) for share in boxes.shares]
    cells += [f"{boxes.missing} of {boxes.reference}", f"{boxes.extra} of {boxes.variant}"]
    cells += ["" if drift is None else f"{drift:.1e}" for drift in (score.p50, score.p99, score.max)]
    cells += ["" if drift is None else f"{drift:.2g}" for drift in (box.p50, box.p99, box.max)]
    return cells + _best_f1(boxes.f1)


def _best_f1(rows: Sequence[ThresholdAgreement]) -> list[str]:
    """The highest agreement-F1, and the least threshold that has it."""
    known = [(row.f1, row.score_thr) for row in rows if row.f1 is not None]
    if not known:
        return ["", ""]
    f1, score_thr = max(known, key=lambda pair: pair[0])
    return [fixed(4)(f1), f"{score_thr:g}"]


def size_table(comparisons: list[Entry]) -> NumberTable | None:
    """Delta AP by the size of objects, with intervals; null without ground truth.

    Args:
        comparisons: as of ``agreement_table``.
    """
    read = [(entry["variant"], read_comparison(entry["path"]).per_size) for entry in comparisons]
    known = [(variant, sizes) for variant, sizes in read if sizes]
    rows = [NumberRow(variant, [_size_cell(size) for size in sizes]) for variant, sizes in known]
    return NumberTable(SIZES_CAPTION, [size.size for size in known[0][1]], rows) if known else None


def _size_cell(size: SizeDelta) -> str:
    if size.delta_AP is None:
        return ""
    limits = f" ({interval(*size.delta_AP_ci95)})" if size.delta_AP_ci95 else ""
    better = " suspicious" if size.delta_AP > 0 else ""
    return f"{signed(size.delta_AP)}{limits}{f' ≠{better}' if size.different else ''}"


SIZES = Section("Sizes", "comparisons", size_table)
AGREEMENT = Section("Agreement of the detections", "comparisons", agreement_table)
