"""A recipe is data, a list of steps with parameters; ``apply`` runs it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cutpoint.recipes.bases import steps_of
from cutpoint.recipes.served import check_served, pair_demands, pairs_needed
from cutpoint.recipes.steps.boxes import Clip, Rescale
from cutpoint.recipes.steps.overlaps import Nms
from cutpoint.recipes.steps.ranks import MaxPerImg, TopK
from cutpoint.recipes.steps.step import Kind, Step
from cutpoint.records.head import Floor, HeadSpec, RoiHead


@dataclass(frozen=True)
class Recipe:
    """An ordered list of steps."""

    steps: tuple[Step, ...]

    def without(self, kind: type[Step]) -> "Recipe":
        """This recipe with one kind of step left out.

        Raises:
            ValueError: the recipe has no such step.
        """
        kept = tuple(step for step in self.steps if not isinstance(step, kind))
        if len(kept) == len(self.steps):
            raise ValueError(f"no step {kind.name!r} among {[step.name for step in self.steps]}")
        return Recipe(kept)

    def get(self, kind: type[Kind]) -> Kind | None:
        """The first step of a kind, null without one."""
        return next((step for step in self.steps if isinstance(step, kind)), None)


def resolve_recipe(definition: str | Mapping[str, Any], spec: HeadSpec, scores: str = "class") -> Recipe:
    """Make a recipe from its definition in the config.

    Args:
        definition: see ``bases.steps_of``.
        spec: the head that the candidates come from; ``mmdet3`` is its own.
        scores: ``fused`` for candidates of a ``decoded`` cut that gives only class score x factor.

    Raises:
        UserError: an unknown name, step or parameter; an override without a matching step in this head's
            recipe; or a recipe that the candidates are not enough for.
    """
    recipe = Recipe(steps_of(definition, spec))
    check_served(recipe.steps, spec.floor, scores if spec.has_factor else "class", spec.rows)
    return recipe


def limit_top_k(recipe: Recipe, limit: int, spec: HeadSpec) -> Recipe:
    """A recipe that ranks no more than ``limit`` of anything, for TensorRT's limit of a TopK.

    Every count is at most ``limit``. The ``limit`` best pairs of the image go into NMS, and as many come out;
    of locations, if NMS is per class, the classes of a location share a box, and no step chose among them.
    Detections differ only if more would pass. A recipe without NMS has no other ranking.
    """
    steps: list[Step] = [
        replace(step, k=min(step.k, limit)) if isinstance(step, TopK | MaxPerImg) else step
        for step in recipe.steps
    ]
    found = next(((i, step) for i, step in enumerate(steps) if isinstance(step, Nms)), None)
    if found is None:
        return Recipe(tuple(steps))
    number, nms = found
    if recipe.get(MaxPerImg) is None:
        steps.insert(number + 1, MaxPerImg(limit))
    whole = nms.space == "per_class" and not (isinstance(spec, RoiHead) and spec.class_boxes)
    whole = whole and not any(isinstance(step, TopK) and step.unit == "pair" for step in steps[:number])
    steps.insert(number, TopK(limit, "location" if whole else "pair", "image"))
    return Recipe(tuple(steps))


def least_floor(recipe: Recipe, spec: HeadSpec) -> Floor:
    """The highest floor that is enough for this recipe, which the head's own floor serves."""
    own = floor_of(recipe)
    if own is not None or spec.floor.pairs is None:
        return own or spec.floor
    return replace(spec.floor, pairs=pairs_needed(recipe.steps, spec.rows))


def floor_of(recipe: Recipe) -> Floor | None:
    """The highest floor that is enough for this recipe: its own first threshold; null without one."""
    return next(iter(pair_demands(recipe.steps)), None)


def in_graph_form(recipe: Recipe, clip: str, topk_limit: int | None, spec: HeadSpec) -> Recipe:
    """The recipe as an ``e2e`` export runs it; with ``clip: tensor`` it stays in network pixels."""
    recipe = recipe if topk_limit is None else limit_top_k(recipe, topk_limit, spec)
    if clip == "image":
        return recipe
    steps = (replace(step, to="tensor") if isinstance(step, Clip) else step for step in recipe.steps)
    return Recipe((*(step for step in steps if not isinstance(step, Rescale)), Rescale("divide")))
