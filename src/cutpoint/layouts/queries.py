"""Layouts of detectors with queries, and of SSD."""

from collections.abc import Callable, Sequence
from typing import Any

from cutpoint.errors import UserError
from cutpoint.layouts import look
from cutpoint.layouts.inputs import IMAGENET, SIDES, UNIT
from cutpoint.layouts.layout import Check, Layout, Outputs, find_output, has_outputs, takes
from cutpoint.records.graph_facts import GraphFacts, Tensor

# no-object is one more slot than the categories' ids; the widths of the published COCO models
SOFTMAX_WIDTH, SIGMOID_WIDTHS = 92, (80, 91)


def _rtdetr(patches: bool) -> Callable[[GraphFacts, int | None], list[Check]]:
    def checks(facts: GraphFacts, classes: int | None) -> list[Check]:
        vit = facts.patch is not None
        said = f"patches of {facts.patch} pixels: a vision transformer" if vit else "no vision transformer"
        return [
            has_outputs(facts, "labels", "boxes", "scores"),
            takes(facts, "orig_target_sizes"),
            Check(vit == patches, said, said),
        ]

    return checks


def _rtdetr_outputs(facts: GraphFacts, classes: Sequence[str]) -> Outputs:
    box, score, label = (find_output(facts, name).name for name in ("boxes", "scores", "labels"))
    return {"box": {"tensor": box}, "score": {"tensor": score}, "label": {"tensor": label}}


def _detr(softmax: bool) -> Callable[[GraphFacts, int | None], list[Check]]:
    def checks(facts: GraphFacts, classes: int | None) -> list[Check]:
        width = look.side(look.ending(facts.outputs, "logits"), -1)
        if classes is None:
            fits = width == SOFTMAX_WIDTH if softmax else width in SIGMOID_WIDTHS
            no = f"{width} scores, and the number of classes is not known"
        else:
            fits = width == classes + softmax
            no = f"{width} scores for {classes} classes"
        yes = f"{width} scores, {'no-object the last' if softmax else 'one a class'}"
        found = [has_outputs(facts, "logits", "pred_boxes"), Check(fits, yes, no)]
        return found if softmax else [*found, *_plain_images(facts)]

    return checks


def _plain_images(facts: GraphFacts) -> list[Check]:
    """Detectors with a sigmoid whose images have no mean and deviation; some have ImageNet's."""
    mend = "whose images have ImageNet's mean and std: write the name and `input`"
    masked = facts.input("pixel_mask") is not None
    return [
        Check(not masked, "", f"it takes pixel_mask, as conditional and deformable DETR, {mend}"),
        Check(facts.patch is None, "", f"it is a vision transformer, as DEIMv2 with DINOv3, {mend}"),
    ]


def _detr_outputs(softmax: bool) -> Callable[[GraphFacts, Sequence[str]], Outputs]:
    def outputs(facts: GraphFacts, classes: Sequence[str]) -> Outputs:
        logits, boxes = find_output(facts, "logits"), find_output(facts, "pred_boxes")
        score: dict[str, Any] = {"tensor": logits.name, "activation": "softmax" if softmax else "sigmoid"}
        if softmax:
            score["background"] = "last"
        else:
            score["channels"] = _slots(logits, classes, 0)
        return {"layout": "rows", "box": _fractions(boxes), "score": score}

    return outputs


def _fractions(boxes: Tensor) -> dict[str, Any]:
    return {"tensor": boxes.name, "format": "cxcywh", "normalised": True}


def _slots(scores: Tensor, classes: Sequence[str], spare: int) -> list[int]:
    """The channels of the classes among an output's slots, of which the last may be no class."""
    width, count = look.side(scores, -1), len(classes)
    fits = width is None or width - spare <= count <= width or ("" in classes and count <= width)
    if fits:
        return [0, count]
    hint = "; write `classes: coco91` if they are COCO's category ids" if width == 91 else ""
    raise UserError(f"output {scores.name} has {width} slots for {count} classes{hint}")


def _rfdetr(facts: GraphFacts, classes: int | None) -> list[Check]:
    boxes, labels = look.ending(facts.outputs, "dets"), look.ending(facts.outputs, "labels")
    logits = bool(labels and labels.rank == 3 and labels.dtype.startswith("float"))
    return [
        has_outputs(facts, "dets", "labels"),
        Check(look.side(boxes, -1) == 4, "dets of 4 values", "dets do not have 4 values"),
        Check(logits, "labels are logits", "labels are not logits"),
    ]


def _rfdetr_outputs(facts: GraphFacts, classes: Sequence[str]) -> Outputs:
    labels = find_output(facts, "labels")
    score = {"tensor": labels.name, "channels": _slots(labels, classes, 1), "activation": "sigmoid"}
    return {"layout": "rows", "box": _fractions(find_output(facts, "dets")), "score": score}


def _ssd(facts: GraphFacts, classes: int | None) -> list[Check]:
    scores, boxes = look.ending(facts.outputs, "scores"), look.ending(facts.outputs, "boxes")
    four = bool(boxes and boxes.rank == 3 and look.side(boxes, 2) == 4)
    softmax = bool(scores and "Softmax" in facts.tails.get(scores.name, ()))
    width = look.side(scores, 2)
    one_more = classes is None or width is None or width == classes + 1
    return [
        has_outputs(facts, "scores", "boxes"),
        Check(four and len(facts.outputs) == 2, "boxes of 4 values", "two outputs, boxes of 4 values"),
        Check(softmax, "softmax in the graph", "no softmax before its scores"),
        Check(one_more, f"{width} scores, the background first", f"{width} scores for {classes} classes"),
    ]


def _ssd_outputs(facts: GraphFacts, classes: Sequence[str]) -> Outputs:
    score = {"tensor": find_output(facts, "scores").name, "activation": "none", "background": "first"}
    return {
        "layout": "rows",
        "box": {"tensor": find_output(facts, "boxes").name, "normalised": True},
        "score": score,
    }


SIZES = {"orig_target_sizes": "network_wh"}

QUERIES = {
    "rtdetr": Layout(
        "RT-DETR, D-FINE, DEIM, small DEIMv2",
        "e2e",
        UNIT,
        _rtdetr_outputs,
        "final",
        _rtdetr(False),
        SIZES,
    ),
    "deimv2": Layout(
        "DEIMv2 with DINOv3 (s and larger)", "e2e", IMAGENET, _rtdetr_outputs, "final", _rtdetr(True), SIZES
    ),
    "detr": Layout(
        "DETR and YOLOS by transformers",
        "decoded",
        SIDES,
        _detr_outputs(True),
        "detr",
        _detr(True),
        {"pixel_mask": 1},
    ),
    # ``RTDetrImageProcessor``, transformers: no mean and deviation
    "detr-sigmoid": Layout(
        "RT-DETR and D-FINE by transformers; LibreYOLO",
        "decoded",
        UNIT,
        _detr_outputs(False),
        "queries",
        _detr(False),
        {"pixel_mask": 1},
    ),
    "rfdetr": Layout("RF-DETR", "decoded", IMAGENET, _rfdetr_outputs, "queries", _rfdetr),
    # vision/ssd/config/fd_config.py of Linzaer's repository
    "ssd": Layout(
        "SSD, UltraFace",
        "decoded",
        {"resize": "stretch", "colour": "rgb", "mean": [127, 127, 127], "std": [128, 128, 128]},
        _ssd_outputs,
        "ssd",
        _ssd,
    ),
}
