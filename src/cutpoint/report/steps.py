"""The steps of recipes in words for the page: a sibling table of ``recipes.steps.STEPS``.

It is separate from the steps, so that a new word remakes the page and not the detections.
"""

from cutpoint.recipes.steps.boxes import Clip, MinSize, Rescale
from cutpoint.recipes.steps.overlaps import Nms, ScoreVoting
from cutpoint.recipes.steps.ranks import MaxPerImg, TopK
from cutpoint.recipes.steps.scores import BestBox, BestClass, MultiplyFactor, Threshold
from cutpoint.recipes.steps.step import Step

# For each kind of step: what happened to a box that it removed, by cause.
WORDS: dict[type[Step], dict[str, str]] = {
    BestClass: {"best_class": "another class of its location is better"},
    BestBox: {},
    Threshold: {"threshold": "below the threshold"},
    MultiplyFactor: {},
    TopK: {"top_k": "lost at top-k"},
    MaxPerImg: {"max_per_img": "over the limit of the image"},
    Clip: {"clip": "clipped away"},
    Rescale: {},
    MinSize: {"min_size": "too small"},
    Nms: {"nms": "suppressed", "max_per_class": "over the limit of its class"},
    ScoreVoting: {},
}


def removed_by(cause: str) -> str | None:
    """What happened to a box, in words; null if it is not the cause of a step."""
    return next((words[cause] for words in WORDS.values() if cause in words), None)
