"""From the traced graph to the ONNX file of the cut ``e2e``: the recipe is part of the graph."""

from typing import Any

import onnx_ir as ir

from cutpoint.errors import UserError
from cutpoint.export.cut import outputs_of, save_cut
from cutpoint.export.graph import Graph
from cutpoint.export.graph_rows import Sizes, sizes_from_input, sizes_from_tensor
from cutpoint.export.ingraph import append_recipe, check_in_graph, row_limit
from cutpoint.recipes.recipe import Recipe, limit_top_k, resolve_recipe
from cutpoint.records.head import HeadSpec
from cutpoint.records.model import ModelSpec, built_head, read_spec

ONE = ir.tensor([1.0])
OUTPUTS = ("boxes", "scores", "labels", "count")


def write_e2e(
    *,
    trace: str,
    spec: str,
    out: str,
    clip: str = "image",
    recipe: str | dict[str, Any] = "mmdet3",
    count: str = "fixed",
    topk_limit: int | None = None,
) -> None:
    """Write the ONNX file that ends after the post-processing: the trace with its weights, and the recipe.

    ``metadata_props["cutpoint"]`` has cut, model specification and ``clip, recipe, count, topk_limit`` as
    JSON.

    Args:
        trace: ONNX file of ``trace_model``.
        spec: ``spec.json``.
        out: ONNX file to write.
        clip: ``image`` (a second input ``image_sizes``, boxes in original-image pixels) or ``tensor``
            (one input, the whole tensor is the image, boxes in network-input pixels).
        recipe: definition of the recipe in the graph.
        count: ``fixed``: as many rows as the recipe's ``max_per_img``, or without NMS as its last ranking;
            ``free``: as many as the fullest image has. A recipe without such a number is always ``free``.
        topk_limit: the most rows that a TopK gives and that go into NMS, 3840 for TensorRT; see
            ``recipe.limit_top_k``.

    Raises:
        UserError: the recipe does not fit the head, or cannot be built in a graph.
    """
    model_spec = read_spec(spec)
    resolved = check_e2e(model_spec, clip=clip, recipe=recipe, topk_limit=topk_limit)
    model = ir.load(trace)
    chosen = _append(model.graph, outputs_of(model), model_spec.head, clip, resolved, count == "fixed")
    metadata = {"clip": clip, "recipe": recipe, "count": count, "topk_limit": topk_limit}
    save_cut(model, chosen, model_spec, out, cut="e2e", **metadata)


def check_e2e(spec: ModelSpec, *, clip: str, recipe: str | dict[str, Any], topk_limit: int | None) -> Recipe:
    """The recipe that is built into a file; arguments and errors as in ``write_e2e``."""
    head = built_head(spec, "an export of the cut e2e")
    if clip == "image" and spec.input.place != "corner":
        raise UserError(
            f"model {spec.model}: its input lies inside its padding, and an e2e file with clip: image "
            "scales boxes back itself and knows no padding before the image; use clip: tensor, or cut decoded"
        )
    resolved = resolve_recipe(recipe, head)
    resolved = resolved if topk_limit is None else limit_top_k(resolved, topk_limit, head)
    try:
        check_in_graph(resolved.steps)
    except UserError as error:
        raise UserError(f"recipe {recipe!r}: {error}") from error
    return resolved


def _append(
    graph: ir.Graph, outputs: dict[str, ir.Value], head: HeadSpec, clip: str, recipe: Recipe, fixed: bool
) -> list[ir.Value]:
    g = Graph(graph)
    decoded = {name: outputs[name] for name in head.decoded_names}
    images, *given = graph.inputs
    if images.shape is None:
        raise ValueError("a traced graph whose input has no shape")
    batch = images.shape[0]
    if clip == "image":
        sizes = given[0] if given else _new_input(graph, batch)
        known = sizes_from_input(g, images, sizes)
    else:
        known = sizes_from_tensor(g, images)
        if given:
            _take_tensor(g, graph, given[0], known)
    results = append_recipe(g, decoded, known, recipe.steps, head, fixed)
    # the final outputs take the names of the graph's decoded outputs
    for name, value in decoded.items():
        value.name = f"decoded_{name}"
    limit = row_limit(recipe.steps)
    rows = limit if limit is not None and fixed else "detections"
    shapes: dict[str, list[Any]] = {"boxes": [batch, rows, 4], "count": [batch]}
    for name in OUTPUTS:
        value = results[name]
        value.name = name
        value.shape = ir.Shape(shapes.get(name, [batch, rows]))
        floating = name in ("boxes", "scores")
        value.type = ir.TensorType(ir.DataType.FLOAT if floating else ir.DataType.INT64)
    return [results[name] for name in OUTPUTS]


def _new_input(graph: ir.Graph, batch: Any) -> ir.Value:
    """The input ``image_sizes``, for heads whose other cuts have none."""
    kind = ir.TensorType(ir.DataType.FLOAT)
    sizes = ir.Value(name="image_sizes", shape=ir.Shape([batch, 4]), type=kind)
    graph.inputs.append(sizes)
    return sizes


def _take_tensor(g: Graph, graph: ir.Graph, image_sizes: ir.Value, known: Sizes) -> None:
    """Compute ``image_sizes`` from the tensor's own sides, with scale 1, in place of the input."""
    clip = g.op("Gather", known.clip, g.ints(1, 0), axis=1)
    whole = g.op("Concat", clip, g.op("ConstantOfShape", g.op("Shape", clip), value=ONE), axis=1)
    image_sizes.replace_all_uses_with(whole)
    graph.inputs.remove(image_sizes)
    graph.sort()
