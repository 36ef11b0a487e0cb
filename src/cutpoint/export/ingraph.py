"""A recipe built into the graph with standard ONNX operators: the cut ``e2e``.

The steps are those of ``recipes``, for a batch. Every image keeps a fixed number of rows until NMS. Rows that
a step drops get the score ``DROPPED``, so padding is never taken for a box.
"""

from collections.abc import Sequence

import onnx_ir as ir

from cutpoint.errors import UserError
from cutpoint.export.emitters import EMITTERS, Emitter
from cutpoint.export.graph import Graph
from cutpoint.export.graph_rows import KEEP_ABOVE, Rows, Setting, Sizes
from cutpoint.recipes.steps.overlaps import Nms
from cutpoint.recipes.steps.ranks import MaxPerImg, TopK
from cutpoint.recipes.steps.step import Step
from cutpoint.records.head import DenseHead


def append_recipe(
    g: Graph,
    decoded: dict[str, ir.Value],
    sizes: Sizes,
    steps: Sequence[Step],
    head: DenseHead,
    fixed: bool,
) -> dict[str, ir.Value]:
    """Append a recipe after the ``decoded`` outputs.

    Args:
        g: the graph.
        decoded: ``boxes``, ``scores``, ``factors`` (heads with one), ``level_counts``.
        sizes: the images' sizes.
        steps: the recipe's steps in order; ``check_in_graph`` must allow them.
        head: the head specification.
        fixed: whether K is the recipe's ``max_per_img`` (if it has one); otherwise it is the largest count
            of the batch.

    Returns:
        ``boxes`` ``(B, K, 4)``, ``scores`` ``(B, K)``, ``labels`` ``(B, K)`` int64, ``count`` ``(B,)`` int64.
        Padding: zeros, label -1.
    """
    rows = Rows(decoded["boxes"], decoded["scores"], decoded.get("factors"), None)
    limit = next((step.k for step in steps if isinstance(step, MaxPerImg)), None)
    setting = Setting(sizes, decoded["level_counts"], head, limit, fixed)
    for step in steps:
        rows = _emitter(step).emit(g, rows, step, setting)
    if rows.labels is None or rows.count is None:
        raise ValueError("a recipe without NMS")
    out = g.op("Less", rows.scores, g.const(KEEP_ABOVE))
    boxes = g.op("Where", g.op("Unsqueeze", out, g.ints(2)), g.const(0.0), rows.boxes)
    scores = g.op("Where", out, g.const(0.0), rows.scores)
    return {"boxes": boxes, "scores": scores, "labels": rows.labels, "count": rows.count}


def check_in_graph(steps: Sequence[Step]) -> None:
    """Refuse a recipe that cannot be built into a graph.

    Raises:
        UserError: names the step, and what to do.
    """
    kinds = [type(step) for step in steps]
    if kinds.count(Nms) != 1:
        raise UserError("a graph that ends after the post-processing needs one NMS")
    emitters = [_emitter(step) for step in steps]
    nms = kinds.index(Nms)
    late = [emitter for emitter in emitters[nms + 1 :] if not emitter.after_nms]
    if late or MaxPerImg in kinds[:nms] or kinds.count(MaxPerImg) > 1:
        raise UserError(
            "in a graph one max_per_img, clip and rescale may follow NMS, and no max_per_img may precede it; "
            "use cut decoded"
        )
    for step, emitter in zip(steps, emitters, strict=True):
        refused = emitter.refuse(step)
        if refused:
            raise UserError(refused)
    ranks = [step for step in steps if isinstance(step, TopK)]
    if any(step.per == "level" for step in ranks[1:]):
        raise UserError("a top_k per level after another top_k cannot be built into a graph")


def _emitter(step: Step) -> Emitter:
    emitter = EMITTERS[type(step)]
    if isinstance(emitter, str):
        raise UserError(emitter)
    return emitter
