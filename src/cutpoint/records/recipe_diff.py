"""Two recipes on the same candidates, box by box."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from cutpoint.files import list_text, replacing
from cutpoint.records.autopsy import OLD_CAUSES
from cutpoint.records.json_file import as_content, read_record, record_text
from cutpoint.records.recipe import Step, upgrade_step

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Detected:
    """Numbers of detections: of the first recipe, of the second, and those that are the same in both."""

    first: int
    second: int
    same: int


@dataclass(frozen=True)
class StepTotals:
    """Boxes that a step separates: kept by only one recipe, or by both with another box or score."""

    first: int
    second: int
    both: int


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The candidate that took a box's place, and what happened to it in the recipe that keeps the box."""

    prior: int
    label: int
    score: float
    iou: float | None = None
    otherwise: str


class DiffRow(msgspec.Struct, frozen=True, kw_only=True):
    """A box that two recipes treat differently. Boxes are ``x1, y1, x2, y2``, original-image pixels.

    Attributes:
        kept_by: ``first``, ``second`` or ``both``.
        label, class_name: the model's class; ``class`` in the file.
        level, prior: its candidate.
        score, box: as kept; for ``both`` the first's.
        other_score, other_box: the second's; null unless both keep it.
        step: what removes or changes it, see ``follow.Fate``.
        number: of that step in the recipe, from 1; null for a reason that is no step.
        margin: by which it missed the step's limit; null where that does not apply.
        by: the candidate that took its place (``best_class``, ``nms``); null without one.
    """

    image_id: int
    kept_by: str
    label: int
    class_name: str = msgspec.field(name="class")
    level: int
    prior: int
    score: float
    box: Box
    other_score: float | None = None
    other_box: Box | None = None
    step: str
    number: int | None = None
    margin: float | None = None
    by: Winner | None = None


@dataclass(frozen=True)
class RecipeDiff:
    """``results/recipe_diffs/{dataset}/{model}/{first}--{second}.json``.

    Attributes:
        first, second: the recipes' steps.
        images: how many.
        detections: how many.
        steps: totals of the rows by the step that separates them.
        rows: one per box that is not the same in both.
    """

    first: tuple[Step, ...]
    second: tuple[Step, ...]
    images: int
    detections: Detected
    steps: dict[str, StepTotals]
    rows: tuple[DiffRow, ...]


def read_recipe_diff(path: str | Path) -> RecipeDiff:
    """Read a comparison of two recipes.

    Raises:
        UserError: the file is not one.
    """
    return read_record(path, RecipeDiff, _upgrade)


def row_line(row: DiffRow) -> str:
    """A row as one line of JSON."""
    return json.dumps(as_content(row), allow_nan=False)


def write_recipe_diff(path: str | Path, diff: RecipeDiff, rows: Iterable[str] | None = None) -> None:
    """Write a comparison of two recipes, completely or not at all; one row a line.

    Args:
        path: the file.
        diff: the comparison.
        rows: lines of ``row_line`` in place of ``diff.rows``: of many images there are millions.
    """
    head, _, end = record_text(replace(diff, rows=())).rpartition("[]")
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(head)
        file.writelines(list_text(map(row_line, diff.rows) if rows is None else rows))
        file.write(end)


def _upgrade(content: dict[str, Any], number: int) -> dict[str, Any]:
    made = {key: [upgrade_step(step) for step in content.get(key, [])] for key in ("first", "second")}
    steps = {OLD_CAUSES.get(cause, cause): totals for cause, totals in content.get("steps", {}).items()}
    rows = [_rename(row) for row in content.get("rows", [])]
    return content | made | {"steps": steps, "rows": rows}


def _rename(row: dict[str, Any]) -> dict[str, Any]:
    renamed = {"step": row.get("step"), **row}
    renamed["step"] = OLD_CAUSES.get(renamed["step"], renamed["step"])
    if by := row.get("by"):
        renamed["by"] = {**by, "otherwise": OLD_CAUSES.get(by.get("otherwise"), by.get("otherwise"))}
    return renamed
