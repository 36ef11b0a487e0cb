"""Look at detections without the model: images without detections, entries that cannot be right."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cutpoint.records.detections import Results

# A variant may lack detections on this fraction of the images that have detections of the reference. Two
# ways to run one model seldom lose the only box of an image; an interrupted run loses all later images.
MISSED_SHARE = 0.05
# a box in fractions of the image has no number above this; boxes in pixels are seldom so small
LARGEST_FRACTION = 1.5
# The lowest scores of two sides with one threshold are near it, and near each other: neither this factor nor
# this distance apart.
THRESHOLD_FACTOR, THRESHOLD_DISTANCE = 1.5, 0.005


@dataclass(frozen=True)
class Inspection:
    """What was seen in one file of detections.

    ``images``: how many it should cover. ``best``: the highest score of each image that has detections.
    ``lowest``: the lowest score; null without detections. ``doubts``: what is wrong with entries, in words.
    ``most``: the largest number of detections of an image, and ``most_on``: how many images have so many.
    """

    images: int
    best: dict[int, float]
    lowest: float | None
    doubts: list[str]
    most: int = 0
    most_on: int = 0

    @property
    def without(self) -> int:
        """The number of images without a detection."""
        return self.images - len(self.best)


def inspect(results: Results, images: Iterable[int]) -> Inspection:
    """Inspect detections; only those of ``images`` (ids) count."""
    wanted = set(images)
    results = results.of_images(wanted)
    ids, position, count = np.unique(results.image_id, return_inverse=True, return_counts=True)
    highest = np.full(len(ids), -np.inf)
    np.maximum.at(highest, position, results.score)
    best = dict(zip(ids.tolist(), highest.tolist(), strict=True))
    lowest = float(results.score.min()) if len(results) else None
    doubts = [text for text in (repeats(results), *_odd(results)) if text]
    most = int(count.max(initial=0))
    return Inspection(len(wanted), best, lowest, doubts, most, int((count == most).sum()))


def missed(variant: Inspection, reference: Inspection) -> str | None:
    """Say on how many images only the reference has detections; null if these are few.

    Detections of the reference below the variant's lowest score do not count: a variant with a higher
    threshold leaves them out on purpose.
    """
    least = -np.inf if variant.lowest is None else variant.lowest
    found = {image for image, score in reference.best.items() if score >= least}
    lacking = found - set(variant.best)
    if len(lacking) <= MISSED_SHARE * len(found):
        return None
    return (
        f"{variant.without} of {variant.images} images have no detection, the reference has on "
        f"{len(lacking)} of them"
    )


def kept_otherwise(variant: Inspection, reference: Inspection) -> list[str]:
    """Say where a variant seems to end what it keeps elsewhere than the reference: score, boxes of an image.

    A limit of boxes is told by two images or more that reach it exactly.
    """
    texts = []
    low, base = variant.lowest, reference.lowest
    if low is not None and base is not None:
        near, far = sorted((low, base))
        if far > THRESHOLD_FACTOR * near and far - near > THRESHOLD_DISTANCE:
            texts.append(f"scores from {low:.3g}, the reference from {base:.3g}")
    if variant.most != reference.most:
        least = min(variant, reference, key=lambda side: side.most)
        if least.most_on > 1:
            texts.append(f"at most {variant.most} boxes an image, the reference {reference.most}")
    return texts


def count_entries(results: Results) -> tuple[np.ndarray, np.ndarray]:
    """The different entries, in the order of the file.

    Returns:
        ``(K,)`` int64, the row where each first appears; and ``(K,)`` int64, how often it appears.
    """
    columns = [results.image_id, results.category_id, *results.bbox.T, results.score]
    order = np.lexsort(columns)
    new = np.any([np.diff(column[order]) != 0 for column in columns], axis=0)
    start = np.flatnonzero(np.append(True, new))[: len(order)]
    first, count = order[start], np.diff(np.append(start, len(order)))
    in_file = np.argsort(first)
    return first[in_file], count[in_file]


def repeats(results: Results) -> str | None:
    """Say how many entries repeat another one exactly; null if there are none."""
    first, count = count_entries(results)
    more = len(results) - len(first)
    if not more:
        return None
    place = _place(results, int(first[np.argmax(count > 1)]))
    times = set(count.tolist())
    if len(times) == 1:
        often = times.pop()
        word = "twice" if often == 2 else f"{often} times"
        return f"every one of {len(first)} entries is there {word}, first {place}"
    return f"{more} of {len(results)} entries repeat another one, first {place}"


def looks_like_fractions(boxes: np.ndarray) -> np.ndarray:
    """``(N,)``: which of the ``(N, 4)`` boxes may be fractions of an image, by their largest number."""
    tiny: np.ndarray = np.abs(boxes).max(axis=1, initial=0) <= LARGEST_FRACTION
    return tiny


def _odd(results: Results) -> list[str]:
    """Scores outside 0..1, negative sides, boxes in fractions: count and first of each."""
    if not len(results):
        return []
    masks = {
        "entries have a score outside 0 to 1": (results.score < 0) | (results.score > 1),
        "boxes have a negative width or height": (results.bbox[:, 2] < 0) | (results.bbox[:, 3] < 0),
    }
    tiny = looks_like_fractions(results.bbox)
    if 2 * tiny.sum() > len(tiny):
        masks["boxes have no number above 1.5, as if in fractions of the image"] = tiny
    return [
        f"{int(mask.sum())} of {len(mask)} {what}, first {_place(results, int(mask.argmax()))}"
        for what, mask in masks.items()
        if mask.any()
    ]


def _place(results: Results, row: int) -> str:
    image, category, score = results.image_id[row], results.category_id[row], results.score[row]
    return f"image {image} category {category} score {score:.4g}"
