"""Steps that rank pairs and keep the best."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from cutpoint.ordering import best_first
from cutpoint.recipes.steps.step import Demands, Frame, Reason, Removing, Step
from cutpoint.records.candidates import Candidates


def ranked(so_far: Demands, best: int | None = None) -> Demands:
    """The demands after a step that ranks pairs by their score.

    If it ranks by the class score, a later threshold on the product becomes a demand on the class score only,
    because a pair with a small product may have pushed out another pair.

    Args:
        so_far: the demands before it.
        best: the number of the image's best pairs that it keeps; null if it chooses in another way.
    """
    after = replace(so_far, by_class=so_far.by_class or not so_far.multiplied)
    if best is None or best < 0:  # a negative number is a slice end
        return replace(after, mixed=True)
    if so_far.mixed or (so_far.pairs is not None and so_far.pairs <= best):
        return after
    return replace(after, pairs=best)


@dataclass(frozen=True)
class TopK(Removing):
    """Keep the ``k`` best pairs, or all pairs of the ``k`` best locations, of each level or of the image.

    A location ranks by its best pair. ``k`` is used as a slice end, as mmdet does: its ``nms_pre=-1`` drops
    the worst pair of each level.
    """

    name: ClassVar[str] = "top_k"
    k: int
    unit: Literal["pair", "location"] = "pair"
    per: Literal["level", "image"] = "level"

    def apply(self, candidates: Candidates, frame: Frame) -> Candidates:
        c = candidates
        group = c.level if self.per == "level" else np.zeros_like(c.level)
        order = best_first(c.score)
        order = order[np.argsort(group[order], kind="stable")]
        if self.k >= len(c):
            return c.take(order)
        if self.unit == "pair":
            return c.take(order[_first_of_each(group[order], self.k)])
        locations, first = np.unique(c.prior[order], return_index=True)
        by_rank = np.argsort(first)
        best = locations[by_rank][_first_of_each(group[order[first[by_rank]]], self.k)]
        return c.take(order[np.isin(c.prior[order], best)])

    def demand(self, so_far: Demands) -> Demands:
        pairs = self.per == "image" and (self.unit == "pair" or so_far.one_each)
        return ranked(so_far, self.k if pairs else None)

    def why(self, before: Candidates, row: int, after: Candidates) -> Reason:
        members = np.ones(len(after), bool)
        if self.per == "level":
            members = after.level == before.level[row]
        if not members.any():
            return Reason(self.name, None)
        own, best = before.score[row], after.score[members]
        if self.unit == "location":  # a location ranks by its best pair
            own = before.score[before.prior == before.prior[row]].max()
            places = after.prior[members]
            best = np.array([best[places == place].max() for place in np.unique(places)])
        return Reason(self.name, float(best.min() - own))


@dataclass(frozen=True)
class MaxPerImg(Removing):
    """Keep the ``k`` best pairs of the image."""

    name: ClassVar[str] = "max_per_img"
    k: int

    def apply(self, candidates: Candidates, frame: Frame) -> Candidates:
        return candidates.take(best_first(candidates.score)[: self.k])

    def demand(self, so_far: Demands) -> Demands:
        return ranked(so_far, self.k)

    def why(self, before: Candidates, row: int, after: Candidates) -> Reason:
        return Reason(self.name, float(after.score.min() - before.score[row]) if len(after) else None)


def _first_of_each(groups: np.ndarray, k: int) -> np.ndarray:
    """Mask of the first ``k`` rows of each run of equal values; of ``-k`` all but the last ``k``."""
    starts = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]])) if len(groups) else groups
    counts = np.diff(starts, append=len(groups))
    ranks = np.arange(len(groups)) - np.repeat(starts, counts)
    mask: np.ndarray = ranks < np.repeat(np.minimum(counts, k) if k >= 0 else counts + k, counts)
    return mask


STEPS: tuple[type[Step], ...] = (TopK, MaxPerImg)
