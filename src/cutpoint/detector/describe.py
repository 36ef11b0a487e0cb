"""Read a model's config and checkpoint into ``spec.json``."""

from typing import Any

from mmdet.models.detectors import DetectionTransformer, TwoStageDetector
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config

from cutpoint.data.image import InputRecipe, Pad
from cutpoint.detector.build import build_detector, load_config
from cutpoint.detector.classes import find_class_names, trained_order
from cutpoint.detector.heads import describe_head
from cutpoint.errors import UserError
from cutpoint.files import write_json
from cutpoint.postprocessing.headspec import ModelSpec

# What no dense head is part of, by the class that a detector inherits from.
UNSUPPORTED = {TwoStageDetector: "a two-stage detector", DetectionTransformer: "a transformer detector"}
# Transforms of a test pipeline that do not touch the pixels.
ONLY_DENSE = "Cutpoint cuts detectors whose boxes come from one dense head, such as ATSS or YOLOX"
NEUTRAL = {"LoadImageFromFile", "LoadAnnotations", "PackDetInputs"}


def describe_model(
    *,
    model: str,
    config: str,
    checkpoint: str | None,
    candidate_floor: float | None,
    class_names: str | None = None,
    out: str,
) -> None:
    """Write ``spec.json``: classes, head specification and input recipe of a model.

    Args:
        model: its name in the config.
        config: mmdet config, a path or ``mmdet::...``.
        checkpoint: weights; null only where random weights are meant.
        candidate_floor: see ``describe_head``.
        class_names: whose class names hold, see ``find_class_names``.
        out: JSON file to write; besides the ``ModelSpec`` it holds ``trained_order`` where the training
            annotations are here and list the categories in another order, see ``classes.trained_order``.

    Raises:
        UserError: anything of the model that Cutpoint cannot reproduce, by name.
    """
    mmdet_config = load_config(config)
    refuse_unsupported(model, mmdet_config)
    detector = build_detector(mmdet_config, checkpoint)
    if not hasattr(detector, "bbox_head"):
        raise UserError(f"model {model}: {type(detector).__name__} has no bbox_head; {ONLY_DENSE}")
    head = describe_head(detector.bbox_head, candidate_floor)
    classes = find_class_names(model, mmdet_config, checkpoint, head.num_classes, class_names)
    spec = ModelSpec(model, tuple(classes), head, describe_input(mmdet_config))
    order = trained_order(mmdet_config, classes)
    write_json(out, spec.to_dict() | ({"trained_order": order} if order else {}))


def refuse_unsupported(model: str, config: Config) -> None:
    """Refuse, before it is built, a detector whose boxes do not come from one dense head.

    Raises:
        UserError: names the detector and its kind.
    """
    register_all_modules(init_default_scope=True)
    detector = MODELS.get(config.model.type)
    for base, kind in UNSUPPORTED.items():
        if detector and issubclass(detector, base):
            raise UserError(f"model {model}: {config.model.type} is {kind}; {ONLY_DENSE}")


def describe_input(config: Config) -> InputRecipe:
    """The input recipe ``mmdet``: the test pipeline's own steps and the data preprocessor.

    Raises:
        UserError: a transform or a setting that ``image.py`` does not reproduce.
    """
    resize, pad = None, None
    for step in config.test_dataloader.dataset.pipeline:
        kind = step["type"]
        if kind == "Resize":
            resize = step
        elif kind == "Pad":
            pad = _describe_pad(step)
        elif kind not in NEUTRAL:
            raise UserError(f"test pipeline step {kind}: not supported by Cutpoint's input recipes")
    if resize is None or "scale" not in resize:
        raise UserError("the test pipeline needs one Resize step with a `scale`")
    if resize.get("backend", "cv2") != "cv2":
        raise UserError(f"test pipeline Resize backend {resize['backend']!r}: only cv2 is supported")
    width, height = resize["scale"] if not isinstance(resize["scale"], int) else [resize["scale"]] * 2
    preprocessor = config.model.get("data_preprocessor") or config.get("data_preprocessor") or {}
    if preprocessor.get("type") != "DetDataPreprocessor":
        raise UserError(
            f"data_preprocessor {preprocessor.get('type')}: only DetDataPreprocessor is supported"
        )
    mean, std = preprocessor.get("mean"), preprocessor.get("std")
    return InputRecipe(
        scale=(int(height), int(width)),
        keep_ratio=bool(resize.get("keep_ratio", False)),
        interpolation=resize.get("interpolation", "bilinear"),
        pad=pad,
        bgr_to_rgb=bool(preprocessor.get("bgr_to_rgb", False) or preprocessor.get("rgb_to_bgr", False)),
        mean=tuple(float(v) for v in mean) if mean is not None else None,
        std=tuple(float(v) for v in std) if std is not None else None,
        divisor=int(preprocessor.get("pad_size_divisor", 1)),
        pad_value=float(preprocessor.get("pad_value", 0)),
    )


def _describe_pad(step: dict[str, Any]) -> Pad:
    value = step.get("pad_val", 0)
    value = value.get("img", 0) if isinstance(value, dict) else value
    if step.get("padding_mode", "constant") != "constant":
        raise UserError(f"test pipeline Pad mode {step['padding_mode']!r}: only constant is supported")
    size = step.get("size")
    return Pad(
        to_square=bool(step.get("pad_to_square", False)),
        size=(int(size[1]), int(size[0])) if size else None,
        divisor=step.get("size_divisor"),
        value=tuple(float(v) for v in (value if isinstance(value, list | tuple) else [value] * 3)),
    )
