"""The tensors of an external ONNX graph, read as a description says."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import onnx_ir as ir

from cutpoint.export.external_graph import ExternalGraph


def as_list(value: Any) -> list[Any]:
    """Return a list; a single value becomes a list of one."""
    return value if isinstance(value, list) else [value]


@dataclass(frozen=True)
class Priors:
    """What a head says of the rows of a file.

    ``head``: its name for people. ``classes``: how many classes. ``levels``: of how many tensors a value may
    consist; null: of any number. ``anchors``: priors at each cell of a level. ``mend``: what to do about
    another number of channels of class scores, see ``external_classes``.
    """

    head: str
    classes: int
    levels: int | None
    anchors: Callable[[int], int]
    mend: Callable[[int], str] = lambda width: ""


@dataclass(frozen=True)
class Activation:
    """What is still to be applied to a value, and which channel of class scores is no class."""

    kind: Literal["none", "sigmoid", "softmax"] = "none"
    background: Literal["first", "last"] | None = None


class ExternalFile(ExternalGraph):
    """An external graph, its description, and what the head says of it."""

    def __init__(self, path: str, model: ir.Model, outputs: dict[str, Any], priors: Priors) -> None:
        super().__init__(path, model)
        self.described, self.layout, self.priors = outputs, outputs.get("layout") or "rows", priors

    def add_batch(self) -> None:
        """Give all outputs an axis for the images if the boxes have none; one image is then run at a time.

        Rows that say which image they belong to may be of several images.
        """
        if not self._is_unbatched():
            return
        flat = "image" in self.described
        batch = self.images.shape[0] if self.images.shape is not None else None
        if isinstance(batch, int) and batch != 1 and not flat:
            raise self.error(f"its outputs have no axis for the images, and its input takes {batch} of them")
        for name, value in self.outputs.items():
            self.outputs[name] = self.unsqueeze(value)
        if not flat:
            sides = self.images.shape[1:] if self.images.shape is not None else [3, None, None]
            self.images.shape = ir.Shape([1, *sides])

    def _is_unbatched(self) -> bool:
        """Whether the outputs have no axis for the images: boxes of rank 2 belong to one image."""
        parts = as_list(self.described.get("box") or [])
        names = [name for part in parts for name in as_list(part["tensor"]) if name in self.outputs]
        shapes = [self.outputs[name].shape for name in names]
        return bool(shapes) and all(shape is not None and len(shape) == 2 for shape in shapes)

    def description(self, key: str, cut: str) -> dict[str, Any]:
        """What the config says about one kind of value."""
        described: dict[str, Any] | None = self.described.get(key)
        if described is None:
            raise self.error(f"outputs.{key} is missing; the cut {cut} needs it")
        return described

    def tensors(self, described: dict[str, Any]) -> list[ir.Value]:
        """The described tensor, or one per level, as they are in the file."""
        names, levels = as_list(described["tensor"]), self.priors.levels
        for name in names:
            if name not in self.outputs:
                raise self.error(f"it has no output {name!r}; it has: {', '.join(self.outputs)}")
        if levels is not None and len(names) not in (1, levels):
            raise self.error(f"{len(names)} tensors {names}; 1 is needed, or one a level: {levels}")
        return [self.outputs[name] for name in names]

    def rows(self, described: dict[str, Any], layout: str, channels: int) -> list[ir.Value]:
        """The described values as ``(B, N, C)`` float32, one row per prior: one tensor, or one per level.

        Args:
            described: the description of one kind of value.
            layout: ``rows``, ``columns`` or ``maps``.
            channels: C, how many the head has of this kind.
        """
        found = []
        for level, value in enumerate(self.tensors(described)):
            self._check_channels(value, described, layout, level, channels)
            shape = None if value.shape is None else tuple(value.shape)
            rank = None if shape is None else len(shape)
            if layout == "maps":
                channel = shape[1] if shape is not None and rank == 4 else None
                if not isinstance(channel, int):
                    raise self.error(f"output {value.name}: a map is (B, channels, H, W), not {value.shape}")
                width = channel // self.priors.anchors(level)
                value = self.op("Transpose", value, perm=[0, 2, 3, 1])
                value = self.op("Reshape", value, self.const([0, -1, width]))
            elif rank == 1:
                value = self.op("Reshape", value, self.const([1, -1, 1]))
            elif rank == 2:
                value = self.op("Reshape", value, self.const([0, -1, 1]))
            elif layout == "columns":
                value = self.op("Transpose", value, perm=[0, 2, 1])
            elif rank == 4 and shape is not None:
                value = self.op("Reshape", value, self.const([0, -1, shape[3]]))
            if described.get("channels"):
                start, stop = described["channels"]
                value = self.op("Slice", value, self.const([start]), self.const([stop]), self.const([2]))
            found.append(self.op("Cast", value, to=ir.DataType.FLOAT))
        return found

    def joined(self, described: dict[str, Any], channels: int) -> ir.Value:
        """The described values of all levels as one ``(B, N, C)`` float32; arguments as for ``rows``."""
        rows = self.rows(described, self.layout, channels)
        return rows[0] if len(rows) == 1 else self.op("Concat", *rows, axis=1)

    def activation(self, described: dict[str, Any], own: str) -> Activation:
        """What is still to be applied to a described value.

        Args:
            described: with ``activation`` and ``background``; or with ``activated``, of a head that says the
                rest itself.
            own: the head's own activation.
        """
        if "activated" not in described and {"activation", "background"} & described.keys():
            return Activation(described.get("activation", "none"), described.get("background"))
        if described.get("activated", own == "none"):
            return Activation()
        return Activation("softmax", "last") if own == "softmax" else Activation(own)  # type: ignore[arg-type]

    def _check_channels(
        self, value: ir.Value, described: dict[str, Any], layout: str, level: int, channels: int
    ) -> None:
        """Check the channels of a described tensor against the head, as far as its shape is known."""
        name = as_list(described["tensor"])[level]  # the file's own; the value may be a node in front
        priors, (start, stop) = self.priors, described.get("channels") or (None, None)
        is_score = described is self.described.get("score")
        if start is not None and stop is not None and (stop - start != channels or start < 0):
            mend = priors.mend(stop - start) if is_score else ""
            raise self.error(
                f"channels [{start}, {stop}] of {described['tensor']!r}: {priors.head} has {channels}{mend}"
            )
        shape = () if value.shape is None else tuple(value.shape)
        rank = len(shape)
        if rank == 4 and layout == "rows" and shape[1] != 1 and shape[2] != 1:
            raise self.error(f"output {name} has shape {value.shape}; rows are (B, N, channels)")
        axis = {("maps", 4): 1, ("columns", 3): 1, ("rows", 3): 2, ("rows", 4): 3}.get((layout, rank))
        width = 1 if rank in (1, 2) else shape[axis] if axis else None
        if not isinstance(width, int):
            return
        anchors = priors.anchors(level) if layout == "maps" else 1
        wanted = f"{channels * anchors}" + (f" ({anchors} anchors x {channels})" if anchors > 1 else "")
        if start is None and width != channels * anchors:
            mend = priors.mend(width) if is_score else ""
            raise self.error(f"output {name} has {width} channels; {priors.head} has {wanted}{mend}")
        if stop is not None and (width % anchors or stop > width // anchors):
            mend = priors.mend(width // anchors - (start or 0)) if is_score else ""
            raise self.error(f"output {name} has {width} channels, not [{start}, {stop}] of each prior{mend}")
