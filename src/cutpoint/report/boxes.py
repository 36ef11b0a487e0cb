"""The page about single boxes: the step that removed them, their errors, the operating points."""

from collections import Counter

from cutpoint.records.comparison import StepCounts, read_comparison
from cutpoint.records.operating_points import OperatingPoints, Point, read_operating_points
from cutpoint.report.number_table import NumberRow, NumberTable
from cutpoint.report.section import Entry, Section
from cutpoint.report.steps import removed_by
from cutpoint.summary.words import fixed, signed

# The causes of an autopsy that are not a step of a recipe, in words.
OTHER_CAUSES = {
    "no_candidate": "no candidate: other scores",
    "label_changed": "label changed",
    "drifted": "drifted",
    "partner_taken": "partner of another box",
    "graph": "not in the graph's output",
    "not_followed": "not followed: external",
}
ERRORS = ("class", "localization", "both", "duplicate", "background", "missed")
AUTOPSY_CAPTION = (
    "Boxes without a partner of their class at IoU 0.9: the reference's, missing in the variant / the "
    "variant's, extra. The rows say what happened to the box's candidate on the side that lacks it. Each "
    "case is a row of the variant's file in results/autopsies."
)
OPERATING_CAPTION = (
    "At score {}, where the reference's F1 is highest. A box is found at IoU 0.5. Then the threshold at "
    "which the variant reaches the reference's recall again (empty: none), and the errors against ground "
    "truth with their change from the reference. All other thresholds: results/operating_points."
)
DRIFT_CAPTION = (
    "Mean of the variant's score - the reference's over pairs of the same class at IoU 0.5, by the "
    "reference's score."
)


def autopsy_table(comparisons: list[Entry]) -> NumberTable | None:
    """The number of boxes that each step removed, most frequent first; null if none could be followed.

    Args:
        comparisons: ``{variant, path}`` of every comparison JSON.
    """
    read = {entry["variant"]: read_comparison(entry["path"]) for entry in comparisons}
    totals = {variant: compared.autopsy for variant, compared in read.items() if compared.refused is None}
    count: Counter[str] = Counter()
    for sides in totals.values():
        count.update(sides.reference)
        count.update(sides.variant)
    steps = [step for step, _ in count.most_common()]
    rows = [NumberRow(variant, _autopsy_cells(sides, steps)) for variant, sides in totals.items()]
    heads = ["in all", *(removed_by(step) or OTHER_CAUSES[step] for step in steps)]
    picks = [None, *(("cause", step) for step in steps)]
    return NumberTable(AUTOPSY_CAPTION, heads, rows, picks) if set(steps) - {"not_followed"} else None


def _autopsy_cells(sides: StepCounts, steps: list[str]) -> list[str]:
    missing, extra = sides.reference, sides.variant
    cells = [(sum(missing.values()), sum(extra.values()))]
    cells += [(missing.get(step, 0), extra.get(step, 0)) for step in steps]
    return [f"{a} / {b}" if a or b else "" for a, b in cells]


def operating_table(points: list[Entry]) -> NumberTable | None:
    """Precision, recall and errors at the reference's best threshold; null without ground truth.

    Args:
        points: ``{variant, path}`` of every operating-points JSON.
    """
    read = [(entry["variant"], read_operating_points(entry["path"])) for entry in points]
    rows = [
        NumberRow(variant, _operating_cells(content.best, content))
        for variant, content in read
        if content.best is not None
    ]
    thresholds = [content.score_thr for _, content in read if content.score_thr is not None]
    heads = ["precision", "recall", "F1", "boxes per image", "regains the recall at", *ERRORS]
    picks = [("error", head) if head in ERRORS else None for head in heads]
    return NumberTable(OPERATING_CAPTION.format(thresholds[0]), heads, rows, picks) if rows else None


def _operating_cells(best: Point, content: OperatingPoints) -> list[str]:
    cells = [fixed(4)(value) for value in (best.precision, best.recall, best.f1)]
    cells += [fixed(2)(best.boxes_per_image), fixed(4)(best.regains_at)]
    errors, changes = content.errors or {}, content.error_changes or dict.fromkeys(ERRORS, 0)
    pairs = [(errors[kind], changes[kind]) for kind in ERRORS]
    return cells + [f"{number} ({change:+d})" if change else str(number) for number, change in pairs]


def drift_table(points: list[Entry]) -> NumberTable | None:
    """Mean change of the scores of paired boxes, by bins of the reference's score; null without pairs.

    Args:
        points: as of ``operating_table``.
    """
    read = [(entry["variant"], read_operating_points(entry["path"]).scores) for entry in points]
    known = [(variant, bins) for variant, bins in read if any(row.pairs for row in bins)]
    if not known:
        return None
    cells = {variant: [signed(row.drift) for row in bins] for variant, bins in known}
    lows = [row.low for row in known[0][1]]
    used = [i for i in range(len(lows)) if any(row[i] for row in cells.values())]
    rows = [NumberRow(variant, [row[i] for i in used]) for variant, row in cells.items()]
    return NumberTable(DRIFT_CAPTION, [f"from {lows[i]}" for i in used], rows)


AUTOPSY = Section("Where boxes went", "comparisons", autopsy_table)
OPERATING = Section("Operating point and errors", "points", operating_table)
DRIFT = Section("Drift of the scores", "points", drift_table)
