"""Names that several modules share; imports nothing, so that a plan is quick to make."""

# the note of a latency whose NMS ran in Python
UNCOMPILED = "without compiled NMS"
# a reference that reaches less AP (fraction), or nothing, is no detector of these images: nothing can be lost
LEAST_AP, NO_DETECTION = 0.01, "no detection at all"
# Threads of a timed session wait for the next run without sleep, as ONNX Runtime's do by default, not much
# longer than decoding takes; the next variant's turn comes after a rest. ONNX Runtime only estimates that
# time: on one machine 0.02 s were 0.04 s.
SPIN_S, REST_S = 0.01, 0.03
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
