"""From the traced graph to one ONNX file a cut."""

import json
from typing import Any

import onnx_ir as ir
from onnx_ir.passes import common as passes

from cutpoint.detector import ingraph
from cutpoint.errors import UserError
from cutpoint.files import read_json, replacing
from cutpoint.headspec import METADATA_KEY, HeadSpec, ModelSpec
from cutpoint.recipes import resolve_recipe

E2E_OUTPUTS = ("boxes", "scores", "labels", "count")


def write_export(
    *, trace: str, spec: str, cut: str, clip: str, recipe: str | dict[str, Any], out: str
) -> None:
    """Write the ONNX file of one cut.

    ``raw`` and ``decoded`` are extracted from the trace, ``e2e`` has the recipe appended; the weights are
    the trace's in all of them. ``metadata_props["cutpoint"]`` holds cut, clip, recipe and model specification
    as JSON.

    Args:
        trace: ONNX file of ``trace_model``.
        spec: ``spec.json``.
        cut: ``raw``, ``decoded`` or ``e2e``.
        clip: ``image`` (a second input ``image_sizes``, boxes in original-image pixels) or ``tensor``
            (one input, boxes in network-input pixels); only for ``e2e``.
        recipe: definition of the recipe in the graph, only for ``e2e``.
        out: ONNX file to write.

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
        chosen = [outputs[name] for name in model_spec.head.decoded_names]
    else:
        metadata |= {"clip": clip, "recipe": recipe}
        chosen = _append_e2e(model.graph, outputs, model_spec.head, clip, recipe)
    model.graph.outputs[:] = chosen
    passes.RemoveUnusedNodesPass()(model)
    model.producer_name, model.producer_version = "cutpoint", None
    model.metadata_props[METADATA_KEY] = json.dumps(metadata, sort_keys=True)
    with replacing(out) as temporary:
        ir.save(model, temporary)


def _append_e2e(
    graph: ir.Graph, outputs: dict[str, ir.Value], head: HeadSpec, clip: str, definition: str | dict[str, Any]
) -> list[ir.Value]:
    steps = resolve_recipe(definition, head).steps
    if not any(step["step"] == "nms" for step in steps):
        raise UserError(f"recipe {definition!r}: a graph that ends after the post-processing needs NMS")
    if any(step["step"] == "score_voting" for step in steps):
        raise UserError(
            f"recipe {definition!r}: score voting cannot be built into a graph; give the cut e2e the recipe "
            "{base: mmdet3, score_voting: false}"
        )
    for step in steps:
        if step.get("k", 1) < 1:
            raise UserError(
                f"recipe {definition!r}: the {step['step']} of {step['k']} cannot be built into a graph; "
                "set nms_pre and max_per_img to at least 1 for the cut e2e"
            )
    g = ingraph.Graph(graph)
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
    results = ingraph.append_recipe(g, decoded, frame, steps, head)
    # the graph's decoded outputs give their names to the final ones
    for name, value in decoded.items():
        value.name = f"decoded_{name}"
    cap = next((step["k"] for step in steps if step["step"] == "cap"), "detections")
    shapes = {"boxes": [images.shape[0], cap, 4], "count": [images.shape[0]]}
    for name in E2E_OUTPUTS:
        value = results[name]
        value.name = name
        value.shape = ir.Shape(shapes.get(name, [images.shape[0], cap]))
        floating = name in ("boxes", "scores")
        value.type = ir.TensorType(ir.DataType.FLOAT if floating else ir.DataType.INT64)
    return [results[name] for name in E2E_OUTPUTS]
