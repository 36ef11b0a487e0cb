"""The steps that a recipe is made of, one class each."""

from cutpoint.recipes.steps import boxes, overlaps, ranks, scores
from cutpoint.recipes.steps.step import Step

# If two recipes keep a box in different ways, the first changing step in this order is named.
STEPS: dict[str, type[Step]] = {
    step.name: step for module in (scores, ranks, boxes, overlaps) for step in module.STEPS
}
