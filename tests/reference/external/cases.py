"""The conventions as a config names them: what each is built by, judged by, and read with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import conventions as dress
import onnx
from dressing import Net
from judge import CONVENTIONS, Convention
from product import Reading

# the judged recipe: best class of a location, NMS .65 per class, the 300 best, one gain, no clip
JUDGED = [
    {"step": "best_class"},
    {"step": "threshold", "quantity": "class", "value": 0.01},
    {"step": "nms", "iou_threshold": 0.65, "space": "per_class"},
    {"step": "max_per_img", "k": 300},
    {"step": "rescale", "operation": "divide", "gain": "one"},
]
WITH_FACTOR = [JUDGED[0], {"step": "multiply_factor"}, JUDGED[1] | {"quantity": "product"}, *JUDGED[2:]]
STRETCH = {"resize": "stretch"}
BLACK = {"resize": "letterbox", "place": "centre", "fill": 0, "rounding": "down"}
IMAGENET = {"mean": list(dress.IMAGENET_MEAN), "std": list(dress.IMAGENET_STD)}
MMDET = {"resize": "letterbox", "place": "corner", "fill": 114, "colour": "bgr", "rounding": "even"}


@dataclass(frozen=True)
class Case:
    """``layout`` is what the file must be recognised as; with ``named`` the user names it.

    ``named``: nothing in the file can tell, because other layouts write the same or the dressing hides it.
    ``ids``: the labels are category ids, so the classes are given with ids.
    ``pixels``: how far sides of boxes may be from the judge's.
    """

    build: Callable[[Net], onnx.ModelProto]
    judge: str
    layout: str
    reading: dict[str, Any] = field(default_factory=dict)
    named: bool = False
    ids: bool = False
    pixels: float = 0.02

    @property
    def convention(self) -> Convention:
        return CONVENTIONS[self.judge]

    def read(self, net: Net) -> Reading:
        numbers = dress.COCO_IDS if net.classes == len(dress.COCO_IDS) else range(1, net.classes + 1)
        classes = dict(zip(numbers, net.names, strict=True)) if self.ids else net.names
        return Reading(layout=self.layout if self.named else None, classes=classes, **self.reading)


def steps(*given: dict[str, Any]) -> dict[str, Any]:
    return {"steps": list(given)}


COLUMNS = {"recipe": steps(*JUDGED)}
ROWS = {"recipe": steps(*WITH_FACTOR)}
UNCLIPPED = {"recipe": "final"}
NMS = "ultralytics-end2end"
CASES = {
    # a layout's own recipe, clipped where the stack clips
    "ultralytics default": Case(dress.ultralytics, "ultralytics_default", "ultralytics"),
    "ultralytics val": Case(
        dress.ultralytics, "ultralytics_val", "ultralytics", {"input": {"rounding": "up"}}
    ),
    "yolov5 default": Case(dress.yolov5, "yolov5_default", "yolov5"),
    "yolox default": Case(dress.yolox, "yolox_default", "yolox"),
    "ultralytics": Case(dress.ultralytics, "ultralytics", "ultralytics", COLUMNS),
    "ultralytics dynamic": Case(
        partial(dress.ultralytics, dynamic=True), "ultralytics", "ultralytics", COLUMNS
    ),
    "ultralytics half": Case(
        partial(dress.ultralytics, half=True), "ultralytics_half", "ultralytics", COLUMNS
    ),
    "ultralytics segment": Case(partial(dress.ultralytics, masks=32), "ultralytics", "ultralytics", COLUMNS),
    "ultralytics pose": Case(dress.ultralytics_pose, "ultralytics", "ultralytics", COLUMNS),
    "ultralytics nms": Case(dress.ultralytics_nms, "ultralytics_nms", NMS, UNCLIPPED),
    "ultralytics end2end": Case(dress.ultralytics_end2end, "ultralytics_nms", NMS, UNCLIPPED),
    "yolov5": Case(dress.yolov5, "yolov5", "yolov5", ROWS),
    # its boxes are decoded with exp here, which only YOLOX does
    "yolov7 grid": Case(partial(dress.yolov5, output="output", named=False), "yolov5", "yolov5", ROWS, True),
    "yolov6": Case(partial(dress.yolov5, output="outputs"), "yolov5", "yolov5", ROWS),
    "yolov7 end2end": Case(dress.yolov7_end2end, "yolov7_end2end", "yolov7-end2end"),
    "tensorrt": Case(dress.tensorrt, "tensorrt", "tensorrt-nms"),
    "yolox": Case(dress.yolox, "yolox", "yolox", ROWS | {"input": {"rounding": "even"}}),
    "yolox decoded": Case(
        dress.yolox_decoded, "yolox_decoded", "yolox-decoded", ROWS | {"input": {"rounding": "even"}}
    ),
    "rtdetr": Case(dress.rtdetr, "rtdetr", "rtdetr"),
    "dfine letterbox": Case(dress.rtdetr, "rtdetr_letterbox", "rtdetr", {"input": BLACK}),
    "dfine squeezed": Case(partial(dress.rtdetr, squeezed=True), "rtdetr", "rtdetr"),
    # without its vision transformer
    "deimv2": Case(partial(dress.rtdetr, imagenet=True), "deimv2", "deimv2", named=True),
    "deimv2 written": Case(
        partial(dress.rtdetr, squeezed=True, imagenet=True), "deimv2", "rtdetr", {"input": IMAGENET}
    ),
    "rfdetr own data": Case(partial(dress.rfdetr, slots=None), "rfdetr_own", "rfdetr"),
    "detr": Case(dress.detr, "detr", "detr"),
    # a mask is taken by detectors with ImageNet's mean and by others
    "queries": Case(
        partial(dress.detr, softmax=False, mask=True),
        "queries",
        "detr-sigmoid",
        {"input": IMAGENET},
        named=True,
    ),
    "yolonas batch": Case(dress.yolonas_batch, "yolonas_batch", "yolonas"),
    "yolonas flat": Case(dress.yolonas_flat, "yolonas_flat", "yolonas-flat"),
    "paddle": Case(partial(dress.paddle, imagenet=True), "paddle_imagenet", "paddle", named=True),
    "paddle plus": Case(partial(dress.paddle, shape=False), "paddle", "paddle-plus", named=True),
    "torchvision": Case(dress.torchvision, "torchvision", "torchvision", ids=True),
    "tf": Case(dress.tf_od, "tf_od", "tf", ids=True),
    "tf any size": Case(partial(dress.tf_od, moving=True), "tf_od_any", "tf", ids=True),
    "efficientdet": Case(dress.efficientdet, "efficientdet", "efficientdet", {"input": STRETCH}, ids=True),
    "efficientdet any size": Case(
        partial(dress.efficientdet, moving=True), "efficientdet_any", "efficientdet", ids=True
    ),
    "mmdeploy": Case(
        dress.mmdeploy, "mmdeploy", "mmdeploy", {"input": MMDET, "recipe": {"base": "final", "gain": "one"}}
    ),
    "ssd": Case(dress.ssd, "ssd", "ssd"),
    # its distances are made from decoded boxes here
    "nanodet plus": Case(dress.nanodet_plus, "nanodet_plus", "nanodet", named=True),
}
# the published YOLOX-nano takes one image
ONLY_SMALL = {
    "yolov7 batches": Case(dress.yolov7_batches, "yolov7_end2end", "yolov7-end2end", {"batch": 4}),
}
# slots by COCO's ids need its 80 classes
ONLY_COCO = {"rfdetr": Case(dress.rfdetr, "rfdetr", "rfdetr", ids=True)}
