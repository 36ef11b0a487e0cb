"""Typical mistakes between the image file and the network's input."""

from collections.abc import Iterator
from dataclasses import replace

from cutpoint.records.image import InputRecipe, Pad, TensorForm

Made = tuple[str, str, InputRecipe]
# what the well-known scripts fill a letterbox with
GREY = (114.0,) * 3


def input_mistakes(own: InputRecipe, tensor: TensorForm, *, external: bool) -> list[Made]:
    """Name, words for people and input recipe of each mistake that the own recipe leaves room for.

    Args:
        own: the model's own input recipe.
        tensor: what the file takes; whole numbers leave no room for another scale of the pixels.
        external: see ``mistakes.mistakes_of``.
    """
    found = [("channel_order", "red and blue channel swapped", replace(own, bgr_to_rgb=not own.bgr_to_rgb))]
    if tensor.dtype != "uint8":
        found += _pixel_mistakes(own)
    found += _fill_mistakes(own, external=external)
    if own.scale is None:
        return found
    found += _resize_mistakes(own)
    if external:
        found += _letterbox_mistakes(own)
    for other, words in (("nearest", "nearest neighbour"), ("bilinear", "bilinear"), ("area", "area mean")):
        if other != own.interpolation:
            text = f"resized with another interpolation: {words}"
            found.append((f"interpolation_{other}", text, replace(own, interpolation=other)))
    return found


def _pixel_mistakes(own: InputRecipe) -> Iterator[Made]:
    divided = own.divide_by
    if own.mean is None and divided is None:
        text = "pixels divided by 255, which this model does not want"
        yield "unit_range", text, replace(own, divide_by=255.0)
    if own.mean is not None:
        bare = replace(own, mean=None, std=None)
        pixels = "pixels of 0 to 255" if divided is None else f"only divided by {divided:g}"
        yield "no_mean_std", f"mean and std left out: {pixels}", bare
        if divided is None and (set(own.mean) != {0.0} or set(own.std or ()) != {255.0}):
            text = "pixels divided by 255, mean and std left out"
            yield "unit_range", text, replace(bare, divide_by=255.0)
        # mean and std are for 0..255: dividing by 225 instead of 255 makes the pixels larger by 255 / 225
        by_225 = 225 / 255 if divided is None else 225.0
        yield "divided_by_225", "divided by 225, not 255", replace(own, divide_by=by_225)
    if divided is not None:
        text = f"pixels of 0 to 255, not divided by {divided:g}"
        yield "not_divided", text, replace(own, divide_by=None)
        yield "divided_twice", f"pixels divided by {divided:g} twice", replace(own, divide_by=divided**2)


def _fill_mistakes(own: InputRecipe, *, external: bool) -> Iterator[Made]:
    if own.mean is not None and own.pad is None and own.divisor > 1:
        pad = Pad(divisor=own.divisor)
        yield "pad_before_normalising", "padded before the normalisation", replace(own, pad=pad)
    if own.pad is not None and any(own.pad.value):
        black = replace(own, pad=replace(own.pad, value=(0.0, 0.0, 0.0)))
        yield "black_padding", "padded with 0, not with the model's own value", black
    if external and own.pad is not None and own.pad.value != GREY:
        grey = replace(own, pad=replace(own.pad, value=GREY))
        yield "grey_padding", "padded with 114, not with the model's own value", grey


def _resize_mistakes(own: InputRecipe) -> Iterator[Made]:
    if own.keep_ratio and own.scale is not None:
        frame = own.pad.size if own.fit == "frame" and own.pad and own.pad.size else own.scale
        text = "stretched to the network's size, aspect ratio ignored"
        yield "stretch", text, replace(own, scale=frame, keep_ratio=False, pad=None)


def _letterbox_mistakes(own: InputRecipe) -> Iterator[Made]:
    """Where the image lies in its frame, and how large it is there; boxes are scaled back accordingly."""
    if not own.keep_ratio:
        # the ONNX demos of D-FINE and DEIMv2 do this, whose evaluation stretches
        black = replace(own, keep_ratio=True, fit="frame", place="centre", pad=Pad(size=own.scale))
        yield (
            "letterbox",
            "aspect ratio kept, centred on black, where the model wants a stretched image",
            black,
        )
        return
    if own.pad is not None:
        centred = own.place != "corner"
        place = "at the top left" if centred else "in the centre"
        other = replace(own, place="corner" if centred else "centre")
        yield ("place_corner" if centred else "place_centre"), f"image {place} of the padding", other
    if own.scale is None:
        return
    small = "not enlarged" if own.enlarge else "enlarged"
    text = f"images smaller than the network's size {small}"
    yield small.replace(" ", "_"), text, replace(own, enlarge=not own.enlarge)
