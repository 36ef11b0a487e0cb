"""Draw the gallery: the images where variants differ from the reference, with everything to draw on them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cutpoint.files import replacing
from cutpoint.matching import group_rows
from cutpoint.records.detections import Refused, make_results, read_results
from cutpoint.records.labels import read_labels
from cutpoint.records.manifest import Category, Image, Manifest, read_manifest
from cutpoint.records.samples import Gallery, Picture, write_gallery
from cutpoint.records.slices import read_slices, slice_title
from cutpoint.records.truth import GroundTruth, read_truth
from cutpoint.report.sample_boxes import (
    FIRST_ERROR,
    JUDGEMENTS,
    NO_ROWS,
    Compared,
    Side,
    draw_objects,
    read_side,
)
from cutpoint.report.sample_choice import choose, keep_public
from cutpoint.report.sample_files import encode_pictures, read_picture, save
from cutpoint.report.side_by_side import draw_side_by_side

NOTHING = make_results([])


def draw_samples(
    *,
    manifest: str,
    truth: str | None,
    labels: str,
    slices: str | None = None,
    detections: dict[str, str],
    autopsies: dict[str, str],
    reference: str,
    public: Sequence[int] | None,
    images: int,
    megabytes: float,
    score_thr: float,
    out_dir: str,
) -> None:
    """Choose images of a data set and write them, with an index of the boxes on them.

    The images of each variant are ranked twice. By disagreement: detections at or above ``score_thr`` that
    the other side lacks (``sample_boxes.Compared``). By lost AP: objects that the reference finds at
    ``score_thr`` and the variant does not (IoU 0.5, pycocotools' matching), and false positives that the
    variant has and the reference does not. The images with most boxes of each cause and of each error type
    are ranked too, so that each has a picture. ``sample_choice.choose`` takes turns; then come images with
    detections, by their ids.

    Args:
        manifest: path of the data set's manifest JSON.
        truth: path of the JSON of ``truth.build_truth``; null without annotations.
        labels: path of the JSON of ``truth.map_labels``; its class names are shown without annotations.
        slices: path of the JSON of ``slices.build_slices``; null if the data set has none.
        detections: path of each variant's detections, the reference's too, in table order. A refused variant
            is not drawn; if it is the reference, nothing is compared.
        autopsies: path of each variant's Parquet of ``autopsy.autopsy``, without the reference.
        reference: the name of the reference.
        public: ids of the licences whose images may be shown; null: all images.
        images: how many pictures, at most.
        megabytes: 10^6 bytes of all JPEGs of the index, at most; see ``sample_files.encode_pictures``.
        score_thr: only detections with at least this score are drawn and counted.
        out_dir: folder of ``{image_id}.jpg``, ``index.json`` (see ``records.samples.Gallery``), and
            ``side_by_side/{image_id}.jpg``: ground truth, reference and the variant that differs most.
            Pictures of an earlier call are removed.

    Raises:
        UserError: an image cannot be read.
    """
    folder, data = Path(out_dir), read_manifest(manifest)
    for old in [*folder.glob("*.jpg"), *folder.glob("side_by_side/*.jpg")]:
        old.unlink()
    annotated = read_truth(truth) if truth else None
    sides, refused = _read_sides(detections, annotated, score_thr)
    base = sides.pop(reference, None)
    compared = (
        {name: Compared(base, side, autopsies[name], score_thr) for name, side in sides.items()}
        if base
        else {}
    )
    counted = _Counts(compared, labelled=annotated is not None)
    allowed, hidden = keep_public(data.images, public)
    shown = _choose(allowed, counted, base, images, score_thr)
    made = encode_pictures([image.path for image in shown], int(megabytes * 1e6))
    shown = shown[: len(made)]
    objects_of = group_rows(annotated.image_id) if annotated is not None else {}
    pictures = [
        _draw(image, counted, base, annotated, objects_of.get(image.id, NO_ROWS), score_thr)
        for image in shown
    ]
    if slices:
        values = read_slices(slices)
        pictures = [
            replace(
                picture, slices=tuple(slice_title(*one) for one in values.get(picture.image_id, {}).items())
            )
            for picture in pictures
        ]
    order = sorted(range(len(pictures)), key=lambda i: (-counted.disagreement_of(shown[i].id), shown[i].id))
    used = {picture.licence for picture in pictures}
    gallery = Gallery(
        reference,
        refused,
        annotated is not None,
        score_thr,
        len(data.images),
        hidden,
        _categories(data, labels),
        tuple(licence for licence in data.licences if licence.id in used),
        tuple(pictures[i] for i in order),
    )
    names = {category.id: category.name for category in gallery.categories}
    drawn = zip(shown, pictures, made, strict=True)
    for image, picture, content in tqdm(drawn, "samples", len(shown), unit="image"):
        with replacing(folder / picture.file) as temporary:
            temporary.write_bytes(content)
        side_by_side = draw_side_by_side(read_picture(image.path), picture, gallery, names)
        save(folder / "side_by_side" / picture.file, side_by_side)
    write_gallery(folder / "index.json", gallery)


class _Counts:
    """The points of each image in each ranking."""

    def __init__(self, compared: dict[str, Compared], labelled: bool) -> None:
        self.compared = compared
        self.disagreement: dict[str, Counter[int]] = {}
        self.lost: dict[str, Counter[int]] = {}
        self.causes: dict[str, Counter[int]] = {}
        self.errors: dict[str, Counter[int]] = {}
        for name, pair in compared.items():
            differing = pair.differing()
            self.disagreement[name] = Counter(image for image, _, _ in differing)
            for image, _, cause in differing:
                self.causes.setdefault(cause, Counter())[image] += 1
            if labelled:
                self.lost[name] = pair.count_lost()
                seen = np.flatnonzero(pair.variant.results.score >= pair.score_thr)
                own = zip(pair.variant.errors[seen], pair.variant.results.image_id[seen], strict=True)
                for error, image in own:
                    if error >= FIRST_ERROR:
                        self.errors.setdefault(JUDGEMENTS[error], Counter())[int(image)] += 1

    def rankings(self) -> list[Counter[int]]:
        of_variants = [kind[name] for kind in (self.disagreement, self.lost) for name in kind]
        return of_variants + [kind[name] for kind in (self.causes, self.errors) for name in sorted(kind)]

    def disagreement_of(self, image: int) -> int:
        """The largest disagreement of a variant."""
        return max((points[image] for points in self.disagreement.values()), default=0)


def _read_sides(
    detections: dict[str, str], truth: GroundTruth | None, score_thr: float
) -> tuple[dict[str, Side], dict[str, str]]:
    """The variants that are not refused, and the reasons for the others."""
    sides, refused = {}, {}
    for name, path in detections.items():
        try:
            sides[name] = read_side(read_results(path), truth, score_thr)
        except Refused as error:
            refused[name] = error.reason
    return sides, refused


def _choose(
    allowed: Sequence[Image], counted: _Counts, base: Side | None, count: int, score_thr: float
) -> list[Image]:
    by_id = {image.id: image for image in allowed}
    rankings = [
        {image: points for image, points in ranking.items() if image in by_id}
        for ranking in counted.rankings()
    ]
    filled = sorted(
        by_id, key=lambda image: (base is None or not len(base.of_image(image, score_thr)), image)
    )
    return [by_id[image] for image in choose(rankings, filled, count)]


def _draw(
    image: Image,
    counted: _Counts,
    base: Side | None,
    truth: GroundTruth | None,
    rows: np.ndarray,
    score_thr: float,
) -> Picture:
    """An image with the boxes on it; ``rows``: its rows of the ground truth."""
    # crowds are no objects to miss
    wanted = np.where(truth.iscrowd[rows], -1, rows) if truth is not None else rows
    return Picture(
        f"{image.id}.jpg",
        image.id,
        image.file_name,
        image.height,
        image.width,
        image.licence,
        image.source,
        draw_objects(truth, rows) if truth is not None else (),
        base.detections(base.of_image(image.id, score_thr)) if base else (),
        {
            name: pair.draw(
                image.id,
                wanted,
                counted.disagreement[name][image.id],
                counted.lost[name][image.id] if name in counted.lost else None,
            )
            for name, pair in counted.compared.items()
        },
    )


def _categories(data: Manifest, labels: str) -> tuple[Category, ...]:
    """The data set's, or without annotations the model's classes: category id = label + 1."""
    classes = read_labels(labels).classes
    return data.categories or tuple(Category(label + 1, name) for label, name in enumerate(classes))
