"""Compare the tensors of a ``raw`` or ``decoded`` export with PyTorch's.

Where rows are ranks (``selected`` heads), two runtimes may swap two places of nearly equal score. So rows are
paired by the place that they come from, ``priors``, and the fraction of places that only one side has is
judged by itself. PyTorch's own movement under a change of the input as small as a rounding stands beside it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from cutpoint.detector.cuts import Cuts
from cutpoint.detector.movement import move_input
from cutpoint.detector.tolerance import OWN, Differences, Tolerance, invalid, of_pytorch
from cutpoint.errors import UserError
from cutpoint.predict.pictures import Picture, load_pictures, name_pictures
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.runtime import Session
from cutpoint.predict.validity import find_invalid
from cutpoint.records.head import DenseHead, QueryHead
from cutpoint.records.verification import TensorCheck

PLACES, COUNT = "priors", "proposal_count"
BOXES = ("boxes", "proposals", "cxcywh")
# An image has about a thousand pixels a side, so fractions of it need smaller differences than pixels.
FRACTIONS = {"cxcywh": 0.1}

Named = Mapping[str, np.ndarray]


class TensorComparison:
    """Differences between the tensors of two sides, over all inputs."""

    def __init__(self, session: Session, tolerance: Tolerance) -> None:
        self._head, self._session, self._tolerance = session.spec.head, session, tolerance
        self._ranks = bool(getattr(self._head, "selected", False))
        self._worst: dict[str, Differences] = {}
        self._not_finite: dict[str, str] = {}
        self._paired = self._rows = 0
        self._miscounted = False

    @property
    def agreement(self) -> float:
        """The fraction of both sides' rows whose place the other side has too."""
        return self._paired / self._rows if self._rows else 1.0

    def add(self, theirs: Named, ours: Named, pictures: list[Picture]) -> None:
        """Compare the outputs of a batch, which have the same names and shapes on both sides."""
        for name, value in theirs.items():
            reason = _find_invalid(name, value, ours[name], pictures)
            if reason:
                self._not_finite.setdefault(name, reason)
        if self._ranks:
            theirs, ours = self._pair(theirs, ours)
        for name, value in theirs.items():
            if name not in self._not_finite and len(value):
                self._add(name, value, ours[name])

    def checks(self, names: list[str], own: "TensorComparison | None") -> Iterator[TensorCheck]:
        """The result for each output; ``own``: PyTorch's own movement where rows are ranks."""
        for name in names:
            if name in self._not_finite:
                yield invalid(name, self._not_finite[name])
            elif own is None:
                yield self._worst[name].check(name, self._of(name))
            elif name == PLACES:
                yield self._check_places(own)
            elif name == COUNT:
                yield self._check_count()
            else:
                yield self._check_rows(name, own)

    def _add(self, name: str, theirs: np.ndarray, ours: np.ndarray) -> None:
        rows = len(theirs)
        if name in self._session.probabilities:
            assert isinstance(self._head, DenseHead)
            ours, theirs = (_probabilities(side, name, self._head) for side in (ours, theirs))
        row = (-1, 4) if name in BOXES else (-1, 1)
        ours, theirs = (side.astype(np.float64).reshape(row) for side in (ours, theirs))
        self._worst.setdefault(name, Differences()).add(ours, theirs, self._of(name), rows)

    def _of(self, name: str) -> Tolerance:
        return self._tolerance.scaled(FRACTIONS.get(name, 1.0))

    def _pair(self, theirs: Named, ours: Named) -> tuple[Named, Named]:
        """The rows of the same image and place, and then those that are alike, one after the other."""
        left, right = list[tuple[int, int]](), list[tuple[int, int]]()
        named = [name for name in theirs if name not in (PLACES, COUNT)]
        for image, places in enumerate(zip(theirs[PLACES], ours[PLACES], strict=True)):
            known = [np.flatnonzero(side >= 0) for side in places]
            shared = np.intersect1d(places[0][known[0]], places[1][known[1]], return_indices=True)[1:]
            for rows, real, found in zip((left, right), known, shared, strict=True):
                rows += [(image, row) for row in real[found].tolist()]
            # cells of padding are all alike, and of equal scores each runtime takes others
            rest = (np.delete(real, found).tolist() for real, found in zip(known, shared, strict=True))
            for one, other in zip(*rest, strict=False):
                if all(self._is_same(n, theirs[n][image, one], ours[n][image, other]) for n in named):
                    left.append((image, one))
                    right.append((image, other))
            self._rows += len(known[0]) + len(known[1])
            self._miscounted |= COUNT in ours and int(ours[COUNT][image]) != len(known[1])
        self._paired += len(left) + len(right)
        sides = ((theirs, left), (ours, right))
        one, other = (
            {name: side[name][tuple(np.array(rows, int).reshape(-1, 2).T)] for name in named}
            for side, rows in sides
        )
        return one, other

    def _is_same(self, name: str, theirs: np.ndarray, ours: np.ndarray) -> bool:
        """Whether a row's values are within the tolerance."""
        tolerance = self._of(name)
        if tolerance.absolute is None or tolerance.relative is None:
            return False
        limit = tolerance.absolute + tolerance.relative * np.abs(theirs).max()
        return bool((np.abs(ours - theirs) <= limit).all())

    def _check_places(self, own: "TensorComparison") -> TensorCheck:
        least = self._tolerance.least(own.agreement)
        passed = self.agreement >= least
        return TensorCheck(
            name=PLACES,
            max_abs=None,
            max_rel=None,
            cosine=None,
            tolerance=f"{least:.1%} of the rows have a partner",
            passed=passed,
            reason="" if passed else f"only {self.agreement:.1%} of the rows have a partner",
            agreement=self.agreement,
            torch_agreement=own.agreement,
        )

    def _check_count(self) -> TensorCheck:
        return TensorCheck(
            name=COUNT,
            max_abs=None,
            max_rel=None,
            cosine=None,
            tolerance="the number of rows with a place",
            passed=not self._miscounted,
            reason="not the number of rows with a place" if self._miscounted else "",
        )

    def _check_rows(self, name: str, own: "TensorComparison") -> TensorCheck:
        """Rows with a partner must be within the tolerance, or within ``OWN`` times PyTorch's own movement.

        The contents of queries may belong to ranks, and then a swap changes both: as many of them may differ
        as detections may.
        """
        if name not in self._worst:
            return invalid(name, "no row has a partner")
        tolerance, queries = self._of(name), isinstance(self._head, QueryHead)
        check = self._worst[name].check(name, tolerance)
        moved = own._worst.get(name, Differences())
        fraction = tolerance.agreement if queries else 1.0
        worst, allowed = (float(np.quantile(side.ratios, fraction)) for side in (self._worst[name], moved))
        allowed *= OWN
        limit = f"{allowed:.1f} times that" if allowed > 1 else "that"
        excused = tolerance.absolute is not None and (queries or allowed > 1)
        passed = check.passed or (excused and worst <= max(1.0, allowed))
        told, share = f"{fraction:.0%} of the rows", float((self._worst[name].ratios <= 1).mean())
        return replace(
            check,
            tolerance=check.tolerance + (f", or {told} within {limit}" if excused else ""),
            passed=passed,
            reason="" if passed else f"{check.reason}, {told} within {worst:.1f} times the tolerance",
            agreement=share,
            torch_max_abs=moved.max_abs,
            torch_agreement=float((moved.ratios <= 1).mean()),
        )


def compare_tensors(
    export: str,
    session: Session,
    pipeline: OnnxPipeline,
    cuts: Cuts[Any],
    groups: list[list[Picture]],
    tolerance: Tolerance,
) -> tuple[list[tuple[int, ...]], list[TensorCheck]]:
    """Compare the outputs of groups of images; each group is one batch.

    Returns:
        the input shapes, and the results for the outputs.

    Raises:
        UserError: an output is missing or has another shape than PyTorch's.
    """
    inputs: list[tuple[int, ...]] = []
    comparison, own, names = TensorComparison(session, tolerance), None, list[str]()
    if getattr(session.spec.head, "selected", False):
        own = TensorComparison(session, tolerance)
    for pictures in groups:
        tensor, geometries = load_pictures(pipeline, pictures)
        inputs.append(tensor.shape)
        feeds = pipeline.feeds(tensor, *geometries)
        theirs = _torch_outputs(cuts, feeds, session)
        ours = pipeline.infer(tensor, *geometries)
        names = list(theirs)
        for name, value in theirs.items():
            got = ours.get(name)
            if got is None or got.shape != value.shape:
                what = "missing" if got is None else f"shape {got.shape}"
                raise UserError(
                    f"{export}: output {name} is {what}, PyTorch gives {value.shape} on "
                    f"{name_pictures(pictures)}"
                )
        comparison.add(theirs, ours, pictures)
        if own is not None:
            moved = feeds | {"images": move_input(feeds["images"], tolerance.change)}
            own.add(theirs, _torch_outputs(cuts, moved, session), pictures)
    return inputs, list(comparison.checks(names, own))


def _find_invalid(name: str, theirs: np.ndarray, ours: np.ndarray, pictures: list[Picture]) -> str | None:
    """The first image on which a tensor is not finite. PyTorch's side comes first: the export copies it."""
    for number, picture in enumerate(pictures):
        # one dimension: for all images
        sides = [side[number] if side.ndim > 1 else side for side in (theirs, ours)]
        problem = find_invalid([(name, sides[0])])
        if problem:
            return f"{of_pytorch(problem)} on {picture.name}"
        problem = find_invalid([(name, sides[1])])
        if problem:
            return f"{problem.partition(' has ')[2]} on {picture.name}"
    return None


def _torch_outputs(cuts: Cuts[Any], feeds: dict[str, np.ndarray], session: Session) -> dict[str, np.ndarray]:
    """What the export should return, computed by PyTorch."""
    head = session.spec.head
    outputs = cuts.named(feeds["images"], feeds.get("image_sizes"))
    if session.cut == "raw":
        return {name: outputs[name] for name in head.raw_names}
    if session.scores == "fused" and head.has_factor:
        fused = outputs["scores"] * outputs.pop("factors")[..., None]
        outputs["scores"] = np.sqrt(fused) if head.takes_root else fused
    return {name: outputs[name] for name in head.decoded_names if name in outputs}


def _probabilities(logits: np.ndarray, name: str, head: DenseHead) -> np.ndarray:
    """Probabilities of an external file: the logit of a probability near 0 is lost in its rounding."""
    if head.score_activation != "softmax":
        values: np.ndarray = 1 / (1 + np.exp(-logits))
        return values
    batch, _, height, width = logits.shape
    anchors = head.anchors_per_cell(int(name.rpartition("_")[2]))
    powers: np.ndarray = np.exp(logits.reshape(batch, anchors, -1, height, width))
    values = powers / powers.sum(axis=2, keepdims=True)
    return values.reshape(logits.shape)
