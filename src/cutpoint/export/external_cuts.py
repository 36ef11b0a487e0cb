"""What an external ONNX graph gives, put into the form of a cut: raw tensors, decoded ones, detections."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir

from cutpoint.export.external_file import Activation, ExternalFile
from cutpoint.export.external_levels import Levels
from cutpoint.export.external_values import UNDO, activate, corners
from cutpoint.records.head import Part
from cutpoint.records.onnx_model import PADDING_LABEL

Values = dict[str, ir.Value]


def raw_values(file: ExternalFile, levels: Levels) -> tuple[Values, list[str]]:
    """The raw tensors of a dense head as it emits them, and those whose logits were probabilities."""
    head, sides = levels.head, levels.sides()
    counts = levels.counts(sides)
    boxes = file.description("box", "raw")
    described: list[tuple[Part, dict[str, Any], str | None]] = [
        (part, text, None)
        for part, text in zip(head.box, boxes if isinstance(boxes, list) else [boxes], strict=True)
    ]
    described.append((head.score, file.description("score", "raw"), head.score_activation))
    if head.factor:
        described.append((head.factor, file.description("factor", "raw"), head.factor_activation))
    found, undone = {}, set()
    for part, text, own in described:
        rows = file.rows(text, file.layout, part.stop - part.start)
        if own is not None:
            step, is_undone = _as_emitted(file, text, own)
            rows = [step(file, value) for value in rows]
            undone |= {part.tensor} if is_undone else set()
        found[part] = levels.split(text, rows, counts)
    results = {}
    for name in head.raw_names:
        tensor, _, level = name.rpartition("_")
        parts = sorted((part for part in found if part.tensor == tensor), key=lambda part: part.start)
        joined = file.op("Concat", *[found[part][int(level)] for part in parts], axis=2)
        shape = file.op("Concat", file.const([0]), *sides[int(level)], file.const([-1]), axis=0)
        results[name] = file.op("Transpose", file.op("Reshape", joined, shape), perm=[0, 3, 1, 2])
    return results, [name for name in results if name.rpartition("_")[0] in undone]


def _as_emitted(
    file: ExternalFile, described: dict[str, Any], own: str
) -> tuple[Callable[[ExternalFile, ir.Value], ir.Value], bool]:
    """The nodes that make of a described value what the head emits, and whether they undo an activation."""
    left = file.activation(described, own)
    if left.background and own != "softmax":
        raise file.error(f"outputs.score.background: {file.priors.head} has no background; remove it")
    if left.kind == "none" and own != "none":
        return UNDO[own], True
    if left.kind in ("none", own):
        return UNDO["none"], False
    if own == "none" and left.kind == "sigmoid":
        return lambda file, value: activate(file, value, left), False
    raise file.error(
        f"outputs: activation {left.kind} of {described['tensor']!r}: {file.priors.head} has {own}; use the "
        "cut decoded, or another layout"
    )


def decoded_values(file: ExternalFile, own: str, own_factor: str) -> Values:
    """``boxes``, ``scores`` and ``factors`` if the file has them.

    Args:
        file: the graph.
        own, own_factor: the head's activations, for values whose description does not say theirs.
    """
    if file.layout == "maps":
        raise file.error("outputs.layout maps: the cut decoded has rows or columns")
    box, score = (file.description(key, "decoded") for key in ("box", "score"))
    activation = file.activation(score, own)
    scores = file.joined(score, file.priors.classes + bool(activation.background))
    results = {
        "boxes": corners(file, file.joined(box, 4), box),
        "scores": activate(file, scores, activation),
    }
    factor = file.described.get("factor")
    if factor:
        value = activate(file, file.joined(factor, 1), file.activation(factor, own_factor))
        results["factors"] = file.op("Reshape", value, file.const([0, -1]))
    return results


def row_values(file: ExternalFile, drop_padding: bool) -> Values:
    """``boxes``, ``scores``, ``labels`` and ``count`` of a file that ends in detections.

    Args:
        file: the graph.
        drop_padding: whether rows with the file's own label -1 are padding whatever their score.
    """
    box, score, label = (file.description(key, "e2e") for key in ("box", "score", "label"))
    if file.activation(score, "none") != Activation():
        raise file.error("outputs.score: the scores of e2e are final; remove activation and background")
    boxes = corners(file, _one(file, box, 4), box)
    scores, labels = (file.op("Reshape", _one(file, part, 1), file.const([0, -1])) for part in (score, label))
    labels = file.op("Cast", labels, to=ir.DataType.INT64)
    # -1 in the file is padding, whatever its first label is
    padding = file.op("Equal", labels, file.const(PADDING_LABEL))
    shifted = file.op("Sub", labels, file.const(label.get("offset", 0)))
    labels = file.op("Where", padding, labels, shifted)
    if drop_padding:
        scores = file.op("Where", padding, file.const(0, np.float32), scores)
    if "image" in file.described:
        boxes, scores, labels = _by_image(file, boxes, scores, labels)
    count = file.described.get("count")
    if count:
        count = file.op("Cast", file.tensors(count)[0], to=ir.DataType.INT64)
        count = file.op("Reshape", count, file.const([-1]))
        return {"boxes": boxes, "scores": scores, "labels": labels, "count": count}
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
    return {"boxes": boxes, "scores": scores, "labels": labels, "count": count}


def _by_image(
    file: ExternalFile, boxes: ir.Value, scores: ir.Value, labels: ir.Value
) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Flat rows of all images, ``(1, M)``, as rows of each image ``(B, M)``; those of others are padding."""
    if file.described.get("count"):
        raise file.error("outputs: rows that say their image are counted by it; remove count")
    image = file.op("Reshape", _one(file, file.described["image"], 1), file.const([1, -1]))
    image = file.op("Cast", image, to=ir.DataType.INT64)
    batch = file.size(file.images, 0)
    zero, one, scalar = file.const(0), file.const(1), file.const(np.zeros(0))
    images = file.op("Range", zero, file.op("Reshape", batch, scalar), one)
    own = file.op("Equal", image, file.op("Reshape", images, file.const([-1, 1])))
    scores = file.op("Where", own, scores, file.const(0, np.float32))
    labels = file.op("Where", own, labels, file.const(PADDING_LABEL))
    boxes = file.op("Expand", boxes, file.op("Concat", batch, file.const([1, 1]), axis=0))
    return boxes, scores, labels


def _one(file: ExternalFile, described: dict[str, Any], channels: int) -> ir.Value:
    """Detections ``(B, K, channels)`` from a single tensor."""
    tensor = described["tensor"]
    if not isinstance(tensor, str):
        raise file.error(f"outputs: {tensor} are several tensors; the detections of e2e are in one")
    return file.rows(described, "rows", channels)[0]
