"""From the image file to detections: the only path, used by ``predict`` and ``latency``."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from cutpoint.data.image import clip_size, decode, prepare
from cutpoint.data.inputs import named_input
from cutpoint.decode.boxes import scale_to_original
from cutpoint.decode.candidates import from_decoded, from_raw
from cutpoint.errors import UserError
from cutpoint.predict.runtime import Session
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections
from cutpoint.records.image import Geometry, InputRecipe
from cutpoint.records.model import ModelSpec, dense_head
from cutpoint.records.onnx_model import PADDING_LABEL

READERS = {"raw": from_raw, "decoded": from_decoded}


class Pipeline(Protocol):
    """The stages of a variant. ``latency`` times each call; ``predict`` stops after ``read``."""

    spec: ModelSpec
    cut: str
    provider: str

    def decode(self, path: str) -> Any:
        """Image file to ``(H, W, 3)`` uint8 BGR."""

    def prepare(self, image: Any) -> tuple[Any, Geometry]:
        """Decoded image to network input (a batch of one) and geometry."""

    def batch(self, prepared: Sequence[tuple[Any, Geometry]]) -> tuple[Any, list[Geometry]]:
        """Several network inputs to one, padded to the largest, with the padded geometries."""

    def upload(self, tensor: Any, *geometries: Geometry) -> Any:
        """Network input to the device."""

    def compute(self, uploaded: Any) -> Any:
        """Network input on the device to outputs on the device; returns when they are finished."""

    def download(self, computed: Any) -> Any:
        """Outputs of the cut to the host."""

    def infer(self, tensor: Any, *geometries: Geometry) -> Any:
        """Network input to the outputs of the cut, both on the host."""
        return self.download(self.compute(self.upload(tensor, *geometries)))

    def tensors(self, outputs: Any, image: int) -> Iterable[tuple[str, Any]]:
        """Names and values that must be finite before ``read``: the head's tensors, or the decoded ones."""

    def read(self, outputs: Any, geometry: Geometry, image: int = 0) -> Candidates | Detections:
        """An image's outputs to candidates (``raw``, ``decoded``) or detections (``e2e``)."""


class OnnxPipeline(Pipeline):
    """The stages of an ONNX export."""

    def __init__(self, session: Session, made_by: str | InputRecipe = "mmdet") -> None:
        """``made_by``: the input recipe, or its name, see ``inputs.named_input``."""
        self._session = session
        if isinstance(made_by, str):
            made_by = named_input(made_by, session.spec.input, session.shape)
        self._input = made_by
        self.spec = session.spec
        self.cut = session.cut
        self.provider = session.provider

    def decode(self, path: str) -> np.ndarray:
        """Image file to ``(H, W, 3)`` uint8 BGR."""
        return decode(path)

    def prepare(self, image: np.ndarray) -> tuple[np.ndarray, Geometry]:
        """Decoded image to ``(1, 3, H', W')`` float32 and geometry."""
        return prepare(image, self._input, self._session.shape, self._session.empty)

    def batch(self, prepared: Sequence[tuple[np.ndarray, Geometry]]) -> tuple[np.ndarray, list[Geometry]]:
        """``(B, 3, H', W')`` float32 and geometries; see ``stack``.

        Raises:
            UserError: a static export takes another batch.
        """
        if self._session.batch not in (None, len(prepared)):
            raise UserError(
                f"a batch of {len(prepared)}: the export takes {self._session.batch}; set `batch` to that, "
                "or use `shape: dynamic`"
            )
        return stack(prepared, self._input.pad_value)

    def upload(self, tensor: np.ndarray, *geometries: Geometry) -> Any:
        """The session's inputs on its device."""
        return self._session.upload(self.feeds(tensor, *geometries))

    def feeds(self, tensor: np.ndarray, *geometries: Geometry) -> dict[str, np.ndarray]:
        """The session's inputs by name."""
        feeds = {"images": tensor}
        if self._session.clip == "image":
            feeds["image_sizes"] = np.concatenate([image_sizes(g, self._input) for g in geometries])
        return feeds

    def compute(self, uploaded: Any) -> Any:
        """Run the session."""
        return self._session.compute(uploaded)

    def download(self, computed: Any) -> dict[str, np.ndarray]:
        """Output name to array."""
        return self._session.download(computed)

    def tensors(self, outputs: dict[str, np.ndarray], image: int) -> Iterable[tuple[str, np.ndarray]]:
        """See ``Pipeline``; empty for ``e2e``, because rows beyond the count may have any value."""
        names = {"raw": self.spec.head.raw_names, "decoded": self.spec.head.decoded_names[:-1], "e2e": ()}
        return ((name, outputs[name][image]) for name in names[self.cut] if name in outputs)

    def read(
        self, outputs: dict[str, np.ndarray], geometry: Geometry, image: int = 0
    ) -> Candidates | Detections:
        """Outputs to candidates, or to detections in original-image pixels."""
        if self.cut in READERS:
            return READERS[self.cut](outputs, dense_head(self.spec, f"the cut {self.cut}"), image)
        count = int(outputs["count"][image])
        boxes, scores, labels = (outputs[name][image, :count] for name in ("boxes", "scores", "labels"))
        padding = (labels == PADDING_LABEL) & (scores <= 0)
        if padding.any():  # the count of an external file may include it
            boxes, scores, labels = boxes[~padding], scores[~padding], labels[~padding]
        if self._session.clip == "tensor":
            boxes = scale_to_original(boxes, geometry.scale_x, geometry.scale_y, "divide")
        return Detections(boxes, scores, labels)


def stack(
    prepared: Sequence[tuple[np.ndarray, Geometry]], pad_value: float
) -> tuple[np.ndarray, list[Geometry]]:
    """Network inputs of several images as one batch.

    Args:
        prepared: ``(1, 3, H', W')`` float32 and geometry of each image.
        pad_value: smaller images are padded with this value, right and bottom, after normalisation.

    Returns:
        ``(B, 3, H', W')`` float32 of the largest height and width, and geometries with these as padded size.

    Source:
        ``stack_batch``, mmengine/model/utils.py, mmengine 0.10.7.
    """
    if len(prepared) == 1:
        return prepared[0][0], [prepared[0][1]]
    geometries = padded_together([geometry for _, geometry in prepared])
    size = geometries[0].padded_height, geometries[0].padded_width
    tensor = np.full((len(prepared), 3, *size), pad_value, dtype=np.float32)
    for row, (single, _) in zip(tensor, prepared, strict=True):
        row[:, : single.shape[2], : single.shape[3]] = single[0]
    return tensor, geometries


def padded_together(geometries: Sequence[Geometry]) -> list[Geometry]:
    """Geometries with the batch's padded size: the largest height, the largest width."""
    height = max(geometry.padded_height for geometry in geometries)
    width = max(geometry.padded_width for geometry in geometries)
    return [replace(geometry, padded_height=height, padded_width=width) for geometry in geometries]


def image_sizes(geometry: Geometry, recipe: InputRecipe) -> np.ndarray:
    """The second input of ``e2e``: ``(1, 4)`` float32 clip height, clip width, scale_y, scale_x."""
    return np.array([[*clip_size(geometry, recipe), geometry.scale_y, geometry.scale_x]], np.float32)
