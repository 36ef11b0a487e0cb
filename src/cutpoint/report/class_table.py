"""The page about classes: those that moved most, and behind them all."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from cutpoint.records.per_class import ClassRow
from cutpoint.report.assets import embed_json
from cutpoint.summary.words import fixed, interval, signed

SHOWN = 10
HEADS = ("class", "variant", "AP", "ΔAP", "95 % interval", "different", "objects")


def class_table(classes: Sequence[ClassRow], doubts: dict[str, str]) -> dict[str, Any]:
    """Rows of cells as text: the largest changes, and as JSON for scripts all classes of all variants.

    Args:
        classes: the rows of a data set and model.
        doubts: what makes the detections of a variant doubtful, in words.
    """
    ordered = sorted(classes, key=lambda line: -abs(line.delta_AP or 0.0))
    # a change below the four decimals is none
    moved = [line for line in ordered if abs(line.delta_AP or 0.0) >= 5e-5]
    shown = (moved or ordered)[:SHOWN]
    return {
        "heads": HEADS,
        "rows": [_cells(line) for line in shown],
        "moved": bool(moved),
        "all": _embed(ordered, doubts) if len(ordered) > len(shown) else None,
    }


def _embed(lines: Sequence[ClassRow], doubts: dict[str, str]) -> Markup:
    rows = [_cells(line) for line in lines]
    return embed_json({"variant": HEADS.index("variant"), "doubts": doubts, "rows": rows})


def _cells(line: ClassRow) -> list[str]:
    return [
        line.name,
        line.variant,
        fixed(4)(line.AP),
        signed(line.delta_AP),
        interval(line.delta_AP_lo, line.delta_AP_hi),
        _different(line),
        str(line.ground_truths),
    ]


def _different(line: ClassRow) -> str:
    """Whether a class is different from the reference, and if so whether it is better."""
    if line.different is None:
        return ""
    better = (line.delta_AP or 0.0) > 0
    return f"yes{', better: suspicious' if better else ''}" if line.different else "no"
