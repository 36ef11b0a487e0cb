"""What a head is, by kind: its tensors, its floor, its recipe. docs/cuts.md says what each kind's cuts give.

Code that works for one kind only asks for it with a function of ``model``, which refuses others by name.
"""

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from cutpoint.records.recipe import Step

BATCH = "batch"
# The sides of an output: a length, BATCH, the name of a length that several outputs share, null for any.
Shape = tuple[int | str | None, ...]


@dataclass(frozen=True)
class Part:
    """A slice of the raw tensors of one kind: the channels from ``start`` to ``stop`` of each prior.

    The tensor of level ``l`` is named ``{tensor}_{l}``.
    """

    tensor: str
    start: int
    stop: int


@dataclass(frozen=True)
class Floor:
    """Pairs of location and class above this limit are candidates; with ``inclusive`` also pairs equal to it.

    ``quantity``: what is compared, the ``class`` score or its ``product`` with the factor.
    ``pairs``: null, or a number for heads that rank and do not threshold. Of an image's pairs above the limit
    the ``pairs`` best ones are candidates, and the best pair of each of the ``pairs`` best locations.
    """

    quantity: Literal["class", "product"]
    value: float
    inclusive: bool
    pairs: int | None = None


@dataclass(frozen=True)
class HeadSpec(ABC):
    """The properties of a head of any kind. A kind is a subclass and a row of ``KINDS``.

    ``takes_sizes``: whether the files of all cuts have the input ``image_sizes``.
    ``place``: what a candidate belongs to besides its class, in one word for people.
    ``head``: its name for people.
    ``raw_names``: the outputs of the cut ``raw``, in order.
    ``floor``: the limit for candidates.
    ``recipe``: the steps of ``mmdet3``, this head's own ``predict``; see ``recipes.steps``.
    """

    kind: ClassVar[str]
    takes_sizes: ClassVar[bool] = False
    place: ClassVar[str] = "location"

    head: str
    num_classes: int
    raw_names: tuple[str, ...]
    floor: Floor
    recipe: tuple[Step, ...]

    @property
    @abstractmethod
    def has_factor(self) -> bool:
        """Whether a factor is multiplied with the class score."""

    @abstractmethod
    def shapes(self, cut: str) -> dict[str, Shape]:
        """The outputs of ``raw`` or ``decoded`` in order, with their shapes; empty for a cut without such."""

    @property
    def decoded_names(self) -> list[str]:
        """Names of the ``decoded`` cut's outputs."""
        return list(self.shapes("decoded"))

    @property
    def rows(self) -> int | None:
        """The number of locations of an image; null if it depends on the image's size."""
        return None

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs of ``raw`` and ``decoded`` together, in the order of a trace."""
        return list(dict.fromkeys([*self.raw_names, *self.decoded_names]))

    @property
    def multiplies_factor(self) -> bool:
        """Whether the head's own score is class score x factor; guided anchors only filter cells by it."""
        return self.has_factor and any(step["step"] == "multiply_factor" for step in self.recipe)

    @property
    def takes_root(self) -> bool:
        """Whether the head's own score is the root of class score x factor."""
        return any(step.get("root", False) for step in self.recipe)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, the kind first."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        if self.floor.pairs is None:
            del content["floor"]["pairs"]
        return {"kind": self.kind, **content}


@dataclass(frozen=True)
class DenseHead(HeadSpec):
    """A head with priors at every cell of its feature levels.

    ``raw_names``: each tensor is ``(B, priors per cell * channels, H, W)``.
    ``anchors``: per level, the ``x1, y1, x2, y2`` base anchors in network pixels around cell (0, 0), shifted
    by ``index * stride``; null for heads with points at ``(index + point_offset) * stride``.
    ``score``, ``box``, ``factor``: where class scores, box values and the factor are. The factor is
    multiplied with the class score, or filters cells (guided anchors); ``factor`` is null for heads without
    one and if the coder computes it.
    ``score_activation``: ``sigmoid``, ``softmax`` (the last channel, the background, is dropped) or ``none``
    (a probability already); ``factor_activation``: ``sigmoid`` or ``none``.
    ``coder``: ``{"type": ..., parameters}``; see ``boxes.CODERS``.
    """

    kind: ClassVar[str] = "dense"

    strides: tuple[tuple[int, int], ...]  # x, y per level
    anchors: tuple[tuple[tuple[float, float, float, float], ...], ...] | None
    point_offset: float
    score: Part
    score_activation: str
    box: tuple[Part, ...]
    coder: dict[str, Any]
    factor: Part | None
    factor_activation: str

    @property
    def levels(self) -> int:
        """Number of feature levels."""
        return len(self.strides)

    @property
    def has_factor(self) -> bool:
        """Whether a factor is multiplied with the class score."""
        return self.factor is not None or self.coder["type"] == "buckets"

    def shapes(self, cut: str) -> dict[str, Shape]:
        """The outputs of a cut and their shapes."""
        if cut == "decoded":
            return _on_levels(self)
        channels: dict[str, int] = {}
        for part in (self.score, *self.box, *([self.factor] if self.factor else [])):
            channels[part.tensor] = max(channels.get(part.tensor, 0), part.stop)
        found: dict[str, Shape] = {}
        for name in self.raw_names:
            tensor, _, level = name.rpartition("_")
            found[name] = (BATCH, channels[tensor] * self.anchors_per_cell(int(level)), None, None)
        return found

    def anchors_per_cell(self, level: int) -> int:
        """Number of priors at each cell of a level."""
        return len(self.anchors[level]) if self.anchors is not None else 1


def _on_levels(head: HeadSpec) -> dict[str, Shape]:
    """``decoded`` of heads whose locations are on levels."""
    factors: dict[str, Shape] = {"factors": (BATCH, "rows")} if head.has_factor else {}
    scores: Shape = (BATCH, "rows", head.num_classes)
    return {"boxes": (BATCH, "rows", 4), "scores": scores, **factors, "level_counts": (None,)}


@dataclass(frozen=True)
class ExternalHead(HeadSpec):
    """The outputs of an external ONNX file without an mmdet model, behind the nodes that Cutpoint adds.

    ``raw_names`` is empty. Both of its cuts give candidates: ``decoded`` one for each row and class, ``e2e``
    one for each row, and ``recipe`` is what remains to be done with them. ``layout``: its name for people.
    ``factor``: whether ``decoded`` has a factor that is multiplied with the class score.
    """

    kind: ClassVar[str] = "external"

    layout: str
    factor: bool = False

    @property
    def has_factor(self) -> bool:
        """Whether a factor is multiplied with the class score."""
        return self.factor

    def shapes(self, cut: str) -> dict[str, Shape]:
        """The outputs of a cut and their shapes."""
        return _on_levels(self) if cut == "decoded" else {}


@dataclass(frozen=True)
class RoiHead(HeadSpec):
    """A head that scores proposals, boxes that the network itself makes: Faster R-CNN and its kin.

    ``raw_names``: ``proposals``, ``logits``, ``deltas``; with ``selected`` also ``priors`` and
    ``proposal_count``.
    ``proposals``: the number of rows of an image.
    ``selected``: whether the proposals are the best of the RPN's anchors, so that a row is a rank, ``priors``
    says which anchor it is, and rows from ``proposal_count`` on are padding. Otherwise they are learned.
    ``score_activation``: ``softmax`` (the last logit, the background, is dropped) or ``sigmoid``.
    ``class_boxes``: whether a proposal has a box for each class.
    ``coder``: how ``deltas`` are read, see ``boxes.CODERS``.
    """

    kind: ClassVar[str] = "rois"
    takes_sizes: ClassVar[bool] = True
    place: ClassVar[str] = "proposal"

    proposals: int
    selected: bool
    score_activation: Literal["softmax", "sigmoid"]
    class_boxes: bool
    coder: dict[str, Any]

    @property
    def rows(self) -> int:
        """Proposals of an image."""
        return self.proposals

    @property
    def has_factor(self) -> bool:
        """Whether a factor is multiplied with the class score."""
        return False

    def shapes(self, cut: str) -> dict[str, Shape]:
        """The outputs of a cut and their shapes."""
        rows, classes = (BATCH, self.proposals), self.num_classes
        by_class = (classes,) if self.class_boxes else ()
        if cut == "decoded":
            found: dict[str, Shape] = {"boxes": (*rows, *by_class, 4), "scores": (*rows, classes)}
            return found | ({"priors": rows} if self.selected else {})
        known: dict[str, Shape] = {
            "proposals": (*rows, 4),
            "priors": rows,
            "proposal_count": (BATCH,),
            "logits": (*rows, classes + (self.score_activation == "softmax")),
            "deltas": (*rows, 4 * classes if self.class_boxes else 4),
        }
        return {name: known[name] for name in self.raw_names}


@dataclass(frozen=True)
class QueryHead(HeadSpec):
    """A head that gives one box for each query of a decoder: DETR and its kin.

    ``raw_names``: ``logits`` and ``cxcywh``; with ``selected`` also ``priors``.
    ``queries``: the number of rows of an image.
    ``selected``: whether the queries are the best of the encoder's cells, so that a row is a rank and
    ``priors`` says which cell it is. Otherwise they are learned, and a row is a query.
    ``score_activation``: ``softmax`` (the last logit, the background, is dropped) or ``sigmoid``.
    """

    kind: ClassVar[str] = "queries"
    takes_sizes: ClassVar[bool] = True
    place: ClassVar[str] = "query"

    queries: int
    selected: bool
    score_activation: Literal["softmax", "sigmoid"]

    @property
    def rows(self) -> int:
        """Queries of an image."""
        return self.queries

    @property
    def has_factor(self) -> bool:
        """Whether a factor is multiplied with the class score."""
        return False

    def shapes(self, cut: str) -> dict[str, Shape]:
        """The outputs of a cut and their shapes."""
        rows, classes = (BATCH, self.queries), self.num_classes
        priors: dict[str, Shape] = {"priors": rows} if self.selected else {}
        if cut == "decoded":
            return {"boxes": (*rows, 4), "scores": (*rows, classes), **priors}
        columns = classes + (self.score_activation == "softmax")
        return {"logits": (*rows, columns), "cxcywh": (*rows, 4), **priors}


KINDS: dict[str, type[HeadSpec]] = {kind.kind: kind for kind in (DenseHead, RoiHead, QueryHead, ExternalHead)}


def keeps_candidates(cut: str, head: HeadSpec) -> bool:
    """Whether a graph of this cut gives candidates, which a recipe finishes; otherwise detections."""
    return cut != "e2e" or isinstance(head, ExternalHead)
