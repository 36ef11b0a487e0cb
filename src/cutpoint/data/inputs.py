"""The input recipes that a config may name: the model's own, and others that change it.

A new one is a function here, its row in ``INPUTS``, and its name in the schema.
"""

from collections.abc import Callable
from dataclasses import replace

from cutpoint.errors import UserError
from cutpoint.records.image import InputRecipe

Shape = tuple[int, int] | None


def named_input(name: str, own: InputRecipe, shape: Shape) -> InputRecipe:
    """An input recipe by its name in the config.

    Args:
        name: a row of ``INPUTS``.
        own: the model's own input recipe.
        shape: height and width of a static export, or null.

    Raises:
        UserError: an unknown name.
    """
    if name not in INPUTS:
        raise UserError(f"input {name!r}: unknown; known: {', '.join(INPUTS)}")
    return INPUTS[name](own, shape)


def keeps_size(name: str) -> bool:
    """Whether images keep their own size; then they do not fit a static export."""
    return named_input(name, _RESIZED, None).scale is None


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
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return replace(
        own, scale=None, keep_ratio=False, pad=None, bgr_to_rgb=True, divide_by=225.0, mean=mean, std=std
    )


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
    pad=None,
    bgr_to_rgb=False,
    mean=None,
    std=None,
    divisor=1,
    pad_value=0.0,
)
