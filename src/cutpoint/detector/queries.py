"""Query heads: their cuts, and mmdet's ``predict`` in two halves."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from mmdet.models.detectors import DeformableDETR
from torch import Tensor

from cutpoint.detector.cuts import Cuts
from cutpoint.detector.halves import Halves, Metas
from cutpoint.detector.mmdet_types import Head
from cutpoint.detector.padding import Padding
from cutpoint.detector.transformers import deformable_states, plain_states
from cutpoint.records.head import QueryHead

Predicted = tuple[Tensor, Tensor]


class QueryCuts(Cuts[QueryHead]):
    """The cuts of a detection transformer."""

    def raw(self, images: Tensor, image_sizes: Tensor | None) -> list[Tensor]:
        """``logits`` ``(B, Q, C)`` or ``(B, Q, C + 1)``; ``cxcywh`` ``(B, Q, 4)``, fractions of the image
        without padding; ``priors`` ``(B, Q)`` int64 if the queries are selected.
        """
        clip = _sizes(image_sizes)[:, :2]
        padding = Padding(clip, (images.shape[-2], images.shape[-1]))
        features, cells = self.detector.extract_feat(images), None
        if isinstance(self.detector, DeformableDETR):
            inputs, cells = deformable_states(self.detector, features, padding)
        else:
            inputs = plain_states(self.detector, features, padding)
        head = self.detector.bbox_head
        with _capturing(head):
            logits, boxes = head.predict(**inputs, batch_data_samples=[], rescale=False)
        return [logits[-1], boxes[-1], *([] if cells is None else [cells])]

    def decode(self, raw: Mapping[str, Tensor], images: Tensor, image_sizes: Tensor | None) -> list[Tensor]:
        """``boxes`` ``(B, Q, 4)`` network pixels, not clipped; ``scores`` ``(B, Q, C)``, activated;
        ``priors`` as in ``raw``.

        Source:
            ``DETRHead._predict_by_feat_single``, mmdet/models/dense_heads/detr_head.py, and
            ``bbox_cxcywh_to_xyxy``, mmdet/structures/bbox/transforms.py, mmdet 3.3.0.
        """
        centre, size = raw["cxcywh"][..., :2], raw["cxcywh"][..., 2:]
        clip = _sizes(image_sizes)[:, :2].flip(1)
        boxes = torch.cat([centre - 0.5 * size, centre + 0.5 * size], -1) * clip.repeat(1, 2).unsqueeze(1)
        logits = raw["logits"]
        sigmoid = self.spec.score_activation == "sigmoid"
        scores = logits.sigmoid() if sigmoid else logits.softmax(-1)[..., :-1]
        return [boxes, scores, *([raw["priors"]] if self.spec.selected else [])]


class QueryHalves(Halves):
    """mmdet's ``predict`` of a detection transformer."""

    def first(self, data: dict[str, Any]) -> Predicted:
        """What ``predict_by_feat`` takes: logits and boxes ``(layers, B, Q, ...)``.

        Source:
            ``DetectionTransformer.predict``, mmdet/models/detectors/base_detr.py, mmdet 3.3.0.
        """
        detector, samples = self._detector, data["data_samples"]
        inputs = detector.forward_transformer(detector.extract_feat(data["inputs"]), samples)
        with _capturing(detector.bbox_head):
            outputs: Predicted = detector.bbox_head.predict(**inputs, batch_data_samples=samples)
        return outputs

    def tensors(self, outputs: Predicted, image: int) -> Iterable[tuple[str, Tensor]]:
        """An image's logits and boxes of the last decoder layer, on the device."""
        return ((name, value[-1, image]) for name, value in zip(("logits", "cxcywh"), outputs, strict=True))

    def second(self, outputs: Predicted, metas: Sequence[Metas], image: int) -> Any:
        """mmdet's ``predict_by_feat`` of one image."""
        one = (value[-1:, image : image + 1] for value in outputs)
        return self._detector.bbox_head.predict_by_feat(*one, batch_img_metas=[metas[image]], rescale=True)[0]


@contextlib.contextmanager
def _capturing(head: Head) -> Iterator[None]:
    """Let ``predict`` of a head return what its ``predict_by_feat`` takes."""
    head.predict_by_feat = lambda *outputs, **settings: outputs
    try:
        yield
    finally:
        del head.predict_by_feat


def _sizes(image_sizes: Tensor | None) -> Tensor:
    if image_sizes is None:
        raise ValueError("a transformer needs image_sizes")
    return image_sizes
