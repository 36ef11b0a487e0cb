"""Which images a golden pack has."""

from collections.abc import Callable, Sequence

import numpy as np

from cutpoint.records.detections import Results
from cutpoint.records.manifest import Image

# A detection counts as a clear one from this score on.
CLEAR = 0.3
# An image of a new size needs at least this fraction of the best image's detections.
ENOUGH = 0.25


def choose_images(
    images: Sequence[Image],
    results: Results,
    count: int,
    uneven: Callable[[Image], bool] = lambda image: False,
) -> list[Image]:
    """The images with the most detections, of sizes that differ where the data set has some.

    Args:
        images: of the manifest.
        results: the variant's detections on them.
        count: how many to choose; fewer if the data set is smaller.
        uneven: whether the resize rounds an image's sides, so that a port can round them otherwise.

    Returns:
        the image with the most clear detections first; then images of another orientation, then one that is
        uneven, then of another size, then the rest, each with the most detections. Equal ones in the order of
        their ids.
    """
    clear = _counts(results, results.score >= CLEAR)
    found = _counts(results, results.score >= 0)
    ranked = sorted(images, key=lambda image: (-clear.get(image.id, 0), -found.get(image.id, 0), image.id))
    chosen: list[Image] = []
    while ranked and len(chosen) < count:
        counts = clear if any(clear.values()) else found
        least = ENOUGH * counts.get(chosen[0].id, 0) if chosen else 0
        best = max(
            range(len(ranked)), key=lambda row: _novelty(ranked[row], chosen, counts, least, uneven, -row)
        )
        chosen.append(ranked.pop(best))
    return chosen


def _counts(results: Results, mask: np.ndarray) -> dict[int, int]:
    ids, counts = np.unique(results.image_id[mask], return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


def _novelty(
    image: Image,
    chosen: list[Image],
    counts: dict[int, int],
    least: float,
    uneven: Callable[[Image], bool],
    rank: int,
) -> tuple[bool, bool, bool, int]:
    """How much an image adds: another orientation, rounded sides, another size, its place in the order."""
    enough = counts.get(image.id, 0) >= max(least, 1)
    turned = enough and all(_orientation(image) != _orientation(other) for other in chosen)
    resized = enough and all((image.height, image.width) != (other.height, other.width) for other in chosen)
    rounded = enough and bool(chosen) and uneven(image) and not any(map(uneven, chosen))
    return turned, rounded, resized, rank


def _orientation(image: Image) -> int:
    return int(np.sign(image.width - image.height))
