"""Two recipes on one store: every box that they treat differently, by the step that separates them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from cutpoint.candidates import Candidates
from cutpoint.errors import UserError
from cutpoint.files import read_json, write_json
from cutpoint.headspec import ModelSpec
from cutpoint.image import Geometry, clip_size
from cutpoint.nms import Overlap, shift_classes
from cutpoint.recipes import STEPS, Frame, Recipe, resolve_recipe
from cutpoint.store import read_metadata, read_predictions

# what two recipes' rounding may differ in without being a change: pixels, score
SAME_BOX, SAME_SCORE = 1e-2, 1e-5
CHANGING = ("multiply_factor", "clip", "rescale", "score_voting")


def diff_recipes(
    *,
    first: str | Mapping[str, Any],
    second: str | Mapping[str, Any],
    predictions: list[str],
    images: list[str],
    spec: str,
    out: str,
) -> None:
    """Compare two recipes on the candidates of one run.

    Args:
        first, second: definitions of the recipes.
        predictions, images: the run's shards, Parquet.
        spec: ``spec.json``.
        out: JSON file to write. ``first``, ``second``: the steps; ``images``: how many; ``detections``: how
            many of the ``first``, of the ``second``, the ``same`` in both; ``steps``: per separating step how
            many boxes only the ``first`` or the ``second`` keeps, or ``both`` with another box or score;
            ``rows``: one a box, see ``diff_image``.

    Raises:
        UserError: a store without candidates or of another specification, or a recipe that it cannot serve.
    """
    model = ModelSpec.from_dict(read_json(spec))
    scores = "class"
    for path in predictions:
        metadata = read_metadata(path)
        if metadata["spec"] != model.digest:
            raise UserError(f"{path} was made with another model specification than {spec}; rerun predict")
        if metadata["cut"] == "e2e":
            raise UserError(f"{path} holds detections, not candidates; recipes differ only on raw or decoded")
        scores = metadata.get("scores", "class")
    recipes = [resolve_recipe(definition, model.head, scores) for definition in (first, second)]
    rows: list[dict[str, Any]] = []
    counts = {"first": 0, "second": 0, "same": 0}
    seen = 0
    for image_id, geometry, candidates in read_predictions(predictions, images):
        found, kept = diff_image(recipes[0], recipes[1], candidates, geometry, model)
        rows += [{"image_id": image_id, **row} for row in found]
        counts = {key: counts[key] + kept[key] for key in counts}
        seen += 1
    steps: dict[str, dict[str, int]] = {}
    for row in rows:
        totals = steps.setdefault(row["step"], {"first": 0, "second": 0, "both": 0})
        totals[row["kept_by"]] += 1
    write_json(
        out,
        {
            "first": list(recipes[0].steps),
            "second": list(recipes[1].steps),
            "images": seen,
            "detections": counts,
            "steps": steps,
            "rows": rows,
        },
    )


def diff_image(
    first: Recipe, second: Recipe, candidates: Candidates, geometry: Geometry, spec: ModelSpec
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Compare two recipes on one image.

    Returns:
        One row a box that only one recipe keeps, or that both keep with another box or score. ``kept_by``:
        ``first``, ``second`` or ``both``; ``label``, ``class``, ``level``, ``prior``; ``score``, ``box`` as
        kept (of both the first's; ``other_score``, ``other_box`` the second's); ``step`` that removes or
        changes it and its ``number`` in that recipe; ``margin`` by which it missed the step's border;
        ``by``: the candidate that took its place (``best_class``, ``nms``), its IoU, and ``otherwise``, what
        became of that one in the recipe that keeps the box. And the numbers of detections: ``first``,
        ``second``, ``same``.
    """
    runs = [Run(recipe, candidates, geometry, spec) for recipe in (first, second)]
    kept = [run.keys(-1) for run in runs]
    rows = []
    for name, ours, theirs in (("first", *runs), ("second", *runs[::-1])):
        for key in [key for key in ours.keys(-1) if key not in theirs.keys(-1)]:
            fate = theirs.fate(key)
            if "by" in fate:
                fate["by"]["otherwise"] = ours.fate((fate["by"]["prior"], fate["by"]["label"]))["step"]
            rows.append({"kept_by": name, **ours.describe(key), **fate})
    same = 0
    for key in [key for key in kept[0] if key in kept[1]]:
        one, other = (run.describe(key) for run in runs)
        moved = np.abs(np.subtract(one["box"], other["box"])).max() > SAME_BOX
        if moved or abs(one["score"] - other["score"]) > SAME_SCORE:
            changed = {"other_score": other["score"], "other_box": other["box"]}
            rows.append({"kept_by": "both", **one, **changed, **_what_changed(key, *runs)})
        else:
            same += 1
    return rows, {"first": len(kept[0]), "second": len(kept[1]), "same": same}


class Run:
    """A recipe run on an image, all states between its steps kept. A key is ``(prior, label)``."""

    def __init__(self, recipe: Recipe, candidates: Candidates, geometry: Geometry, spec: ModelSpec) -> None:
        self.steps = recipe.steps
        self.classes = spec.classes
        self.states = [candidates]
        frame = Frame(geometry, clip_size(geometry, spec.input), candidates)
        for step in self.steps:
            if step["step"] == "nms":
                frame = replace(frame, before_nms=self.states[-1])
            self.states.append(STEPS[step["step"]](self.states[-1], step, frame))
        self._keys: dict[int, dict[tuple[int, int], int]] = {}

    def keys(self, number: int) -> dict[tuple[int, int], int]:
        """Key to row of a state."""
        number %= len(self.states)
        if number not in self._keys:
            state = self.states[number]
            pairs = zip(state.prior.tolist(), state.label.tolist(), strict=True)
            self._keys[number] = {pair: row for row, pair in enumerate(pairs)}
        return self._keys[number]

    def describe(self, key: tuple[int, int]) -> dict[str, Any]:
        """A kept box."""
        state, row = self.states[-1], self.keys(-1)[key]
        return {
            "label": key[1],
            "class": self.classes[key[1]],
            "level": int(state.level[row]),
            "prior": key[0],
            "score": float(state.score[row]),
            "box": state.boxes[row].tolist(),
        }

    def fate(self, key: tuple[int, int]) -> dict[str, Any]:
        """What removed a candidate: ``step``, ``number``, ``margin``, ``by``; or ``step: kept``."""
        for number, step in enumerate(self.steps, start=1):
            if key not in self.keys(number):
                before, after = self.states[number - 1 : number + 1]
                why = REASONS[step["step"]](before, self.keys(number - 1)[key], after, step)
                return {"step": step["step"], "number": number, **why}
        return {"step": "kept"}

    def change(self, key: tuple[int, int], kind: str) -> tuple[np.ndarray, int | None]:
        """What the steps of a kind did to a candidate's box and score ``(5,)``, and the last one's number."""
        total, last = np.zeros(5), None
        for number, step in enumerate(self.steps, start=1):
            if step["step"] == kind:
                before, after = (self._values(key, n) for n in (number - 1, number))
                total, last = total + after - before, number
        return total, last

    def _values(self, key: tuple[int, int], number: int) -> np.ndarray:
        state, row = self.states[number], self.keys(number)[key]
        return np.append(state.boxes[row], state.score[row]).astype(np.float64)


def _what_changed(key: tuple[int, int], first: Run, second: Run) -> dict[str, Any]:
    """The first kind of step whose effect on a box differs between two runs."""
    for kind in CHANGING:
        (ours, number), (theirs, other) = first.change(key, kind), second.change(key, kind)
        apart = np.abs(ours - theirs)
        if apart[:4].max() > SAME_BOX / 10 or apart[4] > SAME_SCORE / 10:
            return {"step": kind, "number": other or number, "margin": float(apart.max())}
    return {"step": "rounding", "number": None, "margin": None}


def _why_threshold(before: Candidates, row: int, after: Candidates, step: dict) -> dict[str, Any]:
    parts = {"class": before.score, "factor": before.factor, "product": before.score * before.factor}
    return {"margin": step["value"] - float(parts[step["on"]][row])}


def _why_best_class(before: Candidates, row: int, after: Candidates, step: dict) -> dict[str, Any]:
    winner = int(np.flatnonzero(after.prior == before.prior[row])[0])
    by = _candidate(after, winner)
    return {"margin": by["score"] - float(before.score[row]), "by": by}


def _why_top_k(before: Candidates, row: int, after: Candidates, step: dict) -> dict[str, Any]:
    members = np.ones(len(after), bool)
    if step["per"] == "level":
        members = after.level == before.level[row]
    own = before.score[row]
    if step["unit"] == "location":
        own = before.score[before.prior == before.prior[row]].max()
    if not members.any():
        return {"margin": None}
    best = after.score[members]
    if step["unit"] == "location":  # a location ranks by its best pair
        places = after.prior[members]
        best = np.array([best[places == place].max() for place in np.unique(places)])
    return {"margin": float(best.min() - own)}


def _why_min_size(before: Candidates, row: int, after: Candidates, step: dict) -> dict[str, Any]:
    return {"margin": step["value"] - float((before.boxes[row, 2:] - before.boxes[row, :2]).min())}


def _why_nms(before: Candidates, row: int, after: Candidates, step: dict) -> dict[str, Any]:
    """The best kept box that overlaps too much, by the step's own arithmetic; else the cap of the class."""
    overlap = Overlap(step["offset"], step["reading"], step["intersection"])
    boxes = before.boxes
    if step["space"] == "shifted":
        boxes = shift_classes(boxes, before.label)
    kept = np.flatnonzero(np.isin(_codes(before), _codes(after)))
    if step["space"] == "per_class":
        kept = kept[before.label[kept] == before.label[row]]
    kept = kept[np.argsort(-before.score[kept], kind="stable")]
    sides = overlap.sides(boxes)
    iou = overlap.iou(sides.take(row), sides.take(kept))
    over = np.flatnonzero(
        (iou > np.float32(step["iou_threshold"])) & (before.score[kept] >= before.score[row])
    )
    if len(over):
        by = _candidate(before, int(kept[over[0]])) | {"iou": float(iou[over[0]])}
        return {"margin": by["iou"] - step["iou_threshold"], "by": by}
    return {"step": "per_class_cap", "margin": float(before.score[kept].min() - before.score[row])}


def _why_cap(before: Candidates, row: int, after: Candidates, step: dict) -> dict[str, Any]:
    return {"margin": float(after.score.min() - before.score[row]) if len(after) else None}


def _codes(c: Candidates) -> np.ndarray:
    return c.prior.astype(np.int64) * (1 << 16) + c.label


def _candidate(c: Candidates, row: int) -> dict[str, Any]:
    return {"prior": int(c.prior[row]), "label": int(c.label[row]), "score": float(c.score[row])}


REASONS = {
    "threshold": _why_threshold,
    "best_class": _why_best_class,
    "top_k": _why_top_k,
    "min_size": _why_min_size,
    "nms": _why_nms,
    "cap": _why_cap,
}
