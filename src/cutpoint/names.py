"""Names that several modules share; imports nothing, so that a plan is quick to make."""

# the note of a latency whose NMS ran in Python
UNCOMPILED = "without compiled NMS"
# what a config may name
RECIPES = (
    "mmdet3",
    "mmdet2-onnx",
    "mmdeploy",
    "seed-topk-nms",
    "seed-per-class",
    "class-agnostic",
)
# what `{base: NAME, ...}` may change, in the order of a recipe's name in the tables
OVERRIDES = ("score_thr", "nms_pre", "iou_threshold", "max_per_img", "score_voting")
INPUTS = ("mmdet", "stretch", "seed-225", "seed-unit")
SCORES = ("class", "fused")
