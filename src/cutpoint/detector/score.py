"""Score a checkpoint with mmdet's own test loop and metric, on images of the caller's choice."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mmengine.runner import Runner

from cutpoint.detector.build import load_config
from cutpoint.files import write_json


def score_detector(*, config: str, checkpoint: str, images: str, annotations: str, out: str) -> None:
    """Run mmdet's ``Runner.test`` and write its bbox metrics, fractions with three decimals.

    Args:
        config: an mmdet config whose test data set is a plain ``CocoDataset``.
        checkpoint: weights for it.
        images: folder of the images that ``annotations`` names.
        annotations: COCO JSON.
        out: ``{"AP", "AP50", "AP75", "APs", "APm", "APl"}``.
    """
    settings = load_config(config)
    dataset = settings.test_dataloader.dataset
    dataset.data_root = None
    dataset.ann_file = str(Path(annotations).resolve())
    dataset.data_prefix = {"img": str(Path(images).resolve())}
    settings.test_evaluator.ann_file = dataset.ann_file
    settings.load_from = checkpoint
    with tempfile.TemporaryDirectory() as folder:
        settings.work_dir = folder
        metrics = Runner.from_cfg(settings).test()
    names = {"AP": "mAP", "AP50": "mAP_50", "AP75": "mAP_75"}
    names |= {f"AP{size}": f"mAP_{size}" for size in "sml"}
    write_json(out, {name: float(metrics[f"coco/bbox_{key}"]) for name, key in names.items()})
