"""Layouts of the YOLO family."""

from collections.abc import Sequence
from typing import Any

from cutpoint.errors import UserError
from cutpoint.layouts import look
from cutpoint.layouts.inputs import LETTERBOX, YOLOX_INPUT
from cutpoint.layouts.layout import Check, Layout, Outputs, box_part, require, rows_of
from cutpoint.records.graph_facts import GraphFacts, Tensor

# tasks of Ultralytics whose rows hold more than a box and scores
WIDER = ("segment", "pose")
NANODET_INPUTS = ("data", "input.1")
NANODET_LEVELS = (8, 16, 32, 64)


def main_output(facts: GraphFacts) -> Tensor | None:
    """The rows or columns of a file that has them in one tensor; masks and maps beside it have more axes."""
    if any(tensor.rank is not None and tensor.rank < 4 for tensor in facts.outputs[1:]):
        return None
    return facts.outputs[0] if facts.outputs[0].rank == 3 else None


def _one(facts: GraphFacts) -> Check:
    found = main_output(facts)
    name = found.name if found else ""
    return Check(found is not None, f"one output of rank 3, {name}", "one output of rank 3 is needed")


def _task(facts: GraphFacts) -> Check:
    task = facts.metadata.get("task", "detect")
    return Check(task in ("detect", *WIDER), f"task {task}", f"its task is {task!r}, not detection")


def _no_libreyolo(facts: GraphFacts) -> Check:
    """Its YOLO files look like Ultralytics', but its letterbox differs: libreyolo/models/*/utils.py."""
    return Check(
        "model_family" not in facts.metadata,
        "",
        "LibreYOLO made it, whose letterbox is at the top left: write the name, with input: {place: corner, "
        "rounding: down}",
        open=True,
    )


def _rows(facts: GraphFacts, before: int, classes: int | None) -> Check:
    """Rows of ``before`` channels and the class scores."""
    tensor = main_output(facts)
    width, rows = look.side(tensor, 2), look.side(tensor, 1)
    fits = width is not None and width > before and (rows is None or rows > width)
    return _of_width(facts, fits, width, before, classes, "rows")


def _columns(facts: GraphFacts, before: int, classes: int | None) -> Check:
    tensor = main_output(facts)
    width, rows = look.side(tensor, 1), look.side(tensor, 2)
    fits = width is not None and width > before and (rows is None or rows > width)
    return _of_width(facts, fits, width, before, classes, "columns")


def _of_width(
    facts: GraphFacts, fits: bool, width: int | None, before: int, classes: int | None, layout: str
) -> Check:
    if not fits or classes is None:
        no = f"{layout} of {before} channels and class scores"
        return Check(fits, f"{layout} of {width} channels", no, open=width is None)
    wanted = before + classes
    wider = facts.metadata.get("task") in WIDER or len(facts.outputs) > 1
    enough = width is not None and (width == wanted or (wider and width > wanted))
    said = f"{layout} of {width} channels, {before} and {classes} classes"
    return Check(enough, said, f"{layout} of {width} channels are not {before} and {classes} classes")


def _named(facts: GraphFacts) -> bool:
    return "names" in facts.metadata


def _selected(facts: GraphFacts, wanted: bool) -> Check:
    found = any(look.is_selected(facts, tensor) for tensor in facts.outputs[:1])
    found |= wanted and _says_selected(facts)
    yes = "rows chosen by NMS or top-k" if wanted else "no NMS in the graph"
    no = "its rows were not chosen by NMS or top-k" if wanted else "NMS or top-k is in its graph"
    return Check(found == wanted, yes, no)


def _is_undecoded(facts: GraphFacts, tensor: Tensor | None) -> bool:
    """Whether the scores behind the last weights are probabilities, and the boxes are as they are."""
    return _tail_has(facts, "Sigmoid") and not look.is_decoded(facts, tensor)


def _says_selected(facts: GraphFacts) -> bool:
    """Whether Ultralytics' properties say so."""
    made_with = look.parse(facts.metadata.get("args", ""))
    nms = isinstance(made_with, dict) and made_with.get("nms") is True
    return nms or facts.metadata.get("end2end") == "True"


def _tail_has(facts: GraphFacts, kind: str) -> bool:
    return any(kind in facts.tails.get(tensor.name, ()) for tensor in facts.outputs[:1])


def _ultralytics(facts: GraphFacts, classes: int | None) -> list[Check]:
    checks = [_one(facts), _columns(facts, 4, classes), _selected(facts, False), _task(facts)]
    return [*checks, _no_libreyolo(facts)]


def _ultralytics_outputs(facts: GraphFacts, classes: Sequence[str]) -> Outputs:
    name = require(facts, _ultralytics(facts, len(classes)))
    score = {"tensor": name, "channels": [4, 4 + len(classes)], "activation": "none"}
    return {"layout": "columns", "box": box_part(name, 0, "cxcywh"), "score": score}


def _end2end(facts: GraphFacts, classes: int | None) -> list[Check]:
    width = look.side(main_output(facts), 2)
    wider = facts.metadata.get("task") in WIDER
    # with axes of any length the properties may still tell
    fits = _says_selected(facts) if width is None else width == 6 or (wider and width > 6)
    no = f"rows of 6 are needed, they have {'an unknown number' if width is None else width}"
    rows = Check(fits, "rows of 6: corners, score, class", no, open=width is None)
    # its rows have centres and sizes as fractions
    rtdetr = "rtdetr" in facts.metadata.get("description", "").lower().replace("-", "")
    kind = Check(not rtdetr, "no RT-DETR", "it is Ultralytics' RT-DETR")
    return [_one(facts), rows, _selected(facts, True), _task(facts), kind]


def _end2end_outputs(facts: GraphFacts, classes: Sequence[str]) -> Outputs:
    return rows_of(require(facts, _end2end(facts, len(classes))), 0, 4, 5)


def _yolov5(facts: GraphFacts, classes: int | None) -> list[Check]:
    named = _named(facts)
    decoded = look.is_decoded(facts, main_output(facts)) and (named or not _tail_has(facts, "Exp"))
    why = "boxes decoded by exp, as YOLOX does" if _tail_has(facts, "Exp") else "boxes are not decoded"
    return [
        _one(facts),
        _rows(facts, 5, classes),
        _selected(facts, False),
        Check(decoded, f"decoded boxes{', class names in the file' if named else ''}", why),
        _task(facts),
        _no_libreyolo(facts),
    ]


def _yolov5_outputs(facts: GraphFacts, classes: Sequence[str]) -> Outputs:
    checks = [_one(facts), _rows(facts, 5, len(classes))]
    return _with_factor(require(facts, checks), len(classes), "cxcywh")


def _yolox(facts: GraphFacts, classes: int | None) -> list[Check]:
    tensor = main_output(facts)
    image = look.image_input(facts)
    rows = look.side(tensor, 1)
    strides = image and look.levels_of(rows, look.fixed_size(facts, image))
    odd = rows is not None and image is not None and look.fixed_size(facts, image) and strides is None
    nanodet = strides == NANODET_LEVELS or (strides is None and image and image.name in NANODET_INPUTS)
    undecoded = _is_undecoded(facts, tensor)
    steps = " ".join(map(str, strides or (8, 16, 32)))
    return [
        _one(facts),
        _rows(facts, 5, classes),
        _selected(facts, False),
        Check(undecoded, "offsets that are not decoded", "its boxes are decoded"),
        Check(not (odd or nanodet), f"strides {steps}", f"{rows} rows are not those of strides 8 16 32"),
    ]


def _yolox_outputs(facts: GraphFacts, classes: Sequence[str]) -> Outputs:
    checks = [_one(facts), _rows(facts, 5, len(classes))]
    outputs = _with_factor(require(facts, checks), len(classes), None)
    return outputs | {part: _activated(outputs[part]) for part in ("score", "factor")}


def _yolox_decoded(facts: GraphFacts, classes: int | None) -> list[Check]:
    by_exp = _tail_has(facts, "Exp")
    return [
        _one(facts),
        _rows(facts, 5, classes),
        _selected(facts, False),
        Check(by_exp, "boxes decoded by exp", "its boxes are not decoded by exp"),
        Check(not _named(facts), "no class names in the file", "it names its classes, as YOLOv5 does"),
    ]


def _nanodet(facts: GraphFacts, classes: int | None) -> list[Check]:
    tensor, image = main_output(facts), look.image_input(facts)
    rows, width = look.side(tensor, 1), look.side(tensor, 2)
    strides = image and look.levels_of(rows, look.fixed_size(facts, image))
    known = strides == NANODET_LEVELS or (strides is None and image and image.name in NANODET_INPUTS)
    bins = None if width is None or classes is None else (width - classes) / 4
    whole = bins is None or (bins >= 2 and bins == int(bins))
    undecoded = _is_undecoded(facts, tensor)
    return [
        _one(facts),
        Check(undecoded, "distances that are not decoded", "its boxes are decoded"),
        Check(bool(known), "strides 8 16 32 64", f"{rows} rows are not those of strides 8 16 32 64"),
        Check(whole, "channels for class scores and distances", f"{width} channels: no 4 distributions"),
    ]


def _nanodet_outputs(facts: GraphFacts, classes: Sequence[str]) -> Outputs:
    name, count = require(facts, [_one(facts)]), len(classes)
    width = look.side(main_output(facts), 2)
    if width is None or width <= count or (width - count) % 4:
        raise UserError(f"output {name} has {width} channels, not {count} classes and 4 distributions")
    return {
        "layout": "rows",
        "box": {"tensor": name, "channels": [count, width]},
        "score": _activated({"tensor": name, "channels": [0, count]}),
    }


def _with_factor(name: str, count: int, form: str | None) -> Outputs:
    box = {"tensor": name, "channels": [0, 4]} | ({"format": form} if form else {})
    return {
        "layout": "rows",
        "box": box,
        "factor": {"tensor": name, "channels": [4, 5], "activation": "none"},
        "score": {"tensor": name, "channels": [5, 5 + count], "activation": "none"},
    }


def _activated(part: dict[str, Any]) -> dict[str, Any]:
    """A part of the cut ``raw`` that the file gives as a probability."""
    return {"tensor": part["tensor"], "channels": part["channels"], "activated": True}


YOLO = {
    "ultralytics": Layout(
        "Ultralytics YOLOv8, 9, 11, 12; also their segment and pose files",
        "decoded",
        LETTERBOX,
        _ultralytics_outputs,
        "ultralytics",
        _ultralytics,
    ),
    "ultralytics-end2end": Layout(
        "Ultralytics with nms=True, YOLOv10, YOLO26",
        "e2e",
        LETTERBOX,
        _end2end_outputs,
        "final-clipped",
        _end2end,
    ),
    "yolov5": Layout(
        "YOLOv5, YOLOv6, YOLOv7 with --grid", "decoded", LETTERBOX, _yolov5_outputs, "yolov5", _yolov5
    ),
    "yolox": Layout("YOLOX, as its own exporter writes", "raw", YOLOX_INPUT, _yolox_outputs, "yolox", _yolox),
    "yolox-decoded": Layout(
        "YOLOX with --decode_in_inference", "decoded", YOLOX_INPUT, _yolov5_outputs, "yolox", _yolox_decoded
    ),
    # config/nanodet-plus-m_416.yml and nanodet/model/head/nanodet_plus_head.py, NanoDet 1.0
    "nanodet": Layout(
        "NanoDet-Plus",
        "raw",
        {
            "resize": "stretch",
            "colour": "bgr",
            "mean": [103.53, 116.28, 123.675],
            "std": [57.375, 57.12, 58.395],
        },
        _nanodet_outputs,
        "nanodet",
        _nanodet,
    ),
}
