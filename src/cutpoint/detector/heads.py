"""From mmdet's head to a head specification: one row per head in ``HEADS``.

Everything is read from the built head and its ``test_cfg``. Sources: mmdet/models/dense_heads/, mmdet 3.3.0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mmcv.ops import nms as mmcv_nms

from cutpoint.detector import coders
from cutpoint.detector.floors import threshold_floor
from cutpoint.detector.imports import head_name
from cutpoint.detector.mmdet_types import Head
from cutpoint.errors import UserError
from cutpoint.records.head import DenseHead, Part
from cutpoint.records.recipe import Step

# Where box values lie, for the coders that read several tensors.
BOX_PARTS = {
    "guided": (Part("box", 0, 4), Part("shape", 0, 2)),
    "peaks": (Part("size", 0, 2), Part("offset", 0, 2)),
}
NMS_DEFAULTS = {"class_agnostic": False, "offset": 0, "score_threshold": 0, "max_num": -1, "split_thr": 10000}


@dataclass(frozen=True)
class Reading:
    """How one head is read.

    ``coder``: from the head to ``DenseHead.coder``.
    ``recipe``: from the head to the steps of its ``predict``.
    ``factor``: name of the raw tensor that is multiplied with the class score; ``activation`` of the class
    scores, null where the head's loss decides between sigmoid and softmax.
    """

    coder: Callable[[Head], dict[str, Any]]
    factor: str | None = None
    recipe: Callable[[Head, "Reading"], list[Step]] | None = None
    activation: str | None = None


def describe_head(head: Head, candidate_floor: float | None) -> DenseHead:
    """Describe a built mmdet dense head.

    Args:
        head: ``detector.bbox_head``, with its ``test_cfg``.
        candidate_floor: the floor of the candidates; null means the model's own ``score_thr``.

    Raises:
        UserError: Cutpoint cannot read this head, or cannot reproduce one of its settings.
    """
    name = head_name(type(head), HEADS)
    reading = HEADS[name]
    coder = reading.coder(head)
    recipe = (reading.recipe or _base_recipe)(head, reading)
    generator = _prior_generator(head)
    anchors = getattr(generator, "base_anchors", None)
    strides = tuple((int(x), int(y)) for x, y in generator.strides)
    activation = reading.activation or ("sigmoid" if head.use_sigmoid_cls else "softmax")
    scores = head.num_classes + (activation == "softmax")
    raw_names, parts = _tensors(coder["type"], reading.factor, scores, len(strides), coder)
    return DenseHead(
        head=name,
        num_classes=head.num_classes,
        strides=strides,
        anchors=anchors and tuple(tuple(tuple(float(v) for v in a) for a in level) for level in anchors),
        point_offset=0.0 if anchors else float(generator.offset),
        raw_names=tuple(raw_names),
        **parts,
        score_activation=activation,
        factor_activation="sigmoid",
        coder=coder,
        floor=threshold_floor(recipe, candidate_floor),
        recipe=tuple(recipe),
    )


def _prior_generator(head: Head) -> Any:
    """SABL has two; the boxes are decoded from the square one."""
    return getattr(head, "square_anchor_generator", None) or head.prior_generator


def _tensors(
    coder: str, factor: str | None, scores: int, levels: int, settings: dict[str, Any]
) -> tuple[list[str], dict[str, Any]]:
    """Names of the raw tensors in the head's order, and where box, score and factor lie in them."""
    if coder == "yolov3":  # one tensor per level: box, objectness, classes
        parts = {
            "box": (Part("pred", 0, 4),),
            "factor": Part("pred", 4, 5),
            "score": Part("pred", 5, 5 + scores),
        }
        return [f"pred_{level}" for level in range(levels)], parts
    score = Part("cls", 0, scores)
    classes = [f"cls_{level}" for level in range(levels)]
    if coder == "buckets":  # the head returns the two box tensors as one pair per level
        size = 4 * -(-settings["buckets"] // 2)
        both = ("bucket_cls", "bucket_reg")
        names = classes + [f"{kind}_{level}" for level in range(levels) for kind in both]
        box = tuple(Part(kind, 0, size) for kind in both)
        return names, {"box": box, "factor": None, "score": score}
    box = BOX_PARTS.get(coder) or (Part("box", 0, 4 * (settings.get("bins") or 1)),)
    kinds = [part.tensor for part in box] + ([factor] if factor else [])
    names = classes + [f"{kind}_{level}" for kind in kinds for level in range(levels)]
    return names, {"box": box, "factor": factor and Part(factor, 0, 1), "score": score}


def _base_recipe(head: Head, reading: Reading, border: int = 0, clip: bool | None = None) -> list[Step]:
    """``BaseDenseHead._predict_by_feat_single`` and ``_bbox_post_process``, base_dense_head.py."""
    config = head.test_cfg
    steps = [
        {
            "step": "threshold",
            "quantity": "class",
            "value": float(config.get("score_thr", 0)),
            "inclusive": False,
        },
        {"step": "top_k", "k": int(config.get("nms_pre", -1))},
    ]
    if head.bbox_coder.clip_border if clip is None else clip:
        steps.append({"step": "clip", "border": border})
    return steps + _base_post_process(head, reading.factor is not None)


def _base_post_process(head: Head, has_factor: bool) -> list[Step]:
    config = head.test_cfg
    steps: list[Step] = [{"step": "rescale", "operation": "multiply"}]
    if has_factor:
        steps.append({"step": "multiply_factor"})
    if config.get("min_bbox_size", -1) >= 0:
        steps.append({"step": "min_size", "value": float(config.min_bbox_size)})
    return [*steps, nms_step(config), {"step": "max_per_img", "k": int(config.max_per_img)}]


def _fovea_recipe(head: Head, reading: Reading) -> list[Step]:
    """``FoveaHead._bbox_decode`` clips to the last pixel, fovea_head.py."""
    return _base_recipe(head, reading, border=1, clip=True)


def _sabl_recipe(head: Head, reading: Reading) -> list[Step]:
    """``SABLRetinaHead._predict_by_feat_single``, sabl_retina_head.py; its coder clips to the last pixel."""
    steps = _base_recipe(head, reading, border=1)
    where = next(i for i, step in enumerate(steps) if step["step"] == "rescale")
    steps.insert(where + 1, {"step": "multiply_factor"})
    return steps


def _yolox_recipe(head: Head, reading: Reading) -> list[Step]:
    """``YOLOXHead.predict_by_feat``, yolox_head.py: one label per location; no top-k, clip or maximum."""
    threshold = float(head.test_cfg.score_thr)
    return [
        {"step": "best_class"},
        {"step": "threshold", "quantity": "product", "value": threshold, "inclusive": True},
        {"step": "rescale", "operation": "divide"},
        {"step": "multiply_factor"},
        nms_step(head.test_cfg),
    ]


def _yolov3_recipe(head: Head, reading: Reading) -> list[Step]:
    """``YOLOV3Head.predict_by_feat``, yolo_head.py: one top-k over all levels, no clip."""
    config = head.test_cfg
    steps: list[Step] = []
    if config.get("conf_thr", -1) > 0:
        value = float(config.conf_thr)
        steps.append({"step": "threshold", "quantity": "factor", "value": value, "inclusive": True})
    value = float(config.get("score_thr", 0))
    steps += [
        {"step": "threshold", "quantity": "class", "value": value, "inclusive": False},
        {"step": "top_k", "k": int(config.get("nms_pre", -1)), "per": "image"},
    ]
    return steps + _base_post_process(head, has_factor=True)


def _guided_recipe(head: Head, reading: Reading) -> list[Step]:
    """``GuidedAnchorHead._predict_by_feat_single``, guided_anchor_head.py, with ``multiclass_nms``.

    The factor says where objects are expected; it filters cells and is not multiplied with the class score.
    """
    value = float(head.loc_filter_thr)
    first: Step = {"step": "threshold", "quantity": "factor", "value": value, "inclusive": True}
    return [first, *_by_location(head, "class")]


def _peaks_recipe(head: Head, reading: Reading) -> list[Step]:
    """``CenterNetHead._predict_by_feat_single``, centernet_head.py: no threshold, clip or NMS."""
    return [
        {"step": "top_k", "k": int(head.test_cfg.topk), "per": "image"},
        {"step": "rescale", "operation": "divide"},
    ]


def _by_location(head: Head, quantity: str) -> list[Step]:
    """From a top-k of locations to the cap: what PAA and guided anchors have in common."""
    config, steps = head.test_cfg, list[Step]()
    if config.get("nms_pre", -1) > 0:
        steps.append({"step": "top_k", "k": int(config.nms_pre), "unit": "location"})
    value = float(config.score_thr)
    steps.append({"step": "threshold", "quantity": quantity, "value": value, "inclusive": False})
    if head.bbox_coder.clip_border:
        steps.append({"step": "clip"})
    steps += [{"step": "rescale", "operation": "divide"}, nms_step(config)]
    if config.max_per_img > 0:
        steps.append({"step": "max_per_img", "k": int(config.max_per_img)})
    return steps


def _paa_recipe(head: Head, reading: Reading) -> list[Step]:
    """``PAAHead._predict_by_feat_single``, ``_bbox_post_process`` and ``score_voting``, paa_head.py."""
    steps: list[Step] = [{"step": "multiply_factor", "root": True}, *_by_location(head, "product")]
    if head.with_score_voting:
        steps.append({"step": "score_voting", "iou_threshold": 0.01, "variance": 0.025})
    return steps


def nms_step(config: dict[str, Any], where: str = "test_cfg") -> Step:
    """``batched_nms`` and ``nms``, mmcv/ops/nms.py, mmcv 2.1.0, with their defaults except for the IoU.

    Args:
        config: has the key ``nms``.
        where: names ``config`` in the message.

    Raises:
        UserError: another type, or another setting.
    """
    nms = config.get("nms")
    if not nms or nms.get("type", "nms") not in ("nms", mmcv_nms) or "iou_threshold" not in nms:
        raise UserError(f"{where}.nms {nms}: only type 'nms' with an iou_threshold is supported")
    for key in nms:
        if key in ("type", "iou_threshold") or (key in NMS_DEFAULTS and nms[key] == NMS_DEFAULTS[key]):
            continue
        may = f"only its default, {NMS_DEFAULTS[key]}, is allowed" if key in NMS_DEFAULTS else "remove it"
        raise UserError(f"{where}.nms.{key} {nms[key]}: not supported; {may}")
    return {"step": "nms", "iou_threshold": float(nms["iou_threshold"])}


HEADS: dict[str, Reading] = {
    "ATSSHead": Reading(coders.delta, factor="centerness"),
    "AutoAssignHead": Reading(coders.distance, factor="objectness"),
    "CenterNetHead": Reading(coders.peaks, recipe=_peaks_recipe, activation="none"),
    "CenterNetUpdateHead": Reading(coders.distance),
    "DDODHead": Reading(coders.delta, factor="iou"),
    "FCOSHead": Reading(coders.distance, factor="centerness"),
    "FSAFHead": Reading(coders.tblr),
    "FoveaHead": Reading(coders.fovea, recipe=_fovea_recipe),
    "FreeAnchorRetinaHead": Reading(coders.delta),
    "GARetinaHead": Reading(coders.guided, factor="location", recipe=_guided_recipe),
    "GFLHead": Reading(coders.integral),
    "LADHead": Reading(coders.delta, factor="iou", recipe=_paa_recipe),
    "LDHead": Reading(coders.integral),
    "NASFCOSHead": Reading(coders.distance, factor="centerness"),
    "PAAHead": Reading(coders.delta, factor="iou", recipe=_paa_recipe),
    "PISARetinaHead": Reading(coders.delta),
    "PISASSDHead": Reading(coders.delta),
    "RTMDetHead": Reading(coders.distance),
    "RTMDetInsHead": Reading(coders.distance),
    "RTMDetInsSepBNHead": Reading(coders.distance),
    "RTMDetSepBNHead": Reading(coders.distance),
    "RepPointsHead": Reading(
        coders.points, recipe=lambda head, reading: _base_recipe(head, reading, clip=True)
    ),
    "RetinaHead": Reading(coders.delta),
    "RetinaSepBNHead": Reading(coders.delta),
    "SABLRetinaHead": Reading(coders.buckets, recipe=_sabl_recipe),
    "SSDHead": Reading(coders.delta),
    "TOODHead": Reading(
        coders.corners,
        recipe=lambda head, reading: _base_recipe(head, reading, clip=False),
        activation="none",
    ),
    "VFNetHead": Reading(coders.distance),
    "YOLOFHead": Reading(coders.delta),
    "YOLOV3Head": Reading(coders.yolov3, factor="objectness", recipe=_yolov3_recipe, activation="sigmoid"),
    "YOLOXHead": Reading(coders.centre_size, factor="objectness", recipe=_yolox_recipe),
}
