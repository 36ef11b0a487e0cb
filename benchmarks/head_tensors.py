"""Tensors as a trained head emits them: most logits far below the threshold, clusters of boxes on objects."""

import math
from dataclasses import dataclass

import numpy as np
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.hub import get_config
from torch import nn

from cutpoint.detector import mmcv_ops
from cutpoint.detector.heads import describe_head
from cutpoint.records.head import DenseHead
from cutpoint.records.image import Geometry, InputRecipe
from cutpoint.records.model import ModelSpec

CONFIGS = {
    "ATSS": "mmdet::atss/atss_r50_fpn_1x_coco.py",
    "RetinaNet": "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py",
    "YOLOX": "mmdet::yolox/yolox_s_8xb8-300e_coco.py",
}


@dataclass
class Case:
    """A head, its specification, its tensors for one image, the image's sizes."""

    head: nn.Module
    model: ModelSpec
    outputs: dict[str, np.ndarray]
    geometry: Geometry

    @property
    def spec(self) -> DenseHead:
        return self.model.head

    @property
    def logits(self) -> list[np.ndarray]:
        """The class logits of each level."""
        return [self.outputs[f"{self.spec.score.tensor}_{level}"] for level in range(self.spec.levels)]


def build_head(name: str) -> nn.Module:
    """The head of a config shipped with mmdet, without backbone and weights."""
    mmcv_ops.install()
    register_all_modules(init_default_scope=True)
    model = get_config(CONFIGS[name]).model
    return MODELS.build(dict(model.bbox_head) | {"test_cfg": model.test_cfg, "train_cfg": None}).eval()


def make_case(name: str, height: int, width: int, candidates: int, seed: int = 0) -> Case:
    """Random objects; class or objectness logits are moved so that about ``candidates`` pairs pass."""
    head = build_head(name)
    spec = describe_head(head, None)
    random = np.random.default_rng(seed)
    objects = _make_objects(random, height, width, 3 + candidates // 10)
    labels = random.integers(0, 20, len(objects))  # a scene shows few of the classes
    outputs = {}
    for level, (stride_x, stride_y) in enumerate(spec.strides):
        sizes = math.ceil(height / stride_y), math.ceil(width / stride_x)
        outputs |= _make_level(random, spec, level, sizes, objects, labels)
    _move(outputs, spec, candidates)
    recipe = InputRecipe((height, width), False, "bilinear", None, False, None, None, 1, 0.0)
    model = ModelSpec(name, tuple(f"class {i}" for i in range(spec.num_classes)), spec, recipe)
    # scales as of a photograph, no two alike
    sizes = round(height / 1.25), round(width / 1.26)
    geometry = Geometry(*sizes, height, width, height, width, width / sizes[1], height / sizes[0])
    return Case(head, model, {n: outputs[n] for n in spec.raw_names}, geometry)


def _make_objects(random: np.random.Generator, height: int, width: int, count: int) -> np.ndarray:
    """``(count, 4)`` centre x, centre y, width, height, pixels."""
    centre = random.uniform(0.02, 0.98, (count, 2)) * [width, height]
    size = np.exp(random.uniform(math.log(12), math.log(0.6 * height), (count, 1)))
    aspect = np.exp(random.normal(0, 0.4, (count, 1)))
    return np.concatenate([centre, size * aspect, size / aspect], axis=1)


def _make_level(
    random: np.random.Generator,
    spec: DenseHead,
    level: int,
    sizes: tuple[int, int],
    objects: np.ndarray,
    labels: np.ndarray,
) -> dict[str, np.ndarray]:
    stride = np.array(spec.strides[level], dtype=np.float64)
    y, x = np.divmod(np.arange(sizes[0] * sizes[1]), sizes[1])
    points = np.stack([x, y], axis=1) * stride
    apart = np.abs(points[:, None] - objects[None, :, :2]) / (objects[:, 2:] / 2)
    fall = (apart**2).sum(-1)
    scale = np.log2(np.sqrt(objects[:, 2:].prod(1)) / (8 * stride[0]))
    # how well each object suits each cell: at its centre, and on the level of its size
    peak = 3 - 4 * fall - 1.5 * scale**2 + random.normal(0, 0.4, fall.shape)
    nearest = peak.argmax(axis=1)
    target, best = objects[nearest], peak.max(axis=1).clip(-4)
    anchors = spec.anchors_per_cell(level)
    cells = len(points)
    logits = random.normal(-6.5, 0.7, (anchors, spec.num_classes, cells))
    boxes = np.empty((anchors, 4, cells))
    for anchor in range(anchors):
        lift = best + random.normal(0, 0.5, cells)
        own = labels[nearest]
        logits[anchor, own, np.arange(cells)] = np.maximum(lift - 2, logits[anchor, own, np.arange(cells)])
        other = (own + 1) % 20
        logits[anchor, other, np.arange(cells)] += np.maximum(best, 0)
        goal = target + random.normal(0, 0.12, target.shape) * np.tile(target[:, 2:], 2)
        boxes[anchor] = _encode(spec, level, anchor, points, goal).T
    outputs = {"cls": logits, "box": boxes}
    if spec.factor:
        outputs[spec.factor.tensor] = (1.5 * best + random.normal(0, 0.4, cells))[None, None]
    return {f"{n}_{level}": v.reshape(1, -1, *sizes).astype(np.float32) for n, v in outputs.items()}


def _encode(spec: DenseHead, level: int, anchor: int, points: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """What the box branch would emit for boxes ``goal`` (centre and size)."""
    if spec.anchors is None:
        stride = np.array(spec.strides[level], dtype=np.float64)
        return np.concatenate([(goal[:, :2] - points) / stride, np.log(goal[:, 2:] / stride)], axis=1)
    base = np.array(spec.anchors[level][anchor])
    size = base[2:] - base[:2]
    centre = points + (base[:2] + base[2:]) / 2
    deltas = np.concatenate([(goal[:, :2] - centre) / size, np.log(goal[:, 2:] / size)], axis=1)
    return deltas / spec.coder["stds"]


def _move(outputs: dict[str, np.ndarray], spec: DenseHead, candidates: int) -> None:
    """Add a constant to the logits of what the floor is on, so that about ``candidates`` pairs pass it."""
    product = spec.floor.quantity == "product"
    goal = math.log(spec.floor.value / (1 - spec.floor.value))
    logits = [outputs[f"cls_{level}"] for level in range(spec.levels)]
    if not product:
        values = np.concatenate([level.ravel() for level in logits])
        shift = goal - np.partition(values, -candidates)[-candidates]
        for level in logits:
            level += np.float32(shift + 1e-4)
        return
    factors = [outputs[f"{spec.factor.tensor}_{level}"] for level in range(spec.levels)]
    low, high = -20.0, 20.0
    for _ in range(30):
        middle = (low + high) / 2
        passed = sum(
            (1 / (1 + np.exp(-c)) / (1 + np.exp(-f - middle)) >= spec.floor.value).sum()
            for c, f in zip(logits, factors, strict=True)
        )
        low, high = (low, middle) if passed > candidates else (middle, high)
    for level in factors:
        level += np.float32(middle)
