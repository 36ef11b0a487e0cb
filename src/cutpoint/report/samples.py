"""Pictures of ground truth, reference and variant side by side."""

from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from cutpoint.errors import UserError
from cutpoint.files import replacing
from cutpoint.matching import AGREEMENT_IOU, group_rows, match
from cutpoint.records.autopsy import read_autopsy
from cutpoint.records.detections import Results, make_results, read_results, refusal_of_pair
from cutpoint.records.manifest import read_manifest
from cutpoint.records.samples import Picture, write_pictures
from cutpoint.records.truth import GroundTruth, read_truth
from cutpoint.report.drawing import Item, compose

NOTHING, NO_ROWS = make_results([]), np.zeros(0, dtype=np.int64)

# the step in words, by image, category, score, x1 and y1 of the autopsy's boxes
Causes = dict[tuple[float, ...], str]


def draw_samples(
    *,
    manifest: str,
    truth: str | None,
    reference_detections: str,
    variant_detections: str,
    autopsy: str,
    reference_name: str,
    variant_name: str,
    classes: list[str] | None,
    count: int,
    score_thr: float,
    out_dir: str,
) -> None:
    """Draw the images where a variant differs most from the reference.

    Images are sorted by their number of unmatched detections at or above ``score_thr``, most first; then
    images with detections come first; then by image id. A detection is matched by one of the same class
    with IoU >= 0.9, one to one, at any score: if rounding moves a score across ``score_thr``, this is not a
    difference. Unmatched detections are drawn thick, with the label ≠ and what happened to their candidate on
    the other side.

    Args:
        manifest: path of the data set's manifest JSON.
        truth: path of the JSON of ``truth.build_truth``; null without annotations: then there is no panel of
            ground truth.
        reference_detections: path of the reference's detections file.
        variant_detections: path of the variant's. If one of the two is refused, no picture is drawn.
        autopsy: path of the variant's Parquet of ``autopsy.autopsy``, for the labels of unmatched boxes.
        reference_name: the reference's name, for the caption.
        variant_name: the variant's name, for the caption.
        classes: the model's class names, index = label, for data sets without annotations, whose
            category id is label + 1; ignored with annotations.
        count: how many images to draw, at most.
        score_thr: only detections with at least this score are drawn and counted.
        out_dir: folder of ``{rank}_{image_id}.jpg`` and ``index.json``, a list of
            ``{file, image_id, caption}``; pictures of an earlier call are removed.

    Raises:
        UserError: if an image cannot be read.
    """
    folder = Path(out_dir)
    for old in folder.glob("[0-9]*_[0-9]*.jpg"):
        old.unlink()
    if refusal_of_pair(reference_detections, variant_detections) is not None:
        write_pictures(folder / "index.json", [])
        return
    data = read_manifest(manifest)
    causes = _read_causes(autopsy)
    sides = [
        _by_image(read_results(path))
        for side, path in (("reference", reference_detections), ("variant", variant_detections))
    ]
    names = {category.id: category.name for category in data.categories} or {
        label + 1: name for label, name in enumerate(classes or [])
    }
    annotated = read_truth(truth) if truth else None
    objects_of = group_rows(annotated.image_id) if annotated is not None else {}
    ranked = []
    for image in data.images:
        reference, variant = (side.get(image.id, NOTHING) for side in sides)
        shown = [
            _visible(reference, variant, score_thr, causes["reference"]),
            _visible(variant, reference, score_thr, causes["variant"]),
        ]
        unmatched = sum(_count_unmatched(side) for side in shown)
        empty = not any(shown)
        ranked.append(((-unmatched, empty, image.id), image, shown))
    ranked.sort(key=lambda entry: entry[0])

    index = []
    for rank, (_, image, shown) in enumerate(tqdm(ranked[:count], "samples", unit="image")):
        heads = (f"reference: {reference_name}", f"variant: {variant_name}")
        panels = [(_count_text(head, side), side) for head, side in zip(heads, shown, strict=True)]
        if annotated is not None:
            objects = _objects(annotated, objects_of.get(image.id, NO_ROWS))
            panels.insert(0, (f"ground truth: {len(objects)}", objects))
        caption = _caption(f"image {image.id} ({image.file_name})", shown, score_thr)
        name = f"{rank:02d}_{image.id}.jpg"
        _save(folder / name, compose(_read(image.path), panels, names, caption))
        index.append(Picture(name, image.id, caption))
    write_pictures(folder / "index.json", index)


def _read_causes(autopsy: str) -> dict[str, Causes]:
    """The step that removed the other side's candidate, by side and detection."""
    columns = ("image_id", "category_id", "score", "x1", "y1")
    causes: dict[str, Causes] = {"reference": {}, "variant": {}}
    for row in read_autopsy(autopsy):
        causes[row.side][tuple(getattr(row, name) for name in columns)] = row.step.replace("_", " ")
    return causes


def _by_image(results: Results) -> dict[int, Results]:
    return {image: results.take(rows) for image, rows in group_rows(results.image_id).items()}


def _objects(truth: GroundTruth, rows: np.ndarray) -> list[Item]:
    """The boxes of ground truth in these rows."""
    columns = truth.corners[rows], truth.category_id[rows].tolist(), truth.iscrowd[rows]
    return [
        Item(corners, category, kind="crowd" if crowd else "plain")
        for corners, category, crowd in zip(*columns, strict=True)
    ]


def _visible(own: Results, other: Results, score_thr: float, causes: Causes) -> list[Item]:
    """The detections to draw, best first; detections that the other side lacks are thick."""
    order = np.argsort(-own.score, kind="stable")
    own = own.take(order[own.score[order] >= score_thr])
    alike = own.category_id[:, None] == other.category_id[None]
    pairs = match(own.corners, own.score, other.corners, AGREEMENT_IOU, alike)
    kinds = np.full(len(own), "thick")
    kinds[pairs.left] = "plain"
    keys = zip(own.image_id, own.category_id, own.score, *own.bbox[:, :2].T, strict=True)
    return [
        Item(corners, int(key[1]), float(key[2]), causes.get(key, ""), str(kind))
        for corners, key, kind in zip(own.corners, keys, kinds, strict=True)
    ]


def _count_unmatched(side: list[Item]) -> int:
    return sum(item.kind == "thick" for item in side)


def _count_text(head: str, side: list[Item]) -> str:
    unmatched = _count_unmatched(side)
    return f"{head}: {len(side)}" + (f", {unmatched} unmatched (≠)" if unmatched else "")


def _caption(title: str, shown: list[list[Item]], score_thr: float) -> str:
    only = [_count_unmatched(side) for side in shown]
    difference = (
        "every detection matched"
        if not any(only)
        else (f"{only[0]} only in the reference, {only[1]} only in the variant")
    )
    return f"{title}: score >= {score_thr:g}; {difference} (same class, IoU >= {AGREEMENT_IOU:g})"


def _read(path: str) -> np.ndarray:
    """(H, W, 3) uint8, BGR."""
    picture = cv2.imread(path, cv2.IMREAD_COLOR)
    if picture is None:
        raise UserError(f"cannot read the image {path}: restore it or leave it out of the data set")
    return picture


def _save(path: Path, picture: np.ndarray) -> None:
    with replacing(path) as temporary:
        cv2.imwrite(str(temporary), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
