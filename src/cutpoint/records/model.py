"""What is known of a model: classes, head, input recipe. As JSON in ``spec.json`` and in the ONNX file."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cutpoint.errors import UserError
from cutpoint.files import write_json
from cutpoint.records.head import KINDS, DenseHead, Floor, HeadSpec, QueryHead, RoiHead
from cutpoint.records.image import InputRecipe
from cutpoint.records.json_file import FORMAT, KEY, as_record, read_content
from cutpoint.records.recipe import upgrade_step

METADATA_KEY = "cutpoint"


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


def built_head(spec: ModelSpec, what: str) -> DenseHead | RoiHead | QueryHead:
    """The head of a model that was built from mmdet, of any kind; arguments and errors as ``dense_head``."""
    if isinstance(spec.head, DenseHead | RoiHead | QueryHead):
        return spec.head
    raise UserError(
        f"model {spec.model}: {what} works for heads of mmdet only, and {spec.head.head} is of the kind "
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
