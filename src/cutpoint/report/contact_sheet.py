"""A contact sheet: small pictures of images with boxes, side by side, with a text under each."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cutpoint.data.headers import BadImage
from cutpoint.data.image import decode
from cutpoint.errors import UserError
from cutpoint.records.oddities import Corners
from cutpoint.report.drawing import FONT_PATH

# width and height of a tile's picture, and the height of a line of its text, px
TILE, LINE_PX = (296, 222), 20
COLUMNS, GAP_PX = 3, 8
FONT = ImageFont.truetype(FONT_PATH, 14)
# dark, so that neither a light nor a dark page is outshone; RGB
SHEET, INK, SOFT = (32, 36, 42), (240, 242, 245), (178, 186, 196)
# what lies outside the image, BGR
OUTSIDE = (92, 84, 78)
# a box is an orange line in a black case; a smaller one on the tile gets a ring of this radius too
COLOUR, CASE, RING_PX = (0, 160, 255), (0, 0, 0), 14
# more boxes than this on a tile are thin lines, without case and rings
CROWDED = 40
# characters of a line of a tile
LINE = 38
# so much of the image's side is shown on each side of it if a box lies there
MARGIN = 0.35


@dataclass(frozen=True)
class Tile:
    """An image of a sheet.

    Attributes:
        path: its file.
        title, said: the lines under it.
        boxes: drawn on it, in its pixels.
        reason: why it is not opened; empty if it is.
    """

    path: str
    title: str
    said: str
    boxes: Sequence[Corners]
    reason: str = ""


def draw_sheet(tiles: Sequence[Tile]) -> np.ndarray:
    """Put tiles into rows.

    An image that cannot be read is a tile that says so.

    Returns:
        ``(H, W, 3)`` uint8, BGR.
    """
    drawn = [_draw(tile) for tile in tiles]
    columns = min(COLUMNS, len(drawn))
    rows = -(-len(drawn) // columns)
    height, width = drawn[0].shape[:2]
    sheet = np.empty((rows * (height + GAP_PX) + GAP_PX, columns * (width + GAP_PX) + GAP_PX, 3), np.uint8)
    sheet[:] = SHEET[::-1]
    for number, tile in enumerate(drawn):
        top = GAP_PX + number // columns * (height + GAP_PX)
        left = GAP_PX + number % columns * (width + GAP_PX)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def _draw(tile: Tile) -> np.ndarray:
    """A tile with its text, ``(222 + 2 lines, 296, 3)``."""
    picture = np.empty((TILE[1], TILE[0], 3), np.uint8)
    picture[:] = SHEET[::-1]
    reason = tile.reason
    try:
        if not reason:
            shown = _view(tile)
            top, left = (TILE[1] - shown.shape[0]) // 2, (TILE[0] - shown.shape[1]) // 2
            picture[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
    except UserError as error:
        reason = error.reason if isinstance(error, BadImage) else str(error)
    canvas = Image.new("RGB", (TILE[0], TILE[1] + 2 * LINE_PX), SHEET)
    canvas.paste(Image.fromarray(picture[..., ::-1]))
    pen = ImageDraw.Draw(canvas)
    if reason:
        for number, line in enumerate(textwrap.wrap(reason, LINE)[:8]):
            pen.text((6, 20 + number * LINE_PX), line, fill=INK, font=FONT)
    pen.text((2, TILE[1] + 1), _fit(tile.title), fill=INK, font=FONT)
    pen.text((2, TILE[1] + LINE_PX + 1), _fit(tile.said), fill=SOFT, font=FONT)
    return np.asarray(canvas)[..., ::-1]


def _view(tile: Tile) -> np.ndarray:
    """The image with its boxes, scaled into a tile, with a part of what is outside it if a box is there."""
    picture = decode(tile.path)
    boxes = np.array(tile.boxes, dtype=float).reshape(-1, 4)
    # a box that is written with a negative side still has two corners
    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
    side = np.array(picture.shape[1::-1], dtype=float)
    reach = side * MARGIN
    # the image itself, and no further than the margin
    start = np.maximum(np.minimum(low.min(axis=0, initial=0), 0), -reach)
    end = np.minimum(np.maximum(high.max(axis=0, initial=0), side), side + reach)
    scale = min(TILE[0] / (end[0] - start[0]), TILE[1] / (end[1] - start[1]))
    room = np.maximum(np.round((end - start) * scale).astype(int), 1)
    view = np.empty((room[1], room[0], 3), np.uint8)
    view[:] = OUTSIDE
    at = np.round(-start * scale).astype(int)
    size = np.clip(np.round(side * scale).astype(int), 1, room - at)
    small = cv2.resize(picture, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    view[at[1] : at[1] + size[1], at[0] : at[0] + size[0]] = small
    # worst last, so that it lies on top
    corners = np.hstack([low, high])[::-1]
    drawn = np.clip(np.round((corners - np.tile(start, 2)) * scale), 0, np.tile(room, 2) - 1).astype(int)
    crowded = len(drawn) > CROWDED
    for colour, thickness in ((COLOUR, 1),) if crowded else ((CASE, 4), (COLOUR, 2)):
        for x1, y1, x2, y2 in drawn.tolist():
            cv2.rectangle(view, (x1, y1), (x2, y2), colour, thickness)
            if max(x2 - x1, y2 - y1) < RING_PX and not crowded:
                # the whole ring is on the view
                middle = np.array([(x1 + x2) // 2, (y1 + y2) // 2])
                x, y = np.clip(middle, np.minimum(RING_PX, room // 2), room - 1 - RING_PX).tolist()
                cv2.circle(view, (x, y), RING_PX, colour, thickness, cv2.LINE_AA)
    return view


def _fit(text: str) -> str:
    """The text with its middle left out if it is too long for a line."""
    if FONT.getlength(text) <= TILE[0] - 4:
        return text
    kept = len(text)
    while kept > 2 and FONT.getlength(short := f"{text[: kept // 2]}…{text[-(kept // 2) :]}") > TILE[0] - 4:
        kept -= 2
    return short
