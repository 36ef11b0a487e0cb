"""Steps that look at the boxes that a box overlaps."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from cutpoint.iou import box_iou
from cutpoint.recipes.overlap import Overlap, shift_classes
from cutpoint.recipes.steps.ranks import ranked
from cutpoint.recipes.steps.step import (
    Changing,
    Demands,
    Frame,
    Reason,
    Removing,
    Step,
    replace_columns,
    rival,
)
from cutpoint.records.candidates import Candidates


@dataclass(frozen=True)
class Nms(Removing):
    """Keep the best box, drop those whose IoU with it is above the threshold, repeat.

    ``space``: boxes of other classes are ``shifted`` away (mmcv's way, which costs precision), ignored
    (``per_class``), or count too (``agnostic``). ``max_per_class``: the most boxes kept per class.
    ``offset``, ``reading``, ``intersection``: how the IoU is computed, see ``overlap.Overlap``.
    """

    name: ClassVar[str] = "nms"
    iou_threshold: float
    space: Literal["shifted", "per_class", "agnostic"] = "shifted"
    max_per_class: int | None = None
    offset: Literal[0, 1] = 0
    reading: Literal["xyxy", "cxcywh"] = "xyxy"
    intersection: Literal["sides", "product"] = "sides"

    @classmethod
    def causes(cls) -> tuple[str, ...]:
        return (cls.name, "max_per_class")

    @property
    def overlap(self) -> Overlap:
        """How the IoU is computed."""
        return Overlap(self.offset, self.reading, self.intersection)

    def problem(self) -> str | None:
        if self.max_per_class is not None and self.space != "per_class":
            return "max_per_class needs `space: per_class`"
        return None

    def apply(self, candidates: Candidates, frame: Frame) -> Candidates:
        c, nms, overlap = candidates, frame.nms, self.overlap
        if self.space == "agnostic":
            return c.take(nms.greedy_nms(c.boxes, c.score, self.iou_threshold, overlap))
        if self.space == "per_class":
            limit = self.max_per_class
            return c.take(nms.per_class_nms(c.boxes, c.score, c.label, self.iou_threshold, overlap, limit))
        return c.take(nms.class_shifted_nms(c.boxes, c.score, c.label, self.iou_threshold, overlap))

    def demand(self, so_far: Demands) -> Demands:
        return replace(ranked(so_far), into_nms=so_far.floors)

    def why(self, before: Candidates, row: int, after: Candidates) -> Reason:
        """The best kept box that overlaps too much, by the step's arithmetic; else its class is full."""
        overlap = self.overlap
        boxes = shift_classes(before.boxes, before.label) if self.space == "shifted" else before.boxes
        kept = np.flatnonzero(np.isin(_codes(before), _codes(after)))
        if self.space == "per_class":
            kept = kept[before.label[kept] == before.label[row]]
        kept = kept[np.argsort(-before.score[kept], kind="stable")]
        sides = overlap.sides(boxes)
        iou = overlap.iou(sides.take(row), sides.take(kept))
        above = iou > np.float32(self.iou_threshold)
        over = np.flatnonzero(above & (before.score[kept] >= before.score[row]))
        if len(over):
            largest = float(iou[over[0]])
            return Reason(self.name, largest - self.iou_threshold, rival(before, int(kept[over[0]]), largest))
        return Reason("max_per_class", float(before.score[kept].min() - before.score[row]))


@dataclass(frozen=True)
class ScoreVoting(Changing):
    """Replace every box by the weighted mean of the boxes of its class that overlap it before NMS.

    Source:
        ``PAAHead.score_voting``, mmdet/models/dense_heads/paa_head.py, mmdet 3.3.0; the order stays.
    """

    name: ClassVar[str] = "score_voting"
    iou_threshold: float = 0.01
    variance: float = 0.025

    def apply(self, candidates: Candidates, frame: Frame) -> Candidates:
        c, pool = candidates, frame.before_nms
        boxes = c.boxes.copy()
        for label in np.unique(c.label):
            ours, theirs = np.flatnonzero(c.label == label), np.flatnonzero(pool.label == label)
            overlaps = box_iou(c.boxes[ours], pool.boxes[theirs])
            for row, iou in zip(ours, overlaps, strict=True):
                near = iou > self.iou_threshold
                weight = np.exp(-((1 - iou[near]) ** 2) / np.float32(self.variance))
                weight = (weight * pool.score[theirs][near])[:, None]
                boxes[row] = (weight * pool.boxes[theirs][near]).sum(0) / weight.sum(0)
        return replace_columns(c, boxes=boxes)

    def demand(self, so_far: Demands) -> Demands:
        """Pairs that NMS removed count too, and they need not fulfil the demands after NMS."""
        return replace(so_far, floors=so_far.into_nms, complete=True, mixed=True)


def _codes(c: Candidates) -> np.ndarray:
    codes: np.ndarray = c.prior.astype(np.int64) * (1 << 16) + c.label
    return codes


STEPS: tuple[type[Step], ...] = (Nms, ScoreVoting)
