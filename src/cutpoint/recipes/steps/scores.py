"""Steps that look at the scores of a pair."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from cutpoint.decode.pairs import passes
from cutpoint.ordering import ascending, best_first
from cutpoint.recipes.steps.step import (
    Changing,
    Demands,
    Frame,
    LeastScore,
    Reason,
    Removing,
    Step,
    replace_columns,
    rival,
)
from cutpoint.records.candidates import Candidates
from cutpoint.records.head import Floor


@dataclass(frozen=True)
class BestClass(Removing):
    """Keep the best class of each location; the lowest label among equals.

    It has no demand on the score: class score and product rank the classes of a location in the same order,
    because they share one factor.
    """

    name: ClassVar[str] = "best_class"

    def apply(self, candidates: Candidates, frame: Frame) -> Candidates:
        return candidates.take(_best_of_each(candidates))

    def demand(self, so_far: Demands) -> Demands:
        return replace(so_far, one_each=not so_far.mixed)

    def why(self, before: Candidates, row: int, after: Candidates) -> Reason:
        by = rival(after, int(np.flatnonzero(after.prior == before.prior[row])[0]))
        return Reason(self.name, by.score - float(before.score[row]), by)


@dataclass(frozen=True)
class BestBox(Changing):
    """All classes of a location take the box of its best class, the lowest label among equals.

    It matters if a location has a box for each class, and has no demand: of a location with any pair that
    can matter the best pair can.

    Source:
        ``bbox_head__predict_by_feat``, mmdeploy/codebase/mmdet/models/roi_heads/bbox_head.py, mmdeploy 1.3.1.
    """

    name: ClassVar[str] = "best_box"

    def apply(self, candidates: Candidates, frame: Frame) -> Candidates:
        best = _best_of_each(candidates)
        own = best[np.searchsorted(candidates.prior[best], candidates.prior)]
        return replace_columns(candidates, boxes=candidates.boxes[own])


def _best_of_each(candidates: Candidates) -> np.ndarray:
    """The row of the best pair of each location, by location."""
    order = np.argsort(candidates.label, kind="stable")
    order = order[best_first(candidates.score[order])]
    order = order[ascending(candidates.prior[order])]
    prior = candidates.prior[order]
    first = np.ones(len(candidates), dtype=bool)
    first[1:] = prior[1:] != prior[:-1]
    best: np.ndarray = order[first]
    return best


@dataclass(frozen=True)
class Threshold(Removing):
    """Keep pairs above a value, with ``inclusive`` also pairs that equal it; in float32, as torch does."""

    name: ClassVar[str] = "threshold"
    quantity: Literal["class", "factor", "product"]
    value: float
    inclusive: bool = False

    def apply(self, candidates: Candidates, frame: Frame) -> Candidates:
        return candidates.take(passes(self._compared(candidates), self.value, self.inclusive))

    def _compared(self, candidates: Candidates) -> np.ndarray:
        if self.quantity == "class":
            return candidates.score
        return candidates.factor if self.quantity == "factor" else candidates.score * candidates.factor

    def demand(self, so_far: Demands) -> Demands:
        if self.quantity == "factor" or so_far.complete:
            return so_far
        of_product = (so_far.multiplied or self.quantity == "product") and not so_far.by_class
        quantity: Literal["class", "product"] = "product" if of_product else "class"
        if so_far.root:
            # the threshold applies to the root of the product; its rounding must not lose a pair
            floor = Floor(quantity, self.value**2 * (1 - 1e-6), inclusive=True)
        else:
            floor = Floor(quantity, self.value, self.inclusive)
        return replace(so_far, floors=(*so_far.floors, floor))

    def least_score(self, so_far: LeastScore) -> LeastScore:
        if self.quantity == "factor":
            return so_far
        if self.quantity == "product" and not so_far.multiplied:
            return replace(so_far, product=self.value)
        return replace(so_far, score=max(self.value, so_far.score or 0))

    def why(self, before: Candidates, row: int, after: Candidates) -> Reason:
        return Reason(self.name, self.value - float(self._compared(before)[row]))


@dataclass(frozen=True)
class MultiplyFactor(Changing):
    """The score becomes class score x factor, or its root; the factor becomes 1."""

    name: ClassVar[str] = "multiply_factor"
    root: bool = False

    def apply(self, candidates: Candidates, frame: Frame) -> Candidates:
        score = candidates.score * candidates.factor
        score = np.sqrt(score) if self.root else score
        return replace_columns(candidates, score=score, factor=np.ones_like(candidates.factor))

    def demand(self, so_far: Demands) -> Demands:
        return replace(so_far, multiplied=True, root=self.root)

    def least_score(self, so_far: LeastScore) -> LeastScore:
        product = so_far.product
        # a threshold on the class score gives no limit for the product
        return LeastScore(True, math.sqrt(product) if self.root and product else product, product)


STEPS: tuple[type[Step], ...] = (BestClass, BestBox, Threshold, MultiplyFactor)
