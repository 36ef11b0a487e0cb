"""A stage of rows: what the pack has on the way to it, and what a port gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from cutpoint.golden.checker.rows import Rows
from cutpoint.golden.checker.steps import Step, run_steps


class Guess(NamedTuple):
    """What a port may have done. ``number``: the recipe's step, 0 for how rows are given.

    ``value``: what one of several guesses of one ``text`` differs in; null if there is only one.
    """

    number: int
    text: str
    rows: Callable[[str], Rows]
    value: Any = None


class Stage:
    """A stage of rows: what the pack has on the way to it, and what the port gives.

    ``start``, ``end``: the number of steps that are done before it, and in it. ``states``: by image, the
    candidates and the rows after each step. ``port``: by image, the port's rows, with ``results`` as COCO
    results have them. ``categories``: the category of each class for ``results``, otherwise null.
    ``mistakes``: final rows by image, with a mistake in the input or in reading the outputs, by what it is
    in words.
    """

    def __init__(
        self,
        steps: list[Step],
        span: tuple[int, int],
        states: dict[str, list[Rows]],
        geometries: dict[str, dict[str, Any]],
        port: dict[str, Rows],
        categories: list[int | None] | None,
        mistakes: dict[str, dict[str, Rows]] | None = None,
    ) -> None:
        self.steps, self.states, self.geometries, self.port = steps, states, geometries, port
        self.start, self.end = span
        self.categories = categories
        self.mistakes = mistakes or {}

    def expected(self, image: str) -> Rows:
        """What the pack expects, as the port gives it."""
        return self.given(self.states[image][self.end])

    def given(self, rows: Rows, form: str | None = None) -> Rows:
        """Rows as the port gives them: labels are categories in results. ``form``: of ``BOX_FORMS``."""
        boxes = rows.boxes
        if self.categories is not None:
            known = np.array([-1 if c is None else c for c in self.categories], np.int64)
            rows = rows.replaced(labels=known[rows.labels])
            kept = rows.labels >= 0
            rows, boxes = rows.take(kept), boxes[kept]
        return self.formed(rows, BOX_FORMS[form](boxes)) if form else rows

    def formed(self, rows: Rows, written: np.ndarray) -> Rows:
        """Rows whose four numbers of a box are as given; results are read as x, y, width, height."""
        if self.categories is not None:
            written = np.concatenate([written[:, :2], written[:, :2] + written[:, 2:]], 1)
        return rows.replaced(boxes=written)

    def run(self, image: str, steps: list[Step], start: int, rows: Rows | None = None) -> Rows:
        """Run other steps from the state ``start`` of an image."""
        states = self.states[image]
        rows = states[start] if rows is None else rows
        before = next((states[n] for n in range(start) if self.steps[n]["step"] == "nms"), None)
        return self.given(run_steps(steps, rows, self.geometries[image], before)[-1] if steps else rows)

    @property
    def scores(self) -> np.ndarray:
        """All scores of the port."""
        return np.concatenate([rows.scores for rows in self.port.values()])

    @property
    def most(self) -> int:
        """The most rows of an image."""
        return max(len(rows) for rows in self.port.values())


BOX_FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "corners (x1, y1, x2, y2)": lambda b: b,
    "x, y, width, height": lambda b: np.concatenate([b[:, :2], b[:, 2:] - b[:, :2]], 1),
    "centre and size": lambda b: np.concatenate([(b[:, :2] + b[:, 2:]) / 2, b[:, 2:] - b[:, :2]], 1),
    "y1, x1, y2, x2": lambda b: b[:, [1, 0, 3, 2]],
}
