"""Dense heads: their cuts, and mmdet's ``predict`` in two halves."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils import _pytree as pytree

from cutpoint.decode.boxes import decode_boxes
from cutpoint.detector.cuts import Cuts
from cutpoint.detector.grid import grid_anchors, grid_points
from cutpoint.detector.halves import Halves, Metas
from cutpoint.detector.mmdet_types import Detector
from cutpoint.records.head import DenseHead, Part


class DenseCuts(Cuts[DenseHead]):
    """The cuts of a detector with one dense head.

    Decoding is written here and not taken from mmdet: during an export, mmdet's coders ask for a package that
    mmdet 3 does not have.
    """

    def __init__(self, detector: Detector, spec: DenseHead) -> None:
        super().__init__(detector, spec)
        for level, anchors in enumerate(spec.anchors or ()):
            self.register_buffer(f"anchors_{level}", torch.tensor(anchors), persistent=False)

    def raw(self, images: Tensor, image_sizes: Tensor | None) -> list[Tensor]:
        """The head's own tensors, ``(B, channels, h, w)``."""
        return head_tensors(self.detector, images)

    def decode(self, raw: Mapping[str, Tensor], images: Tensor, image_sizes: Tensor | None) -> list[Tensor]:
        """``boxes`` ``(B, N, 4)`` network pixels, not clipped; ``scores`` ``(B, N, C)``, activated, without
        the factor; ``factors`` ``(B, N)`` if the head has one; ``level_counts`` ``(L,)`` int64.
        """
        spec = self.spec
        boxes, scores, factors, counts = [], [], [], []
        for level in range(spec.levels):
            score = _read(self._maxima(raw), spec.score, level, spec)
            priors = self._priors(level, *raw[f"{spec.score.tensor}_{level}"].shape[-2:])
            values = torch.cat([_read(raw, part, level, spec) for part in spec.box], -1)
            decoded, confidence = decode_boxes(spec, level, priors, values, torch)
            boxes.append(decoded)
            scores.append(ACTIVATIONS[spec.score_activation](score))
            if spec.factor:
                factor = _read(raw, spec.factor, level, spec)[..., 0]
                factors.append(ACTIVATIONS[spec.factor_activation](factor))
            elif confidence is not None:
                factors.append(confidence)
            counts.append(torch.full((1,), priors.shape[0], dtype=torch.int64))
        outputs = [torch.cat(boxes, 1), torch.cat(scores, 1)]
        if spec.has_factor:
            outputs.append(torch.cat(factors, 1))
        return [*outputs, torch.cat(counts)]

    def _maxima(self, raw: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The tensors with 0 where a heat map has no local maximum; see ``decode.peaks``."""
        if self.spec.coder["type"] != "peaks":
            return raw
        kernel, maxima = self.spec.coder["kernel"], dict(raw)
        for name in (f"{self.spec.score.tensor}_{level}" for level in range(self.spec.levels)):
            best = functional.max_pool2d(raw[name], kernel, stride=1, padding=kernel // 2)
            maxima[name] = torch.where(best == raw[name], raw[name], torch.zeros(()))
        return maxima

    def _priors(self, level: int, height: int, width: int) -> Tensor:
        """``(cells * anchors, 4)`` anchors, or ``(cells, 2)`` points; see ``boxes.level_priors``."""
        stride = self.spec.strides[level]
        if self.spec.anchors is None:
            return grid_points(stride, height, width, self.spec.point_offset)
        anchors: Tensor = getattr(self, f"anchors_{level}")
        return grid_anchors(anchors, stride, height, width)


def head_tensors(detector: Detector, images: Tensor) -> list[Tensor]:
    """The head's forward for ``(B, 3, H, W)`` float32 images, with nested lists flattened."""
    leaves: list[Tensor] = pytree.tree_leaves(detector(images, mode="tensor"))
    return leaves


def _read(named: Mapping[str, Tensor], part: Part, level: int, spec: DenseHead) -> Tensor:
    """A part of a level's tensor, ``(B, H * W * A, channels)``, row-major y, x, anchor."""
    tensor = named[f"{part.tensor}_{level}"]
    batch, values, height, width = tensor.shape
    anchors = spec.anchors_per_cell(level)
    # without -1: the exporter would divide the sizes, which takes it minutes for some backbones
    flat = tensor.permute(0, 2, 3, 1).reshape(batch, height * width * anchors, values // anchors)
    return flat[..., part.start : part.stop]


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "softmax": lambda scores: scores.softmax(-1)[..., :-1],
    "none": lambda scores: scores,
}


class DenseHalves(Halves):
    """mmdet's ``predict`` of a detector with one dense head."""

    def first(self, data: dict[str, Any]) -> Any:
        """What the head's forward returns."""
        return self._detector.bbox_head(self._detector.extract_feat(data["inputs"]))

    def tensors(self, outputs: Any, image: int) -> Iterable[tuple[str, Tensor]]:
        """The head's tensors by the names of the cut ``raw``."""
        leaves = pytree.tree_leaves(outputs)
        return ((name, leaf[image]) for name, leaf in zip(self._head.raw_names, leaves, strict=True))

    def second(self, outputs: Any, metas: Sequence[Metas], image: int) -> Any:
        """``predict_by_feat`` of one image."""
        own = pytree.tree_map(lambda tensor: tensor[image : image + 1], outputs)
        return self._detector.bbox_head.predict_by_feat(
            *own, batch_img_metas=metas[image : image + 1], rescale=True
        )[0]
