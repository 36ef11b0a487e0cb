"""Which recipe makes a variant's detections."""

from typing import Any

from cutpoint.errors import UserError
from cutpoint.plan.variants import Variant


def autopsy_recipe(variant: Variant) -> dict[str, Any]:
    """How a variant's candidates become its detections."""
    if known_recipe(variant) is None:
        return {"recipe": None}
    export = variant.export
    return {"recipe": known_recipe(variant), "clip": export.clip, "topk_limit": export.topk_limit}


def known_recipe(variant: Variant) -> str | dict[str, Any] | None:
    """A variant's recipe as the config defines it; null if its detections are external."""
    made_elsewhere = variant.results or (variant.export.foreign and variant.run.cut == "e2e")
    return None if made_elsewhere else variant.recipe.definition


def check_one_store(first: Variant, second: Variant) -> None:
    """Refuse a diff of recipes that do not read the same candidates.

    Raises:
        UserError: names both variants.
    """
    if first.run != second.run or first.run is None or first.run.cut == "e2e":
        raise UserError(
            f"recipe diff of {first.name} and {second.name}: both must be recipes on the candidates of one "
            "run (cut raw or decoded, and only the recipe may differ)"
        )
