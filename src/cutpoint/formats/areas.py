"""Areas of objects that are no boxes: AP by size goes by the area of the object, as that of COCO's masks."""

import re
from collections.abc import Sequence

RUNS = re.compile(r"\s*\d{1,10}(\s*,\s*\d{1,10})*\s*", re.ASCII)


def polygon_area(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    """Area inside a polygon of N corners; null if it has none, or more than the box around it.

    A polygon whose sides cross may have parts that count against each other. COCO's own area is that of the
    mask, whose pixels are filled by the same rule except for such crossings.
    """
    crossed = (x * ys[n - 1] - xs[n - 1] * y for n, (x, y) in enumerate(zip(xs, ys, strict=True)))
    area = abs(sum(crossed)) / 2
    return area if 0 < area <= (max(xs) - min(xs)) * (max(ys) - min(ys)) else None


def mask_area(runs: str, width: float, height: float) -> float | None:
    """Pixels of CVAT's mask: lengths of runs, of pixels outside and inside the object in turn.

    Args:
        runs: whole numbers with commas between them; the first run is outside.
        width, height: of the mask, px.

    Returns:
        null if the runs are not those of a mask of this size, or none of them is inside.
    """
    if not RUNS.fullmatch(runs):
        return None
    lengths = [int(text) for text in runs.split(",")]
    inside = sum(lengths[1::2])
    return float(inside) if inside and sum(lengths) == width * height else None
