"""From the traced graph to one ONNX file of the cut ``raw`` or ``decoded``."""

import json
from typing import Any, Literal

import onnx_ir as ir
from onnx_ir.passes import common as passes

from cutpoint.errors import UserError
from cutpoint.export.graph import Graph
from cutpoint.files import replacing
from cutpoint.records.head import HeadSpec
from cutpoint.records.json_file import FORMAT, KEY
from cutpoint.records.model import METADATA_KEY, ModelSpec, read_spec


def write_cut(
    *, trace: str, spec: str, cut: Literal["raw", "decoded"], out: str, scores: str = "class"
) -> None:
    """Write the ONNX file of one cut, extracted from the trace with the trace's weights.

    ``metadata_props["cutpoint"]`` has cut, model specification and, for ``decoded``, ``scores`` as JSON.

    Args:
        trace: ONNX file of ``trace_model``.
        spec: ``spec.json``.
        cut: where the graph ends.
        out: ONNX file to write.
        scores: ``class``, or ``fused``: ``scores`` is class x factor (its root if the head takes the root),
            without ``factors``; only for ``decoded``. Without a factor both are the same.

    Raises:
        UserError: ``fused`` for a head that does not multiply its factor.
    """
    model_spec = read_spec(spec)
    head = model_spec.head
    if scores == "fused" and head.has_factor and not head.multiplies_factor:
        raise UserError(
            f"model {model_spec.model}: scores: fused: {head.head} filters cells by its factor and does not "
            "multiply it with the class score; use `scores: class`"
        )
    model = ir.load(trace)
    outputs = outputs_of(model)
    if cut == "decoded" and scores == "fused" and head.has_factor:
        chosen = _fuse(model.graph, outputs, head)
    else:
        chosen = [outputs[name] for name in (head.raw_names if cut == "raw" else head.decoded_names)]
    save_cut(model, chosen, model_spec, out, cut=cut, **({"scores": scores} if cut == "decoded" else {}))


def save_cut(model: ir.Model, outputs: list[ir.Value], spec: ModelSpec, out: str, **metadata: Any) -> None:
    """Write a graph that ends at chosen outputs, with ``metadata`` and the specification in the file."""
    model.graph.outputs[:] = outputs
    passes.RemoveUnusedNodesPass()(model)
    model.producer_name, model.producer_version = "cutpoint", None
    content = {KEY: FORMAT, **metadata, "spec": spec.to_dict()}
    model.metadata_props[METADATA_KEY] = json.dumps(content, sort_keys=True)
    with replacing(out) as temporary:
        ir.save(model, temporary)


def outputs_of(model: ir.Model) -> dict[str, ir.Value]:
    """A graph's outputs by name."""
    return {value.name: value for value in model.graph.outputs if value.name is not None}


def _fuse(graph: ir.Graph, outputs: dict[str, ir.Value], head: HeadSpec) -> list[ir.Value]:
    """``boxes``, ``scores`` ``(B, N, C)`` = class x factor or its root, ``level_counts``."""
    g = Graph(graph)
    scores = outputs["scores"]
    scores.name = "class_scores"
    fused = g.op("Mul", scores, g.op("Unsqueeze", outputs["factors"], g.ints(2)))
    fused = g.op("Sqrt", fused) if head.takes_root else fused
    fused.name, fused.shape, fused.type = "scores", scores.shape, scores.type
    return [outputs["boxes"], fused, outputs["level_counts"]]
