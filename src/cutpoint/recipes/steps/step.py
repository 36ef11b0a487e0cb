"""The interface of a recipe's steps."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, TypeVar

import numpy as np

from cutpoint.recipes.overlap import Overlap
from cutpoint.records.candidates import Candidates
from cutpoint.records.head import Floor
from cutpoint.records.image import Geometry


class Suppression(Protocol):
    """The functions of ``nms`` that a step calls; its arguments and results are described there.

    They come with the frame, so that who builds a recipe into a graph does not depend on their code.
    """

    def greedy_nms(
        self, boxes: np.ndarray, scores: np.ndarray, iou_threshold: float, overlap: Overlap, /
    ) -> np.ndarray:
        """One NMS over all boxes."""

    def class_shifted_nms(
        self,
        boxes: np.ndarray,
        scores: np.ndarray,
        labels: np.ndarray,
        iou_threshold: float,
        overlap: Overlap,
        /,
    ) -> np.ndarray:
        """One NMS over boxes whose classes are shifted apart."""

    def per_class_nms(
        self,
        boxes: np.ndarray,
        scores: np.ndarray,
        labels: np.ndarray,
        iou_threshold: float,
        overlap: Overlap,
        max_per_class: int | None,
        /,
    ) -> np.ndarray:
        """One NMS a class."""


@dataclass(frozen=True)
class Frame:
    """What the steps know of an image: sizes, the clip's height and width, the rows that NMS chose from.

    ``nms``: what suppresses boxes.
    """

    geometry: Geometry
    clip: tuple[int, int]
    before_nms: Candidates
    nms: Suppression


@dataclass(frozen=True)
class Rival:
    """The candidate that took another one's place; ``iou`` between the two if that is the reason."""

    prior: int
    label: int
    score: float
    iou: float | None = None


@dataclass(frozen=True)
class Reason:
    """Why a step removed a candidate.

    ``cause``: one of the step's ``causes``. ``margin``: how far the candidate was from staying, in the unit
    of what the step compares; null if no candidate of its kind stayed.
    """

    cause: str
    margin: float | None
    by: Rival | None = None


@dataclass(frozen=True)
class Demands:
    """What the steps so far demand of a pair's class score, or product with the factor, before it can matter.

    ``floors``: the demands in order. ``multiplied``: the score is the product by now, with ``root`` its root.
    ``by_class``: pairs were ranked by class score only. ``into_nms``: the demands on the input of the last
    NMS. ``complete``: later steps add no demand.
    ``one_each``: of each location only the best pair can matter. ``pairs``: only so many of the best pairs
    can matter; null if all can. ``mixed``: a step chose in another way than by rank, so that later steps do
    not change the two.
    """

    floors: tuple[Floor, ...] = ()
    multiplied: bool = False
    root: bool = False
    by_class: bool = False
    into_nms: tuple[Floor, ...] = ()
    complete: bool = False
    one_each: bool = False
    pairs: int | None = None
    mixed: bool = False


@dataclass(frozen=True)
class LeastScore:
    """The score above which the steps so far keep a box; null if they have no such limit.

    ``multiplied``: the score is the product by now. ``product``: the limit on the product before that.
    """

    multiplied: bool
    score: float | None = None
    product: float | None = None


@dataclass(frozen=True)
class Step(ABC):
    """One step: a frozen dataclass whose fields are its parameters.

    ``name`` is its name in configs and files. The type of a field says which values it takes (``float``,
    ``int``, ``bool``, ``int | None`` or a ``Literal``). A field without a default is required.
    """

    name: ClassVar[str]

    @abstractmethod
    def apply(self, candidates: Candidates, frame: Frame) -> Candidates:
        """The candidates after this step; the given candidates stay as they are."""

    @classmethod
    @abstractmethod
    def causes(cls) -> tuple[str, ...]:
        """The causes that this step can give for a removed box: those of its ``why``, if it has one."""

    def problem(self) -> str | None:
        """Why parameters that are allowed one by one cannot be combined; null if they can."""
        return None

    def demand(self, so_far: Demands) -> Demands:
        """What a recipe demands of a pair up to and with this step.

        A pair below a demand does not change the result: steps that rank pairs rank it below all that pass.
        """
        return so_far

    def least_score(self, so_far: LeastScore) -> LeastScore:
        """The score above which a recipe keeps boxes up to and with this step."""
        return so_far


Kind = TypeVar("Kind", bound=Step)


@dataclass(frozen=True)
class Removing(Step):
    """A step that removes candidates and does not change the others."""

    @classmethod
    def causes(cls) -> tuple[str, ...]:
        return (cls.name,)

    def demand(self, so_far: Demands) -> Demands:
        return replace(so_far, mixed=True)

    @abstractmethod
    def why(self, before: Candidates, row: int, after: Candidates) -> Reason:
        """Why a candidate, given by its row before this step, is missing after it."""


@dataclass(frozen=True)
class Changing(Step):
    """A step that changes boxes or scores and does not remove candidates."""

    @classmethod
    def causes(cls) -> tuple[str, ...]:
        return ()


def rival(candidates: Candidates, row: int, iou: float | None = None) -> Rival:
    """A candidate as the one that took another one's place."""
    prior, label, score = (column[row] for column in (candidates.prior, candidates.label, candidates.score))
    return Rival(int(prior), int(label), float(score), iou)


def replace_columns(candidates: Candidates, **columns: np.ndarray) -> Candidates:
    """The candidates with some columns replaced; faster than ``dataclasses.replace``."""
    return Candidates(**{**vars(candidates), **columns})
