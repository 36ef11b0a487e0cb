"""The recipes of detectors outside mmdet, each from its own project; they take any head's candidates."""

from collections.abc import Callable
from typing import Literal

from cutpoint.recipes.steps.boxes import Clip, Rescale
from cutpoint.recipes.steps.overlaps import Nms
from cutpoint.recipes.steps.ranks import MaxPerImg, TopK
from cutpoint.recipes.steps.scores import BestClass, MultiplyFactor, Threshold
from cutpoint.recipes.steps.step import Step
from cutpoint.records.head import HeadSpec

MAX_NMS, MAX_DET = 30000, 300
# of each class, before NMS
SSD_CANDIDATES = 200
ONE_GAIN = Rescale("divide", "one")


def _ultralytics(spec: HeadSpec) -> list[Step]:
    """``non_max_suppression``, utils/nms.py, and ``DetectionValidator``, Ultralytics 8.4.190, as ``val``.

    Several classes a location, confidence .001, the 30000 best, IoU .7 within a class, the 300 best;
    ``scale_boxes`` and ``clip_boxes``, utils/ops.py: one gain, clipped to the original image.
    """
    return _yolo(spec, 0.7)


def _yolov5(spec: HeadSpec) -> list[Step]:
    """``non_max_suppression``, utils/general.py, and ``run``, val.py, YOLOv5 7.0: IoU .6.

    Its confidence applies to objectness, and again to objectness x class score, which is never larger.
    """
    return _yolo(spec, 0.6)


def _yolo(spec: HeadSpec, iou: float) -> list[Step]:
    return [
        *_multiply(spec),
        Threshold(_quantity(spec), 0.001),
        TopK(MAX_NMS, per="image"),
        Nms(iou, "per_class"),
        MaxPerImg(MAX_DET),
        ONE_GAIN,
        Clip("original"),
    ]


def _yolox(spec: HeadSpec) -> list[Step]:
    """``postprocess``, yolox/utils/boxes.py, with ``Exp.test_conf`` and ``nmsthre``, YOLOX 0.3.0; no clip.

    One label a location; the product with the objectness reaches .01; IoU .65 within a class.
    """
    return [
        BestClass(),
        Threshold(_quantity(spec), 0.01, inclusive=True),
        *_multiply(spec),
        Nms(0.65, "per_class"),
        ONE_GAIN,
    ]


def _queries(spec: HeadSpec) -> list[Step]:
    """``PostProcess``, rfdetr/models/lwdetr.py, and ``RTDETRPostProcessor`` with focal loss: 300 best pairs.

    They have no threshold. The one here leaves out pairs that no metric notices, so that not all are kept.
    """
    return [*_multiply(spec), Threshold(_quantity(spec), 0.001), MaxPerImg(MAX_DET), ONE_GAIN]


def _detr(spec: HeadSpec) -> list[Step]:
    """``PostProcess``, models/detr.py, DETR: the best class of each query; no threshold, see ``_queries``."""
    return [*_multiply(spec), BestClass(), Threshold(_quantity(spec), 0.001), ONE_GAIN]


def _final(spec: HeadSpec) -> list[Step]:
    """The rows of a file that ends in detections as they are, without padding, which has score 0 or -1."""
    return [*_multiply(spec), Threshold(_quantity(spec), 0.0), ONE_GAIN]


def _final_clipped(spec: HeadSpec) -> list[Step]:
    """``final``, clipped to the original image: ``scale_boxes``, utils/ops.py, Ultralytics 8.4.190."""
    return [*_final(spec), Clip("original")]


def _final_per_axis(spec: HeadSpec) -> list[Step]:
    """``final`` with the factor of each axis, mmdet's ``scale_factor``, which mmdeploy's test uses too."""
    return [*_final(spec)[:-1], Rescale("divide")]


def _ssd(spec: HeadSpec) -> list[Step]:
    """Linzaer's Ultra-Light-Fast detector: class score above .01, 200 best a class, IoU .3 within a class.

    ``Predictor``, vision/ssd/predictor.py; the IoU of ``predict``, run_video_face_detect_onnx.py. Here the
    best are those of all classes together.
    """
    return [
        *_multiply(spec),
        Threshold(_quantity(spec), 0.01),
        TopK(SSD_CANDIDATES * spec.num_classes, per="image"),
        Nms(0.3, "per_class"),
        ONE_GAIN,
    ]


def _nanodet(spec: HeadSpec) -> list[Step]:
    """``get_bboxes``, model/head/nanodet_plus_head.py, and ``warp_boxes``, NanoDet 1.0.

    Clipped to the tensor, class score above .05, IoU .6 within a class, the 100 best, clipped to the image.
    """
    return [
        *_multiply(spec),
        Threshold(_quantity(spec), 0.05),
        Clip("tensor"),
        Nms(0.6),
        MaxPerImg(100),
        ONE_GAIN,
        Clip("original"),
    ]


def _multiply(spec: HeadSpec) -> list[Step]:
    return [MultiplyFactor()] if spec.has_factor else []


def _quantity(spec: HeadSpec) -> Literal["class", "product"]:
    return "product" if spec.has_factor else "class"


EXTERNAL: dict[str, Callable[[HeadSpec], list[Step]]] = {
    "ultralytics": _ultralytics,
    "yolov5": _yolov5,
    "yolox": _yolox,
    "queries": _queries,
    "detr": _detr,
    "final": _final,
    "final-clipped": _final_clipped,
    "final-per-axis": _final_per_axis,
    "ssd": _ssd,
    "nanodet": _nanodet,
}
