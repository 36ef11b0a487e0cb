"""Turn an external ONNX file into an export like Cutpoint's own: added nodes reshape its outputs."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import onnx_ir as ir

from cutpoint.export.external_classes import class_mend
from cutpoint.export.external_cuts import Values, decoded_values, raw_values, row_values
from cutpoint.export.external_file import ExternalFile, Priors, as_list
from cutpoint.export.external_input import open_float_input, open_input
from cutpoint.export.external_levels import Levels, dense_priors
from cutpoint.export.external_opset import convert_old
from cutpoint.files import replacing
from cutpoint.layouts.read import read_onnx
from cutpoint.records.description import Description
from cutpoint.records.head import DenseHead, HeadSpec, QueryHead
from cutpoint.records.json_file import FORMAT, KEY
from cutpoint.records.model import METADATA_KEY, ModelSpec, built_head, read_spec, write_spec
from cutpoint.records.onnx_model import PRECISION_KEY

# Bytes of tensors that go into the file itself; protobuf's limit is 2 GiB.
LARGEST = 2_000_000_000

# The ranks of the outputs. Raw tensors have rank 4.
RANKS = {
    "raw": {},
    "decoded": {"boxes": 3, "scores": 3, "factors": 2, "level_counts": 1},
    "e2e": {"boxes": 3, "scores": 2, "labels": 2, "count": 1},
}


def import_onnx(*, onnx: str, outputs: dict[str, Any], spec: str, cut: str, out: str) -> None:
    """Give an external ONNX file the inputs, outputs and metadata of an export; its own nodes stay unchanged.

    If the file gives a probability and the head gives a logit, it is turned back into the logit, so that
    ``spec`` stays true.

    Args:
        onnx: the file; one input of ``(B, 3, H, W)`` float32. Tensors in files next to it are read too.
        outputs: what its tensors are; ``$defs/outputs`` of the config's schema. ``raw`` and ``decoded`` need
            ``box``, ``score`` and, for heads with one, ``factor`` (``decoded`` may lack it: its scores are
            then class x factor); ``e2e`` needs ``box``, ``score`` and ``label``.
        spec: ``spec.json`` of the file's model.
        cut: ``raw``, ``decoded`` or ``e2e``: where the file ends.
        out: ONNX file to write; tensors of more than ``LARGEST`` bytes go into ``{out}.data`` next to it.

    Raises:
        UserError: the file cannot be read, or is not as described.
    """
    model_spec = read_spec(spec)
    model = convert_old(onnx, read_onnx(onnx))
    head = built_head(model_spec, "the import of an ONNX file")
    dense = head if isinstance(head, DenseHead) else None
    file = ExternalFile(onnx, model, outputs, dense_priors(dense) if dense else row_priors(head))
    open_float_input(file)
    file.add_batch()
    factor = dense is not None and dense.factor is not None
    check_keys(file, cut, has_factor=head.has_factor if cut == "decoded" else factor)
    metadata: dict[str, Any]
    if cut == "e2e":
        results = row_values(file, drop_padding=False)
        metadata = {"clip": {"network": "tensor", "original": None}[(outputs.get("frame") or "network")]}
    elif dense:
        results, metadata = (dense_raw if cut == "raw" else dense_decoded)(file, dense)
    elif cut == "decoded" and isinstance(head, QueryHead) and not head.selected:
        results = decoded_values(file, head.score_activation, "none")
        metadata = {"scores": "class"}
    else:
        learned = "decoded of learned queries, " if isinstance(head, QueryHead) else ""
        raise file.error(
            f"cut {cut}: the rows of an external file do not say where they come from; of {head.head}, a "
            f"head of the kind {head.kind!r}, only {learned}e2e can be imported: give a file that ends in "
            "detections"
        )
    save(file, results, model_spec, out, cut=cut, **metadata)


def write_described(
    *, model: str, onnx: str, description: Description, classes: Sequence[str], out: str, out_spec: str
) -> None:
    """Write the file of a model without mmdet, and its specification.

    The boxes become pixels of the network's input. The input ``images`` keeps the file's own type and axes;
    every other input gets its constant. Rows of detections with label -1 or score 0 are padding and are not
    counted.

    Args:
        model: its name.
        onnx: the file; tensors in files next to it are read too.
        description: how it is read.
        classes: names by label.
        out: ONNX file to write, as ``import_onnx`` does.
        out_spec: ``ModelSpec`` JSON to write.

    Raises:
        UserError: the file cannot be read, or is not as described.
    """
    head, cut, outputs = description.head, description.cut, description.outputs
    mend = class_mend(classes)
    dense = head if isinstance(head, DenseHead) else None
    if dense:
        priors = replace(dense_priors(dense), mend=mend)
    else:
        name = f"the layout {description.layout}"
        priors = replace(row_priors(head), head=name, mend=mend)
    graph = convert_old(onnx, read_onnx(onnx))
    file = ExternalFile(onnx, graph, outputs, priors)
    open_input(file, description.tensor, description.constants)
    file.add_batch()
    if (outputs.get("frame") or "network") != "network":
        raise file.error(
            "outputs.frame: boxes are in pixels of the network's input; remove frame, and write constants: "
            "{NAME: network_wh} for an input that takes the size of the original image"
        )
    check_keys(file, cut, head.has_factor)
    metadata: dict[str, Any] = {"tensor": asdict(description.tensor)}
    if cut == "e2e":
        results = row_values(file, drop_padding=True)
    elif dense:
        results, more = (dense_raw if cut == "raw" else dense_decoded)(file, dense)
        metadata |= more
    else:
        results = decoded_values(file, "none", "none")
        results["level_counts"] = file.size(results["boxes"], 1)
        metadata |= {"scores": "class"}
    missing = set(head.decoded_names) - results.keys() if cut == "decoded" else ()
    if missing:
        raise file.error("outputs.factor is missing; the layout multiplies the scores with it")
    spec = ModelSpec(model, tuple(classes), head, description.input)
    save(file, results, spec, out, cut=cut, **metadata)
    write_spec(out_spec, spec)


def row_priors(head: HeadSpec) -> Priors:
    """What a head whose locations are on no level says of the rows of a file."""
    return Priors(head.head, head.num_classes, levels=None, anchors=lambda level: 1)


def dense_raw(file: ExternalFile, head: DenseHead) -> tuple[Values, dict[str, Any]]:
    """The outputs of a dense head's cut ``raw``, and what the metadata says of them."""
    results, undone = raw_values(file, Levels(file, head))
    return results, {"probabilities": undone}


def dense_decoded(file: ExternalFile, head: DenseHead) -> tuple[Values, dict[str, Any]]:
    """The outputs of a dense head's cut ``decoded``, and what the metadata says of them."""
    levels, box = Levels(file, head), file.description("box", "decoded")
    results = decoded_values(file, head.score_activation, head.factor_activation)
    if len(file.tensors(box)) == 1:
        levels.check_rows(file.tensors(box)[0])
    results["level_counts"] = file.op("Concat", *levels.counts(levels.sides()), axis=0)
    fused = head.has_factor and "factors" not in results
    return results, {"scores": "fused" if fused else "class"}


def check_keys(file: ExternalFile, cut: str, has_factor: bool) -> None:
    """Refuse a described tensor that the cut or the head does not use.

    Args:
        file: the graph with its description.
        cut: where the file ends.
        has_factor: whether the head's values of this cut have a factor.
    """
    rows = ("label", "count", "image")
    misplaced = [key for key in rows if file.described.get(key)] if cut != "e2e" else []
    if misplaced:
        raise file.error(f"outputs.{misplaced[0]}: only the cut e2e has it, this one is {cut}; remove it")
    if file.described.get("factor") and (cut == "e2e" or not has_factor):
        why = "the scores of e2e are final" if cut == "e2e" else f"{file.priors.head} has none"
        raise file.error(f"outputs.factor: {why}; remove it")
    if cut == "e2e" and not file.described.get("score", {}).get("activated", True):
        raise file.error("outputs.score.activated: the scores of e2e are final, and must be probabilities")
    boxes = as_list(file.described.get("box") or [])
    if cut == "raw" and any(part.get("format", "xyxy") != "xyxy" or part.get("normalised") for part in boxes):
        raise file.error("outputs.box: raw has what the head emits; remove format and normalised")


def save(file: ExternalFile, results: Values, spec: ModelSpec, out: str, **metadata: Any) -> None:
    """Write the file with our input, our outputs and our metadata.

    Args:
        file: the graph.
        results: the new outputs by name.
        spec: of the model.
        out: see ``import_onnx``.
        metadata: more keys of ``onnx_model.Metadata``, among them ``cut``.
    """
    model = file.model
    file.rename({"images", *results})
    file.images.name = "images"
    for name, value in results.items():
        value.name = name
        integer = name in ("labels", "count", "level_counts")
        value.type = ir.TensorType(ir.DataType.INT64 if integer else ir.DataType.FLOAT)
        value.shape = ir.Shape([None] * RANKS[metadata["cut"]].get(name, 4))
    model.graph.outputs[:] = results.values()
    content = {KEY: FORMAT, "spec": spec.to_dict(), "external": Path(file.path).name, **metadata}
    model.metadata_props[METADATA_KEY] = json.dumps(content, sort_keys=True)
    model.metadata_props[PRECISION_KEY] = file.precision
    # protobuf holds no more in one file
    tensors = (value.const_value for value in model.graph.initializers.values())
    large = sum(tensor.nbytes for tensor in tensors if tensor is not None) > LARGEST
    with replacing(out) as temporary:
        ir.save(model, temporary, external_data=f"{Path(out).name}.data" if large else None)
