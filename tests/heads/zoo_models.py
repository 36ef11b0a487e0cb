"""mmdet's zoo configs with random weights that give each post-processing something to do.

The weights are drawn, then every convolution with a bias is rescaled in one pass over a few images so that
each of its channels varies from place to place (a plain random network emits almost constants, and then
rounding decides); the output convolutions get the deviations and means of ``OUTPUTS``, and the classes one
common shift with which ``CANDIDATES`` pairs an image pass the head's own threshold.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.logging import MMLogger
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cutpoint.detector.build import build_detector, load_config
from cutpoint.recipes.recipe import Recipe
from cutpoint.recipes.steps.ranks import TopK

CANDIDATES = 1500
# Small enough that top-k and cap both have work: pairs of a level (PAA: locations) that go on, and detections
# of an image. YOLOF has one level, YOLOv3 one top-k over all.
NMS_PRE, MAX_PER_IMG = 100, 200
SINGLE_NMS_PRE = 300
# Near a lower one scores lie so close that ties, at 1e-5, would excuse any step that is missed.
LEAST_THRESHOLD = 0.01
SIDES = (320, 416)  # short and long side of the network input, where the config's scale is larger
SIZES = ((427, 640), (640, 480), (500, 460))  # height, width of the images
SEED = 0


@dataclass(frozen=True)
class Zoo:
    """One config of the zoo and which of ``OUTPUTS`` its head has."""

    config: str
    outputs: str
    deformable: bool = False


ZOO = {
    "atss": Zoo("atss/atss_r50_fpn_1x_coco", "atss"),
    "retinanet": Zoo("retinanet/retinanet_r50_fpn_1x_coco", "retina"),
    "free_anchor": Zoo("free_anchor/freeanchor_r50_fpn_1x_coco", "retina_small"),
    "fsaf": Zoo("fsaf/fsaf_r50_fpn_1x_coco", "fsaf"),
    "ga_retinanet": Zoo("guided_anchoring/ga-retinanet_r50_fpn_1x_coco", "guided", deformable=True),
    "gfl": Zoo("gfl/gfl_r50_fpn_1x_coco", "gfl"),
    "ld": Zoo("ld/ld_r18-gflv1-r101_fpn_1x_coco", "gfl"),
    "lad": Zoo("lad/lad_r50-paa-r101_fpn_2xb8_coco_1x", "atss"),
    "paa": Zoo("paa/paa_r50_fpn_1x_coco", "atss"),
    "pisa_retinanet": Zoo("pisa/retinanet-r50_fpn_pisa_1x_coco", "retina"),
    "pisa_ssd300": Zoo("pisa/ssd300_pisa_coco", "ssd"),
    "centernet": Zoo("centernet/centernet_r18_8xb16-crop512-140e_coco", "centernet"),
    "centernet_dcn": Zoo(
        "centernet/centernet_r18-dcnv2_8xb16-crop512-140e_coco", "centernet", deformable=True
    ),
    "centernet_update": Zoo("centernet/centernet-update_r50_fpn_8xb8-amp-lsj-200e_coco", "fcos_boxes"),
    "fcos": Zoo("fcos/fcos_r50-caffe_fpn_gn-head_1x_coco", "fcos"),
    "fcos_tricks": Zoo(
        "fcos/fcos_r50-caffe_fpn_gn-head-center-normbbox-centeronreg-giou_1x_coco", "fcos_strides"
    ),
    "autoassign": Zoo("autoassign/autoassign_r50-caffe_fpn_1x_coco", "fcos_strides"),
    "foveabox": Zoo("foveabox/fovea_r50_fpn_4xb4-1x_coco", "fovea"),
    "yolox_tiny": Zoo("yolox/yolox_tiny_8xb8-300e_coco", "yolox"),
    "yolox_nano": Zoo("yolox/yolox_nano_8xb8-300e_coco", "yolox"),
    "rtmdet_tiny": Zoo("rtmdet/rtmdet_tiny_8xb32-300e_coco", "rtmdet"),
    "rtmdet_ins_tiny": Zoo("rtmdet/rtmdet-ins_tiny_8xb32-300e_coco", "rtmdet"),
    "ssd300": Zoo("ssd/ssd300_coco", "ssd"),
    "ssd512": Zoo("ssd/ssd512_coco", "ssd"),
    "ssdlite": Zoo("ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco", "ssd"),
    "yolov3_d53": Zoo("yolo/yolov3_d53_8xb8-ms-608-273e_coco", "yolov3"),
    "yolov3_mobilenetv2": Zoo("yolo/yolov3_mobilenetv2_8xb24-ms-416-300e_coco", "yolov3"),
    "yolof": Zoo("yolof/yolof_r50-c5_8xb8-1x_coco", "yolof"),
    "sabl_retinanet": Zoo("sabl/sabl-retinanet_r50_fpn_1x_coco", "sabl"),
    "sabl_retinanet_gn": Zoo("sabl/sabl-retinanet_r50-gn_fpn_1x_coco", "sabl"),
    "vfnet": Zoo("vfnet/vfnet_r50_fpn_1x_coco", "vfnet", deformable=True),
    "tood": Zoo("tood/tood_r50_fpn_1x_coco", "tood", deformable=True),
    "tood_anchor": Zoo("tood/tood_r50_fpn_anchor-based_1x_coco", "tood_anchor", deformable=True),
    "ddod": Zoo("ddod/ddod_r50_fpn_1x_coco", "ddod", deformable=True),
    "reppoints": Zoo("reppoints/reppoints-moment_r50_fpn_1x_coco", "reppoints", deformable=True),
    "nas_fcos_fcoshead": Zoo(
        "nas_fcos/nas-fcos_r50-caffe_fpn_fcoshead-gn-head_4xb4-1x_coco", "fcos", deformable=True
    ),
    "nas_fcos_nashead": Zoo(
        "nas_fcos/nas-fcos_r50-caffe_fpn_nashead-gn-head_4xb4-1x_coco", "fcos", deformable=True
    ),
    "foveabox_align": Zoo("foveabox/fovea_r50_fpn_gn-head-align_4xb4-2x_coco", "fovea", deformable=True),
    "fcos_dcn": Zoo(
        "fcos/fcos_r50-dcn-caffe_fpn_gn-head-center-normbbox-centeronreg-giou_1x_coco",
        "fcos_strides",
        deformable=True,
    ),
}

# Per output convolution of a head: deviation and mean of what each of its channels emits. A list repeats over
# the channels. The mean null marks classes: the common shift moves them.
CLASS = (1.5, None)
OUTPUTS = {
    "atss": {"atss_cls": CLASS, "atss_reg": (1.5, 0.0), "atss_centerness": (1.5, 0.5)},
    "ddod": {"atss_cls": CLASS, "atss_reg": (1.5, 0.0), "atss_iou": (1.5, 0.5)},
    "retina": {"retina_cls": CLASS, "retina_reg": (0.3, 0.0)},
    "retina_small": {"retina_cls": CLASS, "retina_reg": (1.5, 0.0)},
    "fsaf": {"retina_cls": CLASS, "retina_reg": (0.4, 0.8)},
    "guided": {
        "retina_cls": CLASS,
        "retina_reg": (0.3, 0.0),
        "conv_shape": (0.5, 0.3),
        "conv_loc": (1.5, -4.0),  # the filter is at 0.01
    },
    "gfl": {"gfl_cls": CLASS, "gfl_reg": (2.0, 0.0)},
    "fcos": {"conv_cls": CLASS, "conv_reg": (0.4, 3.2), "conv_centerness": (1.5, 0.5)},
    "fcos_strides": {"conv_cls": CLASS, "conv_reg": (1.0, 3.0), "conv_centerness": (1.5, 0.5)},
    "centernet": {"heatmap_head": (1.5, -3.0), "wh_head": (4.0, 12.0), "offset_head": (0.2, 0.5)},
    "fcos_boxes": {"conv_cls": CLASS, "conv_reg": (1.0, 3.0)},
    "fovea": {"conv_cls": CLASS, "conv_reg": (0.4, 0.3)},
    "yolox": {
        "multi_level_conv_cls": CLASS,
        "multi_level_conv_reg": (0.3, 1.8),
        "multi_level_conv_obj": (1.5, -1.0),
    },
    "rtmdet": {"rtm_cls": CLASS, "rtm_reg": (1.0, 3.0)},
    # the last class is the background
    "ssd": {"cls_convs": [CLASS] * 80 + [(1.5, 0.0)], "reg_convs": (1.5, 0.0)},
    "yolov3": {"convs_pred": [(1.0, 0.0)] * 2 + [(0.5, 0.0)] * 2 + [(1.5, 0.0)] + [CLASS] * 80},
    "yolof": {"cls_score": CLASS, "bbox_pred": (0.3, 0.0), "object_pred": (1.5, 0.0)},
    "sabl": {"retina_cls": CLASS, "retina_bbox_cls": (2.0, 0.0), "retina_bbox_reg": (1.0, 0.0)},
    "vfnet": {"vfnet_cls": CLASS, "vfnet_reg": (0.4, -0.8), "vfnet_reg_refine": (0.2, 0.0)},
    "tood": {
        "tood_cls": (2.5, None),  # the score is the geometric mean of two sigmoids
        "tood_reg": (0.4, 1.0),
        "cls_prob_module": (1.5, 0.0),
        "reg_offset_module": (0.5, 0.0),
    },
    "tood_anchor": {
        "tood_cls": (2.5, None),  # the score is the geometric mean of two sigmoids
        "tood_reg": (1.5, 0.0),
        "cls_prob_module": (1.5, 0.0),
        "reg_offset_module": (0.5, 0.0),
    },
    "reppoints": {
        "reppoints_cls_out": CLASS,
        "reppoints_pts_init_out": (1.5, 0.0),
        "reppoints_pts_refine_out": (0.7, 0.0),
    },
}


def zoo_config(name: str, narrow: bool = True) -> Config:
    """The zoo config with smaller images and top-k, and no threshold below ``LEAST_THRESHOLD``.

    Args:
        name: a key of ``ZOO``.
        narrow: a ResNet becomes one of 18 layers and 16 base channels (50 layers where it is deformable).
    """
    config = load_config(f"mmdet::{ZOO[name].config}.py")
    model = config.model
    if "nms_pre" in model.test_cfg:
        model.test_cfg.nms_pre = SINGLE_NMS_PRE if model.type in ("YOLOF", "YOLOV3") else NMS_PRE
        model.test_cfg.max_per_img = MAX_PER_IMG
        if model.test_cfg.get("score_thr", 1) < LEAST_THRESHOLD:
            model.test_cfg.score_thr = LEAST_THRESHOLD
    limit_sides(config.test_dataloader.dataset.pipeline)
    if narrow and model.backbone.type == "ResNet":
        deformable = "dcn" in model.backbone
        if "num_deconv_filters" in model.neck:  # CenterNet does not shrink images
            model.neck.num_deconv_filters = (64, 32, 16)
            model.bbox_head.update(in_channels=16, feat_channels=16)
        model.backbone.depth = 50 if deformable else 18  # mmdet has no deformable basic block
        model.backbone.base_channels = 16
        channels = [16 * 2**stage * (4 if deformable else 1) for stage in range(4)]
        single = isinstance(model.neck.in_channels, int)
        model.neck.in_channels = channels[-1] if single else channels
    return config


def noise_images(folder: Path) -> list[str]:
    """Write the images: ``SIZES`` for the tests, then more of the first size.

    Each octave has its share, as in photographs; unlike photographs all have the same statistics, so that one
    set of weights suits them all.
    """
    random = np.random.default_rng(SEED)
    paths = []
    for number, (height, width) in enumerate([*SIZES, *[SIZES[0]] * 5]):
        image = np.full((height, width, 3), 120.0)
        for cell in (4, 8, 16, 32, 64, 128):
            grid = random.normal(0, 25, (height // cell + 2, width // cell + 2, 3))
            image += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        paths.append(str(folder / f"noise-{number}.png"))
        cv2.imwrite(paths[-1], image.clip(0, 255).astype(np.uint8))
    return paths


def limit_sides(pipeline: list[dict]) -> None:
    """Make the sides of a test pipeline's images ``SIDES`` at most."""
    for step in pipeline:
        key = {"Resize": "scale", "Pad": "size"}.get(step["type"])
        sides = step.get(key)
        if sides is None or (step["type"] == "Resize" and not step.get("keep_ratio")):
            continue
        if max(sides) > SIDES[1]:
            square = sides[0] == sides[1]
            step[key] = (SIDES[1], SIDES[1]) if square else (SIDES[1], SIDES[0])


def build_zoo_model(
    name: str, narrow: bool, images: Sequence[str], folder: Path, candidates: int = CANDIDATES
) -> tuple[str, str]:
    """Write a config and a checkpoint.

    Args:
        name: a key of ``ZOO``.
        narrow: see ``zoo_config``.
        images: files of ``noise_images``; those tested set the number of candidates, those of the first
            one's size the spread.
        folder: where the files go.
        candidates: pairs of an image that pass the threshold, on average.

    Returns:
        paths of config and checkpoint.
    """
    outputs = OUTPUTS[ZOO[name].outputs]
    return write_model(name, zoo_config(name, narrow), outputs, images, folder, candidates)


def write_model(
    name: str,
    config: Config,
    outputs: dict,
    images: Sequence[str],
    folder: Path,
    candidates: int = CANDIDATES,
) -> tuple[str, str]:
    """``build_zoo_model`` of any config of a dense head; ``outputs`` is one of ``OUTPUTS``."""
    torch.manual_seed(SEED)
    MMLogger.get_current_instance().setLevel("WARNING")  # a line a tensor otherwise
    detector = build_detector(config, None)
    pipeline = config.test_dataloader.dataset.pipeline
    with torch.no_grad():
        inputs = [prepare(detector, pipeline, path) for path in images]
        batch = torch.cat([image for image in inputs if image.shape == inputs[0].shape])
        spread(detector, outputs, batch)
        if "topk" not in config.model.test_cfg:  # without a threshold there is nothing to shift
            shift_classes(detector, outputs, inputs[: len(SIZES)], candidates)
    return save_model(name, config, detector, folder)


def save_model(name: str, config: Config, detector: nn.Module, folder: Path) -> tuple[str, str]:
    """Write a config and a checkpoint; returns their paths."""
    config_file, checkpoint = folder / f"{name}.py", folder / f"{name}.pth"
    config.dump(config_file)
    torch.save({"state_dict": detector.state_dict()}, checkpoint)
    return str(config_file), str(checkpoint)


def prepare(detector: nn.Module, pipeline: list[dict], path: str) -> Tensor:
    """mmdet's own test pipeline and data preprocessor."""
    steps = [step for step in pipeline if step["type"] != "LoadAnnotations"]
    data = pseudo_collate([Compose(steps)({"img_path": path, "img_id": 0})])
    return detector.data_preprocessor(data)["inputs"]


def spread(
    detector: nn.Module, outputs: dict, images: Tensor, forward: Callable[[Tensor], Any] | None = None
) -> None:
    """Rescale normalisation layers and convolutions in the order of one forward pass.

    ``forward`` runs the part of the detector that has the convolutions; null is its own forward.
    """
    # the offsets of a deformable convolution: fractions of a pixel, as dozens of them amplify rounding else
    targets = {
        module: [(0.3, 0.0)] for name, module in detector.named_modules() if name.endswith("conv_offset")
    }
    for name, target in outputs.items():
        for conv in output_convs(getattr(detector.bbox_head, name)):
            targets[conv] = target if isinstance(target, list) else [target]
    done = set()

    def rescale(conv: nn.Conv2d, inputs: tuple[Tensor], output: Tensor) -> Tensor | None:
        if conv in done:  # shared between levels: the finest, which comes first, decides
            return None
        if output is inputs[0]:  # a branch that is left out
            return None
        done.add(conv)
        # Channel attention: the means of whole maps are nearly the same in all images. To spread them apart
        # would amplify the rounding of the means, which each runtime sums in its own order.
        if inputs[0].shape[2:] == conv.kernel_size == (1, 1):
            return None
        if not conv.weight.any():
            conv.weight.normal_()
            output = conv.forward(*inputs)
        target = targets.get(conv, [(1.0, 0.0)])
        target = torch.tensor([(scale, mean or 0.0) for scale, mean in target])
        target = target.repeat(len(conv.bias) // len(target), 1)
        deviation = output.std((0, 2, 3))
        factor = target[:, 0] / deviation.clamp(min=0.05 * deviation.median())
        conv.bias.sub_(output.mean((0, 2, 3))).mul_(factor).add_(target[:, 1])
        conv.weight.mul_(factor[:, None, None, None])
        return conv.forward(*inputs)

    hooks = []
    for module in detector.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = 1.0  # the statistics of this batch
            module.train()
            module.eps = module.eps or 1e-5  # 0 is for inference alone
            module.weight.fill_(1.0)  # a residual branch starts at 0
            module.bias.fill_(1.0)  # more linear: a deep random network would amplify rounding
        elif isinstance(module, nn.Conv2d) and module.bias is not None:
            hooks.append(module.register_forward_hook(rescale))
    forward(images) if forward else detector(images, mode="tensor")
    for hook in hooks:
        hook.remove()
    detector.eval()
    missing = {conv for conv in targets if conv.bias is not None} - done
    if missing:
        raise ValueError(f"convolutions that the forward pass does not use: {missing}")


def output_convs(module: nn.Module) -> list[nn.Conv2d]:
    """The last convolution of a branch; of each level, where every level has its own."""
    if isinstance(module, nn.ModuleList):
        return [conv for level in module for conv in output_convs(level)]
    return [child for child in module.modules() if isinstance(child, nn.Conv2d)][-1:]


def shift_classes(detector: nn.Module, outputs: dict, inputs: Sequence[Tensor], candidates: int) -> None:
    """Find the shift of the class channels with which the images have so many candidates, on average."""
    moved = []
    for name, target in outputs.items():
        target = target if isinstance(target, list) else [target]
        for conv in output_convs(getattr(detector.bbox_head, name)):
            mask = torch.tensor([mean is None for _, mean in target]).repeat(len(conv.bias) // len(target))
            moved.append((conv.bias, mask.float(), conv.bias.clone()))
    shift = -6.0
    for _ in range(10):
        for bias, mask, start in moved:
            bias.copy_(start + shift * mask)
        found = np.mean([count_candidates(detector, image).sum() for image in inputs])
        if abs(found / candidates - 1) < 0.1:
            return
        shift += float(np.clip(np.log(candidates / max(found, 1)) / 1.5, -3, 3))
    raise ValueError(f"{found:.0f} candidates an image after the last shift")


def count_candidates(detector: nn.Module, image: Tensor) -> np.ndarray:
    """Number of (location, class) pairs of each level that pass the head's own threshold, by mmdet alone."""
    head = detector.bbox_head
    outputs = detector(image, mode="tensor")
    if type(head).__name__ == "YOLOV3Head":
        maps = [m.reshape(-1, head.num_attrib, *m.shape[2:]).sigmoid() for m in outputs[0]]
        passed = [(m[:, 4:5] >= head.test_cfg.conf_thr) & (m[:, 5:] > head.test_cfg.score_thr) for m in maps]
        return np.array([int(level.sum()) for level in passed])
    scores = [class_scores(head, level) for level in outputs[0]]
    threshold = head.test_cfg.score_thr
    if type(head).__name__ in ("YOLOXHead", "PAAHead", "LADHead"):
        scores = [s * factor[:, None].sigmoid() for s, factor in zip(scores, outputs[2], strict=True)]
        if type(head).__name__ != "YOLOXHead":
            scores = [level.sqrt() for level in scores]
    return np.array([int((level > threshold).sum()) for level in scores])


def class_scores(head: nn.Module, logits: Tensor) -> Tensor:
    """``(B, anchors, classes, H, W)`` activated scores without the background."""
    maps = logits.reshape(len(logits), -1, head.cls_out_channels, *logits.shape[2:])
    if type(head).__name__ == "TOODHead":
        return maps
    return maps.sigmoid() if head.use_sigmoid_cls else maps.softmax(2)[:, :, :-1]


def class_logit_deviations(detector: nn.Module, image: Tensor) -> list[float]:
    """Of each level: the deviation from place to place, averaged over the class channels."""
    head = detector.bbox_head
    levels = detector(image, mode="tensor")[0]
    if type(head).__name__ == "YOLOV3Head":
        levels = [m.reshape(-1, head.num_attrib, *m.shape[2:])[:, 5:].flatten(0, 1)[None] for m in levels]
    if type(head).__name__ == "TOODHead":
        levels = [level.logit() for level in levels]
    return [float(level.flatten(2).std(2).mean()) for level in levels if level[0, 0].numel() > 50]


def check_spread(detector: nn.Module, tensors: Sequence[np.ndarray], read: int, recipe: Recipe) -> None:
    """Refuse weights with which equality of detections would prove little.

    Args:
        detector: with the weights.
        tensors: ``(1, 3, H, W)`` float32, images.
        read: how many candidates our reader found in them.
        recipe: the head's own.
    """
    images = [torch.from_numpy(tensor) for tensor in tensors]
    with torch.no_grad():
        counts = np.mean([count_candidates(detector, image) for image in images], axis=0)
        deviations = [max(class_logit_deviations(detector, image)) for image in images]
    assert CANDIDATES / 3 <= counts.sum() <= CANDIDATES * 2
    # a pair within rounding of the threshold may fall on either side
    assert abs(counts.sum() - read / len(images)) <= 2
    assert min(deviations) >= 1
    top_k = recipe.get(TopK)
    if top_k:
        assert top_k.k < (counts.max() if top_k.per == "level" else counts.sum())
