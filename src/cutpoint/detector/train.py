"""Train the demo's small detectors with mmdet's own losses on drawn scenes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData
from torch import nn
from tqdm import trange

from cutpoint.demo.categories import TABLES
from cutpoint.demo.dataset import annotate, draw_scenes
from cutpoint.detector.build import build_detector, load_config
from cutpoint.detector.mmdet_types import Detector
from cutpoint.files import replacing

WARM_UP = 150
WEIGHT_DECAY = 0.02
CLIP_NORM = 10.0


@dataclass(frozen=True)
class Example:
    """One training image in the network's input size.

    Attributes:
        image: ``(h, w, 3)`` uint8, BGR, resized, not padded.
        boxes: ``(M, 4)`` float32, ``x1, y1, x2, y2``, pixels of ``image``.
        labels: ``(M,)`` int64, channel of the head.
        crowd: ``(M,)`` bool, regions that count neither as an object nor as background.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray


def train_demo(
    *,
    config: str,
    style: str,
    seed: int,
    scenes: int,
    iterations: int,
    batch: int,
    learning_rate: float,
    threads: int,
    out: str,
) -> None:
    """Train one detector and write its checkpoint.

    Args:
        config: the detector's mmdet config.
        style: ``traffic`` or ``coco``.
        seed: the demo's seed; scenes come from its ``train`` split.
        scenes: how many are drawn; they are then reused with flips.
        iterations: optimiser steps.
        batch: images per step.
        learning_rate: AdamW's peak, after the warm-up; a half cosine leads it to zero.
        threads: torch's threads.
        out: checkpoint: ``state_dict`` in float32, ``meta.dataset_meta.classes``.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    settings = load_config(config)
    # otherwise mmengine prints a paragraph for every parameter that it initialises
    MMLogger.get_current_instance().setLevel("WARNING")
    model = build_detector(settings, None)
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    examples = draw_examples(seed, style, scenes, max(settings.image_scale))
    run_steps(model, examples, seed, iterations, batch, learning_rate)
    classes = list(settings.metainfo.classes)
    state = {name: value.clone() for name, value in model.eval().state_dict().items()}
    with replacing(out) as path:
        torch.save({"state_dict": state, "meta": {"dataset_meta": {"classes": classes}}}, path)


def draw_examples(seed: int, style: str, count: int, side: int) -> list[Example]:
    """Draw the training scenes and resize them to ``side`` pixels on the longer edge."""
    channels = {category: channel for channel, category in enumerate(TABLES[style])}
    examples = []
    for scene in draw_scenes(seed, style, "train", count):
        height, width = scene.image.shape[:2]
        scale = side / max(height, width)
        size = (int(width * scale + 0.5), int(height * scale + 0.5))
        found = annotate(scene, style)
        boxes = np.array([thing["bbox"] for thing in found], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        boxes *= np.array([size[0] / width, size[1] / height] * 2, np.float32)
        examples.append(
            Example(
                cv2.resize(scene.image, size, interpolation=cv2.INTER_LINEAR),
                boxes,
                np.array([channels[thing["category_id"]] for thing in found], np.int64),
                np.array([thing["iscrowd"] for thing in found], bool),
            )
        )
    return examples


def run_steps(
    model: Detector,
    examples: list[Example],
    seed: int,
    iterations: int,
    batch: int,
    learning_rate: float,
) -> None:
    """Optimise in place: AdamW, linear warm-up, half cosine to zero."""
    rng = np.random.default_rng([seed, 0])
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=WEIGHT_DECAY)
    order: list[int] = []
    steps = trange(iterations, desc="training", unit="batch", mininterval=5)
    for step in steps:
        rate = learning_rate * min(1, (step + 1) / WARM_UP)
        rate *= 0.5 * (1 + math.cos(math.pi * step / iterations))
        for group in optimizer.param_groups:
            group["lr"] = rate
        if len(order) < batch:
            order = list(rng.permutation(len(examples)))
        chosen = [examples[order.pop()] for _ in range(batch)]
        data = model.data_preprocessor(collate(chosen, rng), training=True)
        losses = model.loss(data["inputs"], data["data_samples"])
        terms: list[Any] = [sum(value) if isinstance(value, list) else value for value in losses.values()]
        total: Any = sum(terms)
        if not torch.isfinite(total):
            raise RuntimeError(f"training diverged at batch {step}: the loss is {total.item()}")
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimizer.step()
        if step % 20 == 0:
            steps.set_postfix(loss=f"{total.item():.3f}", rate=f"{rate:.1e}")


def collate(examples: list[Example], rng: np.random.Generator) -> dict:
    """Make what mmdet's data preprocessor expects; each image is mirrored with probability 0.5."""
    inputs, samples = [], []
    for example in examples:
        image, boxes = example.image, example.boxes
        height, width = image.shape[:2]
        if rng.random() < 0.5:
            image, boxes = image[:, ::-1], boxes.copy()
            boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
        inputs.append(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))))
        sample = DetDataSample(
            metainfo={
                "img_shape": (height, width),
                "ori_shape": (height, width),
                "scale_factor": (1.0, 1.0),
            }
        )
        kept = ~example.crowd
        sample.gt_instances = InstanceData(
            bboxes=torch.from_numpy(boxes[kept]), labels=torch.from_numpy(example.labels[kept])
        )
        sample.ignored_instances = InstanceData(bboxes=torch.from_numpy(boxes[~kept]))
        samples.append(sample)
    return {"inputs": inputs, "data_samples": samples}
