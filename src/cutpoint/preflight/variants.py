"""Check a variant's recipe, export and shape against what is known of its model."""

from collections.abc import Mapping
from typing import Any

from cutpoint.export.e2e import check_e2e
from cutpoint.export.exporters import check_exporter
from cutpoint.providers import PROVIDERS
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.recipes.steps.ranks import TopK
from cutpoint.records.head import keeps_candidates
from cutpoint.records.model import ModelSpec


def check_variant(spec: ModelSpec, variant: Mapping[str, Any]) -> None:
    """Refuse what an export or the post-processing would refuse later.

    Args:
        spec: of the model, or of the external file.
        variant: ``cut, recipe`` (its definition, null if the file ends in its own), ``scores, provider``, and
            ``export``: null for PyTorch and external files, else ``opset, exporter, clip, topk_limit``.

    Raises:
        UserError: see ``check_exporter``, ``check_e2e`` and ``resolve_recipe``.
    """
    export, recipe = variant["export"], variant["recipe"]
    if export:
        check_exporter(spec.head, export["opset"], export["exporter"])
    if export and variant["cut"] == "e2e":
        check_e2e(spec, clip=export["clip"], recipe=recipe, topk_limit=export["topk_limit"])
    elif recipe is not None and keeps_candidates(variant["cut"], spec.head):
        resolve_recipe(recipe, spec.head, variant["scores"])


def remark_on(spec: ModelSpec, variant: Mapping[str, Any]) -> list[str]:
    """What a provider cannot run of a checked variant; arguments as in ``check_variant``."""
    export, most = variant["export"], PROVIDERS[variant["provider"]].most_ranked
    if not export or variant["cut"] != "e2e" or most is None:
        return []
    made = check_e2e(spec, clip=export["clip"], recipe=variant["recipe"], topk_limit=export["topk_limit"])
    ranked = max((step.k for step in made.steps if isinstance(step, TopK)), default=0)
    if ranked <= most:
        return []
    return [
        f"variants.{variant['variant']}: its recipe ranks up to {ranked} at once, and {variant['provider']} "
        f"at most {most}, so that another provider runs this part; topk_limit: {most} keeps it there"
    ]
