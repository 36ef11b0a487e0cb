"""A file, its layout and what is not known of it, in words for people."""

from collections.abc import Sequence
from dataclasses import MISSING, fields
from typing import Any

from cutpoint.layouts import look
from cutpoint.recipes.steps import STEPS
from cutpoint.records.description import Description
from cutpoint.records.graph_facts import GraphFacts
from cutpoint.records.image import InputRecipe, TensorForm
from cutpoint.records.recipe import Step

# a list of names shows so many at its start
SHOWN = 5
# characters of a property that are shown
LONGEST_VALUE = 60


def file_words(facts: GraphFacts) -> list[tuple[str, str]]:
    """Inputs, outputs, opset, precision and properties, each with its heading."""
    said = ", ".join(f"{key}={_short(value)}" for key, value in facts.metadata.items()) or "none"
    return [
        *(("input", look.show(tensor)) for tensor in facts.inputs),
        *(("output", look.show(tensor)) for tensor in facts.outputs),
        ("opset", str(facts.opset)),
        ("precision", facts.precision),
        ("metadata", said),
    ]


def class_words(classes: Sequence[str]) -> str:
    """The number of classes and the first names."""
    named = [name for name in classes if name]
    more = f", ... {named[-1]}" if len(named) > SHOWN + 1 else ""
    gaps = f", labels 0 to {len(classes) - 1} are ids" if len(named) < len(classes) else ""
    return f"{len(named)}: {', '.join(named[: len(named) if not more else SHOWN])}{more}{gaps}"


def input_words(recipe: InputRecipe, form: TensorForm) -> str:
    """How an image becomes the tensor."""
    parts = ["the image's own size"] if recipe.scale is None else [_resize_words(recipe)]
    parts.append("RGB" if recipe.bgr_to_rgb else "BGR")
    parts.append(f"/ {recipe.divide_by:g}" if recipe.divide_by else "0 to 255")
    if recipe.mean is not None and recipe.std is not None:
        mean, std = (" ".join(f"{value:g}" for value in values) for values in (recipe.mean, recipe.std))
        parts.append(f"mean {mean}, std {std}")
    axes = "channels last" if form.channels_last else "channels first"
    return ", ".join([*parts, f"{recipe.interpolation}, {form.dtype}, {axes}"])


def _resize_words(recipe: InputRecipe) -> str:
    assert recipe.scale is not None
    size = "x".join(map(str, recipe.scale))
    if not recipe.keep_ratio:
        return f"stretched to {size} (height x width)"
    if recipe.fit == "sides" and recipe.pad is None:
        return f"short and long side within those of {size}"
    frame = recipe.pad.size if recipe.pad else None
    within = f" in {'x'.join(map(str, frame))}" if frame and frame != recipe.scale else ""
    place = "centred" if recipe.place == "centre" else "top left"
    fill = f"{recipe.pad.value[0]:g}" if recipe.pad else "0"
    return f"letterbox {size}{within} (height x width), {place}, fill {fill}, sizes rounded {recipe.rounding}"


def output_words(description: Description) -> list[str]:
    """The cut, then each part of the outputs."""
    outputs = description.outputs
    kind = {"raw": "what the head gives", "decoded": "boxes and scores", "e2e": "detections"}
    lines = [f"{description.cut} ({kind[description.cut]})"]
    for key in ("box", "score", "factor", "label", "count", "image"):
        if key in outputs:
            part = {name: value for name, value in outputs[key].items() if name != "tensor"}
            more = ", ".join(f"{name} {value}" for name, value in part.items())
            lines.append(f"{key}: {outputs[key]['tensor']}{f' ({more})' if more else ''}")
    return lines


def step_words(steps: Sequence[Step]) -> str:
    """A recipe's steps with what differs from the steps' own defaults."""
    return "; ".join(" ".join([str(step["step"]), *_parameters(step)]) for step in steps)


def _parameters(step: Step) -> list[str]:
    defaults: dict[str, Any] = {field.name: field.default for field in fields(STEPS[step["step"]])}
    values = {key: value for key, value in step.items() if key != "step"}
    return [
        f"{key} {value}"
        for key, value in values.items()
        if defaults[key] is MISSING or value != defaults[key]
    ]


def _short(value: str) -> str:
    line = " ".join(value.split())
    return line if len(line) <= LONGEST_VALUE else f"{line[:LONGEST_VALUE]}..."
