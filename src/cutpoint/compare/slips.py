"""Typical slips in a results file: correct detections, written in another form than COCO's.

A slip is corrected, and the result is compared with the model's own detections. This needs no run of the
network, and a different score threshold does not hide the slip.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cutpoint.data.inspection import count_entries, inspect, looks_like_fractions, missed, repeats
from cutpoint.matching import pair_best
from cutpoint.records.detections import Results
from cutpoint.records.manifest import Image

# what the four numbers of a box may mean, by name, with words for people; COCO's own layout has no words
LAYOUTS = {
    "": (("x", "y", "w", "h"), ""),
    "swapped": (("y", "x", "h", "w"), "x and y swapped"),
    "swapped_places": (("y", "x", "w", "h"), "x and y swapped, width and height not"),
    "swapped_sizes": (("x", "y", "h", "w"), "width and height swapped"),
    "corners": (("x1", "y1", "x2", "y2"), "corners in place of width and height"),
    "corners_swapped": (("y1", "x1", "y2", "x2"), "corners, x and y swapped"),
    "corners_by_axis": (("x1", "x2", "y1", "y2"), "corners, axis by axis"),
    "centres": (("cx", "cy", "w", "h"), "centres in place of upper left corners"),
    "centres_swapped": (("cy", "cx", "h", "w"), "centres, x and y swapped"),
}
# two frames are the same if their sides are within this fraction
SAME_FRAME = 0.01
# a form is considered only if at least this fraction of the boxes then lies in the image, or almost
PLAUSIBLE, BEYOND = 0.5, 0.1

# name and words of a slip, and the detections after its correction
Slip = tuple[str, str, Results]


@dataclass(frozen=True)
class Undone:
    """A results file with one slip corrected.

    ``name``, ``text``: the slip, for files and for people. ``results``: the corrected detections. ``images``:
    ids of the images that can be compared. ``whole``: whether the file must then have all detections of the
    model above the file's lowest score. This is so for a slip in the number of entries, and not for a slip in
    their form.
    """

    name: str
    text: str
    results: Results
    images: frozenset[int]
    whole: bool = False


def undo_slips(
    results: Results,
    reference: Results,
    model: Results,
    images: Sequence[Image],
    categories: Sequence[int | None],
    chosen: Iterable[int],
) -> list[Undone]:
    """Correct each slip that is possible in the file.

    Args:
        results: the file's detections on all images.
        reference: the reference's detections; the file's are counted on their images.
        model: the model's own detections on the chosen images, which show a scale.
        images: all images of the manifest.
        categories: category id of each model class; see ``truth.map_labels``.
        chosen: ids of the images whose detections are wanted.
    """
    every = [image.id for image in images]
    wanted = frozenset(chosen)
    own = results.of_images(wanted)
    made: list[Slip] = []
    if len(own):
        made = [*_undo_boxes(own, model, images), *_undo_categories(own, categories)]
        if own.score.max() > 1:
            made.append(("percent_scores", "scores in percent", replace(own, score=own.score / 100)))
    found = [Undone(*parts, wanted) for parts in made if not parts[2].is_same_as(own)]
    found += _undo_shifts(results, sorted(every), wanted)
    more, lacking = repeats(results), missed(inspect(results, every), inspect(reference, every))
    if more:
        once = own.take(count_entries(own)[0])
        found.append(
            Undone("entries_repeated", f"entries written more than once: {more}", once, wanted, True)
        )
    if lacking:
        there = wanted.intersection(results.image_id.tolist())
        found.append(Undone("images_left_out", f"images left out: {lacking}", own, there, True))
    return found


def _undo_boxes(results: Results, model: Results, images: Sequence[Image]) -> list[Slip]:
    sizes = {image.id: (image.width, image.height) for image in images}
    inside = np.array([sizes[image] for image in results.image_id.tolist()], dtype=np.float64)
    found = []
    for form, (layout, words) in LAYOUTS.items():
        read = read_boxes(results.bbox, layout)
        made = {("", ""): read} if form else {}
        for frame, text in _frames(read, results, model, inside):
            made["fractions", f"fractions of {text} in place of pixels"] = read * np.tile(frame, 2)
        made["percent", "percent of the image in place of pixels"] = read * np.tile(inside, 2) / 100
        for (unit, unit_words), boxes in made.items():
            if _plausible(boxes, inside):
                texts = [f"{words} ({', '.join(layout)})"] * bool(form) + [unit_words] * bool(unit)
                name = "_".join(part for part in (form, unit) if part)
                found.append((name, f"boxes with {', '.join(texts)}", replace(results, bbox=boxes)))
    return found


def _frames(
    read: np.ndarray, results: Results, model: Results, sizes: np.ndarray
) -> list[tuple[np.ndarray, str]]:
    """The lengths that boxes may be fractions of: ``(N, 2)`` width, height (px) and words; empty if none.

    The image; its longer side, for a square network that the image is fitted into; or one size for all
    images, the median of how much larger the model's own boxes are.
    """
    if not looks_like_fractions(read).mean() > 0.5:
        return []
    frames = [
        (sizes, "the image"),
        (np.repeat(sizes.max(axis=1, keepdims=True), 2, axis=1), "the longer side"),
    ]
    pairs = pair_best(results, model)
    ours, theirs = read[pairs.left, 2:], model.bbox[pairs.right, 2:]
    known = (ours > 0).all(axis=1)
    if known.any():
        ratios = theirs[known] / ours[known]
        width, height = np.median(ratios, axis=0)
        frames.append((np.full_like(sizes, (width, height)), f"{width:.0f} x {height:.0f} px"))
    kept: list[tuple[np.ndarray, str]] = []
    for frame, text in frames:
        if not any(np.allclose(frame, other, rtol=SAME_FRAME) for other, _ in kept):
            kept.append((frame, text))
    return kept


def read_boxes(numbers: np.ndarray, layout: Sequence[str]) -> np.ndarray:
    """``(N, 4)`` x, y, width, height of numbers in another order.

    Args:
        numbers: ``(N, 4)``.
        layout: the meaning of each: ``x, y, w, h``; ``x1, y1, x2, y2``: corners; ``cx, cy``: the centre.
    """
    by_name = dict(zip(layout, numbers.T, strict=True))
    columns = []
    for axis, side in (("x", "w"), ("y", "h")):
        if f"{axis}1" in by_name:
            low, size = by_name[f"{axis}1"], by_name[f"{axis}2"] - by_name[f"{axis}1"]
        elif f"c{axis}" in by_name:
            low, size = by_name[f"c{axis}"] - by_name[side] / 2, by_name[side]
        else:
            low, size = by_name[axis], by_name[side]
        columns.append((low, size))
    (x, width), (y, height) = columns
    return np.stack([x, y, width, height], axis=1)


def _plausible(boxes: np.ndarray, frames: np.ndarray) -> bool:
    low, high = boxes[:, :2] / frames, (boxes[:, :2] + boxes[:, 2:]) / frames
    inside = (low >= -BEYOND) & (high <= 1 + BEYOND) & (high > low)
    return bool(inside.all(axis=1).mean() >= PLAUSIBLE)


def _undo_categories(results: Results, categories: Sequence[int | None]) -> list[Slip]:
    """Category ids that are the model's labels, counted from 0 or 1."""
    found = []
    for first in (0, 1):
        ids = {label + first: c for label, c in enumerate(categories) if c is not None}
        changed = replace(results, category_id=_renamed(results.category_id, ids))
        changed = changed.take(np.isin(results.category_id, list(ids)))
        text = f"category ids are the model's classes, counted from {first}"
        found.append((f"categories_from_{first}", text, changed))
    return found


def _renamed(numbers: np.ndarray, names: dict[int, int]) -> np.ndarray:
    """The name of each number; a number without a name stays."""
    return np.array([names.get(number, number) for number in numbers.tolist()], dtype=np.int64)


def _undo_shifts(results: Results, ids: list[int], wanted: frozenset[int]) -> list[Undone]:
    """Detections of an image that have the id of its neighbour in the order of the ids."""
    found = []
    for step, name, words in ((1, "plus", "next"), (-1, "minus", "previous")):
        own = {ids[(at + step) % len(ids)]: image for at, image in enumerate(ids)}
        # the image at the end need not have detections
        there = wanted - {ids[-1] if step > 0 else ids[0]}
        changed = replace(results, image_id=_renamed(results.image_id, own))
        changed = changed.take(np.isin(results.image_id, ids)).of_images(there)
        text = f"detections under the id of the {words} image"
        found.append(Undone(f"image_{name}_one", text, changed, there))
    return found
