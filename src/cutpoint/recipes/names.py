"""Names of recipes. It has no imports, so that a plan is quick to make."""

# what a config may name
RECIPES = (
    "mmdet3",
    "mmdet2-onnx",
    "mmdeploy",
    "seed-topk-nms",
    "seed-per-class",
    "class-agnostic",
    # those of detectors outside mmdet
    "ultralytics",
    "yolov5",
    "yolox",
    "queries",
    "detr",
    "final",
    "final-clipped",
    "final-per-axis",
    "ssd",
    "nanodet",
)
# what `{base: NAME, ...}` may change, in the order of a recipe's name in the tables
OVERRIDES = ("score_thr", "nms_pre", "iou_threshold", "max_per_img", "score_voting", "gain", "clip")
