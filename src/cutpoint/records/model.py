"""How to read a head's tensors. It is stored as JSON in ``spec.json`` and in the ONNX file.

There are several kinds of heads. Code that needs priors on levels calls ``dense_head``, which refuses others.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from cutpoint.errors import UserError
from cutpoint.files import write_json
from cutpoint.records.image import InputRecipe
from cutpoint.records.json_file import FORMAT, KEY, as_record, read_content
from cutpoint.records.recipe import Step, upgrade_step

METADATA_KEY = "cutpoint"


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
    """

    quantity: Literal["class", "product"]
    value: float
    inclusive: bool


@dataclass(frozen=True)
class HeadSpec(ABC):
    """The properties of a head of any kind. A kind is a subclass and a row of ``KINDS``.

    ``head``: its name for people.
    ``raw_names``: the raw tensors in the head's own order.
    ``floor``: the limit for candidates.
    ``recipe``: the steps of ``mmdet3``, this head's own ``predict``; see ``recipes.steps``.
    """

    kind: ClassVar[str]

    head: str
    num_classes: int
    raw_names: tuple[str, ...]
    floor: Floor
    recipe: tuple[Step, ...]

    @property
    @abstractmethod
    def has_factor(self) -> bool:
        """Whether a factor is multiplied with the class score."""

    @property
    @abstractmethod
    def decoded_names(self) -> list[str]:
        """Names of the ``decoded`` cut's outputs."""

    @property
    def takes_root(self) -> bool:
        """Whether the head's own score is the root of class score x factor."""
        return any(step.get("root", False) for step in self.recipe)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, the kind first."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return {"kind": self.kind, **content}


@dataclass(frozen=True)
class DenseHead(HeadSpec):
    """A head with priors at every cell of its feature levels.

    ``raw_names``: each tensor is ``(B, priors per cell * channels, H, W)``.
    ``anchors``: per level, the ``x1, y1, x2, y2`` base anchors in network pixels around cell (0, 0), shifted
    by ``index * stride``; null for heads with points at ``(index + point_offset) * stride``.
    ``score``, ``box``, ``factor``: where class scores, box values and the factor that is multiplied with the
    class score are; ``factor`` is null for heads without one and if the coder computes it.
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

    @property
    def decoded_names(self) -> list[str]:
        """Names of the ``decoded`` cut's outputs."""
        factors = ["factors"] if self.has_factor else []
        return ["boxes", "scores", *factors, "level_counts"]

    def anchors_per_cell(self, level: int) -> int:
        """Number of priors at each cell of a level."""
        return len(self.anchors[level]) if self.anchors is not None else 1


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

    @property
    def decoded_names(self) -> list[str]:
        """Names of the ``decoded`` cut's outputs."""
        return ["boxes", "scores", *(["factors"] if self.factor else []), "level_counts"]


KINDS: dict[str, type[HeadSpec]] = {kind.kind: kind for kind in (DenseHead, ExternalHead)}


def keeps_candidates(cut: str, head: HeadSpec) -> bool:
    """Whether a graph of this cut gives candidates, which a recipe finishes; otherwise detections."""
    return cut != "e2e" or isinstance(head, ExternalHead)


@dataclass(frozen=True)
class ModelSpec:
    """What everything after the export knows about a model: classes, head, input recipe."""

    model: str
    classes: tuple[str, ...]
    head: HeadSpec
    input: InputRecipe

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "model": self.model,
            "classes": list(self.classes),
            "head": self.head.to_dict(),
            "input": json.loads(json.dumps(self.input.to_dict())),
        }

    def with_floor(self, floor: Floor) -> "ModelSpec":
        """The same model with another floor of the candidates."""
        return replace(self, head=replace(self.head, floor=floor))

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with the specification."""
        return spec_digest(self.to_dict())


@dataclass(frozen=True)
class _Content:
    """A specification as it is in a file; the kind decides the content of ``head``."""

    model: str
    classes: tuple[str, ...]
    head: dict[str, Any]
    input: InputRecipe


@dataclass(frozen=True)
class _Trained:
    """What the file has besides the specification."""

    trained_order: list[str] | None = None


def dense_head(spec: ModelSpec, what: str) -> DenseHead:
    """The head of a model, for code that assumes priors on levels.

    Args:
        spec: the model.
        what: names the caller in the message.

    Raises:
        UserError: the head has another kind.
    """
    if isinstance(spec.head, DenseHead):
        return spec.head
    raise UserError(
        f"model {spec.model}: {what} works for dense heads only, and {spec.head.head} is of the kind "
        f"{spec.head.kind!r}; leave it out for this model"
    )


def as_spec(content: Any, where: str) -> ModelSpec:
    """The inverse of ``ModelSpec.to_dict``. Format 1 has one kind and older names for steps and floor.

    Args:
        content: plain JSON values.
        where: begins the message.

    Raises:
        UserError: the kind is unknown, or a key is missing or has another type.
    """
    record = as_record(content, _Content, where)
    name = record.head.get("kind", DenseHead.kind)
    if name not in KINDS:
        raise UserError(
            f"{where}: head.kind: {name!r} is unknown to this version of Cutpoint, which knows "
            f"{', '.join(KINDS)}; install the version that wrote the file, or make the file again"
        )
    head = as_record(_upgrade(record.head), KINDS[name], f"{where}: head")
    return ModelSpec(record.model, record.classes, head, record.input)


def spec_digest(content: dict[str, Any]) -> str:
    """The digest of a specification as it is in a file, with the names of the file's own format."""
    own = {key: content[key] for key in ("model", "classes", "head", "input")}
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:12]


def read_spec(path: str | Path) -> ModelSpec:
    """Read ``spec.json``.

    Raises:
        UserError: the file is missing or is not a specification; with its path and key.
    """
    return as_spec(read_content(path), str(path))


def read_trained_order(path: str | Path) -> list[str] | None:
    """The categories of the training annotations in their order, from ``spec.json``; null if unknown.

    Raises:
        UserError: see ``read_spec``.
    """
    return as_record(read_content(path), _Trained, str(path)).trained_order


def write_spec(path: str | Path, spec: ModelSpec, trained_order: Sequence[str] | None = None) -> None:
    """Write ``spec.json``; with ``trained_order``, see ``read_trained_order``."""
    order = {"trained_order": list(trained_order)} if trained_order else {}
    write_json(path, {KEY: FORMAT, **spec.to_dict(), **order})


def _upgrade(head: dict[str, Any]) -> dict[str, Any]:
    """A head with today's names of steps and floor."""
    upgraded = dict(head)
    if isinstance(head.get("recipe"), list):
        steps = head["recipe"]
        upgraded["recipe"] = [upgrade_step(step) if isinstance(step, dict) else step for step in steps]
    floor = head.get("floor")
    if isinstance(floor, dict) and "on" in floor:
        upgraded["floor"] = {"quantity": floor["on"], **floor}
    return upgraded
