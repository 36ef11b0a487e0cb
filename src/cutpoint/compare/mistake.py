"""One small change at one place between image and detections, and what it makes of a file's outputs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cutpoint.data.image import clip_size
from cutpoint.decode.candidates import from_decoded, from_raw, from_rows
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import Recipe
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections
from cutpoint.records.head import HeadSpec
from cutpoint.records.image import Geometry, InputRecipe
from cutpoint.records.model import ModelSpec

Outputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Mistake:
    """One mistake, or none.

    Attributes:
        name, text: for files, for people.
        input: how images are prepared.
        cut: the cut of the file that the mistake is made with.
        head: how its outputs are read.
        outputs: from the true outputs to those that are read.
        label_shift: added to the labels, modulo the number of classes.
        geometry: from the true geometry to the one that boxes are scaled back with.
        recipe: from the model's own recipe to the one that is run.
        sizes: from the true geometry to the one that the file's input ``image_sizes`` is made of.
        clip: from geometry and input recipe to the height and width that fractions of the image are of,
            network pixels.
    """

    name: str
    text: str
    input: InputRecipe
    cut: str
    head: HeadSpec
    outputs: Callable[[Outputs, HeadSpec], Outputs] | None = None
    label_shift: int = 0
    geometry: Callable[[Geometry], Geometry] | None = None
    recipe: Callable[[Recipe], Recipe] | None = None
    sizes: Callable[[Geometry], Geometry] | None = None
    clip: Callable[[Geometry, InputRecipe], tuple[int, int]] = clip_size

    def named(self, name: str, text: str, **changes: Any) -> "Mistake":
        """This one with another name and other words, and with changes of its other attributes."""
        return replace(self, name=name, text=text, **changes)

    def finish(self, outputs: Outputs, geometry: Geometry, recipe: Recipe, spec: ModelSpec) -> Detections:
        """Turn the outputs for one image, prepared by ``input``, into detections with the mistake.

        Args:
            outputs: of the file, see ``decode.candidates``.
            geometry: the image's true one.
            recipe: the model's own.
            spec: the model.
        """
        if self.outputs:
            outputs = self.outputs(outputs, self.head)
        seen = self.geometry(geometry) if self.geometry else geometry
        made = self.recipe(recipe) if self.recipe else recipe
        read = self._read(outputs, self.clip(geometry, self.input))
        found = apply_recipe(made, read, seen, spec)
        # a network that sees the wrong numbers may overflow; such values are not detections
        kept = np.isfinite(found.boxes).all(axis=1) & np.isfinite(found.scores)
        labels = (found.labels[kept] + self.label_shift) % self.head.num_classes
        return Detections(found.boxes[kept], found.scores[kept], labels)

    def _read(self, outputs: Outputs, clip: tuple[int, int]) -> Candidates:
        if self.cut == "raw":
            return from_raw(outputs, self.head, clip=clip)
        return (from_decoded if self.cut == "decoded" else from_rows)(outputs, self.head)
