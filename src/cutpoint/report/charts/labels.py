"""Which side of its point a label stands on, so that it covers no other label, no point and no interval."""

from collections.abc import Sequence
from typing import Any

# how labels are drawn on each side: horizontal alignment, baseline, offset (px)
SIDES: dict[str, dict[str, Any]] = {
    "above": {"align": "center", "baseline": "bottom", "dx": 0, "dy": -6},
    "below": {"align": "center", "baseline": "top", "dx": 0, "dy": 6},
    "right": {"align": "left", "baseline": "middle", "dx": 7, "dy": 0},
    "left": {"align": "right", "baseline": "middle", "dx": -7, "dy": 0},
}
LETTER_PX, HEIGHT_PX, REACH_PX = 6.0, 11.0, 7.0
Box = tuple[float, float, float, float]


def sides(
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    size: tuple[float, float],
    lines: Sequence[Box] = (),
) -> list[str | None]:
    """The side of each label, the first labels first; null if no side is free.

    Args:
        points: x and y, px from the upper left corner.
        texts: their labels.
        size: width and height of the panel, px; no label leaves it.
        lines: what a label covers only if it has no other place: left, top, right, bottom, px.
    """
    taken: list[Box] = [(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    chosen: list[str | None] = []
    for (x, y), text in zip(points, texts, strict=True):
        boxes = _boxes(x, y, LETTER_PX * len(text))
        free = [side for side, box in boxes.items() if _is_free(box, taken, size)]
        clear = [side for side in free if _is_free(boxes[side], lines, size)]
        chosen.append(next(iter(clear + free), None))
        if side := chosen[-1]:
            taken.append(boxes[side])
    return chosen


def _boxes(x: float, y: float, width: float) -> dict[str, Box]:
    half, middle = width / 2, HEIGHT_PX / 2
    return {
        "above": (x - half, y - REACH_PX - HEIGHT_PX, x + half, y - REACH_PX),
        "below": (x - half, y + REACH_PX, x + half, y + REACH_PX + HEIGHT_PX),
        "right": (x + REACH_PX, y - middle, x + REACH_PX + width, y + middle),
        "left": (x - REACH_PX - width, y - middle, x - REACH_PX, y + middle),
    }


def _is_free(box: Box, taken: Sequence[Box], size: tuple[float, float]) -> bool:
    left, top, right, bottom = box
    if left < 0 or right > size[0] or top < 0 or bottom > size[1]:
        return False
    return all(right <= a or left >= c or bottom <= b or top >= d for a, b, c, d in taken)
