"""Ground truth and detections as pycocotools takes them: a dict for each box."""

import contextlib
import io
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cutpoint.records.detections import Results
from cutpoint.records.truth import GroundTruth


def evaluate_boxes(truth: GroundTruth, results: Results) -> COCOeval:
    """pycocotools' own evaluation and accumulation, with its own settings, without output."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth_as_coco(truth), results_as_coco(truth, results), "bbox")
        evaluation.params.imgIds = sorted(truth.image_ids)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def truth_as_coco(truth: GroundTruth) -> COCO:
    """Ground truth for pycocotools, indexed without output. It is a copy, because pycocotools changes it."""
    return _index(truth.to_coco())


def results_as_coco(truth: GroundTruth, results: Results) -> COCO:
    """Detections as ``COCO.loadRes`` makes them, which fails without detections; their ids are 1, 2, ..."""
    boxes = results.to_coco()
    area = (results.bbox[:, 2] * results.bbox[:, 3]).tolist()
    for number, (box, size) in enumerate(zip(boxes, area, strict=True), start=1):
        box |= {"id": number, "area": size, "iscrowd": 0}
    return _index({**truth.to_coco(rows=np.zeros(0, dtype=np.int64)), "annotations": boxes})


def _index(dataset: dict[str, Any]) -> COCO:
    coco = COCO()
    coco.dataset = dataset
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco
