"""Follow a candidate through a recipe, step by step, to what removes it."""

from typing import Any

import numpy as np

from cutpoint.errors import UserError
from cutpoint.predict.store import open_run
from cutpoint.recipes.nms import Overlap, shift_classes
from cutpoint.recipes.recipe import Recipe, run_steps
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Refused
from cutpoint.records.image import Geometry
from cutpoint.records.model import ModelSpec, dense_head
from cutpoint.records.predictions import find_refusal

Key = tuple[int, int]
# what two recipes' rounding may differ in without being a change: pixels, score
SAME_BOX, SAME_SCORE = 1e-2, 1e-5
CHANGING = ("multiply_factor", "clip", "rescale", "score_voting")


def open_candidates(predictions: list[str], spec: str) -> tuple[ModelSpec, str]:
    """The specification that a run's candidates are read with, and their kind.

    Args:
        predictions: the run's shards, Parquet.
        spec: ``spec.json``.

    Returns:
        the model with the run's own input recipe, by which boxes are clipped; ``class`` or ``fused``.

    Raises:
        UserError: a store of another specification, or one that holds detections.
        Refused: the run's tensors are invalid.
    """
    model, made = open_run(predictions, spec)
    dense_head(model, "following a candidate (autopsy, recipe diff)")
    reason = find_refusal(predictions)
    if reason is not None:
        raise Refused(reason)
    if made["cut"] == "e2e":
        raise UserError(
            f"{predictions[0]} holds detections, not candidates; a recipe runs on raw or decoded only"
        )
    return model, made["scores"] or "class"


class Followed:
    """A recipe run on an image, all states between its steps kept. A key is ``(prior, label)``."""

    def __init__(self, recipe: Recipe, candidates: Candidates, geometry: Geometry, spec: ModelSpec) -> None:
        self.steps = recipe.steps
        self.classes = spec.classes
        self.geometry = geometry
        self.states = [candidates, *run_steps(recipe, candidates, geometry, spec)]
        self._keys: dict[int, dict[Key, int]] = {}

    def keys(self, number: int) -> dict[Key, int]:
        """Key to row of a state."""
        number %= len(self.states)
        if number not in self._keys:
            state = self.states[number]
            pairs = zip(state.prior.tolist(), state.label.tolist(), strict=True)
            self._keys[number] = {pair: row for row, pair in enumerate(pairs)}
        return self._keys[number]

    def describe(self, key: Key) -> dict[str, Any]:
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

    def fate(self, key: Key) -> dict[str, Any]:
        """What removed a candidate: ``step``, ``number``, ``margin``, ``by``; or only ``step``.

        ``step`` is the recipe's; ``max_per_class`` for the limit of a class inside NMS; ``clip`` where a box
        is too small only since it was clipped; ``kept``; ``no_candidate`` for a key that the store has not.
        ``number`` counts the recipe's steps from 1. ``margin`` is how far the candidate was from staying:
        score below the threshold, or below the worst that stayed (``top_k``, ``max_per_img``), or below the
        winner (``best_class``); IoU above the threshold (``nms``); side below the size, pixels
        (``min_size``, ``clip``).
        ``by``: the candidate that took its place (``best_class``, ``nms``): ``prior``, ``label``, ``score``,
        in ``nms`` also ``iou``.
        """
        if key not in self.keys(0):
            return {"step": "no_candidate"}
        for number, step in enumerate(self.steps, start=1):
            if key not in self.keys(number):
                before, after = self.states[number - 1 : number + 1]
                why = REASONS[step["step"]](before, self.keys(number - 1)[key], after, step)
                clip = self.clipped_below(key, step["value"], number) if step["step"] == "min_size" else None
                return {"step": step["step"], "number": number, **why} | (clip or {})
        return {"step": "kept"}

    def clipped_below(self, key: Key, size: float, end: int) -> dict[str, Any] | None:
        """The ``clip`` among the first ``end`` steps that makes a box no larger than ``size``, pixels."""
        for number, step in enumerate(self.steps[:end], start=1):
            if step["step"] == "clip":
                rescaled = any(later["step"] == "rescale" for later in self.steps[number:end])
                scale = (self.geometry.scale_x, self.geometry.scale_y) if rescaled else (1, 1)
                sides = [
                    np.diff(self.values(key, n)[[[0, 2], [1, 3]]])[:, 0] / scale for n in (number - 1, number)
                ]
                if (sides[0] > size).all() and not (sides[1] > size).all():
                    return {"step": "clip", "number": number}
        return None

    def change(self, key: Key, kind: str) -> tuple[np.ndarray, int | None]:
        """What the steps of a kind did to a candidate's box and score ``(5,)``, and the last one's number."""
        total, last = np.zeros(5), None
        for number, step in enumerate(self.steps, start=1):
            if step["step"] == kind:
                before, after = (self.values(key, n) for n in (number - 1, number))
                total, last = total + after - before, number
        return total, last

    def values(self, key: Key, number: int) -> np.ndarray:
        """Box and score of a candidate in a state, ``(5,)``."""
        state, row = self.states[number], self.keys(number)[key]
        return np.append(state.boxes[row], state.score[row]).astype(np.float64)


def what_changed(key: Key, first: Followed, second: Followed) -> dict[str, Any]:
    """Why a box that two runs keep differs: ``network``, or the first kind of step that treats it otherwise.

    Returns:
        ``step``, its ``number`` in the second run, ``margin``: the largest difference of box or score.
    """
    apart = np.abs(first.values(key, 0) - second.values(key, 0))
    if apart[:4].max() > SAME_BOX or apart[4] > SAME_SCORE:
        return {"step": "network", "number": None, "margin": float(apart.max())}
    for kind in CHANGING:
        (ours, number), (theirs, other) = first.change(key, kind), second.change(key, kind)
        apart = np.abs(ours - theirs)
        if apart[:4].max() > SAME_BOX / 10 or apart[4] > SAME_SCORE / 10:
            return {"step": kind, "number": other or number, "margin": float(apart.max())}
    return {"step": "rounding", "number": None, "margin": None}


def _why_threshold(before: Candidates, row: int, after: Candidates, step: dict) -> dict[str, Any]:
    parts = {"class": before.score, "factor": before.factor, "product": before.score * before.factor}
    return {"margin": step["value"] - float(parts[step["quantity"]][row])}


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
    """The best kept box that overlaps too much, by the step's own arithmetic; else the limit of the class."""
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
    return {"step": "max_per_class", "margin": float(before.score[kept].min() - before.score[row])}


def _why_max_per_img(before: Candidates, row: int, after: Candidates, step: dict) -> dict[str, Any]:
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
    "max_per_img": _why_max_per_img,
}
