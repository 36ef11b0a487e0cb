"""Image file to detections: the one path that ``predict`` and ``latency`` both use."""

from typing import Protocol

import numpy as np

from cutpoint.boxes import scale_to_original
from cutpoint.candidates import Candidates, from_decoded, from_raw
from cutpoint.headspec import ModelSpec
from cutpoint.image import Geometry, InputRecipe, clip_size, decode, prepare
from cutpoint.recipes import Detections, Recipe, apply_recipe
from cutpoint.runtime import Session

READERS = {"raw": from_raw, "decoded": from_decoded}


class Pipeline(Protocol):
    """The stages of a variant. ``latency`` times each call; ``predict`` stops after ``read``."""

    spec: ModelSpec
    cut: str
    provider: str

    def decode(self, path: str) -> np.ndarray:
        """Image file to ``(H, W, 3)`` uint8 BGR."""

    def prepare(self, image: np.ndarray) -> tuple[object, Geometry]:
        """Decoded image to network input and geometry."""

    def infer(self, tensor: object, geometry: Geometry) -> object:
        """Network input to the outputs of the cut."""

    def read(self, outputs: object, geometry: Geometry) -> Candidates | Detections:
        """Outputs to candidates (``raw``, ``decoded``) or detections (``e2e``)."""


class OnnxPipeline:
    """The stages of an ONNX export."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.spec = session.spec
        self.cut = session.cut
        self.provider = session.provider

    def decode(self, path: str) -> np.ndarray:
        """Image file to ``(H, W, 3)`` uint8 BGR."""
        return decode(path)

    def prepare(self, image: np.ndarray) -> tuple[np.ndarray, Geometry]:
        """Decoded image to ``(1, 3, H', W')`` float32 and geometry."""
        return prepare(image, self.spec.input, self._session.shape)

    def infer(self, tensor: np.ndarray, geometry: Geometry) -> dict[str, np.ndarray]:
        """Run the session."""
        feeds = {"images": tensor}
        if self._session.clip == "image":
            feeds["image_sizes"] = image_sizes(geometry, self.spec.input)
        return self._session.run(feeds)

    def read(self, outputs: dict[str, np.ndarray], geometry: Geometry) -> Candidates | Detections:
        """Outputs to candidates, or to detections in original-image pixels."""
        if self.cut in READERS:
            return READERS[self.cut](outputs, self.spec.head)
        count = int(outputs["count"][0])
        boxes = outputs["boxes"][0, :count]
        if self._session.clip == "tensor":
            boxes = scale_to_original(boxes, geometry.scale_x, geometry.scale_y, "divide")
        return Detections(boxes, outputs["scores"][0, :count], outputs["labels"][0, :count])


def image_sizes(geometry: Geometry, recipe: InputRecipe) -> np.ndarray:
    """The second input of ``e2e``: ``(1, 4)`` float32 clip height, clip width, scale_y, scale_x."""
    return np.array([[*clip_size(geometry, recipe), geometry.scale_y, geometry.scale_x]], np.float32)


def detect(
    read: Candidates | Detections, recipe: Recipe | None, geometry: Geometry, spec: ModelSpec
) -> Detections:
    """Finish an image: candidates go through the recipe, detections are done already."""
    if isinstance(read, Detections):
        return read
    return apply_recipe(recipe, read, geometry, spec)
