"""The floor of the candidates, from a head's own recipe and the config."""

from cutpoint.errors import UserError
from cutpoint.records.head import Floor
from cutpoint.records.recipe import Step


def threshold_floor(recipe: list[Step], candidate_floor: float | None) -> Floor:
    """The floor on the quantity that the recipe thresholds."""
    quantities = ("class", "product")
    found = (s for s in recipe if s["step"] == "threshold" and s["quantity"] in quantities)
    threshold = next(found, None)
    if threshold is None:
        return pairs_floor(recipe[0]["k"], candidate_floor)
    own = threshold["value"]
    if candidate_floor is not None and candidate_floor > own:
        raise UserError(
            f"candidate_floor {candidate_floor:g} lies above the model's own score_thr {own:g}: "
            "mmdet3 could not be served; lower it or leave it null"
        )
    value = own if candidate_floor is None else float(candidate_floor)
    if any(step.get("root") for step in recipe):
        # the threshold applies to the root of the product; its rounding must not lose a pair
        return Floor("product", value**2 * (1 - 1e-6), inclusive=True)
    return Floor(threshold["quantity"], value, threshold["inclusive"])


def pairs_floor(own: int, candidate_floor: float | None) -> Floor:
    """The floor of a head that ranks and does not threshold.

    Args:
        own: how many pairs of an image its own recipe keeps.
        candidate_floor: as many as that, or more; null means ``own``.

    Raises:
        UserError: ``candidate_floor`` is not such a number.
    """
    pairs = own if candidate_floor is None else candidate_floor
    if pairs != int(pairs) or pairs < own:
        raise UserError(
            f"candidate_floor {pairs:g}: this head has no threshold, it keeps the {own} best pairs of class "
            f"and location; give a whole number of pairs, {own} or more, or leave it null"
        )
    return Floor("class", 0.0, inclusive=True, pairs=int(pairs))
