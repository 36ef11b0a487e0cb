"""The input recipes that a config may name, and the keys by which a config changes them.

A new one is a function here, its row in ``INPUTS``, and its name in the schema.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cutpoint.errors import UserError, suggest
from cutpoint.records.image import InputRecipe, Pad

Shape = tuple[int, int] | None
Definition = str | dict[str, Any]
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def resolve_input(definition: Definition, own: InputRecipe, shape: Shape) -> InputRecipe:
    """An input recipe by its definition in the config.

    Args:
        definition: ``own``, a row of ``INPUTS``, or ``{"base": NAME, key: value}`` with keys of ``KEYS``.
            A key changes the recipe of that name; without ``base`` the model's own.
        own: the model's own input recipe.
        shape: height and width of a static export, or null.

    Raises:
        UserError: an unknown name or key, or values that cannot be combined.
    """
    keys = {"base": definition} if isinstance(definition, str) else dict(definition)
    name = keys.pop("base", OWN)
    if name != OWN and name not in INPUTS:
        raise UserError(f"input {name!r}: unknown{suggest(name, [OWN, *INPUTS])}")
    recipe = own if name == OWN else INPUTS[name](own, shape)
    return _change(recipe, keys, shape) if keys else recipe


def keeps_size(definition: Definition) -> bool:
    """Whether images keep their own size; then they do not fit a static export."""
    return resolve_input(definition, _RESIZED, None).scale is None


def _change(recipe: InputRecipe, keys: dict[str, Any], shape: Shape) -> InputRecipe:
    """A recipe with the config's keys in place of its own values; ``KEYS`` says what each means."""
    for key in keys:
        if key not in KEYS:
            raise UserError(f"input.{key}: unknown{suggest(key, KEYS)}")
    changes: dict[str, Any] = {name: keys[name] for name in SAME if name in keys}
    changes |= {key: keys[key] and tuple(keys[key]) for key in ("mean", "std") if key in keys}
    if "colour" in keys:
        changes["bgr_to_rgb"] = keys["colour"] == "rgb"
    recipe = replace(recipe, **changes)
    if (recipe.mean is None) != (recipe.std is None):
        raise UserError("input: mean and std belong together; write both, or null for both")
    if PLACING & keys.keys():
        return _place(recipe, keys, shape)
    if keys.get("place") == "centre" and recipe.keep_ratio and recipe.pad is None:
        raise UserError("input.place: this input has no frame to lie in; write `resize: letterbox` too")
    return recipe


def _place(recipe: InputRecipe, keys: dict[str, Any], shape: Shape) -> InputRecipe:
    """The keys that say how large the image becomes and where it lies in the tensor."""
    pad, scale = recipe.pad, recipe.scale
    fill = (keys["fill"],) * 3 if "fill" in keys else pad.value if pad else (0.0,) * 3
    resize = keys.get("resize") or _own_resize(recipe, keys, shape)
    if keys.keys() & PLACING == {"fill"} and resize != "stretch":  # the sizes stay
        padding = replace(pad, value=fill) if pad else Pad(divisor=recipe.divisor, value=fill)
        return replace(recipe, pad=padding)
    if resize == "none":
        for key in ("size", "frame"):
            if keys.get(key):
                raise UserError(f"input.{key}: with resize none an image keeps its own size; remove it")
        divided = Pad(divisor=keys["divisor"], value=fill) if keys.get("divisor") else None
        return replace(recipe, scale=None, keep_ratio=False, pad=divided)
    frame = keys.get("frame") or shape or keys.get("size") or (pad and pad.size) or scale
    if frame is None:
        raise UserError("input.size: the file takes any size; write [height, width] in pixels")
    size, frame = tuple(keys.get("size") or frame), tuple(frame)
    if scale and resize != "stretch" and not keys.keys() & {"size", "frame"}:
        size = scale if scale[0] <= frame[0] and scale[1] <= frame[1] else frame
    if resize == "sides":
        divided = Pad(divisor=keys["divisor"], value=fill) if keys.get("divisor") else None
        return replace(recipe, scale=size, keep_ratio=True, fit="sides", pad=divided)
    if resize == "stretch":
        frame = shape or size
    for key, sides, limit, words in (
        ("frame", frame, shape, "the file's fixed"),
        ("size", size, frame, "the frame of"),
    ):
        if limit and any(side > most for side, most in zip(sides, limit, strict=True)):
            raise UserError(
                f"input.{key}: {sides[0]}x{sides[1]} does not fit {words} {limit[0]}x{limit[1]}; "
                "write smaller sides ([height, width])"
            )
    if resize == "stretch":
        return replace(recipe, scale=size, keep_ratio=False, pad=None)
    padding = Pad(size=frame, value=fill)
    if keys.get("divisor"):  # the smallest frame that holds the image
        padding = Pad(divisor=keys["divisor"], value=fill)
    return replace(recipe, scale=size, keep_ratio=True, fit="frame", pad=padding)


def _own_resize(recipe: InputRecipe, keys: dict[str, Any], shape: Shape) -> str:
    """How a recipe resizes, in the words of the key ``resize``."""
    if recipe.scale is None:
        return "none"
    if not recipe.keep_ratio:
        return "stretch"
    framed = shape or recipe.pad or keys.get("frame")
    return "sides" if recipe.fit == "sides" and not framed else "letterbox"


# what the keys of a written input mean: `SAME` have the name of a field of ``InputRecipe``
SAME = ("interpolation", "divide_by", "rounding", "enlarge", "place")
PLACING = {"resize", "size", "frame", "fill", "divisor"}
KEYS = (*SAME, "resize", "size", "frame", "fill", "divisor", "colour", "mean", "std")
# the model's own recipe: mmdet's test pipeline, or that of an external file's layout
OWN = "own"


def _own(own: InputRecipe, shape: Shape) -> InputRecipe:
    """The model's own test pipeline."""
    return own


def _stretch(own: InputRecipe, shape: Shape) -> InputRecipe:
    """Resized to the export's shape or to the model's target without keeping the ratio; own normalisation."""
    return replace(own, scale=shape or own.scale, keep_ratio=False, pad=None)


# Source of the next two: the seed's scripts, 2022. They did not pad. The padding to multiples of `divisor`
# stays, because an exported graph takes only such sizes.


def _seed_225(own: InputRecipe, shape: Shape) -> InputRecipe:
    """The image's own size, RGB, divided by 225 (a slip for 255), ImageNet's mean and deviation of 0..1."""
    bare = replace(own, scale=None, keep_ratio=False, pad=None, bgr_to_rgb=True)
    return replace(bare, divide_by=225.0, mean=IMAGENET_MEAN, std=IMAGENET_STD)


def _seed_unit(own: InputRecipe, shape: Shape) -> InputRecipe:
    """Stretched to 608x608 or to the export's shape, RGB, divided by 255, without mean and deviation."""
    stretched = _stretch(own, shape or (608, 608))
    return replace(stretched, bgr_to_rgb=True, divide_by=255.0, mean=None, std=None)


INPUTS: dict[str, Callable[[InputRecipe, Shape], InputRecipe]] = {
    "mmdet": _own,
    "stretch": _stretch,
    "seed-225": _seed_225,
    "seed-unit": _seed_unit,
}
# an example of a model's own recipe: any that resizes
_RESIZED = InputRecipe(
    scale=(1, 1),
    keep_ratio=True,
    interpolation="bilinear",
    pad=Pad(size=(1, 1)),
    bgr_to_rgb=False,
    mean=None,
    std=None,
    divisor=1,
    pad_value=0.0,
)
