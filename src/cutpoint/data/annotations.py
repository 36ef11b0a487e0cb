"""Turn COCO annotations into ground truth that pycocotools scores correctly."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cutpoint.data.annotation_boxes import check_reading, choose_boxes, read_boxes
from cutpoint.data.annotation_entries import (
    check_entries,
    check_structure,
    name_entry,
    without_empty_twins,
    without_repeats,
)
from cutpoint.data.annotation_ids import with_whole_ids
from cutpoint.data.annotation_model import is_size
from cutpoint.data.annotation_sizes import with_sizes
from cutpoint.data.box_faults import odd_areas
from cutpoint.errors import Gathered
from cutpoint.records.annotations import read_annotations
from cutpoint.records.manifest import Category
from cutpoint.records.truth import TruthImage


@dataclass(frozen=True)
class CleanAnnotations:
    """Annotations that are checked and complete: N boxes in the order of the file.

    ``images`` and ``categories`` are in this order too. The columns are those of
    ``records.truth.GroundTruth``. ``notes``: what was filled in or left out, or looks odd, for people.
    """

    images: tuple[TruthImage, ...]
    categories: tuple[Category, ...]
    image_id: np.ndarray
    category_id: np.ndarray
    bbox: np.ndarray
    area: np.ndarray
    iscrowd: np.ndarray
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.image_id)

    def take(self, rows: np.ndarray) -> "CleanAnnotations":
        """The same with only the chosen boxes: a boolean mask or integer indices."""
        names = ("image_id", "category_id", "bbox", "area", "iscrowd")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


def load_annotations(
    dataset: str, path: str, invalid_boxes: str | None, images: Path | None = None
) -> CleanAnnotations:
    """Read and clean a COCO annotation file; arguments and errors as in ``clean_annotations``."""
    content = read_annotations(path, f"datasets.{dataset}.annotations {path}")
    return clean_annotations(dataset, path, content, invalid_boxes, images)


def clean_annotations(
    dataset: str,
    path: str,
    content: dict[str, Any],
    invalid_boxes: str | None = None,
    images: Path | None = None,
) -> CleanAnnotations:
    """Check annotations and fill in what a data set with boxes may leave out.

    Missing or zero ``area`` is width x height (px^2), missing ``iscrowd`` 0.

    Args:
        dataset: its name in the config, for messages.
        path: the file, for messages.
        content: from ``records.annotations.read_annotations``; not changed.
        invalid_boxes: the config's; see ``annotation_boxes.choose_boxes``.
        images: folder of the images, from which unknown sizes are read; null if there is none.

    Raises:
        UserError: a fault that would make numbers wrong, with the number of entries and the first one;
            ``UserErrors`` for several.
    """
    where = f"datasets.{dataset}.annotations {path}"
    check_structure(where, content)
    content, id_notes = with_whole_ids(content)
    content, repeat_notes = without_repeats(content)
    content, size_notes = with_sizes(content, images)
    gathered = Gathered()
    faulty = check_entries(where, content, gathered)
    annotations = content["annotations"]
    # the ids are no keys if one is missing, or there twice
    sizes = _sizes_of_boxes(content, faulty)
    boxes = read_boxes(annotations)
    kept = np.ones(len(boxes), dtype=bool)
    box_notes: list[str] = []
    # numbers near the end of float64 overflow, and the comparisons are still right
    with np.errstate(over="ignore", invalid="ignore"), gathered.one():
        check_reading(where, content, boxes, sizes)
        key = f"datasets.{dataset}.invalid_boxes"
        kept, box_notes = choose_boxes(where, content, boxes, sizes, invalid_boxes, key)
    gathered.stop()
    categories = without_empty_twins(content)
    positions = np.flatnonzero(kept).tolist()
    written, bbox = [annotations[position] for position in positions], boxes[kept]
    sides = np.maximum(bbox[:, 2:], 0).prod(axis=1).tolist()
    area = [a.get("area") or side for a, side in zip(written, sides, strict=True)]
    clean = CleanAnnotations(
        images=tuple(
            TruthImage(i["id"], i["file_name"], int(i["height"]), int(i["width"])) for i in content["images"]
        ),
        categories=tuple(Category(c["id"], c["name"]) for c in categories),
        image_id=np.array([a["image_id"] for a in written], dtype=np.int64),
        category_id=np.array([a["category_id"] for a in written], dtype=np.int64),
        bbox=bbox,
        area=np.array(area, dtype=np.float64),
        iscrowd=np.array([a.get("iscrowd") or 0 for a in written], dtype=bool),
        notes=(),
    )
    notes = _category_notes(content, categories) + box_notes + _field_notes(content, positions, clean)
    return replace(
        clean, notes=tuple(_conversion_notes(content) + id_notes + repeat_notes + size_notes + notes)
    )


def _conversion_notes(content: dict[str, Any]) -> list[str]:
    """What a conversion of ours lost; see ``formats.convert.convert_annotations``."""
    told = content.get("converted")
    return [text for text in told if isinstance(text, str)] if isinstance(told, list) else []


def _sizes_of_boxes(content: dict[str, Any], faulty: set[tuple[str, str]]) -> np.ndarray:
    """``(N, 2)`` float64: width and height (px) of each box's image; NaN where it is not known."""
    unknown = np.nan, np.nan
    size_of = {
        image["id"]: (image["width"], image["height"])
        for image in content["images"]
        if ("images", "id") not in faulty and is_size(image.get("width")) and is_size(image.get("height"))
    }
    ids = [a.get("image_id") for a in content["annotations"]]
    rows = [size_of.get(identity, unknown) if type(identity) is int else unknown for identity in ids]
    return np.array(rows, dtype=float).reshape(-1, 2)


def _category_notes(content: dict[str, Any], kept: list[dict[str, Any]]) -> list[str]:
    ids = {category["id"] for category in kept}
    notes = [
        f"category {c['id']} ({c['name']!r}) has no boxes, and another category its name: left out"
        for c in content["categories"]
        if c["id"] not in ids
    ]
    alike = defaultdict(list)
    for category in kept:
        alike[category["name"].strip().casefold()].append(category["name"])
    return notes + [
        f"categories {', '.join(map(repr, names))} differ only in case or blanks: scored as {len(names)}"
        for names in alike.values()
        if len(names) > 1
    ]


def _field_notes(content: dict[str, Any], kept: list[int], clean: CleanAnnotations) -> list[str]:
    """Notes on the annotations at the positions ``kept``, which are the boxes of ``clean``."""
    if not kept:
        return ["no annotation is left to find, so that AP is empty"]
    written = [content["annotations"][position] for position in kept]
    notes = []
    odd: Sequence[bool]
    for what, fate, odd in (
        ("area missing, null or 0", "width x height is used", [not a.get("area") for a in written]),
        (
            "area that does not fit the bbox",
            "AP by size goes by it",
            odd_areas(clean.area, clean.bbox).tolist(),
        ),
        ("iscrowd missing or null", "0 is used", [a.get("iscrowd") is None for a in written]),
        ("crowd without an RLE mask", "its bbox is used", [_is_odd_crowd(a) for a in written]),
        ("attributes.rotation that is not 0", "its bbox is used as written, not turned", _turned(written)),
        ("ignore set", "scored all the same, as pycocotools does", [bool(a.get("ignore")) for a in written]),
    ):
        if any(odd):
            first = name_entry(content, "annotations", kept[odd.index(True)])
            notes.append(f"{what}: {sum(odd)} of {len(kept)} annotations, first {first}: {fate}")
    if clean.iscrowd.all():
        notes.append("every annotation is a crowd, so that AP is empty")
    return notes


def _is_odd_crowd(annotation: dict[str, Any]) -> bool:
    """A crowd whose mask is a polygon. A file without masks has nothing to be odd."""
    return bool(annotation.get("iscrowd") and isinstance(annotation.get("segmentation"), list))


def _turned(annotations: list[dict[str, Any]]) -> list[bool]:
    """Boxes that CVAT turns: its COCO JSON has them upright, with the angle beside."""
    attributes = (annotation.get("attributes") for annotation in annotations)
    return [isinstance(given, dict) and bool(given.get("rotation")) for given in attributes]
