"""mmdet's detection transformers with random weights that give the post-processing something to do.

Backbone and neck are spread as those of dense heads (``zoo_models``). The offsets and weights of deformable
attention start at zero and are drawn. Every output layer of the head is rescaled in one pass over a batch, so
that each class and each side of a box varies from query to query.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.models import DABDETR, DETR, DINO, DeformableDETR
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.logging import MMLogger
from torch import Tensor, nn
from zoo_models import SEED, limit_sides, save_model, spread

from cutpoint.detector.build import build_detector, load_config

# Deviation and mean of each class and each box side that an output layer emits.
CLASS, BOX = (1.5, -5.0), (0.5, 0.0)
# Where contents belong to ranks: the encoder's classes lie so close that rounding swaps a few ranks of an
# image on any machine, and a query whose content is swapped moves the others by less than the limits.
CROWDED, SELF_ATTENTION = (0.05, -5.0), 0.1
# Learned queries that differ: a random decoder gives those of DETR nearly the same features otherwise.
EMBEDDINGS = 6.0
LAYERS, FEEDFORWARD = 2, 128


@dataclass(frozen=True)
class QueryZoo:
    """A config of the zoo; ``max_per_img`` so small that the ranking leaves queries out."""

    config: str
    max_per_img: int


QUERY_ZOO = {
    "detr": QueryZoo("detr/detr_r50_8xb2-150e_coco", 60),
    "conditional_detr": QueryZoo("conditional_detr/conditional-detr_r50_8xb2-50e_coco", 100),
    "dab_detr": QueryZoo("dab_detr/dab-detr_r50_8xb2-50e_coco", 100),
    "deformable_detr": QueryZoo("deformable_detr/deformable-detr_r50_16xb2-50e_coco", 100),
    "deformable_detr_refine": QueryZoo("deformable_detr/deformable-detr-refine_r50_16xb2-50e_coco", 100),
    "deformable_detr_twostage": QueryZoo(
        "deformable_detr/deformable-detr-refine-twostage_r50_16xb2-50e_coco", 100
    ),
    "dino": QueryZoo("dino/dino-4scale_r50_8xb2-12e_coco", 300),
}


def query_config(name: str, narrow: bool = True) -> Config:
    """The zoo config with smaller images.

    Args:
        name: a key of ``QUERY_ZOO``.
        narrow: a ResNet of 18 layers and 16 base channels, 2 layers of encoder and decoder.
    """
    config = load_config(f"mmdet::{QUERY_ZOO[name].config}.py")
    model = config.model
    model.test_cfg = {"max_per_img": QUERY_ZOO[name].max_per_img}
    limit_sides(config.test_dataloader.dataset.pipeline)
    if narrow:
        model.backbone.depth, model.backbone.base_channels = 18, 16
        model.neck.in_channels = [16 * 2**stage for stage in model.backbone.out_indices]
        for part in (model.encoder, model.decoder):
            part.num_layers = LAYERS
            part.layer_cfg.ffn_cfg.feedforward_channels = FEEDFORWARD
    return config


def build_query_model(name: str, narrow: bool, images: Sequence[str], folder: Path) -> tuple[str, str]:
    """Write a config and a checkpoint.

    Args:
        name: a key of ``QUERY_ZOO``.
        narrow: see ``query_config``.
        images: files of different sizes; the first three set the spread.
        folder: where the files go.

    Returns:
        paths of config and checkpoint.
    """
    config = query_config(name, narrow)
    torch.manual_seed(SEED)
    MMLogger.get_current_instance().setLevel("WARNING")  # a line a tensor otherwise
    detector = build_detector(config, None)
    steps = [s for s in config.test_dataloader.dataset.pipeline if s["type"] != "LoadAnnotations"]
    singles = [Compose(steps)({"img_path": path, "img_id": 0}) for path in images[:3]]
    data = detector.data_preprocessor(pseudo_collate(singles))
    # each image alone, where padding moves the queries of all of an image together
    alone = [detector.data_preprocessor(pseudo_collate([single])) for single in singles]
    with torch.no_grad():
        spread(detector, {}, data["inputs"], detector.extract_feat)
        spread_queries(detector, [data] if isinstance(detector, (DABDETR, DeformableDETR)) else alone)
    return save_model(name, config, detector, folder)


def spread_queries(detector: nn.Module, batches: Sequence[dict]) -> None:
    """Draw the attention's offsets and rescale the output layers, one after the other."""
    for module in detector.modules():
        if hasattr(module, "sampling_offsets"):
            module.sampling_offsets.weight.normal_(0, 0.02)
            module.attention_weights.weight.normal_(0, 0.03)
    if type(detector) is DETR:
        detector.query_embedding.weight.mul_(EMBEDDINGS)
    head = detector.bbox_head
    targets = {head.cls_out_channels: CLASS, 4: BOX}
    crowded = None
    if isinstance(detector, DINO):
        crowded = head.cls_branches[-1]
        for layer in detector.decoder.layers:
            layer.self_attn.attn.out_proj.weight.mul_(SELF_ATTENTION)
    layers = [m for m in head.modules() if isinstance(m, nn.Linear) and m.out_features in targets]
    done: set[nn.Linear] = set()
    while len(done) < len(layers):
        layer, taken = next_inputs(detector, [layer for layer in layers if layer not in done], batches)
        done.add(layer)
        if not layer.weight.any():
            layer.weight.normal_()
        # what all queries of an image have in common must not decide
        common = torch.cat([values.reshape(-1, *values.shape[-2:]).mean(1) for values in taken])
        shifts = common - common[-1]
        layer.weight.sub_(layer.weight @ torch.linalg.pinv(shifts) @ shifts)
        rows = torch.cat([layer(values).flatten(0, -2) for values in taken])
        deviation, mean = CROWDED if layer is crowded else targets[layer.out_features]
        factor = deviation / rows.std(0).clamp(min=1e-3)
        layer.bias.sub_(rows.mean(0)).mul_(factor).add_(mean)
        layer.weight.mul_(factor[:, None])


def next_inputs(
    detector: nn.Module, layers: Sequence[nn.Linear], batches: Sequence[dict]
) -> tuple[nn.Linear, list[Tensor]]:
    """The first of some layers that a forward pass reaches, and what it takes for each batch at first."""
    reached: list[tuple[nn.Linear, Tensor]] = []
    hooks = [
        layer.register_forward_pre_hook(lambda module, inputs: reached.append((module, inputs[0])))
        for layer in layers
    ]
    taken = []
    for batch in batches:
        reached.clear()
        detector(**batch, mode="predict")
        if not reached:
            raise ValueError(f"output layers that the forward pass does not use: {layers}")
        taken.append(reached[0])
    for hook in hooks:
        hook.remove()
    return taken[0][0], [values for _, values in taken]


def check_query_spread(bench: Any) -> None:
    """Raise if the queries of an image are nearly the same, or the images are.

    Args:
        bench: a ``Bench``.
    """
    images = bench.images(1)
    for image in images:
        detections = image.detections
        scores, labels = detections.scores, len(np.unique(detections.labels))
        spans = np.ptp(detections.boxes, axis=0)
        if labels < 5 or spans.min() < 50 or scores.min() < 1e-3 or scores.max() > 0.999:
            raise ValueError(f"{labels} classes, corners within {spans} px, scores {scores}")
    check_images_apart(bench)


def check_images_apart(bench: Any) -> None:
    """Raise if the images have nearly the same logits."""
    logits = [image.outputs["logits"] for image in bench.images(1)]
    apart = min(float(np.std(first - second)) for first, second in itertools.combinations(logits, 2))
    if apart < 0.1:
        raise ValueError(f"the logits of two images differ by {apart} only")
