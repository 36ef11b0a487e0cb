"""From the traced graph to one ONNX file a cut."""

import json
from typing import Any

import onnx_ir as ir
from onnx_ir.passes import common as passes

from cutpoint.errors import UserError
from cutpoint.export import ingraph
from cutpoint.export.graph import Graph
from cutpoint.files import read_json, replacing
from cutpoint.recipes.recipe import Recipe, limit_top_k, resolve_recipe
from cutpoint.records.model import METADATA_KEY, HeadSpec, ModelSpec

E2E_OUTPUTS = ("boxes", "scores", "labels", "count")


def write_export(
    *,
    trace: str,
    spec: str,
    cut: str,
    clip: str,
    recipe: str | dict[str, Any],
    out: str,
    scores: str = "class",
    count: str = "fixed",
    topk_limit: int | None = None,
) -> None:
    """Write the ONNX file of one cut.

    ``raw`` and ``decoded`` are extracted from the trace, ``e2e`` has the recipe appended; the weights are
    the trace's in all of them. ``metadata_props["cutpoint"]`` holds cut, model specification and, of
    ``decoded``, ``scores``, of ``e2e`` the other arguments as JSON.

    Args:
        trace: ONNX file of ``trace_model``.
        spec: ``spec.json``.
        cut: ``raw``, ``decoded`` or ``e2e``.
        clip: ``image`` (a second input ``image_sizes``, boxes in original-image pixels) or ``tensor``
            (one input, boxes in network-input pixels); only for ``e2e``.
        recipe: definition of the recipe in the graph, only for ``e2e``.
        out: ONNX file to write.
        scores: ``class``, or ``fused``: class x factor (its root where the head takes it) as ``scores``, and
            no ``factors``; only for ``decoded``.
        count: ``fixed``, as many rows as the recipe's cap, or ``free``, as the image with the most; only for
            ``e2e``. A recipe without a cap is always ``free``.
        topk_limit: the most rows that a TopK gives and that go into NMS, for TensorRT 3840; see
            ``recipes.limit_top_k``; only for ``e2e``.

    Raises:
        UserError: a recipe that the head cannot serve.
    """
    model_spec = ModelSpec.from_dict(read_json(spec))
    model = ir.load(trace)
    outputs = {value.name: value for value in model.graph.outputs}
    metadata: dict[str, Any] = {"cut": cut, "spec": model_spec.to_dict()}
    if cut == "raw":
        chosen = [outputs[name] for name in model_spec.head.raw_names]
    elif cut == "decoded":
        metadata |= {"scores": scores}
        chosen = [outputs[name] for name in model_spec.head.decoded_names]
        if scores == "fused" and model_spec.head.has_factor:
            chosen = _fuse(model.graph, outputs, model_spec.head)
    else:
        metadata |= {"clip": clip, "recipe": recipe, "count": count, "topk_limit": topk_limit}
        resolved = resolve_recipe(recipe, model_spec.head)
        resolved = resolved if topk_limit is None else limit_top_k(resolved, topk_limit)
        try:
            ingraph.check_in_graph(resolved.steps)
        except UserError as error:
            raise UserError(f"recipe {recipe!r}: {error}") from error
        chosen = _append_e2e(model.graph, outputs, model_spec.head, clip, resolved, count == "fixed")
    model.graph.outputs[:] = chosen
    passes.RemoveUnusedNodesPass()(model)
    model.producer_name, model.producer_version = "cutpoint", None
    model.metadata_props[METADATA_KEY] = json.dumps(metadata, sort_keys=True)
    with replacing(out) as temporary:
        ir.save(model, temporary)


def _fuse(graph: ir.Graph, outputs: dict[str, ir.Value], head: HeadSpec) -> list[ir.Value]:
    """``boxes``, ``scores`` ``(B, N, C)`` = class x factor or its root, ``level_counts``."""
    g = Graph(graph)
    scores = outputs["scores"]
    scores.name = "class_scores"
    fused = g.op("Mul", scores, g.op("Unsqueeze", outputs["factors"], g.ints(2)))
    fused = g.op("Sqrt", fused) if head.takes_root else fused
    fused.name, fused.shape, fused.type = "scores", scores.shape, scores.type
    return [outputs["boxes"], fused, outputs["level_counts"]]


def _append_e2e(
    graph: ir.Graph, outputs: dict[str, ir.Value], head: HeadSpec, clip: str, recipe: Recipe, fixed: bool
) -> list[ir.Value]:
    g = Graph(graph)
    decoded = {name: outputs[name] for name in head.decoded_names}
    images = graph.inputs[0]
    if clip == "image":
        sizes = ir.Value(
            name="image_sizes",
            shape=ir.Shape([images.shape[0], 4]),
            type=ir.TensorType(ir.DataType.FLOAT),
        )
        graph.inputs.append(sizes)
        frame = ingraph.frame_from_sizes(g, images, sizes)
    else:
        frame = ingraph.frame_from_tensor(g, images)
    results = ingraph.append_recipe(g, decoded, frame, recipe.steps, head, fixed)
    # the graph's decoded outputs give their names to the final ones
    for name, value in decoded.items():
        value.name = f"decoded_{name}"
    cap = recipe.get("cap")
    cap = cap["k"] if cap and fixed else "detections"
    shapes = {"boxes": [images.shape[0], cap, 4], "count": [images.shape[0]]}
    for name in E2E_OUTPUTS:
        value = results[name]
        value.name = name
        value.shape = ir.Shape(shapes.get(name, [images.shape[0], cap]))
        floating = name in ("boxes", "scores")
        value.type = ir.TensorType(ir.DataType.FLOAT if floating else ir.DataType.INT64)
    return [results[name] for name in E2E_OUTPUTS]
