"""The ground truth that a model's detections are scored on."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from cutpoint.errors import UserError
from cutpoint.files import write_json
from cutpoint.records.json_file import FORMAT, KEY, read_content, read_record
from cutpoint.records.manifest import Category

COLUMNS = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")


@dataclass(frozen=True)
class LeftOut:
    """Categories that are not scored: their number, the number of their boxes without crowds, their names."""

    categories: int
    boxes: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class TruthImage:
    """An image that is scored, its size in pixels."""

    id: int
    file_name: str
    height: int
    width: int


@dataclass(frozen=True)
class GroundTruth:
    """``results/truth/{dataset}/{model}.json``: N boxes in the file's order, as columns.

    Attributes:
        images: all scored images, also those without boxes.
        categories: the scored categories.
        id: ``(N,)`` int64, from 1.
        image_id: ``(N,)`` int64.
        category_id: ``(N,)`` int64.
        bbox: ``(N, 4)`` float64, ``x, y, width, height``, original-image pixels.
        area: ``(N,)`` float64, square pixels.
        iscrowd: ``(N,)`` bool.
        dataset: its name in the config.
        source: path of the annotations.
        notes: what was filled in or dropped, for people.
        left_out: categories that are not scored.
    """

    images: tuple[TruthImage, ...]
    categories: tuple[Category, ...]
    id: np.ndarray
    image_id: np.ndarray
    category_id: np.ndarray
    bbox: np.ndarray
    area: np.ndarray
    iscrowd: np.ndarray
    dataset: str
    source: str
    notes: tuple[str, ...]
    left_out: LeftOut

    def __len__(self) -> int:
        return len(self.id)

    @property
    def corners(self) -> np.ndarray:
        """``(N, 4)`` float64, ``x1, y1, x2, y2``, original-image pixels."""
        return np.concatenate([self.bbox[:, :2], self.bbox[:, :2] + self.bbox[:, 2:]], axis=1)

    @property
    def image_ids(self) -> list[int]:
        """The ids of all scored images."""
        return [image.id for image in self.images]

    def of_images(self, ids: Iterable[int]) -> "GroundTruth":
        """The images with these ids, with their boxes."""
        wanted = set(ids)
        rows = np.isin(self.image_id, np.fromiter(wanted, dtype=np.int64))
        columns = {name: getattr(self, name)[rows] for name in COLUMNS}
        return replace(self, images=tuple(image for image in self.images if image.id in wanted), **columns)

    def to_coco(self, rows: np.ndarray | None = None) -> dict[str, Any]:
        """As COCO annotations for pycocotools; with ``rows`` only these boxes (mask or indices)."""
        chosen = slice(None) if rows is None else rows
        columns = (self.id, self.image_id, self.category_id, self.bbox, self.area, self.iscrowd.astype(int))
        lines = zip(*(column[chosen].tolist() for column in columns), strict=True)
        return {
            "images": list(msgspec.to_builtins(self.images)),
            "annotations": [dict(zip(COLUMNS, line, strict=True)) for line in lines],
            "categories": list(msgspec.to_builtins(self.categories)),
        }


# the garbage collector need not look at each of a million boxes
class _Box(msgspec.Struct, gc=False):
    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    area: float
    iscrowd: int


@dataclass(frozen=True)
class _Info:
    dataset: str
    source: str
    notes: tuple[str, ...]
    left_out: LeftOut


@dataclass(frozen=True)
class _File:
    images: tuple[TruthImage, ...]
    annotations: tuple[_Box, ...]
    categories: tuple[Category, ...]
    info: _Info
    format: int = 1


def read_truth(path: str | Path) -> GroundTruth:
    """Read ground truth.

    Raises:
        UserError: the file is not one of ``build_truth``.
    """
    truth = _as_truth(_read_file(path))
    stray = np.flatnonzero(~np.isin(truth.image_id, truth.image_ids))
    if len(stray):
        raise UserError(
            f"{path}: annotations[{stray[0]}].image_id: {truth.image_id[stray[0]]} is not among the images; "
            "remove the file, and it is made again"
        )
    return truth


def _read_file(path: str | Path) -> _File:
    """The file, without a dict for each box; what is wrong in it is told as of every record."""
    try:
        file: _File = read_content(path, _File)
    except UserError:
        return read_record(path, _File)
    return file if file.format <= FORMAT else read_record(path, _File)


def make_truth(content: dict[str, Any]) -> GroundTruth:
    """Ground truth from plain values: complete COCO annotations with ``info`` (see ``GroundTruth``)."""
    return _as_truth(msgspec.convert(content, _File))


def write_truth(path: str | Path, truth: GroundTruth) -> None:
    """Write ground truth as COCO JSON, completely or not at all."""
    info = {
        "dataset": truth.dataset,
        "source": truth.source,
        "notes": list(truth.notes),
        "left_out": msgspec.to_builtins(truth.left_out),
    }
    write_json(path, {KEY: FORMAT, **truth.to_coco(), "info": info})


def _as_truth(file: _File) -> GroundTruth:
    boxes = file.annotations
    return GroundTruth(
        images=file.images,
        categories=file.categories,
        id=np.array([box.id for box in boxes], dtype=np.int64),
        image_id=np.array([box.image_id for box in boxes], dtype=np.int64),
        category_id=np.array([box.category_id for box in boxes], dtype=np.int64),
        bbox=np.array([box.bbox for box in boxes], dtype=np.float64).reshape(-1, 4),
        area=np.array([box.area for box in boxes], dtype=np.float64),
        iscrowd=np.array([box.iscrowd for box in boxes], dtype=bool),
        dataset=file.info.dataset,
        source=file.info.source,
        notes=file.info.notes,
        left_out=file.info.left_out,
    )
