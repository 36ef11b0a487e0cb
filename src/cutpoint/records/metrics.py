"""COCO metrics of a variant on a data set. The file has no format number: it never changed."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.files import write_json
from cutpoint.records.json_file import as_content, read_record

PYCOCOTOOLS, OWN = "pycocotools", "cutpoint"


@dataclass(frozen=True)
class ClassMetrics:
    """AP of one category; null without ground truth, and for a refused variant.

    ``ground_truths``: number of its boxes, without crowds.
    """

    category_id: int
    name: str
    AP: float | None
    AP50: float | None
    ground_truths: int


@dataclass(frozen=True)
class Metrics:
    """``results/metrics/{dataset}/{model}/{variant}.json``: COCO's twelve numbers as fractions.

    A number is null where COCO gives -1. ``images``: how many are scored. ``detections``: how many are
    scored. ``refused``: why the variant has no detections; then all numbers are null. ``evaluator``: who
    computed them, ``PYCOCOTOOLS``, or for very many images ``OWN``.
    """

    AP: float | None
    AP50: float | None
    AP75: float | None
    APs: float | None
    APm: float | None
    APl: float | None
    AR1: float | None
    AR10: float | None
    AR100: float | None
    ARs: float | None
    ARm: float | None
    ARl: float | None
    images: int
    detections: int | None
    per_class: tuple[ClassMetrics, ...]
    refused: str | None = None
    evaluator: str = PYCOCOTOOLS


# the twelve, in pycocotools' order
SUMMARY = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


def read_metrics(path: str | Path) -> Metrics:
    """Read metrics.

    Raises:
        UserError: the file does not have metrics.
    """
    return read_record(path, Metrics)


def write_metrics(path: str | Path, metrics: Metrics) -> None:
    """Write metrics, completely or not at all; ``refused`` and ``evaluator`` only if there is one to say."""
    content = as_content(metrics)
    for name, usual in (("refused", None), ("evaluator", PYCOCOTOOLS)):
        if content.get(name) == usual:
            content.pop(name, None)
    write_json(path, content)
