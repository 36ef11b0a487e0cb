"""From the image file to detections: the only path, used by ``predict`` and ``latency``."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from cutpoint.data.image import clip_size, decode, image_sizes, prepare
from cutpoint.data.inputs import Definition, resolve_input
from cutpoint.decode.boxes import scale_to_original
from cutpoint.decode.candidates import from_decoded, from_raw, from_rows, rows_of
from cutpoint.errors import UserError
from cutpoint.predict.runtime import Session
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections
from cutpoint.records.head import keeps_candidates
from cutpoint.records.image import Geometry, InputRecipe
from cutpoint.records.model import ModelSpec


class Pipeline(Protocol):
    """The stages of a variant. ``latency`` times each call; ``predict`` stops after ``read``.

    ``fixed_batch``: the only number of images that a run takes; null if any is taken.
    """

    spec: ModelSpec
    cut: str
    provider: str
    fixed_batch: int | None = None

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

    def __init__(self, session: Session, made_by: Definition | InputRecipe = "mmdet") -> None:
        """``made_by``: the input recipe, or its definition, see ``inputs.resolve_input``."""
        self._session = session
        if not isinstance(made_by, InputRecipe):
            made_by = resolve_input(made_by, session.spec.input, session.shape)
        self._input = made_by
        self.spec = session.spec
        self.cut = session.cut
        self.provider = session.provider
        self.fixed_batch = session.batch

    def decode(self, path: str) -> np.ndarray:
        """Image file to ``(H, W, 3)`` uint8 BGR."""
        return decode(path)

    def prepare(self, image: np.ndarray) -> tuple[np.ndarray, Geometry]:
        """Decoded image to the network input, in the form that the file takes, and geometry."""
        session = self._session
        return prepare(image, self._input, session.shape, session.empty, session.tensor)

    def batch(self, prepared: Sequence[tuple[np.ndarray, Geometry]]) -> tuple[np.ndarray, list[Geometry]]:
        """The network input of a batch and geometries; see ``stack``.

        Raises:
            UserError: a file of fixed batch takes another one.
        """
        if self.fixed_batch not in (None, len(prepared)):
            external = self._session.external
            other = "export it with a batch of any size" if external else "use `shape: dynamic`"
            raise UserError(
                f"a batch of {len(prepared)}: {external or 'the export'} takes {self.fixed_batch}; "
                f"set `batch` (of the variant, and of `latency`) to that, or {other}"
            )
        return stack(prepared, self._input.pad_value, self._session.tensor.channels_last)

    def upload(self, tensor: np.ndarray, *geometries: Geometry) -> Any:
        """The session's inputs on its device."""
        return self._session.upload(self.feeds(tensor, *geometries))

    def feeds(self, tensor: np.ndarray, *geometries: Geometry) -> dict[str, np.ndarray]:
        """The session's inputs by name."""
        feeds = {"images": tensor}
        if self._session.takes_sizes:
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
        head = self.spec.head
        names = {"raw": head.raw_names, "decoded": head.decoded_names, "e2e": ()}[self.cut]
        return ((name, outputs[name][image]) for name in names if name in outputs and name != "level_counts")

    def read(
        self, outputs: dict[str, np.ndarray], geometry: Geometry, image: int = 0
    ) -> Candidates | Detections:
        """Outputs to candidates, or to detections in original-image pixels."""
        if not keeps_candidates(self.cut, self.spec.head):
            boxes, scores, labels = rows_of(outputs, image)
            if self._session.clip == "tensor":
                boxes = scale_to_original(boxes, geometry)
            return Detections(boxes, scores, labels)
        if self.cut == "raw":
            return from_raw(outputs, self.spec.head, image, clip_size(geometry, self._input))
        return (from_decoded if self.cut == "decoded" else from_rows)(outputs, self.spec.head, image)


def stack(
    prepared: Sequence[tuple[np.ndarray, Geometry]], pad_value: float, channels_last: bool = False
) -> tuple[np.ndarray, list[Geometry]]:
    """Network inputs of several images as one batch.

    Args:
        prepared: ``(1, 3, H', W')`` (``channels_last``: ``(1, H', W', 3)``) and geometry of each image.
        pad_value: smaller images are padded with this value, right and bottom, after normalisation.

    Returns:
        the same with ``B`` images of the largest height and width, and geometries with these as padded size.

    Source:
        ``stack_batch``, mmengine/model/utils.py, mmengine 0.10.7.
    """
    if len(prepared) == 1:
        return prepared[0][0], [prepared[0][1]]
    geometries = padded_together([geometry for _, geometry in prepared])
    size = geometries[0].padded_height, geometries[0].padded_width
    sides = (*size, 3) if channels_last else (3, *size)
    tensor = np.full((len(prepared), *sides), pad_value, dtype=prepared[0][0].dtype)
    for row, (single, _) in zip(tensor, prepared, strict=True):
        row[tuple(slice(side) for side in single.shape[1:])] = single[0]
    return tensor, geometries


def padded_together(geometries: Sequence[Geometry]) -> list[Geometry]:
    """Geometries with the batch's padded size: the largest height, the largest width."""
    height = max(geometry.padded_height for geometry in geometries)
    width = max(geometry.padded_width for geometry in geometries)
    return [replace(geometry, padded_height=height, padded_width=width) for geometry in geometries]
