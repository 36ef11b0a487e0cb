"""Rows of boxes: what a stage behind the network has, and how two such tables are compared."""

from __future__ import annotations

import numpy as np

# Two ports that do the same agree this closely: pixels; scores as fractions, also with three decimals.
SAME_BOX, SAME_SCORE = 0.02, 6e-4
COLUMNS = ("boxes", "scores", "labels", "factors", "priors", "levels")


class Rows:
    """N boxes of one image at one stage.

    ``boxes`` ``(N, 4)`` float32 ``x1, y1, x2, y2``; ``scores``, ``factors`` ``(N,)`` float32; ``labels``,
    ``priors``, ``levels``, ``ids`` ``(N,)`` int64. ``ids`` are the rows among the pack's candidates.
    """

    def __init__(
        self,
        boxes: np.ndarray,
        scores: np.ndarray,
        labels: np.ndarray,
        factors: np.ndarray | None = None,
        priors: np.ndarray | None = None,
        levels: np.ndarray | None = None,
        ids: np.ndarray | None = None,
    ) -> None:
        count = len(scores)
        self.boxes = np.asarray(boxes, np.float32).reshape(count, 4)
        self.scores = np.asarray(scores, np.float32)
        self.labels = np.asarray(labels, np.int64)
        self.factors = np.ones(count, np.float32) if factors is None else np.asarray(factors, np.float32)
        self.priors = np.arange(count) if priors is None else np.asarray(priors, np.int64)
        self.levels = np.zeros(count, np.int64) if levels is None else np.asarray(levels, np.int64)
        self.ids = np.arange(count) if ids is None else np.asarray(ids, np.int64)

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, index: np.ndarray) -> Rows:
        """The chosen rows: a boolean mask or integer indices."""
        return Rows(**{name: column[index] for name, column in vars(self).items()})

    def replaced(self, **columns: np.ndarray) -> Rows:
        """The same rows with some columns replaced."""
        return Rows(**{**vars(self), **columns})


class Match:
    """Which rows of two tables are the same, one to one.

    ``ours``, ``theirs``: rows of a pair, ``(M,)`` each. ``missing``: rows that only the first table has,
    ``extra``: that only the second has. ``differing`` of ``count`` rows of both have no partner; the sum of
    their scores is ``weight`` of ``total``.
    """

    def __init__(self, expected: Rows, port: Rows, box: float, score: float) -> None:
        """``box`` and ``score``: the largest differences of two rows that are the same."""
        pairs = [_pairs_of(expected, port, label, box, score) for label in np.unique(expected.labels)]
        ours, theirs, apart = np.concatenate([np.zeros((3, 0)), *pairs], axis=1)
        order = np.argsort(apart, kind="stable")
        free = np.ones(len(expected), bool), np.ones(len(port), bool)
        chosen = []
        for row, other in np.stack([ours, theirs], 1)[order].astype(np.int64):
            if free[0][row] and free[1][other]:
                free[0][row] = free[1][other] = False
                chosen.append((row, other))
        self.ours, self.theirs = np.array(chosen, np.int64).reshape(-1, 2).T
        self.missing, self.extra = np.flatnonzero(free[0]), np.flatnonzero(free[1])
        self.weight = _weight(expected, self.missing) + _weight(port, self.extra)
        self.total = _weight(expected) + _weight(port)
        self.differing = len(self.missing) + len(self.extra)
        self.count = len(expected) + len(port)


def _pairs_of(expected: Rows, port: Rows, label: int, box: float, score: float) -> np.ndarray:
    """Row, other row and distance ``(3, P)`` of all pairs of a class within the tolerance."""
    ours, theirs = np.flatnonzero(expected.labels == label), np.flatnonzero(port.labels == label)
    if not len(theirs):
        return np.zeros((3, 0))
    found = []
    for start in range(0, len(ours), 512):  # a block of rows keeps the table of all pairs small
        part = ours[start : start + 512]
        apart = np.zeros((len(part), len(theirs)))
        for side in range(4):
            one, other = expected.boxes[part, side], port.boxes[theirs, side]
            np.maximum(apart, np.abs(one[:, None].astype(np.float64) - other[None]) / box, out=apart)
        one, other = expected.scores[part], port.scores[theirs]
        np.maximum(apart, np.abs(one[:, None].astype(np.float64) - other[None]) / score, out=apart)
        row, column = np.nonzero(apart <= 1)
        found.append(np.stack([part[row], theirs[column], apart[row, column]]))
    return np.concatenate(found, axis=1)


def _weight(rows: Rows, index: np.ndarray | None = None) -> float:
    scores = rows.scores if index is None else rows.scores[index]
    return float(np.clip(scores, 0, 1).astype(np.float64).sum())
