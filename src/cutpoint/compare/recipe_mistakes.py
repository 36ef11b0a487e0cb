"""Typical mistakes of a hand-written post-processing: the model's own recipe with one step changed."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from cutpoint.recipes.recipe import Recipe, resolve_recipe
from cutpoint.recipes.steps.boxes import Clip
from cutpoint.recipes.steps.overlaps import Nms
from cutpoint.recipes.steps.ranks import MaxPerImg, TopK
from cutpoint.recipes.steps.scores import BestClass, Threshold
from cutpoint.recipes.steps.step import Kind, Step
from cutpoint.records.head import HeadSpec

Change = Callable[[Recipe], Recipe]
# what copied scripts have, which are made for pictures and not for an evaluation
CONFIDENCE, IOU, MOST = 0.25, 0.45, 100


def recipe_mistakes(head: HeadSpec, cut: str) -> list[tuple[str, str, Change]]:
    """Name, words for people and change of each mistake that the head's own recipe leaves room for.

    Args:
        head: the head.
        cut: of the file; a row of ``e2e`` has one class.

    Raises:
        UserError: the head's recipe cannot be read.
    """
    recipe = resolve_recipe("mmdet3", head)
    found: list[tuple[str, str, Change]] = []
    least = _threshold(recipe)
    if least is None or least.value < CONFIDENCE:
        text = f"only detections of a score above {CONFIDENCE:g}"
        found.append(("confidence_25", text, _raise_threshold))
    if recipe.get(BestClass):
        found.append(("every_class", "every class of a location, not only the best", _every_class))
    elif head.num_classes > 1 and cut != "e2e":
        found.append(("best_class", "only the best class of a location", _best_class))
    nms = recipe.get(Nms)
    if nms and nms.iou_threshold != IOU:
        text = f"NMS at an IoU of {IOU:g}, not {nms.iou_threshold:g}"
        found.append(("iou_45", text, _changed(Nms, lambda step: replace(step, iou_threshold=IOU))))
    if nms and nms.space != "agnostic" and head.num_classes > 1:
        shared = _changed(Nms, lambda step: replace(step, space="agnostic", max_per_class=None))
        found.append(("class_agnostic", "one NMS over all classes", shared))
    if not any(_keeps_few(step) for step in recipe.steps):
        found.append(("max_100", f"only the {MOST} best boxes of an image", _limit))
    return found


def clip_mistakes(head: HeadSpec) -> Iterator[tuple[str, str, Change]]:
    """The clip left out, for a recipe that has one."""
    if resolve_recipe("mmdet3", head).get(Clip):
        yield "clip_forgotten", "boxes not clipped to the image", lambda recipe: recipe.without(Clip)


def nms_mistakes(head: HeadSpec) -> Iterator[tuple[str, str, Change]]:
    """An NMS behind a recipe that has none: its detector gives a box only once."""
    if resolve_recipe("mmdet3", head).get(Nms) is None:
        text = f"NMS at an IoU of {IOU:g}, which this detector does not want"
        yield "nms_added", text, lambda recipe: Recipe((*recipe.steps, Nms(IOU)))


def _keeps_few(step: Step) -> bool:
    """Whether a step keeps no more boxes of an image than a copied script does."""
    return isinstance(step, MaxPerImg | TopK) and step.k <= MOST and getattr(step, "per", "image") == "image"


def _threshold(recipe: Recipe) -> Threshold | None:
    """The recipe's own threshold of the scores."""
    steps = (step for step in recipe.steps if isinstance(step, Threshold) and step.quantity != "factor")
    return next(steps, None)


def _raise_threshold(recipe: Recipe) -> Recipe:
    own = _threshold(recipe)
    if own is None:
        return Recipe((Threshold("product", CONFIDENCE), *recipe.steps))
    return Recipe(tuple(replace(s, value=CONFIDENCE) if s is own else s for s in recipe.steps))


def _best_class(recipe: Recipe) -> Recipe:
    return Recipe((BestClass(), *recipe.steps))


def _every_class(recipe: Recipe) -> Recipe:
    return recipe.without(BestClass)


def _limit(recipe: Recipe) -> Recipe:
    if recipe.get(MaxPerImg) is None:
        return Recipe((*recipe.steps, MaxPerImg(MOST)))
    return _changed(MaxPerImg, lambda step: replace(step, k=MOST))(recipe)


def _changed(kind: type[Kind], change: Callable[[Kind], Step]) -> Change:
    """All steps of a kind changed."""
    return lambda recipe: Recipe(tuple(change(s) if isinstance(s, kind) else s for s in recipe.steps))
