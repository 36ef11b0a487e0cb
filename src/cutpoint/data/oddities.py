"""Count what is odd in annotations, and choose the images where it is worst. No image is opened."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cutpoint.data.annotation_boxes import read_boxes
from cutpoint.data.annotation_entries import check_structure, without_repeats
from cutpoint.data.annotation_ids import with_whole_ids
from cutpoint.data.annotation_model import FURTHEST, is_id, is_size
from cutpoint.data.annotation_sizes import with_sizes
from cutpoint.data.file_names import find_fault
from cutpoint.data.odd_kinds import Found, Labelled, odd_boxes, odd_images
from cutpoint.data.selection import select
from cutpoint.errors import SHOWN, UserError, show
from cutpoint.printable import printable
from cutpoint.records.oddities import OddImage, Oddity

# so many images of a kind are shown, and so many boxes on each
WORST, BOXES = 6, 300
SIZE = "size"
# so many categories are named
NAMED = 5


@dataclass(frozen=True)
class Odd:
    """What can be looked at: ``images`` as the file has them, ``names`` of categories by id, the boxes."""

    images: list[dict[str, Any]]
    names: dict[int, str]
    labelled: Labelled

    @property
    def written_sizes(self) -> list[tuple[int, int]]:
        """Width and height (px) of the images."""
        return [(int(width), int(height)) for width, height in self.labelled.sizes.tolist()]


def read_odd(content: dict[str, Any], images: Path, limit: int | None) -> Odd | None:
    """Take what can be looked at; all else is left out, because the checks of annotations refuse it.

    Args:
        content: from ``records.annotations.read_annotations``; not changed.
        images: folder of the images.
        limit: the config's.

    Returns:
        null if there are no lists of images, annotations and categories.
    """
    try:
        check_structure("", content)
    except UserError:
        return None
    content, _ = with_whole_ids(content)
    content, _ = without_repeats(content)
    content, _ = with_sizes(content, images)
    sound = {image["id"]: image for image in reversed(content["images"]) if _is_sound(image)}
    chosen = set(select((image["file_name"] for image in sound.values()), limit))
    listed = [sound[identity] for identity in sorted(sound) if sound[identity]["file_name"] in chosen]
    position = {image["id"]: number for number, image in enumerate(listed)}
    categories = content["categories"]
    names = {c["id"]: str(c.get("name")) for c in categories if is_id(c.get("id"))}
    annotations = [
        annotation
        for annotation in content["annotations"]
        if is_id(annotation.get("image_id")) and annotation["image_id"] in position
    ]
    ids = [annotation.get("category_id") for annotation in annotations]
    sizes = [(image["width"], image["height"]) for image in listed]
    labelled = Labelled(
        annotations,
        read_boxes(annotations),
        np.array([position[annotation["image_id"]] for annotation in annotations], dtype=np.int64),
        np.array([i if is_id(i) and i in names else -1 for i in ids], dtype=np.int64),
        np.array([annotation.get("iscrowd") in (1, True) for annotation in annotations], dtype=bool),
        np.array(sizes, dtype=float).reshape(-1, 2),
    )
    return Odd(listed, names, labelled)


def find_oddities(odd: Odd, shown: Collection[int] | None, sizes: Mapping[int, str]) -> list[Oddity]:
    """The kinds that the data set has, from the worst on.

    Args:
        odd: from ``read_odd``.
        shown: ids of the images that may be shown; null for all.
        sizes: of the images that have another size than written, by position: both sizes in words.
    """
    data = odd.labelled
    pick = _Pick(odd, shown)
    with np.errstate(over="ignore", invalid="ignore"):
        boxes = [pick.of_boxes(found) for found in odd_boxes(data) if len(found.rows)]
        images = [pick.of_images(found, pick.say_counts) for found in odd_images(data) if len(found.rows)]
    if sizes:
        what, fate = "image of another size than its entry says", "its boxes do not fit"
        rows = np.array(sorted(sizes), dtype=np.int64)
        found = Found(SIZE, what, fate, rows, np.zeros(len(rows)))
        images.insert(0, pick.of_images(found, lambda row: sizes[row]))
    return boxes + images + _empty_categories(odd)


def _empty_categories(odd: Odd) -> list[Oddity]:
    used = set(np.unique(odd.labelled.category).tolist())
    names = [name[:SHOWN] for identity, name in odd.names.items() if identity not in used]
    if not names:
        return []
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    fate = printable(f"AP is without it ({', '.join(names[:NAMED])}{more})")
    return [Oddity("unused", "category without a box", fate, "categories", len(names), len(odd.names), 0, ())]


class _Pick:
    """Chooses the worst images of a kind."""

    def __init__(self, odd: Odd, shown: Collection[int] | None) -> None:
        self.odd, self.data = odd, odd.labelled
        allowed = [shown is None or image["id"] in shown for image in odd.images]
        self.allowed = np.array(allowed, dtype=bool)
        self.of_image = np.argsort(self.data.image, kind="stable")
        self.starts = np.searchsorted(self.data.image[self.of_image], np.arange(len(odd.images) + 1))

    def of_boxes(self, found: Found) -> Oddity:
        """A kind of boxes: images by their worst box."""
        on = self.data.image[found.rows]
        order = np.lexsort((on, -found.badness))
        rows, images = found.rows[order], on[order]
        count = len(np.unique(images))
        worst = [self._show_boxes(image, rows[images == image]) for image in self._first(images)]
        return self._oddity(found, "annotations", len(self.data.boxes), count, worst)

    def of_images(self, found: Found, say: Callable[[int], str]) -> Oddity:
        """A kind of images."""
        order = np.lexsort((found.rows, -found.badness))
        worst = [
            self._show(image, self._rows_of(image), say(image)) for image in self._first(found.rows[order])
        ]
        return self._oddity(found, "images", len(self.odd.images), len(found.rows), worst)

    def say_counts(self, image: int) -> str:
        """The number of boxes on an image, and the category that has most of them."""
        rows = self._rows_of(image)
        if not len(rows):
            return ""
        ids, counts = np.unique(self.data.category[rows], return_counts=True)
        most = int(np.argmax(counts))
        return f"{len(rows)} boxes, {counts[most]} of them {self._name(int(ids[most]))}"

    def _first(self, images: np.ndarray) -> list[int]:
        """The first different images that may be shown."""
        images = images[self.allowed[images]]
        _, first = np.unique(images, return_index=True)
        return [int(images[row]) for row in sorted(first.tolist())[:WORST]]

    def _rows_of(self, image: int) -> np.ndarray:
        return self.of_image[self.starts[image] : self.starts[image + 1]]

    def _show_boxes(self, image: int, rows: np.ndarray) -> OddImage:
        row = int(rows[0])
        box = self.data.boxes[row]
        if np.isnan(box[0]):
            said = f"bbox {show(self.data.annotations[row].get('bbox'))}"
        else:
            x, y, width, height = (f"{side:.4g}" for side in box)
            said = f"{self._name(int(self.data.category[row]), row)}, {width} x {height} px at {x}, {y}"
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        return self._show(image, rows, said + more)

    def _show(self, image: int, rows: Sequence[int] | np.ndarray, said: str) -> OddImage:
        entry = self.odd.images[image]
        boxes = self.data.boxes[rows]
        boxes = boxes[~np.isnan(boxes[:, 0])][:BOXES]
        # of a number beyond it only the side can be drawn, and JSON has no infinity
        corners = np.clip(np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]), -FURTHEST, FURTHEST)
        drawn = tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in corners.tolist())
        return OddImage(entry["id"], entry["file_name"], printable(said), drawn)

    def _name(self, category: int, row: int | None = None) -> str:
        if category >= 0:
            return self.odd.names[category][:SHOWN]
        return "category " + (
            "unknown" if row is None else show(self.data.annotations[row].get("category_id"))
        )

    def _oddity(self, found: Found, unit: str, of: int, images: int, worst: list[OddImage]) -> Oddity:
        return Oddity(found.kind, found.what, found.fate, unit, len(found.rows), of, images, tuple(worst))


def _is_sound(image: dict[str, Any]) -> bool:
    name = image.get("file_name")
    return (
        is_id(image.get("id"))
        and isinstance(name, str)
        and name != ""
        and find_fault(name) is None
        and is_size(image.get("width"))
        and is_size(image.get("height"))
    )
