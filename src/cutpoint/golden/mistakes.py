"""Usual mistakes in the input tensor and in reading the outputs. A pack has the final boxes of each."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from cutpoint.compare.mistake import Mistake
from cutpoint.compare.mistakes import mistakes_of
from cutpoint.records.head import QueryHead, RoiHead
from cutpoint.records.image import InputRecipe, Pad, TensorForm
from cutpoint.records.model import ModelSpec

INTERPOLATIONS = {
    "nearest": "the resize takes the nearest pixel",
    "bilinear": "the resize is bilinear",
    "area": "the resize smooths (area), as that of other libraries does",
}
GREY, BLACK = (114.0,) * 3, (0.0,) * 3


class InputMistake(NamedTuple):
    """A mistake: a name for files, words that end a sentence about the input, and the wrong recipe."""

    name: str
    text: str
    recipe: InputRecipe


def input_mistakes(own: InputRecipe, form: TensorForm) -> Iterator[InputMistake]:
    """The mistakes that are possible for an input recipe.

    Args:
        own: the right recipe.
        form: the tensor's; of uint8 pixels the graph does the scaling itself.
    """
    swapped = replace(own, bgr_to_rgb=not own.bgr_to_rgb)
    yield InputMistake("channel_order", "red and blue are swapped (RGB <-> BGR)", swapped)
    bare = replace(own, mean=None, std=None, divide_by=None)
    if form.dtype != "uint8":
        if own.mean is not None or own.divide_by is not None:
            yield InputMistake("raw_pixels", "the pixels are 0 to 255: they are not scaled", bare)
        if own.mean is not None or own.divide_by != 255:
            unit = replace(bare, divide_by=255.0)
            yield InputMistake("unit_range", "the pixels are divided by 255, without mean and std", unit)
    if own.scale is not None:
        for name, text in INTERPOLATIONS.items():
            if name != own.interpolation:
                yield InputMistake(name, text, replace(own, interpolation=name))
        yield from _resize_mistakes(own, own.scale)
    if own.pad is not None:
        corner = own.place == "corner"
        moved = replace(own, place="centre") if corner else replace(own, place="corner")
        text = "centred" if corner else "at the top left"
        yield InputMistake("padding_place", f"the image lies {text} in the padding", moved)
        value = BLACK if own.pad.value != BLACK else GREY
        filled = replace(own, pad=replace(own.pad, value=value))
        yield InputMistake("padding_value", f"the padding is {value[0]:g}, not {own.pad.value[0]:g}", filled)


def _resize_mistakes(own: InputRecipe, scale: tuple[int, int]) -> Iterator[InputMistake]:
    if own.keep_ratio:
        frame = own.pad.size if own.pad and own.pad.size else scale
        stretched = replace(own, keep_ratio=False, scale=frame, pad=None)
        yield InputMistake("stretched", "the image is stretched, its sides' ratio is lost", stretched)
    else:
        boxed = replace(own, keep_ratio=True, fit="frame", pad=Pad(size=scale, value=GREY))
        yield InputMistake(
            "letterbox", "the image keeps its sides' ratio (letterbox), ours is stretched", boxed
        )


def reading_mistakes(spec: ModelSpec, cut: str) -> list[Mistake]:
    """The mistakes in reading the tensors of ``raw`` that a head of proposals or queries leaves room for.

    A change of one step is not among them: the checker finds it by running the recipe again.
    """
    if cut != "raw" or not isinstance(spec.head, RoiHead | QueryHead):
        return []
    own, *others = mistakes_of(spec)
    return [
        mistake
        for mistake in others
        if mistake.input == own.input
        and mistake.recipe is None
        and mistake.geometry is None
        and mistake.sizes is None
        and mistake.label_shift == 0
    ]
