"""How much an export may differ from PyTorch, one row per precision, and how much it does."""

from dataclasses import dataclass, replace

import numpy as np

from cutpoint.records.verification import TensorCheck


@dataclass(frozen=True)
class Tolerance:
    """How much an export may differ.

    A value passes within ``absolute + relative * |PyTorch's|`` (null: any value). A tensor must also have at
    least ``cosine``. For decoded boxes |PyTorch's| is the box's largest coordinate, because a corner near 0
    may be the difference of a large centre and a large half size. A detection matches one of its class with
    at least ``iou`` and a score within ``score``. A fraction ``agreement`` of both sides' detections or more
    must match, and where rows are ranks, of both sides' rows. ``change``: a rounding of this precision, as a
    fraction; the input is changed by it to see how far PyTorch itself moves.
    """

    absolute: float | None
    relative: float | None
    cosine: float
    iou: float
    score: float
    agreement: float
    change: float

    @property
    def of_tensors(self) -> str:
        """In words."""
        values = "" if self.absolute is None else f"{self.absolute:g} + {self.relative:g} x |value|, "
        return f"{values}cosine {self.cosine:g}"

    def scaled(self, factor: float) -> "Tolerance":
        """The tolerance of values in another unit."""
        return self if self.absolute is None else replace(self, absolute=self.absolute * factor)

    def least(self, own: float) -> float:
        """The least ``agreement`` if PyTorch's own is ``own``: ``OWN`` times as many may be missing.

        Where PyTorch itself agrees on few, a file must agree on at least an ``OWN``-th of those.
        """
        return min(self.agreement, max(own / OWN, 1 - OWN * (1 - own)))


# How much more than PyTorch's own movement a file's may be: both are samples of the same few swaps.
OWN = 2
TOLERANCES = {
    "fp32": Tolerance(1e-3, 1e-4, 0.99999, iou=0.99, score=1e-3, agreement=0.98, change=1e-6),
    "fp16": Tolerance(2, 0.1, 0.9995, iou=0.95, score=0.01, agreement=0.95, change=2**-11),
    "int8": Tolerance(None, None, 0.95, iou=0.75, score=0.2, agreement=0.7, change=2**-8),
}


class Differences:
    """The largest errors of one tensor over all inputs, and the parts of its cosine."""

    def __init__(self) -> None:
        self.max_abs = self.max_rel = self._dot = self._ours = self._theirs = 0.0
        self._ratios: list[np.ndarray] = []

    def add(self, ours: np.ndarray, theirs: np.ndarray, tolerance: Tolerance, rows: int = 1) -> None:
        """Compare two ``(N, K)`` float64 arrays; the size of a row is its largest |value| in ``theirs``.

        ``rows``: the arrays are those of so many rows of an output.
        """
        error, size = np.abs(ours - theirs), np.abs(theirs).max(axis=1, keepdims=True)
        least = TOLERANCES["fp32"].absolute or 0.0
        self.max_abs = max(self.max_abs, float(error.max()))
        self.max_rel = max(self.max_rel, float((error / np.maximum(size, least)).max()))
        self._dot += float((ours * theirs).sum())
        self._ours += float((ours**2).sum())
        self._theirs += float((theirs**2).sum())
        if tolerance.absolute is None or tolerance.relative is None:
            self._ratios.append(np.zeros(rows))
        else:
            ratio = error / (tolerance.absolute + tolerance.relative * size)
            self._ratios.append(ratio.reshape(rows, -1).max(axis=1))

    @property
    def ratios(self) -> np.ndarray:
        """``(rows,)`` float64: the largest error of each row, in tolerances of its value."""
        return np.concatenate(self._ratios) if self._ratios else np.zeros(1)

    @property
    def cosine(self) -> float:
        """Of the two sides as vectors."""
        norm = np.sqrt(self._ours * self._theirs)
        return float(self._dot / norm) if norm else float(self._ours == self._theirs)

    def check(self, name: str, tolerance: Tolerance) -> TensorCheck:
        """The result for the tensor."""
        cosine = self.cosine
        reasons = [] if self.ratios.max() <= 1 else [f"max abs {self.max_abs:.2g}"]
        reasons += [] if cosine >= tolerance.cosine else [f"cosine {cosine:.5f}"]
        return TensorCheck(
            name=name,
            max_abs=self.max_abs,
            max_rel=self.max_rel,
            cosine=cosine,
            tolerance=tolerance.of_tensors,
            passed=not reasons,
            reason=", ".join(reasons),
        )


def invalid(name: str, reason: str) -> TensorCheck:
    """The result for a tensor that is not finite: without a number."""
    return TensorCheck(name, None, None, None, tolerance="finite", passed=False, reason=reason)


def of_pytorch(problem: str) -> str:
    """The message of ``validity.find_invalid`` for PyTorch's side: ``NaN in PyTorch's own cls_0``."""
    name, _, what = problem.partition(" has ")
    return f"{what} in PyTorch's own {name}"
