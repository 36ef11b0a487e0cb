"""The gallery on the page: pictures with boxes over them, and what the script draws from."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from markupsafe import Markup

from cutpoint.records.manifest import Licence
from cutpoint.records.samples import Corners, DrawnDetection, Gallery, OtherSide, Picture, read_gallery
from cutpoint.report.assets import embed_json
from cutpoint.report.boxes import ERRORS, OTHER_CAUSES
from cutpoint.report.section import Entry, Section
from cutpoint.report.steps import removed_by

LOW_SCORE = {"low_score": "score below the threshold"}


@dataclass(frozen=True)
class Label:
    """A box's text, below or above a point: ``left`` and ``top`` in percent of the picture."""

    text: str
    kind: str
    left: float
    top: float
    below: bool


@dataclass(frozen=True)
class Card:
    """A picture of the gallery as it is without the script.

    Attributes:
        uri: the picture.
        title: the name of the image's file.
        said: what is drawn, in words.
        paths: the boxes as SVG path data, by kind: ``truth``, ``crowd``, ``missing``, ``extra``.
        labels: of the boxes that are missing or extra.
        licence: null if it is not known.
    """

    uri: str
    title: str
    said: str
    width: int
    height: int
    paths: dict[str, str]
    labels: list[Label]
    licence: Licence | None
    source: str | None


@dataclass(frozen=True)
class Shown:
    """The gallery of a data set and model; ``notes``: sentences above it; ``data``: JSON for the script."""

    notes: list[str]
    cards: list[Card]
    data: Markup


def build_gallery(entries: list[Entry]) -> Shown | None:
    """The gallery in the first of these folders, the only one of a data set and model; null without one."""
    return _show(Path(entries[0]["path"])) if entries else None


def _show(folder: Path) -> Shown:
    gallery = read_gallery(folder / "index.json")
    names = {category.id: category.name for category in gallery.categories}
    cards = [_card(picture, gallery, names, folder) for picture in gallery.pictures]
    return Shown(_notes(gallery), cards, embed_json(_data(gallery, names)))


def _notes(gallery: Gallery) -> list[str]:
    count, thr = len(gallery.pictures), f"{gallery.score_thr:g}"
    notes = [
        f"{count} of {gallery.images} images: for each variant those that differ most from "
        f"{gallery.reference}, and at least one for each cause and error type. Detections from a score of "
        f"{thr} on. A detection differs if the other side has none of its class at IoU 0.9, or one with a "
        "score below that."
    ]
    if gallery.labelled:
        notes.append(
            "Lost AP counts the objects that only the reference finds and the false positives that only the "
            "variant has."
        )
    if gallery.hidden:
        notes.append(
            f"{gallery.hidden.licence + gallery.hidden.without} images may not be shown (report.public): "
            f"{gallery.hidden.licence} by their licence, {gallery.hidden.without} without a known licence."
        )
    notes += [f"{name} is refused and not drawn: {reason}" for name, reason in gallery.refused.items()]
    return notes


def _card(picture: Picture, gallery: Gallery, names: dict[int, str], folder: Path) -> Card:
    first = next((name for name, one in picture.variants.items() if one.disagreement), None)
    missing, extra = [], []
    if first:
        variant = picture.variants[first]
        missing = _differing(picture.reference, variant.of_reference)
        extra = _differing(variant.detections, variant.partners)
    said = f"{first}: {len(missing)} missing, {len(extra)} extra" if first else "no variant differs"
    if gallery.labelled:
        said = f"{len(picture.objects)} objects; {said}"
    drawn = {
        "truth": [one.box for one in picture.objects if not one.crowd],
        "crowd": [one.box for one in picture.objects if one.crowd],
        "missing": [one.box for one in missing],
        "extra": [one.box for one in extra],
    }
    labels = [
        _label(one, kind, names, picture)
        for kind, listed in (("missing", missing), ("extra", extra))
        for one in listed
    ]
    content = base64.b64encode((folder / picture.file).read_bytes()).decode()
    paths = {kind: _path(boxes) for kind, boxes in drawn.items() if boxes}
    return Card(
        f"data:image/jpeg;base64,{content}",
        picture.file_name,
        said,
        picture.width,
        picture.height,
        paths,
        labels,
        _licence(picture, gallery),
        picture.source,
    )


def _label(one: DrawnDetection, kind: str, names: dict[int, str], picture: Picture) -> Label:
    """Missing boxes have theirs above, extra ones below; both inside the picture."""
    extra = kind == "extra"
    text = f"{'+' if extra else '−'} {names.get(one.category_id, one.category_id)} {one.score:.2f}"
    top = _percent(one.box[3 if extra else 1], picture.height)
    return Label(text, kind, _percent(one.box[0], picture.width), top, top < (94 if extra else 5))


def _licence(picture: Picture, gallery: Gallery) -> Licence | None:
    if picture.licence is None:
        return None
    known = {licence.id: licence for licence in gallery.licences}
    return known.get(picture.licence, Licence(picture.licence, None, None))


def _differing(detections: Sequence[DrawnDetection], others: Sequence[OtherSide]) -> list[DrawnDetection]:
    return [one for one, other in zip(detections, others, strict=True) if other.cause]


def _path(boxes: Iterable[Corners]) -> str:
    return "".join(f"M{x1:g} {y1:g}H{x2:g}V{y2:g}H{x1:g}Z" for x1, y1, x2, y2 in boxes)


def _percent(value: float, length: int) -> float:
    return round(min(max(100 * value / length, 0), 100), 2)


def _data(gallery: Gallery, names: dict[int, str]) -> dict[str, Any]:
    """What the script draws: boxes as ``[x1, y1, x2, y2]``, classes by name, causes and errors in words."""
    causes = {
        other.cause
        for picture in gallery.pictures
        for one in picture.variants.values()
        for other in (*one.partners, *one.of_reference)
        if other.cause
    }
    words = OTHER_CAUSES | LOW_SCORE
    return {
        "reference": gallery.reference,
        "labelled": gallery.labelled,
        "score_thr": gallery.score_thr,
        "names": names,
        "causes": {cause: removed_by(cause) or words.get(cause, cause) for cause in sorted(causes)},
        "errors": list(ERRORS) if gallery.labelled else [],
        "licences": {one.id: _without_nulls(msgspec.to_builtins(one)) for one in gallery.licences},
        "pictures": [_without_nulls(msgspec.to_builtins(picture)) for picture in gallery.pictures],
    }


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list | tuple) else value


GALLERY = Section("Gallery", "samples", build_gallery, template="gallery.html.j2")
