"""What a port may have done instead: the recipe with one step changed, left out or added, other readings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from cutpoint.golden.checker.rows import Rows
from cutpoint.golden.checker.stage import BOX_FORMS, Guess, Stage
from cutpoint.golden.checker.steps import Step

THRESHOLDS = (0.001, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7)
PLAIN_NMS = {
    "step": "nms",
    "space": "shifted",
    "max_per_class": None,
    "offset": 0,
    "reading": "xyxy",
    "intersection": "sides",
}
IOUS = tuple(round(0.2 + 0.05 * number, 2) for number in range(16))
LEFT_OUT = {
    "threshold": "the threshold is left out",
    "best_class": "several classes of a location are kept, not only the best one",
    "best_box": "each class has its own box, not that of the best class of its location",
    "multiply_factor": "the factor is missing: the scores are class scores, not class score x factor",
    "top_k": "the limit before NMS (top_k) is left out",
    "clip": "the boxes are not clipped",
    "rescale": "the boxes are not scaled back: they are in pixels of the network input",
    "min_size": "boxes without area are kept",
    "nms": "NMS is left out",
    "score_voting": "score voting is left out",
    "max_per_img": "there is no maximum of boxes per image",
}


def guesses(stage: Stage) -> Iterator[Guess]:
    """All guesses for a stage, the more usual mistakes first."""
    if stage.most:
        yield from _recipe_guesses(stage)
    for text, rows in stage.mistakes.items():
        yield Guess(0, text, partial(_mistaken, stage, rows))


def _recipe_guesses(stage: Stage) -> Iterator[Guess]:
    """The right candidates, through other steps or read otherwise. A port without rows says nothing."""
    yield from _readings(stage)
    for number in range(stage.start, stage.end):
        step = stage.steps[number]
        yield _with(stage, number, LEFT_OUT[step["step"]], [])
    for number in range(stage.start, stage.end):
        yield from _changed(stage, number, stage.steps[number])
    yield from _added(stage)
    if stage.start == 0:
        yield Guess(
            _number_of(stage, "multiply_factor"),
            "the factor is left out everywhere: thresholds and scores use the class score alone",
            lambda image: stage.run(
                image,
                stage.steps[: stage.end],
                0,
                stage.states[image][0].replaced(factors=np.ones_like(stage.states[image][0].factors)),
            ),
        )
    for number in range(stage.start, stage.end - 1):
        text = f"the rows are those after step {number}: the later steps are missing"
        yield Guess(number + 1, text, partial(_after, stage, number))


def _with(stage: Stage, number: int, text: str, steps: list[Step], value: Any = None) -> Guess:
    """The recipe with other steps in the place of one."""
    new = [*steps, *stage.steps[number + 1 : stage.end]]
    return Guess(number + 1, text, lambda image: stage.run(image, new, number), value)


def _number_of(stage: Stage, name: str) -> int:
    return next((n for n, step in enumerate(stage.steps, start=1) if step["step"] == name), 0)


def _readings(stage: Stage) -> Iterator[Guess]:
    """The right rows, given in another way."""
    for shift, words in ((1, "high"), (-1, "low")):
        yield Guess(
            0,
            f"the labels are one too {words}: the class is off by one",
            partial(_relabelled, stage, shift),
        )
    own = "x, y, width, height" if stage.categories is not None else "corners (x1, y1, x2, y2)"
    for form in BOX_FORMS:
        if form != own:
            yield Guess(
                0,
                f"the boxes are {form}, where {own} are expected",
                partial(_formed, stage, form),
            )
    if stage.categories is not None:
        for shift in (0, 1):
            text = (
                f"category_id is the label{' + 1' if shift else ', from 0'}, not the data set's category id"
            )
            yield Guess(0, text, partial(_as_category, stage, shift))
    turns: dict[str, Callable[[np.ndarray], np.ndarray]] = {"rounded": np.round, "cut off": np.floor}
    for text, turn in turns.items():
        yield Guess(
            0,
            f"the boxes are {text} to whole pixels",
            partial(_moved, stage, turn),
        )
    for text, prefix in {"original image": "", "network input": "padded_"}.items():
        yield Guess(
            0,
            f"the boxes are fractions of the {text}, not pixels",
            partial(_fractions, stage, prefix),
        )


def _mistaken(stage: Stage, rows: dict[str, Rows], image: str) -> Rows:
    return stage.given(rows[image])


def _after(stage: Stage, number: int, image: str) -> Rows:
    return stage.given(stage.states[image][number])


def _formed(stage: Stage, form: str, image: str) -> Rows:
    return stage.given(stage.states[image][stage.end], form)


def _fractions(stage: Stage, prefix: str, image: str) -> Rows:
    geometry = stage.geometries[image]
    size = [geometry[f"{prefix}width"], geometry[f"{prefix}height"]]
    return _moved(stage, lambda boxes: boxes / np.array(size * 2, np.float32), image)


def _relabelled(stage: Stage, shift: int, image: str) -> Rows:
    rows = stage.states[image][stage.end]
    if stage.categories is None:
        return rows.replaced(labels=rows.labels + shift)
    inside = (rows.labels + shift >= 0) & (rows.labels + shift < len(stage.categories))
    rows = rows.take(inside)
    return stage.given(rows.replaced(labels=rows.labels + shift))


def _as_category(stage: Stage, shift: int, image: str) -> Rows:
    rows = stage.states[image][stage.end]
    return rows.replaced(labels=rows.labels + shift)


def _moved(stage: Stage, turn: Callable[[np.ndarray], np.ndarray], image: str) -> Rows:
    rows = stage.expected(image)
    return rows.replaced(boxes=turn(rows.boxes))


def _changed(stage: Stage, number: int, step: Step) -> Iterator[Guess]:
    """One step with one other parameter."""
    name = step["step"]
    least = float(stage.scores.min()) if len(stage.scores) else 0.0
    options: list[tuple[str, str, list[Any]]] = []
    if name == "threshold":
        near = np.nextafter(np.float32(least), np.float32(-1))
        values = sorted({*THRESHOLDS, float(near)} - {step["value"]}, key=lambda v: abs(v - least))
        options.append(("value", f"the threshold is not {step['value']:g}, but {{}}", values))
        options.append(
            (
                "quantity",
                f"the threshold is not on the {step['quantity']} score, but on the {{}} score",
                [q for q in ("class", "product") if q != step["quantity"]],
            )
        )
    elif name == "nms":
        own = step["iou_threshold"]
        values = sorted(set(IOUS) - {round(own, 2)}, key=lambda v: abs(v - own))
        options.append(("iou_threshold", f"the IoU threshold of NMS is not {own:g}, but {{}}", values))
        spaces = {"agnostic": "NMS runs over all classes (class-agnostic), not per class"}
        kinds = {"per_class": "NMS runs per class, not over all classes"}
        words = spaces if step["space"] != "agnostic" else kinds
        options += [("space", text, [space]) for space, text in words.items()]
        options.append(("offset", "the boxes of NMS are one pixel wider (the old + 1)", [1 - step["offset"]]))
        options.append(("max_per_class", "NMS keeps {} boxes of a class", [None, 100, 200, 300]))
    elif name in ("max_per_img", "top_k"):
        values = sorted({stage.most, 100, 200, 300, 1000, 3000} - {step["k"]})
        options.append(("k", f"{name} keeps not {step['k']}, but {{}}", values))
        if name == "top_k":
            options.append(
                ("unit", "top_k counts by {}", [{"pair": "location", "location": "pair"}[step["unit"]]])
            )
            options.append(
                ("per", "top_k is taken per {}", [{"level": "image", "image": "level"}[step["per"]]])
            )
    elif name == "rescale":
        padding = "the padding is not taken back: the boxes are shifted by it"
        options.append(("padding", padding, ["left"] if step["padding"] == "taken_back" else []))
        gains = {"one": "per_axis", "per_axis": "one"}
        text = "the boxes are scaled back with {}, not " + step["gain"]
        options.append(("gain", text.replace("per_axis", "a factor per axis"), [gains[step["gain"]]]))
    elif name == "clip":
        others = [to for to in ("image", "tensor", "original") if to != step["to"]]
        options.append(("to", f"the boxes are not clipped to the {step['to']}, but to the {{}}", others))
    elif name == "multiply_factor":
        text = "the score is {}the root of class score x factor"
        options.append(("root", text.format("not " if step["root"] else ""), [not step["root"]]))
    for key, text, values in options:
        for value in values:
            yield _with(stage, number, text, [{**step, key: value}], value)


def _added(stage: Stage) -> Iterator[Guess]:
    """A step that the recipe lacks."""
    names = [step["step"] for step in stage.steps[: stage.end]]
    scaled = "rescale" in names
    end = stage.end - 1
    if end < stage.start:
        return
    last = [stage.steps[end]]
    clip = {"step": "clip", "to": "original" if scaled else "image", "border": 0}
    if "clip" not in names or scaled:
        yield _with(
            stage, end, "the boxes are clipped to the image, which the recipe does not do", [*last, clip]
        )
    if "best_class" not in names:
        for number in range(stage.start, stage.end):
            # a recipe without NMS begins by ranking
            if names[number] == "nms" or (number == 0 and "nms" not in names):
                best = {"step": "best_class"}
                text = "only the best class of a location is kept"
                yield _with(stage, number, text, [best, stage.steps[number]])
    if "nms" not in names:
        for iou in IOUS:
            text = "there is an NMS behind the recipe, which this detector does not want, at an IoU of {}"
            yield _with(stage, end, text, [*last, {**PLAIN_NMS, "iou_threshold": iou}], iou)
    if len(stage.scores):
        least = float(np.nextafter(stage.scores.min(), np.float32(-1)))
        cut = {"step": "threshold", "quantity": "class", "value": least, "inclusive": False}
        text = "there is one more threshold behind the recipe, {}"
        yield _with(stage, end, text, [*last, cut], least)
    most = {"step": "max_per_img", "k": stage.most}
    yield _with(stage, end, "only the {} best boxes are kept", [*last, most], stage.most)
