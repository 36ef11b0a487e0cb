"""What the page says about single boxes: what removed them, what is wrong with them, at which threshold."""

from collections import Counter
from typing import Any

from cutpoint.files import read_json
from cutpoint.report.words import fixed, signed

# The causes of an autopsy in words.
STEPS = {
    "threshold": "below the threshold",
    "best_class": "another class of its location is better",
    "top_k": "lost at top-k",
    "clip": "clipped away",
    "min_size": "too small",
    "nms": "suppressed",
    "per_class_cap": "cut by the cap of its class",
    "cap": "cut by the cap",
    "no_candidate": "no candidate: other scores",
    "label_changed": "label changed",
    "drifted": "drifted",
    "partner_taken": "partner of another box",
    "graph": "not in the graph's output",
    "not_followed": "not followed: made elsewhere",
}
ERRORS = ("class", "place", "both", "duplicate", "background", "missed")


def autopsy_table(comparisons: list[dict[str, str]]) -> dict[str, Any] | None:
    """How many boxes each step removed, most frequent first; null where no variant lacks or adds one.

    Args:
        comparisons: ``{variant, path}`` of every comparison JSON.
    """
    read = {entry["variant"]: read_json(entry["path"]) for entry in comparisons}
    totals = {name: found["autopsy"] for name, found in read.items() if not found["refused"]}
    count = Counter()
    for sides in totals.values():
        for steps in sides.values():
            count.update(steps)
    steps = [step for step, _ in count.most_common()]
    rows = []
    for variant, sides in totals.items():
        missing, extra = sides["reference"], sides["variant"]
        cells = [(sum(missing.values()), sum(extra.values()))]
        cells += [(missing.get(step, 0), extra.get(step, 0)) for step in steps]
        rows.append({"variant": variant, "cells": [f"{a} / {b}" if a or b else "" for a, b in cells]})
    return {"heads": ["in all", *(STEPS[step] for step in steps)], "rows": rows} if steps else None


def operating_table(points: list[dict[str, str]]) -> dict[str, Any] | None:
    """Precision, recall and errors at the reference's best threshold; null without ground truth.

    Args:
        points: ``{variant, path}`` of every operating-points JSON.
    """
    read = [(entry["variant"], read_json(entry["path"])) for entry in points]
    read = [(variant, found) for variant, found in read if found["score_thr"] is not None]
    if not read:
        return None
    rows = []
    for variant, found in read:
        point = next(p for p in found["points"] if p["score_thr"] == found["score_thr"])
        cells = [fixed(4)(point[key]) for key in ("precision", "recall", "f1")]
        cells += [fixed(2)(point["boxes_per_image"]), fixed(4)(point["regains_at"])]
        changes = found["error_changes"] or dict.fromkeys(ERRORS, 0)
        errors = [(found["errors"][kind], changes[kind]) for kind in ERRORS]
        cells += [f"{number} ({change:+d})" if change else str(number) for number, change in errors]
        rows.append({"variant": variant, "cells": cells})
    heads = ["precision", "recall", "F1", "boxes per image", "regains the recall at", *ERRORS]
    return {"score_thr": read[0][1]["score_thr"], "heads": heads, "rows": rows}


def drift_table(points: list[dict[str, str]]) -> dict[str, Any] | None:
    """Mean change of the scores of paired boxes, by tenths of the reference's score; null without pairs.

    Args:
        points: as of ``operating_table``.
    """
    rows, lows = [], []
    for entry in points:
        bins = read_json(entry["path"])["scores"]
        lows = [row["from"] for row in bins]
        if any(row["pairs"] for row in bins):
            cells = [signed(row["drift"]) for row in bins]
            rows.append({"variant": entry["variant"], "cells": cells})
    used = [i for i in range(len(lows)) if any(row["cells"][i] for row in rows)]
    for row in rows:
        row["cells"] = [row["cells"][i] for i in used]
    return {"heads": [f"from {lows[i]}" for i in used], "rows": rows} if rows else None
