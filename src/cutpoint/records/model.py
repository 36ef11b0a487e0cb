"""How to read a head's tensors. Travels as JSON in ``spec.json`` and inside the ONNX file."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from cutpoint.records.image import InputRecipe
from cutpoint.records.recipe import Step, upgrade_step

METADATA_KEY = "cutpoint"


@dataclass(frozen=True)
class Part:
    """A slice of the raw tensors of one kind: of each prior's channels, those from ``start`` to ``stop``.

    The tensor of level ``l`` is named ``{tensor}_{l}``.
    """

    tensor: str
    start: int
    stop: int


@dataclass(frozen=True)
class Floor:
    """Which (location, class) pairs are candidates: those above a value, with ``inclusive`` also those equal.

    ``quantity``: what is compared, the ``class`` score or its ``product`` with the factor.
    """

    quantity: Literal["class", "product"]
    value: float
    inclusive: bool


@dataclass(frozen=True)
class HeadSpec:
    """What post-processing needs to know of a dense head.

    ``raw_names``: the raw tensors in the head's own order, each ``(B, priors per cell * channels, H, W)``.
    ``anchors``: per level, the ``x1, y1, x2, y2`` base anchors in network pixels around cell (0, 0), shifted
    by ``index * stride``; null for heads with points at ``(index + point_offset) * stride``.
    ``score``, ``box``, ``factor``: where class scores, box values and the factor that is multiplied with the
    class score stand; ``factor`` is null for heads without one and where the coder computes it.
    ``score_activation``: ``sigmoid``, ``softmax`` (the last channel, the background, is dropped) or ``none``
    (a probability already); ``factor_activation``: ``sigmoid`` or ``none``.
    ``coder``: ``{"type": ..., parameters}``; see ``boxes.CODERS``.
    ``floor``: which pairs are candidates.
    ``recipe``: the steps of ``mmdet3``, what this head's own ``predict`` does; see ``recipes.STEPS``.
    """

    head: str
    num_classes: int
    strides: tuple[tuple[int, int], ...]  # x, y per level
    anchors: tuple[tuple[tuple[float, float, float, float], ...], ...] | None
    point_offset: float
    raw_names: tuple[str, ...]
    score: Part
    score_activation: str
    box: tuple[Part, ...]
    coder: dict[str, Any]
    factor: Part | None
    factor_activation: str
    floor: Floor
    recipe: tuple[Step, ...]

    @property
    def levels(self) -> int:
        """Number of feature levels."""
        return len(self.strides)

    @property
    def has_factor(self) -> bool:
        """Whether a factor is multiplied with the class score."""
        return self.factor is not None or self.coder["type"] == "buckets"

    @property
    def takes_root(self) -> bool:
        """Whether the head's own score is the root of class score x factor."""
        return any(step.get("root", False) for step in self.recipe)

    @property
    def decoded_names(self) -> list[str]:
        """Names of the ``decoded`` cut's outputs."""
        factors = ["factors"] if self.has_factor else []
        return ["boxes", "scores", *factors, "level_counts"]

    def anchors_per_cell(self, level: int) -> int:
        """Number of priors at each cell of a level."""
        return len(self.anchors[level]) if self.anchors is not None else 1


@dataclass(frozen=True)
class ModelSpec:
    """A model as everything after the export sees it: classes, head, input recipe."""

    model: str
    classes: tuple[str, ...]
    head: HeadSpec
    input: InputRecipe

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "model": self.model,
            "classes": list(self.classes),
            "head": json.loads(json.dumps(asdict(self.head))),
            "input": json.loads(json.dumps(self.input.to_dict())),
        }

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "ModelSpec":
        """The inverse of ``to_dict``; a specification of format 1 has older names of steps and floor."""
        head = dict(value["head"])
        head["strides"] = tuple(tuple(stride) for stride in head["strides"])
        if head["anchors"] is not None:
            head["anchors"] = tuple(tuple(tuple(a) for a in level) for level in head["anchors"])
        head["raw_names"] = tuple(head["raw_names"])
        head["recipe"] = tuple(upgrade_step(step) for step in head["recipe"])
        floor = head["floor"]
        head["floor"] = Floor(floor.get("quantity") or floor["on"], floor["value"], floor["inclusive"])
        head["score"], head["box"] = Part(**head["score"]), tuple(Part(**part) for part in head["box"])
        head["factor"] = head["factor"] and Part(**head["factor"])
        return cls(
            model=value["model"],
            classes=tuple(value["classes"]),
            head=HeadSpec(**head),
            input=InputRecipe.from_dict(value["input"]),
        )

    def with_floor(self, floor: Floor) -> "ModelSpec":
        """The same model with another floor of the candidates."""
        return replace(self, head=replace(self.head, floor=floor))

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with the specification."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
