"""Why a candidate of one side is not among the candidates of the other side."""

import numpy as np

from cutpoint.compare.follow import Fate, Followed, Key
from cutpoint.decode.pairs import passes
from cutpoint.recipes.steps.ranks import MaxPerImg, TopK
from cutpoint.recipes.steps.scores import BestClass
from cutpoint.recipes.steps.step import Rival, Step
from cutpoint.records.head import Floor


def why_missing(key: Key, value: float, there: Followed, floor: Floor) -> Fate:
    """What keeps a candidate from the other side's candidates.

    Args:
        key: the candidate's.
        value: its value on its own side, in the floor's quantity. The other side's is not known: it is less
            than what is among the candidates there.
        there: the other side.
        floor: the other side's.

    Returns:
        ``no_candidate`` with how far the value fell at least; or, if the same value would not be among the
        candidates there either, the step that would remove it: ``threshold``, or with a floor on the number
        of pairs the recipe's own step that ranks, with how far the value is from staying. ``best_class`` if
        the recipe keeps one class of a location and the other side has another class of this one.
    """
    state = there.states[0]
    if floor.pairs is not None and len(state):
        values = state.score.astype(np.float64)
        ranking = _first(there, TopK, MaxPerImg)
        best = _first(there, BestClass)
        if best and (ranking is None or best[0] < ranking[0]):
            own = np.flatnonzero(state.prior == key[0])
            if len(own):
                row = int(own[values[own].argmax()])
                rival = Rival(key[0], int(state.label[row]), float(state.score[row]))
                return Fate(BestClass.name, best[0], by=rival)
            _, location = np.unique(state.prior, return_inverse=True)
            values, rows = np.zeros(location.max() + 1), values
            np.maximum.at(values, location, rows)
        if len(values) >= floor.pairs:
            limit = float(np.sort(values)[-floor.pairs])
            if value >= limit or ranking is None:
                return Fate("no_candidate", margin=value - limit)
            return Fate(ranking[1].name, ranking[0], limit - value)
    margin = value - floor.value
    if bool(passes(np.array(value, np.float32), floor.value, floor.inclusive)):
        return Fate("no_candidate", margin=margin)
    return Fate("threshold", margin=-margin)


def _first(there: Followed, *kinds: type[Step]) -> tuple[int, Step] | None:
    """Number, from 1, and step of the first step of these kinds."""
    return next(((n, step) for n, step in enumerate(there.steps, start=1) if isinstance(step, kinds)), None)
