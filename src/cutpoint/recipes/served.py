"""What a recipe demands of candidates, and whether the kept candidates are enough for it."""

from collections.abc import Iterable
from dataclasses import replace

from cutpoint.errors import UserError
from cutpoint.recipes.steps.scores import Threshold
from cutpoint.recipes.steps.step import Demands, Step
from cutpoint.records.head import Floor


def check_served(steps: Iterable[Step], floor: Floor, scores: str = "class", rows: int | None = None) -> None:
    """Refuse a recipe that could keep pairs that are not among the candidates.

    Args:
        steps: the recipe's steps.
        floor: the candidates' floor.
        scores: ``fused`` if the candidates have only class score x factor.
        rows: the locations of an image, see ``HeadSpec.rows``.

    Raises:
        UserError: the recipe's threshold is missing, applies to another quantity, or is below the floor; the
            recipe can keep more of the best pairs than the floor; or it needs a factor that fused candidates
            do not have.
    """
    steps = list(steps)
    if scores == "fused":
        floor = replace(floor, quantity="product")
        if any(isinstance(step, Threshold) and step.quantity == "factor" for step in steps):
            raise UserError("recipe thresholds the factor: this file gives only class score x factor")
    demands = _demands(steps)
    if floor.pairs is not None:
        _check_number(_number(demands, rows), floor.pairs)
    if floor.value <= 0:  # all pairs are candidates
        return
    floor_text = f"candidates end at {floor.quantity} score {floor.value:g}"
    mend = "raise the recipe's score_thr or lower models.<model>.candidate_floor"
    if not demands.floors:
        raise UserError(f"recipe without a threshold: {floor_text}; {mend}")
    # product <= class score, so a threshold on the product is at least as strict as one on the class score
    usable = [
        demand for demand in demands.floors if floor.quantity == "class" or demand.quantity == "product"
    ]
    if not usable:
        if scores == "fused":
            mend = "take a file that gives the factor beside it, or a recipe that thresholds score x factor"
        raise UserError(f"recipe thresholds the class score: {floor_text}; {mend}")
    best = max(usable, key=lambda demand: demand.value)
    looser = best.value == floor.value and best.inclusive > floor.inclusive
    if best.value < floor.value or looser:
        raise UserError(f"recipe threshold {best.value:g}: {floor_text}; {mend}")


def pairs_needed(steps: Iterable[Step], rows: int | None) -> int | None:
    """For how many of an image's best pairs, and of its best locations, a recipe needs candidates.

    Args:
        steps: the recipe's steps.
        rows: the locations of an image, see ``HeadSpec.rows``.

    Returns:
        the number; null if it may need any pair.
    """
    return _number(_demands(steps), rows)


def _number(demands: Demands, rows: int | None) -> int | None:
    if demands.one_each and rows is not None:
        return rows if demands.pairs is None else min(demands.pairs, rows)
    return demands.pairs


def _check_number(needed: int | None, kept: int) -> None:
    if needed is not None and needed <= kept:
        return
    much = "may need any pair" if needed is None else f"needs the {needed} best pairs of an image"
    raise UserError(
        f"recipe {much}: candidates are the {kept} best; begin it with max_per_img, or best_class and "
        f"max_per_img, of at most {kept}, or raise models.<model>.candidate_floor to what it needs"
    )


def pair_demands(steps: Iterable[Step]) -> tuple[Floor, ...]:
    """What a recipe demands of a pair's class score or product before it can matter, in order."""
    return _demands(steps).floors


def _demands(steps: Iterable[Step]) -> Demands:
    demands = Demands()
    for step in steps:
        demands = step.demand(demands)
    return demands
