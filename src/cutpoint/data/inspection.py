"""What can be seen of detections without the model: images without any, entries that cannot be right."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

# Of the images that the reference finds something on, a variant may lack this share without a word: two ways
# to run one model seldom lose the only box of an image, a run that was interrupted loses its rest.
MISSED_SHARE = 0.05
# no number of a box in fractions of the image is above this; boxes in pixels that are so small are rare
LARGEST_FRACTION = 1.5


@dataclass(frozen=True)
class Inspection:
    """Of one file of detections.

    ``images``: how many it should cover. ``best``: the highest score of each image that has detections.
    ``lowest``: the lowest score; null without detections. ``doubts``: what is wrong with entries, in words.
    """

    images: int
    best: dict[int, float]
    lowest: float | None
    doubts: list[str]

    @property
    def without(self) -> int:
        """How many images have no detection."""
        return self.images - len(self.best)


def inspect(results: list[dict[str, Any]], images: Iterable[int]) -> Inspection:
    """Inspect COCO results; those of other images than ``images`` (ids) are left out."""
    wanted = set(images)
    results = [d for d in results if d["image_id"] in wanted]
    best: dict[int, float] = {}
    for d in results:
        best[d["image_id"]] = max(d["score"], best.get(d["image_id"], d["score"]))
    lowest = min((d["score"] for d in results), default=None)
    doubts = [text for text in (repeats(results), *_odd(results)) if text]
    return Inspection(len(wanted), best, lowest, doubts)


def missed(variant: Inspection, reference: Inspection) -> str | None:
    """Say on how many images only the reference has detections; null where these are few.

    Detections of the reference below the variant's lowest score do not count: a variant with a higher
    threshold lacks them on purpose.
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


def entry_key(entry: dict[str, Any]) -> tuple[Any, ...]:
    """What two entries that are the same share."""
    return (entry["image_id"], entry["category_id"], *entry["bbox"], entry["score"])


def repeats(results: list[dict[str, Any]]) -> str | None:
    """Say how many entries repeat another one exactly; null where none does."""
    counts = Counter(map(entry_key, results))
    more = len(results) - len(counts)
    if not more:
        return None
    first = next(d for d in results if counts[entry_key(d)] > 1)
    times = set(counts.values())
    if len(times) == 1:
        often = times.pop()
        word = "twice" if often == 2 else f"{often} times"
        return f"every one of {len(counts)} entries is there {word}, first {_place(first)}"
    return f"{more} of {len(results)} entries repeat another one, first {_place(first)}"


def looks_like_fractions(boxes: np.ndarray) -> np.ndarray:
    """``(N,)``: which of ``(N, 4)`` boxes have no number above what fractions of an image have."""
    return np.abs(boxes).max(axis=1, initial=0) <= LARGEST_FRACTION


def _odd(results: list[dict[str, Any]]) -> list[str]:
    """Scores outside 0..1, negative sides, boxes in fractions: count and first of each."""
    if not results:
        return []
    scores = np.array([d["score"] for d in results], dtype=np.float64)
    boxes = np.array([d["bbox"] for d in results], dtype=np.float64)
    found = {
        "entries have a score outside 0 to 1": (scores < 0) | (scores > 1),
        "boxes have a negative width or height": (boxes[:, 2:] < 0).any(axis=1),
    }
    tiny = looks_like_fractions(boxes)
    if 2 * tiny.sum() > len(tiny):
        found["boxes have no number above 1.5, as if in fractions of the image"] = tiny
    return [
        f"{int(mask.sum())} of {len(mask)} {what}, first {_place(results[int(mask.argmax())])}"
        for what, mask in found.items()
        if mask.any()
    ]


def _place(entry: dict[str, Any]) -> str:
    return f"image {entry['image_id']} category {entry['category_id']} score {entry['score']:.4g}"
