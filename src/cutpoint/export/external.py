"""Turn an external ONNX file into an export like Cutpoint's own: added nodes reshape its outputs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from cutpoint.export.external_file import ExternalFile, as_list
from cutpoint.export.external_precision import read_precision
from cutpoint.export.external_read import read_onnx
from cutpoint.files import replacing
from cutpoint.records.json_file import FORMAT, KEY
from cutpoint.records.model import METADATA_KEY, Part, dense_head, read_spec
from cutpoint.records.onnx_model import PADDING_LABEL, PRECISION_KEY

# Probabilities are clipped to these limits before they are turned back into logits.
TINY, NEXT_TO_ONE = 1e-37, 1 - 2**-24
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
    model = read_onnx(onnx)
    file = ExternalFile(onnx, model, outputs, dense_head(model_spec, "the import of an ONNX file"))
    _check_keys(file, cut)
    precision = read_precision(model)
    results, metadata = {"raw": _raw, "decoded": _decoded, "e2e": _e2e}[cut](file)
    file.rename({"images", *results})
    file.images.name = "images"
    for name, value in results.items():
        value.name = name
        integer = name in ("labels", "count", "level_counts")
        value.type = ir.TensorType(ir.DataType.INT64 if integer else ir.DataType.FLOAT)
        value.shape = ir.Shape([None] * RANKS[cut].get(name, 4))
    model.graph.outputs[:] = results.values()
    content = {KEY: FORMAT, "cut": cut, "spec": model_spec.to_dict(), "external": Path(onnx).name, **metadata}
    model.metadata_props[METADATA_KEY] = json.dumps(content, sort_keys=True)
    model.metadata_props[PRECISION_KEY] = precision
    # protobuf holds no more in one file
    tensors = (value.const_value for value in model.graph.initializers.values())
    large = sum(tensor.nbytes for tensor in tensors if tensor is not None) > LARGEST
    with replacing(out) as temporary:
        ir.save(model, temporary, external_data=f"{Path(out).name}.data" if large else None)


def _check_keys(file: ExternalFile, cut: str) -> None:
    """Refuse a described tensor that the cut or the head does not use."""
    misplaced = [key for key in ("label", "count") if file.described.get(key)] if cut != "e2e" else []
    if misplaced:
        raise file.error(f"outputs.{misplaced[0]}: only the cut e2e has it, this one is {cut}; remove it")
    head = file.head
    lacking = {"raw": not head.factor, "decoded": not head.has_factor, "e2e": True}[cut]
    if file.described.get("factor") and lacking:
        why = "the scores of e2e are final" if cut == "e2e" else f"{head.head} has none"
        raise file.error(f"outputs.factor: {why}; remove it")
    if cut == "e2e" and not file.described.get("score", {}).get("activated", True):
        raise file.error("outputs.score.activated: the scores of e2e are final, and must be probabilities")
    boxes = as_list(file.described.get("box") or [])
    if cut == "raw" and any(part.get("format", "xyxy") != "xyxy" or part.get("normalised") for part in boxes):
        raise file.error("outputs.box: raw has what the head emits; remove format and normalised")


def _raw(file: ExternalFile) -> tuple[dict[str, ir.Value], dict[str, Any]]:
    head, sides = file.head, file.sides()
    counts = file.counts(sides)
    boxes = as_list(file.description("box", "raw"))
    described: list[tuple[Part, dict[str, Any], str | None]] = [
        (part, text, None) for part, text in zip(head.box, boxes, strict=True)
    ]
    described.append((head.score, file.description("score", "raw"), head.score_activation))
    if head.factor:
        described.append((head.factor, file.description("factor", "raw"), head.factor_activation))
    levels = {part: _by_level(file, part, text, kind, counts) for part, text, kind in described}
    undone = {part.tensor for part, text, kind in described if kind and text.get("activated")}
    results = {}
    for name in head.raw_names:
        tensor, _, level = name.rpartition("_")
        parts = sorted((part for part in levels if part.tensor == tensor), key=lambda part: part.start)
        rows = file.op("Concat", *[levels[part][int(level)] for part in parts], axis=2)
        shape = file.op("Concat", file.const([0]), *sides[int(level)], file.const([-1]), axis=0)
        results[name] = file.op("Transpose", file.op("Reshape", rows, shape), perm=[0, 3, 1, 2])
    return results, {"probabilities": [name for name in results if name.rpartition("_")[0] in undone]}


def _by_level(
    file: ExternalFile, part: Part, described: dict[str, Any], activation: str | None, counts: list[ir.Value]
) -> list[ir.Value]:
    """The rows of a part for each level, ``(B, N of the level, channels)``, as the head emits them."""
    rows = file.rows(described, file.layout, part.stop - part.start)
    if described.get("activated"):
        rows = [UNDO[activation](file, value) for value in rows]
    if len(rows) == file.head.levels:
        return rows
    file.check_rows(file.tensors(described)[0], 2 if file.layout == "columns" else 1)
    found, start = [], file.const([0])
    for count in counts:
        stop = file.op("Add", start, count)
        found.append(file.op("Slice", rows[0], start, stop, file.const([1])))
        start = stop
    return found


def _decoded(file: ExternalFile) -> tuple[dict[str, ir.Value], dict[str, Any]]:
    if file.layout == "maps":
        raise file.error("outputs.layout maps: the cut decoded has rows or columns")
    head = file.head
    box, score = (file.description(key, "decoded") for key in ("box", "score"))
    axis = 2 if file.layout == "columns" else 1
    if len(file.tensors(box)) == 1:
        file.check_rows(file.tensors(box)[0], axis)
    background = head.score_activation == "softmax" and not score.get("activated")
    results = {
        "boxes": _corners(file, _joined(file, box, 4), box),
        "scores": _joined(file, score, head.num_classes + background),
    }
    if not score.get("activated"):
        results["scores"] = APPLY[head.score_activation](file, results["scores"])
    factor = file.described.get("factor")
    if factor:
        value = _joined(file, factor, 1)
        value = value if factor.get("activated") else APPLY[head.factor_activation](file, value)
        results["factors"] = file.op("Reshape", value, file.const([0, -1]))
    results["level_counts"] = file.op("Concat", *file.counts(file.sides()), axis=0)
    fused = head.has_factor and "factors" not in results
    return results, {"scores": "fused" if fused else "class"}


def _joined(file: ExternalFile, described: dict[str, Any], channels: int) -> ir.Value:
    rows = file.rows(described, file.layout, channels)
    return rows[0] if len(rows) == 1 else file.op("Concat", *rows, axis=1)


def _e2e(file: ExternalFile) -> tuple[dict[str, ir.Value], dict[str, Any]]:
    box, score, label = (file.description(key, "e2e") for key in ("box", "score", "label"))
    boxes = _corners(file, _one(file, box, 4), box)
    scores, labels = (file.op("Reshape", _one(file, part, 1), file.const([0, -1])) for part in (score, label))
    labels = file.op("Cast", labels, to=ir.DataType.INT64)
    # -1 in the file is padding, whatever its first label is
    padding = file.op("Equal", labels, file.const(PADDING_LABEL))
    shifted = file.op("Sub", labels, file.const(label.get("offset", 0)))
    labels = file.op("Where", padding, labels, shifted)
    count = file.described.get("count")
    if count:
        count = file.op("Cast", file.tensors(count)[0], to=ir.DataType.INT64)
        count = file.op("Reshape", count, file.const([-1]))
    else:
        # padding has score 0: sort it to the end (NaN comes first) and count the rest
        rank = file.op("Where", file.op("IsNaN", scores), file.const(np.inf, np.float32), scores)
        rank, order = file.top_k(rank, file.size(scores, 1))
        scores = file.op("GatherElements", scores, order, axis=1)
        labels = file.op("GatherElements", labels, order, axis=1)
        order = file.op("Reshape", order, file.const([0, -1, 1]))
        order = file.op("Expand", order, file.const([1, 1, 4]))
        boxes = file.op("GatherElements", boxes, order, axis=1)
        positive = file.op("Greater", rank, file.const(0, np.float32))
        count = file.sum(file.op("Cast", positive, to=ir.DataType.INT64), 1)
    clip = {"network": "tensor", "original": None}[file.described.get("frame", "network")]
    return {"boxes": boxes, "scores": scores, "labels": labels, "count": count}, {"clip": clip}


def _one(file: ExternalFile, described: dict[str, Any], channels: int) -> ir.Value:
    """Detections ``(B, K, channels)`` from a single tensor."""
    tensor = described["tensor"]
    if not isinstance(tensor, str):
        raise file.error(f"outputs: {tensor} are several tensors; the detections of e2e are in one")
    return file.rows(described, "rows", channels)[0]


def _corners(file: ExternalFile, boxes: ir.Value, described: dict[str, Any]) -> ir.Value:
    """``(B, N, 4)`` as ``x1, y1, x2, y2`` in pixels."""
    if described.get("format", "xyxy") == "cxcywh":
        centre, size = (
            file.op("Slice", boxes, file.const([start]), file.const([start + 2]), file.const([2]))
            for start in (0, 2)
        )
        half = file.op("Div", size, file.const(2, np.float32))
        boxes = file.op("Concat", file.op("Sub", centre, half), file.op("Add", centre, half), axis=2)
    if described.get("normalised"):
        size = file.op("Gather", file.op("Shape", file.images), file.const([3, 2, 3, 2]), axis=0)
        boxes = file.op("Mul", boxes, file.op("Cast", size, to=ir.DataType.FLOAT))
    return boxes


def _logit(file: ExternalFile, value: ir.Value) -> ir.Value:
    """The inverse of a sigmoid; infinity becomes NaN, and NaN stays NaN."""
    finite = file.op("Sub", value, value)
    value = file.op("Add", value, finite)
    value = file.op("Clip", value, file.const(TINY, np.float32), file.const(NEXT_TO_ONE, np.float32))
    rest = file.op("Sub", file.const(1, np.float32), value)
    return file.op("Sub", file.op("Log", value), file.op("Log", rest))


def _log(file: ExternalFile, value: ir.Value) -> ir.Value:
    """An inverse of a softmax, the background included."""
    return file.op("Log", file.op("Max", value, file.const(TINY, np.float32)))


def _without_background(file: ExternalFile, value: ir.Value) -> ir.Value:
    value = file.op("Softmax", value, axis=-1)
    return file.op("Slice", value, file.const([0]), file.const([-1]), file.const([2]))


def _same(file: ExternalFile, value: ir.Value) -> ir.Value:
    return value


Step = Callable[[ExternalFile, ir.Value], ir.Value]
UNDO: dict[str | None, Step] = {"sigmoid": _logit, "softmax": _log, "none": _same, None: _same}
APPLY: dict[str, Step] = {
    "sigmoid": lambda file, value: file.op("Sigmoid", value),
    "softmax": _without_background,
    "none": _same,
}
