"""What an ONNX file says of itself, without being run."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Tensor:
    """An input or output of a graph.

    ``dtype``: as numpy names it (``float32``, ``uint8``, ``int64``). ``shape``: a side is a number, a name,
    or null if it is unknown; null if the file does not say the number of axes.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None

    @property
    def rank(self) -> int | None:
        """The number of axes; null if it is unknown."""
        return None if self.shape is None else len(self.shape)


@dataclass(frozen=True)
class GraphFacts:
    """The facts that a layout is recognised by and described with.

    ``metadata``: the file's own properties, text. ``precision``: the lowest of its weights or nodes.
    ``tails``: for each output the kinds of nodes between it and the last nodes with weights, sorted; they
    tell logits from probabilities and undecoded boxes from decoded ones. ``transposed_input``: whether the
    image input goes through a transposition from channels last to channels first.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    opset: int
    metadata: dict[str, str] = field(default_factory=dict)
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    tails: dict[str, tuple[str, ...]] = field(default_factory=dict)
    transposed_input: bool = False
    patch: int | None = None

    def input(self, name: str) -> Tensor | None:
        """The input of that name, null if there is none."""
        return next((tensor for tensor in self.inputs if tensor.name == name), None)

    def output(self, name: str) -> Tensor | None:
        """The output of that name, null if there is none."""
        return next((tensor for tensor in self.outputs if tensor.name == name), None)
