"""How far torch itself moves if the input changes by next to nothing.

The content of DINO's queries belongs to their rank. Two cells of nearly equal score may swap ranks, and then
everything that follows differs. An exported file cannot be closer to torch than torch is to itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cutpoint.decode.candidates import from_decoded
from cutpoint.detector.cuts import Cuts
from cutpoint.detector.tolerance import TOLERANCES, Tolerance
from cutpoint.matching import match, matched_fraction
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.records.detections import Detections
from cutpoint.records.image import Geometry
from cutpoint.records.model import ModelSpec

CHANGE = 1e-6  # a few roundings of a float32


@dataclass(frozen=True)
class Movement:
    """What a small change of the input does to torch's own results.

    ``change``: the standard deviation of the change, as a fraction of each input value.
    ``tensors``: of each output with floats, the largest difference in its own unit; of rows that come from
    the same prior where rows are ranks.
    ``matched``: the fraction of both sides' detections that match.
    """

    change: float
    tensors: Mapping[str, float]
    matched: float


def measure_movement(
    cuts: Cuts[Any],
    spec: ModelSpec,
    images: np.ndarray,
    image_sizes: np.ndarray | None,
    geometries: Sequence[Geometry],
    change: float = CHANGE,
    tolerance: Tolerance = TOLERANCES["fp32"],
) -> Movement:
    """Run torch on a batch twice, the second time with each input value changed at random.

    Args:
        cuts: the model, see ``kinds.open_cuts``.
        spec: the model.
        images: ``(B, 3, H, W)`` float32, prepared by an input recipe.
        image_sizes: ``(B, 4)`` float32, or null for heads that do not take them.
        geometries: of each image.
        change: see ``Movement``.
        tolerance: detections within it match.
    """
    moved = move_input(images, change)
    theirs, ours = (cuts.named(values, image_sizes) for values in (images, moved))
    recipe = resolve_recipe("mmdet3", spec.head)
    worst: dict[str, float] = {}
    matched = total = 0
    for image, geometry in enumerate(geometries):
        for name, difference in _differences(theirs, ours, image):
            worst[name] = max(worst.get(name, 0.0), float(np.abs(difference).max(initial=0)))
        left, right = (
            apply_recipe(recipe, from_decoded(side, spec.head, image), geometry, spec)
            for side in (theirs, ours)
        )
        matched += _count_matches(left, right, tolerance)
        total += len(left) + len(right)
    return Movement(change, worst, matched_fraction(matched, total))


def move_input(images: np.ndarray, change: float = CHANGE) -> np.ndarray:
    """The same float32 array with each value changed at random; ``change``: see ``Movement``."""
    noise = np.random.default_rng(0).standard_normal(images.shape, np.float32)
    moved: np.ndarray = images * (1 + np.float32(change) * noise)
    return moved


def _differences(
    theirs: Mapping[str, np.ndarray], ours: Mapping[str, np.ndarray], image: int
) -> Iterator[tuple[str, np.ndarray]]:
    """The difference of each output of one image; of rows of the same prior where the cuts give priors."""
    names = [name for name, value in theirs.items() if value.dtype == np.float32]
    if "priors" not in theirs:
        yield from ((name, ours[name][image] - theirs[name][image]) for name in names)
        return
    places = theirs["priors"][image], ours["priors"][image]
    _, left, right = np.intersect1d(*places, return_indices=True)
    yield from ((name, ours[name][image][right] - theirs[name][image][left]) for name in names)


def _count_matches(a: Detections, b: Detections, tolerance: Tolerance) -> int:
    pairs = match(a.boxes, a.scores, b.boxes, tolerance.iou, a.labels[:, None] == b.labels[None])
    return int((np.abs(a.scores[pairs.left] - b.scores[pairs.right]) <= tolerance.score).sum())
