"""Names of layouts. It has no imports, so that a plan is quick to make."""

# what the key `layout` of a variant may name, in the order of the documentation
LAYOUTS = (
    "ultralytics",
    "ultralytics-end2end",
    "yolov5",
    "yolov7-end2end",
    "tensorrt-nms",
    "yolox",
    "yolox-decoded",
    "rtdetr",
    "deimv2",
    "detr",
    "detr-sigmoid",
    "rfdetr",
    "yolonas",
    "yolonas-flat",
    "paddle",
    "paddle-plus",
    "nanodet",
    "torchvision",
    "tf",
    "efficientdet",
    "mmdeploy",
    "ssd",
    "written",
)
