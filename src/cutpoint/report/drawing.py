"""A picture of panels side by side. Each panel is the image with boxes on it, drawn by supervision."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import supervision as sv
from PIL import Image, ImageDraw, ImageFont

# Colour of a class's boxes and labels, and a text colour that contrasts with it.
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
PANEL_PX = (480, 400)  # a panel's image is scaled to fit into this width and height
WIDE_PX = (1200, 400)  # the same for panoramas, with one panel above the other
WIDE_ASPECT = 2.0
GAP_PX, TEXT_PX, STRIP_PX = 8, 15, 26
FONT_PATH = str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"))
FONT = ImageFont.truetype(FONT_PATH, TEXT_PX)


@dataclass(frozen=True)
class Item:
    """A box to draw.

    Attributes:
        corners: ``(4,)`` float64 ``x1, y1, x2, y2``, original-image pixels.
        category_id: its category.
        score: null for ground truth.
        cause: for a detection that the other side lacks: what happened to its candidate there, in words.
        kind: ``plain``, ``thick`` (the other side lacks it) or ``crowd``.
    """

    corners: np.ndarray
    category_id: int
    score: float | None = None
    cause: str = ""
    kind: str = "plain"


def compose(
    picture: np.ndarray,
    panels: list[tuple[str, list[Item]]],
    names: dict[int, str],
    caption: str,
) -> np.ndarray:
    """Put panels into one picture with a caption.

    Args:
        picture: ``(H, W, 3)`` uint8, BGR.
        panels: heading and boxes of each panel, in original-image pixels.
        names: names of the categories, by id.
        caption: below all panels.

    Returns:
        ``(H', W', 3)`` uint8, BGR.
    """
    height, width = picture.shape[:2]
    wide = width / height > WIDE_ASPECT
    room = WIDE_PX if wide else PANEL_PX
    scale = min(room[0] / width, room[1] / height)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    picture = cv2.resize(picture, size, interpolation=method)
    lines = max(len(_lines(head, size[0])) for head, _ in panels)
    tiles = [
        np.vstack([_strip(head, size[0], lines), _annotate(picture, items, names, scale)])
        for head, items in panels
    ]
    tile_height, tile_width = tiles[0].shape[:2]
    gap = np.full((GAP_PX, tile_width, 3) if wide else (tile_height, GAP_PX, 3), 255, np.uint8)
    row = np.concatenate([part for tile in tiles for part in (gap, tile)][1:], axis=int(not wide))
    return np.vstack([row, _strip(caption, row.shape[1])])


def _annotate(picture: np.ndarray, items: list[Item], names: dict[int, str], scale: float) -> np.ndarray:
    """Draw the boxes. Crowd regions are tinted and have only corners; thick boxes stand out."""
    order = {category: index for index, category in enumerate(sorted(names))}
    annotators: dict[str, list[Any]] = {
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
    scene, drawn, texts = picture.copy(), [], []
    for kind, kind_annotators in annotators.items():
        same = [item for item in items if item.kind == kind]
        if same:
            drawn.append(_detections(same, order, scale))
            texts += [_label(item, names) for item in same]
            for annotator in kind_annotators:
                scene = annotator.annotate(scene, drawn[-1])
    # All labels go into one call, so that they do not overlap.
    return writer.annotate(scene, sv.Detections.merge(drawn), texts) if drawn else scene


def _detections(items: list[Item], order: dict[int, int], scale: float) -> sv.Detections:
    ids = [item.category_id for item in items]
    corners = np.array([item.corners for item in items])
    return sv.Detections(xyxy=corners * scale, class_id=np.array([order.get(id_, id_) for id_ in ids]))


def _label(item: Item, names: dict[int, str]) -> str:
    name = names.get(item.category_id, f"category {item.category_id}")
    score = "" if item.score is None else f" {item.score:.2f}"
    score += f" {item.cause}" if item.kind == "thick" and item.cause else ""
    return "≠ " * (item.kind == "thick") + name + score + " (crowd)" * (item.kind == "crowd")


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
