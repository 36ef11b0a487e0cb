"""Score a checkpoint with mmdet's own test step and metric."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner
from tqdm import tqdm

from cutpoint.detector.build import build_detector, load_config
from cutpoint.files import write_json


def score_detector(*, config: str, checkpoint: str, images: str, annotations: str, out: str) -> None:
    """Run mmdet's ``test_step`` and ``CocoMetric``; write their bbox metrics, fractions to 3 decimals.

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
    model = build_detector(settings, checkpoint)
    loader = Runner.build_dataloader(settings.test_dataloader)
    evaluator = Evaluator(settings.test_evaluator)
    evaluator.dataset_meta = loader.dataset.metainfo
    with torch.no_grad():
        for batch in tqdm(loader, desc="mmdet", unit="image"):
            evaluator.process(data_samples=model.test_step(batch), data_batch=batch)
    metrics = evaluator.evaluate(len(loader.dataset))
    if not metrics:
        raise RuntimeError(f"{checkpoint} finds nothing in {images}: it was trained too little")
    names = {"AP": "mAP", "AP50": "mAP_50", "AP75": "mAP_75"}
    names |= {f"AP{size}": f"mAP_{size}" for size in "sml"}
    write_json(out, {name: float(metrics[f"coco/bbox_{key}"]) for name, key in names.items()})
