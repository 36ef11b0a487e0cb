"""Choose the images of the gallery."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

from cutpoint.records.manifest import Image
from cutpoint.records.samples import Hidden


def choose(rankings: Iterable[Mapping[int, int]], others: Iterable[int], count: int) -> list[int]:
    """Choose images so that each ranking has its turn.

    The first image of every ranking is chosen, then the second of every ranking, and so on; an image that is
    chosen already counts. Other images follow if there is room.

    Args:
        rankings: points of images by their ids, in order of importance. Most points come first, then the
            lower id; an image without points does not take part.
        others: the ids of all images, in the order in which they fill up.
        count: how many images, at most.
    """
    orders = [
        [image for image, points in sorted(ranking.items(), key=lambda item: (-item[1], item[0])) if points]
        for ranking in rankings
    ]
    chosen: dict[int, None] = {}
    for places in zip_longest(*orders):
        chosen |= dict.fromkeys(image for image in places if image is not None)
        if len(chosen) >= count:
            break
    chosen |= dict.fromkeys(others)
    return list(chosen)[:count]


def keep_public(images: Sequence[Image], public: Sequence[int] | None) -> tuple[list[Image], Hidden | None]:
    """The images that may be shown, and how many may not; ``public``: licence ids, null for all images."""
    if public is None:
        return list(images), None
    shown = [image for image in images if image.licence in public]
    without = sum(image.licence is None for image in images)
    return shown, Hidden(len(images) - len(shown) - without, without)
