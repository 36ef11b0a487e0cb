"""What a recipe demands of candidates, and whether the kept candidates are enough for it."""

from collections.abc import Iterable
from dataclasses import replace

from cutpoint.errors import UserError
from cutpoint.recipes.steps.scores import Threshold
from cutpoint.recipes.steps.step import Demands, Step
from cutpoint.records.head import Floor


def check_served(steps: Iterable[Step], floor: Floor, scores: str = "class") -> None:
    """Refuse a recipe that could keep pairs that are not among the candidates.

    Args:
        steps: the recipe's steps.
        floor: the candidates' floor.
        scores: ``fused`` if the candidates have only class score x factor.

    Raises:
        UserError: the recipe's threshold is missing, applies to another quantity, or is below the floor; or
            the recipe needs a factor that fused candidates do not have.
    """
    steps = list(steps)
    if scores == "fused":
        floor = replace(floor, quantity="product")
        if any(isinstance(step, Threshold) and step.quantity == "factor" for step in steps):
            raise UserError("recipe thresholds the factor: this file gives only class score x factor")
    if floor.value <= 0:  # all pairs are candidates
        return
    floor_text = f"candidates end at {floor.quantity} score {floor.value:g}"
    mend = "raise the recipe's score_thr or lower models.<model>.candidate_floor"
    demands = pair_demands(steps)
    if not demands:
        raise UserError(f"recipe without a threshold: {floor_text}; {mend}")
    # product <= class score, so a threshold on the product is at least as strict as one on the class score
    usable = [demand for demand in demands if floor.quantity == "class" or demand.quantity == "product"]
    if not usable:
        if scores == "fused":
            mend = "take a file that gives the factor beside it, or a recipe that thresholds score x factor"
        raise UserError(f"recipe thresholds the class score: {floor_text}; {mend}")
    best = max(usable, key=lambda demand: demand.value)
    looser = best.value == floor.value and best.inclusive > floor.inclusive
    if best.value < floor.value or looser:
        raise UserError(f"recipe threshold {best.value:g}: {floor_text}; {mend}")


def pair_demands(steps: Iterable[Step]) -> tuple[Floor, ...]:
    """What a recipe demands of a pair's class score or product before it can matter, in order."""
    demands = Demands()
    for step in steps:
        demands = step.demand(demands)
    return demands.floors
