"""A recipe built into the graph with standard ONNX operators: the cut ``e2e``.

The steps are those of ``recipes``, for a batch. Every image keeps a fixed number of rows until the step that
gives the rows: NMS, or without one the last ranking. Rows that a step drops get the score ``DROPPED``, so
padding is never taken for a box.
"""

import math
from collections.abc import Sequence

import onnx_ir as ir

from cutpoint.errors import UserError
from cutpoint.export.emitters import EMITTERS, Emitter
from cutpoint.export.graph import Graph
from cutpoint.export.graph_rows import DROPPED, KEEP_ABOVE, Rows, Setting, Sizes, close
from cutpoint.recipes.steps.overlaps import Nms
from cutpoint.recipes.steps.ranks import MaxPerImg, TopK
from cutpoint.recipes.steps.scores import BestBox, BestClass
from cutpoint.recipes.steps.step import Step
from cutpoint.records.head import HeadSpec, RoiHead


def append_recipe(
    g: Graph,
    decoded: dict[str, ir.Value],
    sizes: Sizes,
    steps: Sequence[Step],
    head: HeadSpec,
    fixed: bool,
) -> dict[str, ir.Value]:
    """Append a recipe after the ``decoded`` outputs.

    Args:
        g: the graph.
        decoded: ``boxes``, ``scores``, and what the head has of ``factors``, ``level_counts``, ``priors``.
        sizes: the images' sizes.
        steps: the recipe's steps in order; ``check_in_graph`` must allow them.
        head: the head specification.
        fixed: whether K is the recipe's ``row_limit`` (if it has one); otherwise it is the largest count of
            the batch.

    Returns:
        ``boxes`` ``(B, K, 4)``, ``scores`` ``(B, K)``, ``labels`` ``(B, K)`` int64, ``count`` ``(B,)`` int64.
        Padding: zeros, label -1.
    """
    scores = decoded["scores"]
    if isinstance(head, RoiHead) and head.selected:
        padding = g.op("Unsqueeze", g.op("Less", decoded["priors"], g.ints(0)), g.ints(2))
        scores = g.op("Where", padding, g.const(DROPPED), scores)
    class_boxes = isinstance(head, RoiHead) and head.class_boxes
    rows = Rows(decoded["boxes"], scores, decoded.get("factors"), None, class_boxes=class_boxes)
    limit, counts = row_limit(steps), decoded.get("level_counts")
    setting = Setting(sizes, counts, head, limit, fixed, _is_full(steps, head))
    for step in steps:
        rows = _emitter(step).emit(g, rows, step, setting)
    if rows.count is None:
        rows = close(g, rows, setting)
    if rows.labels is None or rows.count is None:
        raise ValueError("a recipe that ranks no pairs")
    out = g.op("Less", rows.scores, g.const(KEEP_ABOVE))
    boxes = g.op("Where", g.op("Unsqueeze", out, g.ints(2)), g.const(0.0), rows.boxes)
    scores = g.op("Where", out, g.const(0.0), rows.scores)
    return {"boxes": boxes, "scores": scores, "labels": rows.labels, "count": rows.count}


def row_limit(steps: Sequence[Step]) -> int | None:
    """The most detections of an image, the number of the ranking that gives the rows; null without one."""
    if any(isinstance(step, Nms) for step in steps):
        return next((step.k for step in steps if isinstance(step, MaxPerImg)), None)
    number = _last_ranking(steps)
    step = None if number is None else steps[number]
    return step.k if isinstance(step, TopK | MaxPerImg) else None


def _last_ranking(steps: Sequence[Step]) -> int | None:
    """The place of the last step that keeps the best pairs of an image; null without one."""
    found = None
    for number, step in enumerate(steps):
        single = any(isinstance(before, BestClass) for before in steps[:number])
        of_image = isinstance(step, TopK) and step.per == "image" and (step.unit == "pair" or single)
        if of_image or isinstance(step, MaxPerImg):
            found = number
    return found


def _is_full(steps: Sequence[Step], head: HeadSpec) -> bool:
    """See ``Setting.full``."""
    ranks = [step for step in steps if isinstance(step, TopK | MaxPerImg)]
    if head.rows is None or len(ranks) != 1 or any(isinstance(step, Nms) for step in steps):
        return False
    each = 1 if any(isinstance(step, BestClass) for step in steps) else head.num_classes
    return ranks[0].k <= head.rows * each


def check_in_graph(steps: Sequence[Step]) -> None:
    """Refuse a recipe that cannot be built into a graph.

    Raises:
        UserError: names the step, and what to do.
    """
    kinds = [type(step) for step in steps]
    if kinds.count(Nms) > 1:
        raise UserError("a graph that ends after the post-processing can have one NMS; use cut decoded")
    emitters = [_emitter(step) for step in steps]
    if Nms in kinds:
        last: int | None = kinds.index(Nms)
        others = MaxPerImg in kinds[:last] or kinds.count(MaxPerImg) > 1
    else:
        last, others = _last_ranking(steps), False
    if last is None:
        raise UserError(
            "a graph that ends after the post-processing needs an NMS, or a max_per_img or top_k of the "
            "image's pairs"
        )
    if others or not all(emitter.after_rows for emitter in emitters[last + 1 :]):
        raise UserError(
            "in a graph one max_per_img, clip and rescale may follow NMS, and no max_per_img may precede it; "
            "without NMS only clip and rescale may follow the last max_per_img or top_k; use cut decoded"
        )
    for step, emitter in zip(steps, emitters, strict=True):
        refused = emitter.refuse(step)
        if refused:
            raise UserError(refused)
    ranks = [step for step in steps if isinstance(step, TopK)]
    if any(step.per == "level" for step in ranks[1:]):
        raise UserError("a top_k per level after another top_k cannot be built into a graph")
    _check_locations(steps)


def _check_locations(steps: Sequence[Step]) -> None:
    """Refuse steps that look at all classes of a location where pairs were chosen one by one already."""
    single = one_each = False
    most = math.inf  # an image has no more pairs left
    for step in steps:
        locations = isinstance(step, TopK) and step.unit == "location" and step.k < most and not one_each
        if single and (locations or isinstance(step, BestClass | BestBox)):
            words = f"{step.name} of locations" if locations else step.name
            raise UserError(
                f"a {words} after best_class, or after a top_k or max_per_img of pairs, cannot be built into "
                "a graph; use cut decoded"
            )
        if isinstance(step, MaxPerImg) or (isinstance(step, TopK) and step.unit == "pair"):
            single = True
            if isinstance(step, MaxPerImg) or step.per == "image":
                most = min(most, step.k)
        one_each = one_each or isinstance(step, BestClass)
        single = single or isinstance(step, BestClass | Nms)


def _emitter(step: Step) -> Emitter:
    emitter = EMITTERS[type(step)]
    if isinstance(emitter, str):
        raise UserError(emitter)
    return emitter
