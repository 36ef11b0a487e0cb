"""The inputs of the layouts, in the keys of ``data.inputs``."""

from cutpoint.data.inputs import IMAGENET_MEAN, IMAGENET_STD

# ``LetterBox``, ultralytics/data/augment.py, ultralytics 8.4.190; YOLOv5 has the same
LETTERBOX = {
    "resize": "letterbox",
    "place": "centre",
    "fill": 114,
    "rounding": "even",
    "colour": "rgb",
    "divide_by": 255,
}
# ``preproc``, yolox/data/data_augment.py, YOLOX 0.3.0
YOLOX_INPUT = {"resize": "letterbox", "place": "corner", "fill": 114, "rounding": "down", "colour": "bgr"}
UNIT = {"resize": "stretch", "colour": "rgb", "divide_by": 255}
IMAGENET = {**UNIT, "mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)}
# ``DetrImageProcessor``, transformers: the short side to 800, the long one to at most 1333
SIDES = {**IMAGENET, "resize": "sides"}
# the file resizes images itself
INSIDE = {"resize": "none", "colour": "rgb"}
CUBIC = {"interpolation": "bicubic"}
