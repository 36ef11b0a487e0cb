"""Pictures that show ground truth, reference and variant side by side, drawn by supervision."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import supervision as sv
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from cutpoint.compare.agreement import AGREEMENT_IOU, match
from cutpoint.errors import UserError
from cutpoint.files import read_json, replacing
from cutpoint.records.autopsy import read_autopsy
from cutpoint.records.detections import read_detections, refusal_of_pair
from cutpoint.records.samples import Picture, write_pictures

# Background of the class's boxes and labels, and the label's text colour that contrasts with it.
COLOURS = {
    "#D55E00": "#FFFFFF",
    "#0072B2": "#FFFFFF",
    "#00845F": "#FFFFFF",
    "#F0E442": "#000000",
    "#A0468C": "#FFFFFF",
    "#56B4E9": "#000000",
    "#E69F00": "#000000",
    "#7A4419": "#FFFFFF",
    "#B5E48C": "#000000",
    "#C1121F": "#FFFFFF",
    "#3A0CA3": "#FFFFFF",
    "#FFAFCC": "#000000",
}
BACKGROUNDS = sv.ColorPalette.from_hex(list(COLOURS))
INKS = sv.ColorPalette.from_hex(list(COLOURS.values()))
PANEL_PX = (480, 400)  # width and height that a panel's image is scaled to fit
WIDE_PX = (1200, 400)  # the same for panoramas, whose panels stand one above the other
WIDE_ASPECT = 2.0
GAP_PX, TEXT_PX, STRIP_PX = 8, 15, 26
FONT_PATH = str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"))
FONT = ImageFont.truetype(FONT_PATH, TEXT_PX)


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

    Images come in the order of their number of unmatched detections at or above ``score_thr``,
    most first, then those with detections before those without, then by image id. A detection is
    matched by one of the same class with IoU >= 0.9, one to one, at any score: a score that
    rounding moves across ``score_thr`` is no difference. Unmatched ones are drawn thick and
    labelled with ≠ and what became of their candidate on the other side.

    Args:
        manifest: path of the data set's manifest JSON.
        truth: path of the JSON of ``truth.build_truth``; null without annotations: there is no panel of
            ground truth.
        reference_detections: path of the reference's detections file.
        variant_detections: the same of the variant. Where one of the two is refused, nothing is drawn.
        autopsy: path of the variant's Parquet of ``autopsy.autopsy``, for the labels of unmatched ones.
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
    data = read_json(manifest)
    causes = _read_causes(autopsy)
    sides = [
        _by_image(_with_cause(d, causes[side]) for d in read_detections(path))
        for side, path in (("reference", reference_detections), ("variant", variant_detections))
    ]
    names = {entry["id"]: entry["name"] for entry in data["categories"]} or {
        label + 1: name for label, name in enumerate(classes or [])
    }
    objects_of = _by_image(read_json(truth)["annotations"]) if truth else None
    ranked = []
    for image in data["images"]:
        reference, variant = (side.get(image["id"], []) for side in sides)
        shown = [_visible(reference, variant, score_thr), _visible(variant, reference, score_thr)]
        unmatched = sum(not matched for side in shown for _, matched in side)
        empty = not any(shown)
        ranked.append(((-unmatched, empty, image["id"]), image, shown))
    ranked.sort(key=lambda entry: entry[0])

    index = []
    for rank, (_, image, shown) in enumerate(tqdm(ranked[:count], "samples", unit="image")):
        heads = (f"reference: {reference_name}", f"variant: {variant_name}")
        panels = [
            (_count_text(head, side), [(item, not matched) for item, matched in side])
            for head, side in zip(heads, shown, strict=True)
        ]
        if objects_of is not None:
            objects = objects_of.get(image["id"], [])
            panels.insert(0, (f"ground truth: {len(objects)}", [(item, False) for item in objects]))
        caption = _caption(image, shown, score_thr)
        name = f"{rank:02d}_{image['id']}.jpg"
        _save(folder / name, _compose(_read(image["path"]), panels, names, caption))
        index.append(Picture(name, image["id"], caption))
    write_pictures(folder / "index.json", index)


def _read_causes(autopsy: str) -> dict[str, dict[tuple[float, ...], str]]:
    """By side and detection: the step that the other side's candidate ended at."""
    columns = ("image_id", "category_id", "score", "x1", "y1")
    causes: dict[str, dict[tuple[float, ...], str]] = {"reference": {}, "variant": {}}
    for row in read_autopsy(autopsy):
        causes[row.side][tuple(getattr(row, name) for name in columns)] = row.step.replace("_", " ")
    return causes


def _with_cause(item: dict[str, Any], causes: dict[tuple[float, ...], str]) -> dict[str, Any]:
    key = (item["image_id"], item["category_id"], item["score"], *item["bbox"][:2])
    return item | {"cause": causes.get(key, "")}


def _by_image(items: Iterable[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    groups: dict[int, list[dict[str, Any]]] = {}
    for item in items:
        groups.setdefault(item["image_id"], []).append(item)
    return groups


def _visible(
    own: list[dict[str, Any]], other: list[dict[str, Any]], score_thr: float
) -> list[tuple[dict[str, Any], bool]]:
    """The detections to draw, best first, each with whether the other side has it too."""
    own = sorted(own, key=lambda item: -item["score"])
    own = [item for item in own if item["score"] >= score_thr]
    matched: set[int] = set()
    for category in {item["category_id"] for item in own}:
        places = [i for i, item in enumerate(own) if item["category_id"] == category]
        partners = [item for item in other if item["category_id"] == category]
        scores = np.array([own[i]["score"] for i in places])
        boxes = _xyxy([own[i] for i in places])
        found, _ = match(boxes, scores, _xyxy(partners), AGREEMENT_IOU)
        matched.update(places[i] for i in found)
    return [(item, i in matched) for i, item in enumerate(own)]


def _xyxy(items: list[dict[str, Any]]) -> np.ndarray:
    """(N, 4) float64, x1, y1, x2, y2 in original-image pixels; (0, 4) if there are none."""
    boxes = np.array([item["bbox"] for item in items], dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def _count_text(head: str, side: list[tuple[dict[str, Any], bool]]) -> str:
    unmatched = sum(not matched for _, matched in side)
    return f"{head}: {len(side)}" + (f", {unmatched} unmatched (≠)" if unmatched else "")


def _caption(image: dict[str, Any], shown: list[list[tuple[dict[str, Any], bool]]], score_thr: float) -> str:
    only = [sum(not matched for _, matched in side) for side in shown]
    difference = (
        "every detection matched"
        if not any(only)
        else (f"{only[0]} only in the reference, {only[1]} only in the variant")
    )
    return (
        f"image {image['id']} ({image['file_name']}): score >= {score_thr:g}; "
        f"{difference} (same class, IoU >= {AGREEMENT_IOU:g})"
    )


def _read(path: str) -> np.ndarray:
    """(H, W, 3) uint8, BGR."""
    picture = cv2.imread(path, cv2.IMREAD_COLOR)
    if picture is None:
        raise UserError(f"cannot read the image {path}: restore it or leave it out of the data set")
    return picture


def _compose(
    picture: np.ndarray,
    panels: list[tuple[str, list[tuple[dict[str, Any], bool]]]],
    names: dict[int, str],
    caption: str,
) -> np.ndarray:
    """Put the panels (heading, objects with "draw it thick") into one picture with a caption."""
    height, width = picture.shape[:2]
    wide = width / height > WIDE_ASPECT
    room = WIDE_PX if wide else PANEL_PX
    scale = min(room[0] / width, room[1] / height)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    picture = cv2.resize(picture, size, interpolation=method)
    lines = max(len(_lines(head, size[0])) for head, _ in panels)
    tiles = [
        np.vstack([_strip(head, size[0], lines), _annotate(picture, objects, names, scale)])
        for head, objects in panels
    ]
    tile_height, tile_width = tiles[0].shape[:2]
    gap = np.full((GAP_PX, tile_width, 3) if wide else (tile_height, GAP_PX, 3), 255, np.uint8)
    row = np.concatenate([part for tile in tiles for part in (gap, tile)][1:], axis=int(not wide))
    return np.vstack([row, _strip(caption, row.shape[1])])


def _annotate(
    picture: np.ndarray,
    objects: list[tuple[dict[str, Any], bool]],
    names: dict[int, str],
    scale: float,
) -> np.ndarray:
    """Draw the objects; crowd regions are tinted with corners only, thick ones stand out."""
    order = {category: index for index, category in enumerate(sorted(names))}
    kinds: dict[str, list[dict[str, Any]]] = {"crowd": [], "thick": [], "plain": []}
    for item, thick in objects:
        kind = "crowd" if item.get("iscrowd") else "thick" if thick else "plain"
        kinds[kind].append(item)
    boxes = {
        "crowd": [
            sv.ColorAnnotator(BACKGROUNDS, opacity=0.3),
            sv.BoxCornerAnnotator(BACKGROUNDS, thickness=3, corner_length=14),
        ],
        "thick": [sv.BoxAnnotator(BACKGROUNDS, thickness=4)],
        "plain": [sv.BoxAnnotator(BACKGROUNDS, thickness=2)],
    }
    writer = sv.RichLabelAnnotator(
        color=BACKGROUNDS,
        text_color=INKS,
        font_path=FONT_PATH,
        font_size=TEXT_PX - 3,
        text_padding=1,
        smart_position=True,
    )
    scene, found, texts = picture.copy(), [], []
    for kind, items in kinds.items():
        if items:
            found.append(_detections(items, order, scale))
            texts += [_label(item, names, kind) for item in items]
            for annotator in boxes[kind]:
                scene = annotator.annotate(scene, found[-1])
    # All labels in one call keep out of each other's way.
    return writer.annotate(scene, sv.Detections.merge(found), texts) if found else scene


def _detections(items: list[dict[str, Any]], order: dict[int, int], scale: float) -> sv.Detections:
    ids = [item["category_id"] for item in items]
    return sv.Detections(xyxy=_xyxy(items) * scale, class_id=np.array([order.get(id_, id_) for id_ in ids]))


def _label(item: dict[str, Any], names: dict[int, str], kind: str) -> str:
    name = names.get(item["category_id"], f"category {item['category_id']}")
    score = f" {item['score']:.2f}" if "score" in item else ""
    score += f" {item['cause']}" if kind == "thick" and item.get("cause") else ""
    return "≠ " * (kind == "thick") + name + score + " (crowd)" * (kind == "crowd")


def _lines(text: str, width: int) -> list[str]:
    """Break the text into lines that fit ``width`` pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and FONT.getlength(longer) > width - GAP_PX:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _strip(text: str, width: int, lines: int = 1) -> np.ndarray:
    """(H, width, 3) uint8: dark text on white, of at least ``lines`` lines."""
    broken = _lines(text, width)
    strip = Image.new("RGB", (width, STRIP_PX * max(lines, len(broken))), "white")
    pen = ImageDraw.Draw(strip)
    for number, line in enumerate(broken):
        pen.text((GAP_PX // 2, STRIP_PX * number + 4), line, fill="#111111", font=FONT)
    return np.asarray(strip)


def _save(path: Path, picture: np.ndarray) -> None:
    with replacing(path) as temporary:
        cv2.imwrite(str(temporary), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
