"""Follow a candidate through a recipe, step by step, until a step removes it."""

from dataclasses import dataclass

import numpy as np

from cutpoint.errors import UserError
from cutpoint.predict.store import open_run
from cutpoint.recipes.apply import run_steps
from cutpoint.recipes.recipe import Recipe
from cutpoint.recipes.steps.boxes import Clip, MinSize, Rescale
from cutpoint.recipes.steps.step import Changing, Removing, Rival, Step
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Refused
from cutpoint.records.head import keeps_candidates
from cutpoint.records.image import Geometry
from cutpoint.records.model import ModelSpec
from cutpoint.records.predictions import RunMetadata, find_refusal

Key = tuple[int, int]
# two recipes may differ this much by rounding: pixels, score
SAME_BOX, SAME_SCORE = 1e-2, 1e-5


def open_candidates(predictions: list[str], spec: str) -> tuple[ModelSpec, RunMetadata]:
    """The specification to read a run's candidates with, and what they were made with.

    Args:
        predictions: the run's shards, Parquet.
        spec: ``spec.json``.

    Returns:
        the model with the run's own input recipe, which clips boxes; and the run's metadata.

    Raises:
        UserError: the files have another specification, or they hold detections.
        Refused: the run's tensors are invalid.
    """
    model, made = open_run(predictions, spec)
    reason = find_refusal(predictions)
    if reason is not None:
        raise Refused(reason)
    if not keeps_candidates(made.cut, model.head):
        raise UserError(
            f"{predictions[0]} holds detections, not candidates; a recipe runs on raw or decoded only"
        )
    return model, made


@dataclass(frozen=True)
class Fate:
    """What happened to a candidate.

    ``step``: what removed it, a cause of the recipe's step (``Step.causes``): the step's name;
    ``max_per_class`` for the limit of a class inside NMS; ``clip`` if a box is too small only because it was
    clipped; ``kept``; ``no_candidate`` if there is no candidate with this key. ``number``: the recipe's step,
    from 1. ``margin``: how far the candidate was from staying: score below the threshold, or below the worst
    that stayed (``top_k``, ``max_per_img``, ``max_per_class``), or below the winner (``best_class``); IoU
    above the threshold (``nms``); side below the size, pixels (``min_size``, ``clip``). ``by``: the candidate
    that took its place (``best_class``, ``nms``).
    """

    step: str
    number: int | None = None
    margin: float | None = None
    by: Rival | None = None


@dataclass(frozen=True)
class Kept:
    """A box that a recipe keeps: ``x1, y1, x2, y2``, original-image pixels."""

    label: int
    class_name: str
    level: int
    prior: int
    score: float
    box: tuple[float, float, float, float]


class Followed:
    """A recipe run on an image, with all states between its steps. A key is ``(prior, label)``."""

    def __init__(self, recipe: Recipe, candidates: Candidates, geometry: Geometry, spec: ModelSpec) -> None:
        self.steps = recipe.steps
        self.classes = spec.classes
        self.geometry = geometry
        self.states = [candidates, *run_steps(recipe, candidates, geometry, spec)]
        self._keys: dict[int, dict[Key, int]] = {}

    def keys(self, number: int) -> dict[Key, int]:
        """The row of each key in a state."""
        number %= len(self.states)
        if number not in self._keys:
            state = self.states[number]
            pairs = zip(state.prior.tolist(), state.label.tolist(), strict=True)
            self._keys[number] = {pair: row for row, pair in enumerate(pairs)}
        return self._keys[number]

    def describe(self, key: Key) -> Kept:
        """A kept box."""
        state, row = self.states[-1], self.keys(-1)[key]
        return Kept(
            label=key[1],
            class_name=self.classes[key[1]],
            level=int(state.level[row]),
            prior=key[0],
            score=float(state.score[row]),
            box=tuple(state.boxes[row].tolist()),
        )

    def fate(self, key: Key) -> Fate:
        """What happened to a candidate."""
        if key not in self.keys(0):
            return Fate("no_candidate")
        for number, step in enumerate(self.steps, start=1):
            if key not in self.keys(number):
                return self._removed(key, number, step)
        return Fate("kept")

    def _removed(self, key: Key, number: int, step: Step) -> Fate:
        if not isinstance(step, Removing):
            raise TypeError(f"{step.name} does not remove candidates, but {key} is missing after it")
        before, after = self.states[number - 1 : number + 1]
        reason = step.why(before, self.keys(number - 1)[key], after)
        clip = self.clipped_below(key, step.value, number) if isinstance(step, MinSize) else None
        if clip is not None:
            return Fate(Clip.name, clip, reason.margin)
        return Fate(reason.cause, number, reason.margin, reason.by)

    def clipped_below(self, key: Key, size: float, end: int) -> int | None:
        """The step among the first ``end`` that clips a box so that a side is not above ``size``, pixels."""
        for number, step in enumerate(self.steps[:end], start=1):
            if isinstance(step, Clip):
                rescaled = any(isinstance(later, Rescale) for later in self.steps[number:end])
                scale = (self.geometry.scale_x, self.geometry.scale_y) if rescaled else (1, 1)
                sides = [
                    np.diff(self.values(key, n)[[[0, 2], [1, 3]]])[:, 0] / scale for n in (number - 1, number)
                ]
                if (sides[0] > size).all() and not (sides[1] > size).all():
                    return number
        return None

    def change(self, key: Key, kind: type[Step]) -> tuple[np.ndarray, int | None]:
        """How steps of a kind change a candidate's box and score ``(5,)``, and the last one's number."""
        total, last = np.zeros(5), None
        for number, step in enumerate(self.steps, start=1):
            if isinstance(step, kind):
                before, after = (self.values(key, n) for n in (number - 1, number))
                total, last = total + after - before, number
        return total, last

    def values(self, key: Key, number: int) -> np.ndarray:
        """Box and score of a candidate in a state, ``(5,)``."""
        state, row = self.states[number], self.keys(number)[key]
        return np.append(state.boxes[row], state.score[row]).astype(np.float64)


def what_changed(key: Key, first: Followed, second: Followed) -> Fate:
    """Why a box that two runs keep differs: ``network``, or the first kind of step that changes it otherwise.

    The first in the order of the recipes: a later step may change it otherwise only because of that one.

    Returns:
        ``step``, its ``number`` in the second run, ``margin``: the largest difference of box or score.
    """
    apart = np.abs(first.values(key, 0) - second.values(key, 0))
    if apart[:4].max() > SAME_BOX or apart[4] > SAME_SCORE:
        return Fate("network", margin=float(apart.max()))
    kinds = [type(step) for run in (second, first) for step in run.steps if isinstance(step, Changing)]
    for kind in dict.fromkeys(kinds):
        (ours, number), (theirs, other) = first.change(key, kind), second.change(key, kind)
        apart = np.abs(ours - theirs)
        if apart[:4].max() > SAME_BOX / 10 or apart[4] > SAME_SCORE / 10:
            return Fate(kind.name, other or number, float(apart.max()))
    return Fate("rounding")
