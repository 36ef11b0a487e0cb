"""mmdet's own ``predict`` in two halves, so that each can be timed: the network, and the post-processing."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor

from cutpoint.detector.mmdet_types import Detector
from cutpoint.records.head import HeadSpec

Metas = dict[str, Any]


class Halves(ABC):
    """Up to the tensors that the last ``predict_by_feat`` takes, and that function; a class a kind.

    A test checks that both together equal ``detector.test_step``.
    """

    def __init__(self, detector: Detector, head: HeadSpec) -> None:
        self._detector = detector
        self._head = head

    @abstractmethod
    def first(self, data: dict[str, Any]) -> Any:
        """The network.

        Args:
            data: ``inputs`` ``(B, 3, H, W)`` and ``data_samples``, as the data preprocessor returns them.

        Returns:
            what the other two methods take.
        """

    @abstractmethod
    def tensors(self, outputs: Any, image: int) -> Iterable[tuple[str, Tensor]]:
        """Names and values of one image that must be finite, on the device."""

    @abstractmethod
    def second(self, outputs: Any, metas: Sequence[Metas], image: int) -> Any:
        """mmdet's post-processing of one image.

        Returns:
            an ``InstanceData`` with ``bboxes`` in original-image pixels, ``scores`` and ``labels``.
        """
