"""The pictures of the gallery: which images, and everything that is drawn on them."""

from dataclasses import dataclass
from pathlib import Path

from cutpoint.records.json_file import read_record, write_record
from cutpoint.records.manifest import Category, Licence

# ``x1, y1, x2, y2``, original-image pixels
Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class DrawnObject:
    """A box of ground truth."""

    box: Corners
    category_id: int
    crowd: bool


@dataclass(frozen=True)
class DrawnDetection:
    """A detection.

    ``error``: ``correct``, ``ignored`` or one of ``error_types.ERRORS``; null without ground truth.
    """

    box: Corners
    category_id: int
    score: float
    error: str | None


@dataclass(frozen=True)
class OtherSide:
    """What one side has for a detection of the other.

    Attributes:
        score: of the pair's other detection, same class and IoU 0.9 or more; null without a pair.
        iou: of the pair; or with the box that is in its place, of any class; null without either.
        cause: why the other side lacks the detection: a step or another cause of ``autopsy.autopsy``, or
            ``low_score`` for a pair whose other score is below the threshold; null if both sides have it.
    """

    score: float | None
    iou: float | None
    cause: str | None


@dataclass(frozen=True)
class DrawnVariant:
    """A variant on an image.

    Attributes:
        detections: its detections at or above the threshold, best first.
        partners: what the reference has for each of them.
        of_reference: what the variant has for each detection of the reference.
        missed: objects that no detection finds or covers, as positions in the image's ``objects``.
        disagreement: the number of detections of both sides that the other side lacks.
        lost: objects that only the reference finds, and false positives that only the variant has; null
            without ground truth.
    """

    detections: tuple[DrawnDetection, ...]
    partners: tuple[OtherSide, ...]
    of_reference: tuple[OtherSide, ...]
    missed: tuple[int, ...]
    disagreement: int
    lost: int | None


@dataclass(frozen=True)
class Picture:
    """An image of the gallery.

    Attributes:
        file: its JPEG in the folder of the index.
        height, width: of the original image, pixels: the frame of all boxes.
        licence: id of its licence; null if it is not known.
        source: the address that it comes from; null if it is not known.
        objects: ground truth.
        reference: the reference's detections at or above the threshold, best first.
        variants: the other variants by name.
        slices: the titles of the slices that it is in, such as ``time=night``.
    """

    file: str
    image_id: int
    file_name: str
    height: int
    width: int
    licence: int | None
    source: str | None
    objects: tuple[DrawnObject, ...]
    reference: tuple[DrawnDetection, ...]
    variants: dict[str, DrawnVariant]
    slices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hidden:
    """Images that ``report.public`` keeps out: with another ``licence``, and ``without`` a licence."""

    licence: int
    without: int


@dataclass(frozen=True)
class Gallery:
    """``results/samples/{dataset}/{model}/index.json``.

    Attributes:
        reference: its name.
        refused: the variants that are refused, with the reason; they are not among the pictures' variants.
        labelled: whether there is ground truth.
        score_thr: the threshold of everything that is drawn.
        images: the number of images of the data set.
        hidden: null if all images may be shown.
        categories: every category that boxes can have.
        licences: those of the pictures.
        pictures: the images that differ most come first.
    """

    reference: str
    refused: dict[str, str]
    labelled: bool
    score_thr: float
    images: int
    hidden: Hidden | None
    categories: tuple[Category, ...]
    licences: tuple[Licence, ...]
    pictures: tuple[Picture, ...]


def read_gallery(path: str | Path) -> Gallery:
    """Read the index of a gallery.

    Raises:
        UserError: the file is not such an index.
    """
    return read_record(path, Gallery)


def write_gallery(path: str | Path, gallery: Gallery) -> None:
    """Write the index, completely or not at all."""
    write_record(path, gallery)
