"""The cuts as one torch module: images in, the outputs of ``raw`` and ``decoded`` out. A class a kind."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from cutpoint.detector.mmdet_types import Detector
from cutpoint.records.head import HeadSpec

Kind = TypeVar("Kind", bound=HeadSpec)


class Cuts(nn.Module, ABC, Generic[Kind]):
    """A detector that returns the outputs of the cuts ``raw`` and ``decoded`` together; see docs/cuts.md."""

    def __init__(self, detector: Detector, spec: Kind) -> None:
        super().__init__()
        self.detector = detector
        self.spec = spec

    @abstractmethod
    def raw(self, images: Tensor, image_sizes: Tensor | None) -> list[Tensor]:
        """The outputs of the cut ``raw``, in the order of ``raw_names``; arguments as ``forward``."""

    @abstractmethod
    def decode(self, raw: Mapping[str, Tensor], images: Tensor, image_sizes: Tensor | None) -> list[Tensor]:
        """The outputs of the cut ``decoded``, in the order of ``decoded_names``, from those of ``raw``."""

    def forward(self, images: Tensor, image_sizes: Tensor | None = None) -> tuple[Tensor, ...]:
        """Run the detector.

        Args:
            images: ``(B, 3, H, W)`` float32, prepared by an input recipe.
            image_sizes: ``(B, 4)`` float32, clip height, clip width, scale y, scale x; only for heads that
                take them, see ``HeadSpec.takes_sizes``.

        Returns:
            the tensors of ``HeadSpec.output_names``.
        """
        named = dict(zip(self.spec.raw_names, self.raw(images, image_sizes), strict=True))
        decoded = self.decode(named, images, image_sizes)
        named |= zip(self.spec.decoded_names, decoded, strict=True)
        return tuple(named[name] for name in self.spec.output_names)

    @torch.no_grad()
    def named(self, images: np.ndarray, image_sizes: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """``forward`` on arrays of the host: the name of each output to its value."""
        sizes = None if image_sizes is None else torch.from_numpy(image_sizes)
        values = self(torch.from_numpy(images), sizes)
        return {name: v.numpy() for name, v in zip(self.spec.output_names, values, strict=True)}
