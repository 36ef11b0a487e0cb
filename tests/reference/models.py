"""Detectors with random weights, spread so that many candidates pass, and how to export them."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from torch import nn

from cutpoint.detector.build import build_detector, load_config
from cutpoint.detector.describe import describe_model
from cutpoint.detector.kinds import open_cuts
from cutpoint.detector.trace import trace_model
from cutpoint.export.cut import write_cut
from cutpoint.export.e2e import write_e2e
from cutpoint.predict.runtime import Session
from cutpoint.records.image import Geometry
from cutpoint.records.model import ModelSpec, read_spec

YOLOX = "mmdet::yolox/yolox_nano_8xb8-300e_coco.py"

SMALL_ATSS = """
model = dict(
    type="ATSS",
    data_preprocessor=dict(
        type="DetDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32,
    ),
    backbone=dict(
        type="ResNet",
        depth=18,
        base_channels=16,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        norm_cfg=dict(type="BN", requires_grad=True),
        norm_eval=True,
        style="pytorch",
    ),
    neck=dict(
        type="FPN",
        in_channels=[16, 32, 64, 128],
        out_channels=64,
        start_level=1,
        add_extra_convs="on_output",
        num_outs=5,
    ),
    bbox_head=dict(
        type="ATSSHead",
        num_classes=3,
        in_channels=64,
        stacked_convs=1,
        feat_channels=64,
        anchor_generator=dict(
            type="AnchorGenerator",
            ratios=[1.0],
            octave_base_scale=8,
            scales_per_octave=1,
            strides=[8, 16, 32, 64, 128],
        ),
        bbox_coder=dict(
            type="DeltaXYWHBBoxCoder",
            target_means=[0.0, 0.0, 0.0, 0.0],
            target_stds=[0.1, 0.1, 0.2, 0.2],
        ),
        loss_cls=dict(type="FocalLoss", use_sigmoid=True),
        loss_bbox=dict(type="GIoULoss"),
        loss_centerness=dict(type="CrossEntropyLoss", use_sigmoid=True),
    ),
    test_cfg=dict(
        nms_pre=200,
        min_bbox_size=0,
        score_thr=0.05,
        nms=dict(type="nms", iou_threshold=0.6),
        max_per_img=100,
    ),
)
test_dataloader = dict(
    dataset=dict(
        type="CocoDataset",
        metainfo=dict(classes=("car", "bus", "person")),
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="Resize", scale=(256, 192), keep_ratio=True),
            dict(type="LoadAnnotations", with_bbox=True),
            dict(
                type="PackDetInputs",
                meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
            ),
        ],
    )
)
"""


def write_export(*, cut: str, clip: str = "image", recipe: Any = "mmdet3", **arguments: Any) -> None:
    """Write the ONNX file of any cut; ``clip`` and ``recipe`` are for ``e2e``."""
    if cut == "e2e":
        write_e2e(clip=clip, recipe=recipe, **arguments)
    else:
        write_cut(cut=cut, **arguments)


@dataclass
class Model:
    """A detector with its files."""

    folder: Path
    config_name: str
    checkpoint: str
    config: Config
    detector: nn.Module
    spec: ModelSpec

    @property
    def spec_file(self) -> str:
        return str(self.folder / "spec.json")

    @property
    def pipeline(self) -> list[dict[str, Any]]:
        return self.config.test_dataloader.dataset.pipeline

    def trace(self, shape: str | list[int] = "dynamic") -> str:
        out = str(self.folder / f"trace-{shape}.onnx")
        trace_model(
            config=self.config_name, checkpoint=self.checkpoint, spec=self.spec_file, shape=shape, out=out
        )
        return out

    def export(
        self, trace: str, cut: str, clip: str = "image", recipe: Any = "mmdet3", name: str = ""
    ) -> str:
        out = str(self.folder / f"{cut}{clip}{name}.onnx")
        write_export(trace=trace, spec=self.spec_file, cut=cut, clip=clip, recipe=recipe, out=out)
        return out

    def cuts(self, images: np.ndarray, image_sizes: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """All outputs of ``raw`` and ``decoded`` by PyTorch."""
        return open_cuts(self.detector, self.spec, "a test").named(images, image_sizes)


@dataclass
class Exports:
    """Sessions of one model's ONNX files, all from one dynamic trace."""

    model: Model
    raw: Session
    decoded: Session
    e2e: Session
    e2e_tensor: Session


def make_model(folder: Path, config_name: str, checkpoint: str | None = None) -> Model:
    """Build a model, with spread random weights unless there is a checkpoint, and describe it."""
    config = load_config(config_name)
    if checkpoint is None:
        torch.manual_seed(0)
        detector = build_detector(config, None)
        spread(detector)
        checkpoint = str(folder / "weights.pth")
        torch.save({"state_dict": detector.state_dict()}, checkpoint)
    describe_model(
        model="tested",
        config=config_name,
        checkpoint=checkpoint,
        candidate_floor=None,
        out=str(folder / "spec.json"),
    )
    spec = read_spec(folder / "spec.json")
    return Model(folder, config_name, checkpoint, config, build_detector(config, checkpoint), spec)


# per output convolution: deviation and mean of what it emits
SPREAD = {
    "atss_cls": (1.5, -3.0),
    "atss_reg": (1.5, 0.0),
    "atss_centerness": (1.5, 0.5),
    "multi_level_conv_cls": (1.0, -5.5),
    "multi_level_conv_reg": (0.4, 0.5),
    "multi_level_conv_obj": (1.0, -2.0),
}


def spread(detector: nn.Module) -> None:
    """Give a freshly initialised detector outputs that differ from place to place."""
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # the statistics of one batch
            module.train()
    convs = {name: _output_convs(detector.bbox_head, name) for name in SPREAD}
    emitted: dict[nn.Module, list[torch.Tensor]] = {}
    for conv in itertools.chain(*convs.values()):
        conv.weight.normal_(0, 0.1)
        conv.register_forward_hook(lambda conv, _, output: emitted.setdefault(conv, []).append(output))
    images = torch.from_numpy(noise(320, 416, batch=8) * pixel_deviation(detector))
    with torch.no_grad():
        detector(images, mode="tensor")  # batch statistics
        detector.eval()
        emitted.clear()
        detector(images, mode="tensor")  # what the convolutions then emit
    for name, (deviation, mean) in SPREAD.items():
        for conv in convs[name]:
            values = torch.cat([output.flatten() for output in emitted[conv]])
            scale = deviation / values.std()
            conv.weight.mul_(scale)
            conv.bias.sub_(values.mean()).mul_(scale).add_(mean)
            conv._forward_hooks.clear()


def _output_convs(head: nn.Module, name: str) -> list[nn.Module]:
    """The output convolutions of a branch, one or one a level; none if the head has no such branch."""
    found = getattr(head, name, [])
    return [found] if isinstance(found, nn.Conv2d) else list(found)


def pixel_deviation(detector: nn.Module) -> float:
    """Standard deviation of the pixels that the network expects, roughly."""
    return 1.0 if detector.data_preprocessor._enable_normalize else 60.0


def open_exports(model: Model) -> Exports:
    """Trace once, write every cut."""
    trace = model.trace()
    files = [model.export(trace, cut) for cut in ("raw", "decoded", "e2e")]
    files.append(model.export(trace, "e2e", clip="tensor"))
    return Exports(model, *[Session(path, "cpu", 2) for path in files])


def noise(height: int, width: int, seed: int = 0, batch: int = 1) -> np.ndarray:
    """Normalised images of coarse and fine noise, ``(batch, 3, height, width)`` float32."""
    random = np.random.default_rng(seed)
    images = []
    for _ in range(batch):
        grid = random.normal(0, 1.5, (height // 32 + 1, width // 32 + 1, 3)).astype(np.float32)
        coarse = cv2.resize(grid, (width, height))
        images.append((coarse + random.normal(0, 0.5, (height, width, 3))).transpose(2, 0, 1))
    return np.stack(images).astype(np.float32)


def geometry(resized: tuple[int, int], padded: tuple[int, int], scale: tuple[float, float]) -> Geometry:
    """Geometry from (height, width) pairs; ``scale`` is y, x."""
    return Geometry(
        height=round(resized[0] / scale[0]),
        width=round(resized[1] / scale[1]),
        resized_height=resized[0],
        resized_width=resized[1],
        padded_height=padded[0],
        padded_width=padded[1],
        scale_x=scale[1],
        scale_y=scale[0],
    )
