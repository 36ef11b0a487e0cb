"""The recipe that makes a variant's detections."""

from typing import Any

from cutpoint.errors import UserError
from cutpoint.plan.variants import ResultsVariant, Variant


def autopsy_recipe(variant: Variant) -> dict[str, Any]:
    """How a variant's candidates become its detections."""
    if isinstance(variant, ResultsVariant) or variant.known_recipe is None:
        return {"recipe": None}
    export = variant.export
    return {"recipe": variant.recipe.definition, "clip": export.clip, "topk_limit": export.topk_limit}


def known_recipe(variant: Variant) -> str | dict[str, Any] | None:
    """A variant's recipe as the config defines it; null if its detections are external."""
    recipe = None if isinstance(variant, ResultsVariant) else variant.known_recipe
    return None if recipe is None else recipe.definition


def check_one_store(first: Variant, second: Variant) -> None:
    """Refuse a diff of recipes that do not read the same candidates.

    Raises:
        UserError: names both variants.
    """
    runs = [None if isinstance(variant, ResultsVariant) else variant.run for variant in (first, second)]
    if runs[0] is None or runs[0] != runs[1] or not runs[0].keeps_candidates:
        raise UserError(
            f"recipe diff of {first.name} and {second.name}: both must be recipes on the candidates of one "
            "run (only the recipe may differ, and the file does not end in detections)"
        )
