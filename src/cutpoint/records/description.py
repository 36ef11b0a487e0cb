"""How an external ONNX file is read: its layout, resolved for this file."""

from dataclasses import dataclass
from typing import Any, Literal

from cutpoint.records.head import HeadSpec
from cutpoint.records.image import InputRecipe, TensorForm


@dataclass(frozen=True)
class Description:
    """Everything that the import of a file without an mmdet model needs.

    ``layout``: its name. ``tensor``, ``input``: what the image input takes, and how an image becomes it.
    ``outputs``: what the tensors are; ``$defs/outputs`` of the config's schema. ``constants``: the values of
    the other inputs, by name. ``head``: what its candidates are, with floor and recipe.
    """

    layout: str
    cut: Literal["raw", "decoded", "e2e"]
    tensor: TensorForm
    input: InputRecipe
    outputs: dict[str, Any]
    constants: dict[str, Any]
    head: HeadSpec
